"""The signature of a weights file: which network its weights are of.

Keras numbers the layers in a weights file by class and stores no names, so the file of one network loads into another
of the same shapes without a word and computes another function. So the files of this package carry the Architecture,
and the names of the layers that make the function, in attributes that Keras itself does not read. Those of version
0.1.0 carry the names alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

import h5py
import keras

NAMES, ARCHITECTURE = "keras_resnet_layers", "keras_resnet_architecture"
# What tells a network apart: its weighted layers, and what adds, multiplies and scales their outputs.
WEIGHTED = ("Conv2D", "BatchNormalization", "Dense", "PReLU", "TrainableSwish", "PiecewiseLinear", "Rational")
KINDS = (*WEIGHTED, "Maxout", "Add", "Multiply", "Rescaling")


def layer_names(layers: Iterable[tuple[str, str]]) -> list[str]:
    """Pick, of pairs of class name and layer name, the sorted names of the layers that tell a network apart."""
    return sorted(name for kind, name in layers if kind in KINDS)


def names_of(model: keras.Model) -> list[str]:
    """Give the sorted names that tell a model's network apart."""
    return layer_names((type(layer).__name__, layer.name) for layer in model.layers)


def sign(path: str | os.PathLike, model: keras.Model) -> None:
    """Write which network a weights file is of, an HDF5 file that Keras wrote."""
    with h5py.File(path, "a") as file:
        file.attrs[NAMES] = json.dumps(names_of(model))
        if model.architecture is not None:
            file.attrs[ARCHITECTURE] = json.dumps(model.architecture.to_dict())
