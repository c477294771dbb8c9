"""Multi-scale features: where the levels of a network lie, and a model that gives them."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.layers import Level, ResidualNetwork
from keras_resnet.messages import unknown
from keras_resnet.units import Unit


def levels_of(architecture: Architecture, stages: Sequence[Sequence[Unit]]) -> dict[str, Level]:
    """Find the last map of each scale: before the unit that strides or dilates, or before the pool, or at the end.

    In a pre-activation network the map is taken behind the normalisation and activation that open the next unit.

    Args:
        architecture: Architecture.
        stages: the network's units, as of `network.units`.

    Returns:
        Dict of names, "C2" for the first scale after the stem, to Levels.
    """
    ends = {stage[-1].name for stage in stages}
    units = [unit for stage in stages for unit in stage]
    stride, levels = architecture.stem_stride, {}
    first = 1 if architecture.stem == "none" else 2
    pools = architecture.downsampling == "max_pool"
    for unit, following in zip(units, [*units[1:], None]):
        stride *= unit.stride
        steps = following is None or following.stride > 1 or following.dilates
        if steps or (pools and unit.name in ends):
            levels[f"C{first + len(levels)}"] = Level(_tap(architecture, unit, following), stride)
            stride *= 2 if pools else 1
    return levels


def _tap(architecture: Architecture, unit: Unit, following: Unit | None) -> str:
    if not architecture.is_preactivation:
        return f"{unit.name}_out"
    return "post_relu" if following is None else f"{following.name}_preact_relu"


def features(model: keras.Model, levels: Sequence[str | int] = ("C2", "C3", "C4", "C5")) -> keras.Model:
    """Cut the features of several scales out of a network; the layers and their weights are the network's own.

    Args:
        model: keras.Model that this package built, or that was loaded from a file of such.
        levels: names of levels, as in "C4", or their strides, as in 16 (of several, the last).

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
    chosen = [_name_of(level, known) for level in levels]
    outputs = {name: model.get_layer(known[name].layer).output for name in chosen}
    kept = {name: known[name] for name in chosen}
    preprocessing = model.preprocessing
    return ResidualNetwork(
        model.input, outputs, name=f"{model.name}_features", levels=kept, preprocessing=preprocessing
    )


def _name_of(level: str | int, known: dict[str, Level]) -> str:
    by_stride = {row.stride: name for name, row in known.items()}
    if level in known:
        return level
    if level in by_stride:
        return by_stride[level]
    kind, allowed = ("stride", map(str, by_stride)) if isinstance(level, int) else ("level", known)
    raise ValueError(unknown(kind, level, allowed))
