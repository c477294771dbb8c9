"""Whether weights are of the network that a user names."""

from __future__ import annotations

import itertools
import os
import re

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.architecture.catalogue import CATALOGUE, get_architecture
from keras_resnet.build.stages import units_of
from keras_resnet.choices.stems import STEMS
from keras_resnet.choices.units import UNITS

Shape = tuple[int, int, int]  # side of the kernel, groups, filters

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
    """Refuse a network of this package whose units are not those of the network that was named.

    Its activation and shortcuts may be others.
    """
    architecture = getattr(model, "architecture", None)
    found = _convolutions_of(model) if architecture is None else _convolutions(architecture)
    named = _convolutions(get_architecture(name))
    if differing := sorted(layer for layer in {*found, *named} if found.get(layer) != named.get(layer)):
        raise ValueError(
            f"{os.fspath(path)!r} holds {model.name!r}, not {name}: they differ in {len(differing)} convolutions, as "
            f"in {differing[0]}."
        )


def _convolutions_of(model: keras.Model) -> dict[str, Shape]:
    """Read side of the kernel, groups and filters off the convolutions of a network from a file of version 0.1.0."""
    return {
        layer.name: (layer.kernel_size[0], layer.groups, layer.filters)
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and re.fullmatch(CONVOLUTION, layer.name)
    }


def _convolutions(architecture: Architecture) -> dict[str, Shape]:
    """Give side of the kernel, groups and filters of the convolutions of stem and units, by their layers' names."""
    stem, pieces = STEMS[architecture.stem], architecture.pieces
    found = {}
    for index, (side, multiple) in enumerate(zip(stem.kernels, stem.filters), start=1):
        name = f"conv1_{index}_conv" if len(stem.kernels) > 1 else "conv1_conv"
        found[name] = (side, 1, int(architecture.stem_filters * multiple) * pieces)
    kernels, expansion = UNITS[architecture.unit]
    for unit in itertools.chain.from_iterable(units_of(architecture)):
        for index, side in enumerate(kernels, start=1):
            filters = unit.width * expansion if index == len(kernels) else unit.filters_inside
            found[f"{unit.name}_{index}_conv"] = (side, architecture.groups if side == 3 else 1, filters * pieces)
    return found
