"""Weight files that know which network they are of.

Keras numbers the layers in a weights file by class and stores no names, so the file of one network loads into
another of the same shapes without a word and computes another function. So our files carry the names of the layers
that make the function, in an attribute that Keras itself does not read.
"""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import h5py

if TYPE_CHECKING:
    import keras

ATTRIBUTE = "keras_resnet_layers"
# What tells a network apart: its weighted layers, and what adds, multiplies and scales their outputs.
WEIGHTED = ("Conv2D", "BatchNormalization", "Dense", "PReLU", "TrainableSwish", "PiecewiseLinear", "Rational")
KINDS = (*WEIGHTED, "Maxout", "Add", "Multiply", "Rescaling")


def layer_names(layers: Iterable[tuple[str, str]]) -> list[str]:
    """Pick the names of the layers that tell a network apart.

    Args:
        layers: pairs of class name and layer name.

    Returns:
        List of str, sorted.
    """
    return sorted(name for kind, name in layers if kind in KINDS)


def names_of(model: keras.Model) -> list[str]:
    """Give the names that tell a model's network apart.

    Args:
        model: keras.Model.

    Returns:
        List of str, sorted.
    """
    return layer_names((type(layer).__name__, layer.name) for layer in model.layers)


def sign(path: str | os.PathLike, model: keras.Model) -> None:
    """Write the names of a model's layers into its weights file.

    Args:
        path: an HDF5 file that Keras wrote.
        model: keras.Model.
    """
    with h5py.File(path, "a") as file:
        file.attrs[ATTRIBUTE] = json.dumps(names_of(model))


def read_names(path: str) -> list[str] | None:
    """Read the names of the layers that a file is of.

    Args:
        path: a `.keras` or HDF5 file.

    Returns:
        List of str, sorted; None for a weights file that something else wrote.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            layers = json.loads(archive.read("config.json"))["config"]["layers"]
        return layer_names((layer["class_name"], layer["name"]) for layer in layers)
    with h5py.File(path, "r") as file:
        return json.loads(file.attrs[ATTRIBUTE]) if ATTRIBUTE in file.attrs else None


def written_here(path: str | os.PathLike) -> Literal["network", "weights"] | None:
    """Tell what of this package a file holds.

    Args:
        path: a file of any kind.

    Returns:
        "network" for a `.keras` file, "weights" for a `.weights.h5` file of a network of this package; None for others.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if {"config.json", "model.weights.h5"} <= set(archive.namelist()):
                config = json.loads(archive.read("config.json"))
                return "network" if config.get("class_name") == "ResidualNetwork" else None
        return None
    return "weights" if h5py.is_hdf5(path) and read_names(os.fspath(path)) is not None else None


def load_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Load a weights file into a model, and say plainly what is wrong with one that does not fit.

    Args:
        model: keras.Model.
        path: a `.weights.h5` or `.keras` file.

    Raises:
        ValueError: there is no such file, or it does not hold the weights of this network.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise ValueError(f"weights={path!r} is not a file. Give the path of a weights file, or None.")
    wrong = f"weights={path!r} does not hold the weights of {model.name!r}"
    try:
        names, expected = read_names(path), names_of(model)
        if names is not None and names != expected:
            raise ValueError(_difference(names, expected))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of what does not fit, which the error says too
            model.load_weights(path)
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(f"{wrong}: {reason}") from error


def _difference(names: list[str], expected: list[str]) -> str:
    surplus, missing = sorted(set(names) - set(expected)), sorted(set(expected) - set(names))
    parts = [("has no layer ", missing), ("has a layer ", surplus)]
    return "the file " + " and ".join(f"{verb}{layers[0]!r}" for verb, layers in parts if layers) + "."
