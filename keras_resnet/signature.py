"""The signature of a weights file: which network its weights are of, and what its classifier ends in.

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

from keras_resnet.build.head import TOP, has_top

NAMES, ARCHITECTURE, CLASSIFIER = "keras_resnet_layers", "keras_resnet_architecture", "keras_resnet_classifier"
# What tells a network apart: its weighted layers, and what adds, multiplies and scales their outputs.
WEIGHTED = ("Conv2D", "BatchNormalization", "Dense", "PReLU", "TrainableSwish", "PiecewiseLinear", "Rational")
KINDS = (*WEIGHTED, "Maxout", "Add", "Multiply", "Rescaling")


def layer_names(layers: Iterable[tuple[str, str]]) -> list[str]:
    """Pick, of pairs of class name and layer name, the sorted names of the layers that tell a network apart."""
    return sorted(name for kind, name in layers if kind in KINDS)


def names_of(model: keras.Model) -> list[str]:
    """Give the sorted names that tell a model's network apart."""
    return layer_names((type(layer).__name__, layer.name) for layer in model.layers)


def classifier_of(model: keras.Model) -> str | None:
    """Name the activation of a model's classifier, which says how many labels an image may have; None without one."""
    return model.get_layer(TOP).activation.__name__ if has_top(model) else None


def sign(path: str | os.PathLike, model: keras.Model) -> None:
    """Write which network a weights file is of, an HDF5 file that Keras wrote."""
    with h5py.File(path, "a") as file:
        file.attrs[NAMES] = json.dumps(names_of(model))
        file.attrs[CLASSIFIER] = json.dumps(classifier_of(model))
        if model.architecture is not None:
            file.attrs[ARCHITECTURE] = json.dumps(model.architecture.to_dict())
