"""How many pixels of the image one pixel of a map depends on, read off the graph of a model."""

from __future__ import annotations

import math
from typing import NamedTuple

import keras

from keras_resnet.analysis.graph import sources

POOLS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
WHOLE = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)


class ReceptiveField(NamedTuple):
    """What one pixel of a map depends on.

    Args:
        size: float, pixels of the image along one side, those beyond its edges too; infinite behind a global pool.
        stride: int, pixels of the image from one pixel of the map to the next.
    """

    size: float
    stride: int


def receptive_fields(model: keras.Model) -> dict[str, ReceptiveField]:
    """Compute the receptive field of every layer's output along its longest path from the image.

    A kernel of k pixels on a map of stride s adds (k - 1) s pixels, (k - 1) d s where it is dilated d times. What
    squeeze-and-excitation multiplies has seen the whole image.

    Args:
        model: keras.Model on the functional API, with one input.

    Returns:
        Dict of ReceptiveField by the layer's name.

    Source: Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks", Distill 2019.
    """
    fields: dict[str, ReceptiveField] = {}
    for layer in model.layers:  # every layer behind those that feed it
        before = [fields[source.name] for source in sources(layer) if source.name in fields]
        longest = ReceptiveField(*map(max, zip(*before))) if before else ReceptiveField(1, 1)
        fields[layer.name] = _through(layer, longest)
    return fields


def _through(layer: keras.layers.Layer, before: ReceptiveField) -> ReceptiveField:
    if isinstance(layer, WHOLE):
        return ReceptiveField(math.inf, before.stride)
    if isinstance(layer, keras.layers.Conv2D):
        reach = max((size - 1) * rate for size, rate in zip(layer.kernel_size, layer.dilation_rate))
    elif isinstance(layer, POOLS):
        reach = max(layer.pool_size) - 1
    else:
        return before
    return ReceptiveField(before.size + reach * before.stride, before.stride * max(layer.strides))
