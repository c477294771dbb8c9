"""Files whose layers have a class and a number instead of a name, as early versions of Keras 3 wrote them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import keras
import numpy as np

from keras_resnet.architecture import Architecture
from keras_resnet.layers.conventions import channel_axis
from keras_resnet.model import build_network
from keras_resnet.weights.extent import check_extent
from keras_resnet.weights.naming import Arrays

# The classes that have weights in the networks of others, as such a file calls them, and those of this package.
KINDS = {"conv2d": "Conv2D", "batch_normalization": "BatchNormalization", "dense": "Dense"}
NAMELESS = rf"(.+/)?({'|'.join(KINDS)})(_\d+)?/\w+"

Layers = Mapping[str, Arrays]  # arrays by the names of their layers and their own


def is_nameless(arrays: Arrays) -> bool:
    """Tell whether a file calls its layers by class and number only."""
    return all(re.fullmatch(NAMELESS, name) for name in arrays)


def name_by_order(arrays: Arrays, architecture: Architecture | None) -> dict[str, np.ndarray]:
    """Give the layers of such a file the names of those of the described network, in whose order they stand.

    Keras counts the layers of a class in the order of a model's graph, and a network of the same operations has that
    order here too. Every count and shape must fit.
    """
    if architecture is None:
        raise ValueError(
            f"layers without names, such as {next(iter(arrays)).rpartition('/')[0]}, and no configuration of KerasHub "
            "that would tell what they are; give the .keras archive, or model.weights.h5 in the folder of its preset, "
            "beside config.json."
        )
    layers: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        layer, _, weight = name.rpartition("/")
        layers.setdefault(layer, {})[weight] = array
    model = _network(architecture, layers, arrays)
    return {name: array for kind in KINDS for name, array in _named(kind, layers, model).items()}


def _named(kind: str, layers: Layers, model: keras.Model) -> dict[str, np.ndarray]:
    """Name the layers of one class."""
    theirs = [layer for layer in layers if re.fullmatch(rf"(.+/)?{kind}(_\d+)?", layer)]
    here = [layer for layer in model.layers if type(layer).__name__ == KINDS[kind]]
    if len(theirs) != len(here):
        raise ValueError(
            f"{len(theirs)} layers {kind!r} without names, and the network of its configuration has {len(here)}."
        )
    named = {}
    for layer, own in zip(theirs, here):
        shapes = {weight.name: tuple(weight.shape) for weight in own.weights}
        if {weight: array.shape for weight, array in layers[layer].items()} != shapes:
            raise ValueError(
                f"a layer {layer!r} without a name that is not {own.name}, which its configuration puts there."
            )
        named.update({f"{own.name}/{weight}": array for weight, array in layers[layer].items()})
    return named


def _network(architecture: Architecture, layers: Layers, arrays: Arrays) -> keras.Model:
    """Build the described network, for as many channels and classes as the file has."""
    stem = next((arrays["kernel"] for layer, arrays in layers.items() if re.fullmatch(r"(.+/)?conv2d", layer)), None)
    head = next((arrays["kernel"] for layer, arrays in layers.items() if re.fullmatch(r"(.+/)?dense", layer)), None)
    channels = 3 if stem is None else stem.shape[2]
    shape = (None, None, channels) if channel_axis() == 3 else (channels, None, None)
    classes = None if head is None else head.shape[-1]
    check_extent(architecture, arrays, channels, classes)
    return build_network(architecture, include_top=head is not None, classes=classes, input_shape=shape)
