"""Parameters and multiply-adds of a network, read off its layers."""

from __future__ import annotations

import math

import keras

# Weights that no gradient reaches: moving statistics, and where a layer that draws numbers stands.
STATE = ("moving_mean", "moving_variance", "seed_generator_state")


def count_parameters(model: keras.Model) -> int:
    """Count the parameters that training can set, those of frozen layers too.

    Args:
        model: keras.Model, built.

    Returns:
        int; the moving statistics of batch normalization are not among them.
    """
    return sum(math.prod(weight.shape) for weight in model.weights if weight.name not in STATE)


def count_multiply_adds(model: keras.Model) -> int:
    """Count the multiply-adds of all convolutions and dense layers for one image.

    Args:
        model: keras.Model on the functional API, with a fixed image size.

    Returns:
        int; additions of biases, normalizations and activations are not counted, as in the papers.

    Raises:
        ValueError: the image size is not fixed.

    Source: arXiv 1512.03385, Table 1, "FLOPs (multiply-adds)".
    """
    if None in model.input_shape[1:]:
        raise ValueError(
            f"Multiply-adds depend on the image size, and {model.name!r} takes any: its input shape is "
            f"{model.input_shape[1:]}. Build it with a fixed input_shape."
        )
    return sum(_layer_multiply_adds(layer) for layer in model.layers)


def _layer_multiply_adds(layer: keras.layers.Layer) -> int:
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape)
    if not isinstance(layer, keras.layers.Conv2D):
        return 0
    shape = layer.output.shape[1:]
    pixels = math.prod(shape) // layer.filters
    return pixels * math.prod(layer.kernel.shape)
