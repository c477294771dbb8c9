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
    return parameters_of(model)


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
    check_fixed_size(model)
    return sum(multiply_adds_of(layer) for layer in model.layers)


def check_fixed_size(model: keras.Model) -> None:
    """Refuse a model that takes images of any size, on which its multiply-adds depend."""
    if None in model.input_shape[1:]:
        raise ValueError(
            f"Multiply-adds depend on the image size, and {model.name!r} takes any: its input shape is "
            f"{model.input_shape[1:]}. Build it with a fixed input_shape."
        )


def parameters_of(layer: keras.layers.Layer) -> int:
    """Count the parameters of a layer, or of a whole model, that training can set."""
    return sum(math.prod(weight.shape) for weight in layer.weights if weight.name not in STATE)


def multiply_adds_of(layer: keras.layers.Layer) -> int:
    """Count the multiply-adds of a layer for one image; none of what is neither convolution nor dense layer."""
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape)
    if not isinstance(layer, keras.layers.Conv2D):
        return 0
    shape = layer.output.shape[1:]
    pixels = math.prod(shape) // layer.filters
    return pixels * math.prod(layer.kernel.shape)
