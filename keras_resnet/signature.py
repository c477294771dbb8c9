"""The signature of a weights file: which network its weights are of.

Keras numbers the layers in a weights file by class and stores no names, so the file of one network loads into another
of the same shapes without a word and computes another function. So our files carry the names of the layers that make
the function, in an attribute that Keras itself does not read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

import h5py
import keras

ATTRIBUTE = "keras_resnet_layers"
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
    """Write the names of a model's layers into its weights file, an HDF5 file that Keras wrote."""
    with h5py.File(path, "a") as file:
        file.attrs[ATTRIBUTE] = json.dumps(names_of(model))
