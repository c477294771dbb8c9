"""Tensors onto the weights of a network: everything by name, every shape checked, all or nothing."""

from __future__ import annotations

from collections.abc import Iterable

import keras
import numpy as np

from keras_resnet.build.head import TOP
from keras_resnet.layers.normalization import BatchNormalization
from keras_resnet.weights.naming import Arrays


def match_weights(model: keras.Model, tensors: Arrays) -> list[tuple[keras.Variable, np.ndarray]]:
    """Pair all weights of a network with the tensors of their names.

    A bias that the network lacks is taken out of the mean of the normalization behind, which is the same function.
    """
    weights = {f"{layer.name}/{weight.name}": weight for layer in model.layers for weight in layer.weights}
    tensors = _fold_biases(model, _without_top(weights, tensors))
    _check_names(weights, tensors)
    _check_shapes(weights, tensors)
    return [(weight, tensors[name]) for name, weight in weights.items()]


def _fold_biases(model: keras.Model, tensors: Arrays) -> dict[str, np.ndarray]:
    """Take biases of convolutions that have none in a network out of the means of the normalizations behind."""
    folded = dict(tensors)
    for layer in model.layers:
        name = f"{layer.name}/bias"
        if isinstance(layer, keras.layers.Conv2D) and not layer.use_bias and name in folded:
            followers = [node.operation for node in layer._outbound_nodes]
            if len(followers) != 1 or not isinstance(followers[0], BatchNormalization):
                raise ValueError(
                    f"the file has a bias in {layer.name}, and no normalization behind it could absorb it; build the "
                    f"network with that bias, as in biased=('{site_of(layer.name)}',)."
                )
            mean = f"{followers[0].name}/moving_mean"
            folded[mean] = folded[mean] - folded.pop(name)
    return folded


def site_of(layer: str) -> str:
    """Name a convolution as the field `biased` does."""
    site = layer.split("_")[-2]
    return "stem" if layer.startswith("conv1") else {"0": "shortcut"}.get(site, site)


def _without_top(weights: Arrays, tensors: Arrays) -> Arrays:
    if f"{TOP}/kernel" in weights:
        return tensors
    return {name: array for name, array in tensors.items() if not name.startswith(f"{TOP}/")}


def _check_names(weights: Iterable[str], tensors: Iterable[str]) -> None:
    missing, surplus = sorted(set(weights) - set(tensors)), sorted(set(tensors) - set(weights))
    sentences = [("the file lacks", missing), ("the network has no place for", surplus)]
    if missing or surplus:
        raise ValueError("; ".join(f"{what} {', '.join(names)}" for what, names in sentences if names) + ".")


def _check_shapes(weights: Arrays, tensors: Arrays) -> None:
    wrong = [
        f"{name} is {tensors[name].shape} there and {tuple(weight.shape)} here"
        for name, weight in weights.items()
        if tensors[name].shape != tuple(weight.shape)
    ]
    if wrong:
        raise ValueError(
            "; ".join(wrong) + ". For other classes or channels load the network as it is in the file, and give it to "
            "keras_resnet.transfer(model, classes, input_shape)."
        )
