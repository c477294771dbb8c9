"""Multi-scale features: a model that gives the maps of several levels of a network."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_resnet.build.stages import Level
from keras_resnet.messages import unknown
from keras_resnet.model import ResidualNetwork, carried


def features(model: keras.Model, levels: str | int | Sequence[str | int] = ("C2", "C3", "C4", "C5")) -> keras.Model:
    """Cut the features of several scales out of a network; the layers and their weights are the network's own.

    Args:
        model: keras.Model that this package built, or that was loaded from a file of such.
        levels: names of levels, as in "C4", or their strides, as in 16 (of several, the last); or a single one.

    Returns:
        keras.Model from the network's input to a dict of feature maps by name of the level; its `levels` is a dict of
        the same names to `Level`s.

    Raises:
        ValueError: the model has no such level.
    """
    known: dict[str, Level] = getattr(model, "levels", None) or {}
    if not known:
        raise ValueError(
            f"{model.name!r} does not say where its features lie; cut a network that keras_resnet built, or use "
            "keras.Model(model.input, model.get_layer(name).output)."
        )
    chosen = [_name_of(level, known) for level in ([levels] if isinstance(levels, (str, int)) else levels)]
    outputs = {name: model.get_layer(known[name].layer).output for name in chosen}
    kept = {name: known[name] for name in chosen}
    known_of_it = {**carried(model), "levels": kept, "labels": None}
    return ResidualNetwork(model.input, outputs, name=f"{model.name}_features", **known_of_it)


def _name_of(level: str | int, known: dict[str, Level]) -> str:
    by_stride = {row.stride: name for name, row in known.items()}
    if level in known:
        return level
    if level in by_stride:
        return by_stride[level]
    kind, allowed = ("stride", map(str, by_stride)) if isinstance(level, int) else ("level", known)
    raise ValueError(unknown(kind, level, allowed))
