"""Tensors under our names into a network: everything by name, every shape checked, all or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable

import keras
import numpy as np

from keras_resnet.layers import BatchNormalization
from keras_resnet.weights.layouts import Arrays, recognise, translate
from keras_resnet.weights.readers import read_tensors, strip_prefixes

TOP = "predictions"


def load_weights_from(model: keras.Model, path: str | os.PathLike) -> None:
    """Load a checkpoint that other code wrote into a network of the same architecture.

    Read are the files of PyTorch (without PyTorch, and without running code from them), safetensors, NumPy's `.npz`
    and HDF5; known the names of torchvision, timm, pytorch_resnet_cifar10 and keras.applications.

    Args:
        model: keras.Model of this package. Without a classifier, that of the file is left out.
        path: file to read.

    Raises:
        ValueError: the file cannot be read, or holds another network; the model is left as it was.
    """
    try:
        assign(model, our_tensors(path))
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} does not fit {model.name!r}: {error}") from error


def our_tensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read a checkpoint and bring it to our names.

    Args:
        path: file to read.

    Returns:
        Dict of our names to arrays.

    Raises:
        ValueError: the file cannot be read, or its names are unknown.
    """
    arrays = strip_prefixes(read_tensors(path).arrays)
    return translate(recognise(arrays), arrays)


def assign(model: keras.Model, tensors: Arrays) -> None:
    """Set all weights of a network.

    A bias that the network lacks is taken out of the mean of the normalisation behind, which is the same function.

    Args:
        model: keras.Model.
        tensors: mapping of our names to arrays.

    Raises:
        ValueError: names or shapes differ; nothing was set.
    """
    weights = {f"{layer.name}/{weight.name}": weight for layer in model.layers for weight in layer.weights}
    tensors = fold_biases(model, _without_top(weights, tensors))
    _check_names(weights, tensors)
    _check_shapes(weights, tensors)
    for name, weight in weights.items():
        weight.assign(tensors[name])


def fold_biases(model: keras.Model, tensors: Arrays) -> dict[str, np.ndarray]:
    """Take the biases of convolutions that carry none in a network out of the means of the normalisations behind.

    Args:
        model: keras.Model.
        tensors: mapping of our names to arrays.

    Returns:
        Dict of our names to arrays, without those biases.

    Raises:
        ValueError: no normalisation stands directly behind.
    """
    folded = dict(tensors)
    for layer in model.layers:
        name = f"{layer.name}/bias"
        if isinstance(layer, keras.layers.Conv2D) and not layer.use_bias and name in folded:
            followers = [node.operation for node in layer._outbound_nodes]
            if len(followers) != 1 or not isinstance(followers[0], BatchNormalization):
                raise ValueError(
                    f"the file has a bias in {layer.name}, and no normalisation behind it could absorb it; build the "
                    f"network with that bias, as in biased=('{_site(layer.name)}',)."
                )
            mean = f"{followers[0].name}/moving_mean"
            folded[mean] = folded[mean] - folded.pop(name)
    return folded


def _site(layer: str) -> str:
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
        raise ValueError("; ".join(wrong) + ".")
