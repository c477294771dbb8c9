"""How strongly layers respond: the standard deviation of what convolutions give, before the activation."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import keras
import numpy as np

from keras_resnet.analysis.execution import as_numpy, batches, check_images, run
from keras_resnet.analysis.graph import sources

# The convolutions of stem and units; those of shortcuts have the number 0.
TRUNK = re.compile(r"conv1(_\d+)?_conv|conv\d+_block\d+_[1-9]_conv")


def layer_responses(model: keras.Model, images: Any, training: bool = False) -> dict[str, float]:
    """Measure the standard deviation of each convolution's output, after normalization and before anything else.

    A convolution that no normalization follows is measured itself. Convolutions of shortcuts are left out.

    Args:
        model: keras.Model of this package.
        images: array (number, height, width, channels), standardized as the network takes them.
        training: bool, whether normalization takes the statistics of each batch of 32 rather than the moving ones.

    Returns:
        Dict of float by name of the convolution, in the order of the network.

    Raises:
        ValueError: the images do not fit.

    Source: arXiv 1512.03385, section 4.2, "Analysis of Layer Responses", and Figure 7.
    """
    images, measured = check_images(model, images), _measured_layers(model)
    moments: dict[str, list[tuple[int, float, float]]] = defaultdict(list)

    def look(name: str, output: Any) -> Any:
        if name in measured:
            values = as_numpy(output).astype("float64")
            moments[measured[name]].append((values.size, values.mean(), values.var()))
        return output

    for (batch,) in batches(images):
        run(model, batch, training=training, leave=look)
    return {name: _deviation(moments[name]) for name in measured.values()}


def _measured_layers(model: keras.Model) -> dict[str, str]:
    """Pair the layers to look at with the convolutions that they measure."""
    following: dict[str, list[keras.layers.Layer]] = defaultdict(list)
    for layer in model.layers:
        for source in sources(layer):
            following[source.name].append(layer)
    measured = {}
    for layer in model.layers:
        if TRUNK.fullmatch(layer.name):
            norms = [after for after in following[layer.name] if isinstance(after, keras.layers.BatchNormalization)]
            measured[norms[0].name if norms else layer.name] = layer.name
    return measured


def _deviation(moments: list[tuple[int, float, float]]) -> float:
    """Put the moments of batches together: the variance within them and that of their means."""
    sizes, means, variances = map(np.array, zip(*moments))
    mean = np.average(means, weights=sizes)
    return float(np.sqrt(np.average(variances + (means - mean) ** 2, weights=sizes)))
