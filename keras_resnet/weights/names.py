"""Whether weights are of the network that a user names."""

from __future__ import annotations

import os
import re

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.architecture.catalogue import CATALOGUE, get_architecture
from keras_resnet.model import build_network

# What names and shapes of weights decide, and a network's name too.
DECIDED = (
    "unit",
    "blocks",
    "widths",
    "stem",
    "stem_filters",
    "placement",
    "groups",
    "width_per_group",
    "squeeze_excitation",
    "projection",
)
# Convolutions of the stem and of residual branches; what stands on a shortcut is another choice than the network's.
CONVOLUTION = r"conv\d+_(block\d+_)?([1-9]_)?conv"


def check_architecture(found: Architecture, name: str, path: str | os.PathLike) -> None:
    """Refuse a checkpoint of another network than the one that was named."""
    named = get_architecture(name)
    for field in DECIDED:
        if getattr(found, field) != getattr(named, field):
            raise ValueError(
                f"{os.fspath(path)!r} holds {known_as(found)}, not {name}: its {field} is {getattr(found, field)!r}, "
                f"and that of {name} {getattr(named, field)!r}."
            )


def known_as(architecture: Architecture) -> str:
    """Name the network of the catalogue that an architecture is, as far as names and shapes of weights decide it."""
    for name, known in CATALOGUE.items():
        if all(getattr(known, field) == getattr(architecture, field) for field in DECIDED):
            return name
    return f"a network of {architecture.depth} layers"


def check_model(model: keras.Model, name: str, path: str | os.PathLike) -> None:
    """Refuse a network of this package that is another than the one that was named."""
    found, named = _convolutions(model), _convolutions(build_network(get_architecture(name), include_top=False))
    if differing := sorted(layer for layer in {*found, *named} if found.get(layer) != named.get(layer)):
        raise ValueError(
            f"{os.fspath(path)!r} holds {model.name!r}, not {name}: they differ in {len(differing)} convolutions, as "
            f"in {differing[0]}."
        )


def _convolutions(model: keras.Model) -> dict[str, tuple]:
    """Give kernel size, groups and filters of the convolutions by their layers' names."""
    return {
        layer.name: (layer.kernel_size, layer.groups, layer.filters)
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and re.fullmatch(CONVOLUTION, layer.name)
    }
