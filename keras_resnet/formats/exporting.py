"""Trained networks as files that others run: one folder each, from the image to the class."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, NamedTuple

import keras
import numpy as np

from keras_resnet.adaptation import transfer
from keras_resnet.classification import labels_for
from keras_resnet.files import prepare_place, write_atomically
from keras_resnet.formats.folding import fold as folded
from keras_resnet.formats.model_card import CARD, card_of
from keras_resnet.formats.network import Exported, check_fit
from keras_resnet.labels import check_labels, write_labels
from keras_resnet.messages import shortened, unknown
from keras_resnet.model import size_of_weights_file
from keras_resnet.preprocessing import MAX_SIDE, Preprocessing, contract_of, is_count


class Format(NamedTuple):
    """A format of files.

    Args:
        title: str, its name as it is written.
        module: str, of `formats`, whose `prepare` takes an `Exported` and gives the function that writes a folder.
        precisions: tuple of those in which it computes, or holds, convolutions.
        needs: tuple of the modules that write it.
        extra: str, of the distribution, that installs them.
        is_graph: bool, whether it holds everything from the image to the class, and not the network alone.
    """

    title: str
    module: str
    precisions: tuple[str, ...]
    needs: tuple[str, ...] = ()
    extra: str = ""
    is_graph: bool = True


FORMATS: dict[str, Format] = {
    "savedmodel": Format("SavedModel", "savedmodel", ("float32", "bfloat16"), ("tensorflow",), "cpu"),
    "onnx": Format("ONNX", "onnx_file", ("float32", "int8"), ("tensorflow", "tf2onnx", "onnx", "onnxruntime"), "onnx"),
    "openvino": Format(
        "OpenVINO", "openvino_files", ("float32", "bfloat16", "int8"), ("tensorflow", "openvino", "nncf"), "openvino"
    ),
    "litert": Format(
        "LiteRT", "litert_file", ("float32", "int8"), ("tensorflow", "ai_edge_litert", "ai_edge_quantizer"), "litert"
    ),
    "keras": Format("Keras", "keras_file", ("float32", "bfloat16"), is_graph=False),
    "safetensors": Format("safetensors", "tensors", ("float32",), is_graph=False),
}
PRECISIONS = ("float32", "bfloat16", "int8")
# What writes int8 alone, and is not asked for elsewhere.
INT8_ALONE = ("nncf", "ai_edge_quantizer", "onnxruntime")


def export(
    model: keras.Model,
    path: str | os.PathLike,
    *,
    format: Literal["savedmodel", "onnx", "openvino", "litert", "keras", "safetensors"] = "savedmodel",
    precision: Literal["float32", "bfloat16", "int8"] = "float32",
    fold: bool = False,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    calibration: Iterable[np.ndarray] | None = None,
    layout: Literal["keras_resnet", "timm"] = "keras_resnet",
    about: Mapping[str, Any] | None = None,
    image_size: int | tuple[int, int] | None = None,
    batch_size: int | None = None,
    check: Callable[[Path], object] | None = None,
) -> None:
    """Write a folder that runs a network elsewhere, with a model card, `README.md`, that says what it is.

    SavedModel, ONNX, OpenVINO and LiteRT take `images`, uint8 of shape (batch, height, width, channels), any number
    of any one size, and give `probabilities` (batch, classes) and `classes` (int64); of a network that ends in
    sigmoids, `present` instead of `classes`. Cropping, resizing and normalization are inside; SavedModel takes encoded
    files too. Keras and safetensors hold the network and its weights. Names of the classes and the input contract lie
    in every file as metadata, and beside it in `labels.txt` and `preprocessing.json`.

    Args:
        model: keras.Model that gives probabilities or logits.
        path: folder to write; must not exist, the folders above it may not.
        format: str, a name in `FORMATS`.
        precision: str, in which convolutions are computed.
        fold: bool, whether batch normalizations are folded and, in a SavedModel, weights become constants.
        labels: the names of the classes, in the order of the outputs; default those that the model carries.
        preprocessing: Preprocessing, what the model expects of images; default what it carries.
        calibration: uint8 arrays (batch, height, width, channels) of images like those to come, to which int8 is
            fitted; a few hundred images do.
        layout: str, whose names and order of axes the tensors of safetensors have.
        about: what else the card says: data set, recipe, accuracy and its protocol, license.
        image_size: int or tuple (height, width), the one size in pixels of the images that the graph is to take,
            which need not be that of the network; default any. Files that SavedModel decodes may be of any size.
        batch_size: int, how many images it is to take together; default any number.
        check: function that is given the folder when all is written, and before it comes to its place, which it does
            not where `check` raises an error.

    Raises:
        ValueError: a choice is unknown or not to be had in this format; the backend is not TensorFlow, which all but
            Keras and safetensors need; the folder exists; the model lacks labels or an input contract, or takes other
            images than the contract prepares; or a calibration image is none that the graph takes.
        ImportError: what writes the format is not installed; the message names the extra that installs it.
        OSError: the folder cannot be written, or `check` raises an error; no part of it is left behind.
    """
    _check(format, precision, layout, calibration)
    sides = _check_images(FORMATS[format], image_size, batch_size)
    if os.path.exists(path):
        raise ValueError(f"{os.fspath(path)!r} exists; remove it or name another folder.")
    contract, labels = preprocessing or contract_of(model), tuple(labels_for(model, labels))
    check_labels(labels)
    check_fit(model, contract)
    model = folded(model) if fold else model
    model = in_bfloat16(model) if precision == "bfloat16" and format != "openvino" else model
    constants = fold or format != "savedmodel"
    exported = Exported(
        model,
        contract,
        labels,
        precision,
        constants=constants,
        calibration=() if calibration is None else calibration,
        layout=layout,
        about=about or {},
        image_size=sides,
        batch_size=batch_size and int(batch_size),
    )
    # Converted before anything is written: what fails there is no failure to save.
    write = importlib.import_module(f"keras_resnet.formats.{FORMATS[format].module}").prepare(exported)

    def write_all(part: Path) -> None:
        write(part)
        _describe(part, exported, format)
        if check is not None:
            check(part)

    prepare_place(path)
    write_atomically(path, write_all, size_of_weights_file(model))


def _describe(folder: Path, exported: Exported, format: str) -> None:
    """Write the names of the classes, the input contract and the card beside what is exported."""
    write_labels(folder / "labels.txt", exported.labels)
    (folder / "preprocessing.json").write_text(json.dumps(exported.contract.to_dict()), encoding="utf-8")
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    (folder / CARD).write_text(card_of(exported, format, size), encoding="utf-8", newline="\n")


def _check(format: str, precision: str, layout: str, calibration: Iterable[np.ndarray] | None) -> None:
    """Refuse what is unknown, cannot be had, or is not installed."""
    for kind, value, allowed in (
        ("format", format, FORMATS),
        ("precision", precision, PRECISIONS),
        ("layout", layout, ("keras_resnet", "timm")),
    ):
        if value not in allowed:
            raise ValueError(unknown(kind, value, allowed))
    chosen = FORMATS[format]
    if precision not in chosen.precisions:
        others = [name for name, other in FORMATS.items() if precision in other.precisions]
        raise ValueError(
            f"{chosen.title} is written in {' or '.join(chosen.precisions)}; {precision} is to be had in "
            f"{', '.join(others)}."
        )
    if layout != "keras_resnet" and format != "safetensors":
        raise ValueError(f"layout={layout!r} is for the tensors of safetensors; the format is {format!r}.")
    if (precision == "int8") != (calibration is not None):
        raise ValueError("calibration images are needed for int8, and for nothing else.")
    _check_installed(chosen, precision)


def _check_images(
    chosen: Format, image_size: int | tuple[int, int] | None, batch_size: int | None
) -> tuple[int, int] | None:
    """Give height and width of the images that a graph is to take; refuse what none can take."""
    if not chosen.is_graph and (image_size is not None or batch_size is not None):
        raise ValueError(
            "image_size and batch_size are for formats that hold everything from the image to the class; "
            f"{chosen.title} holds the network alone. Leave them out."
        )
    if batch_size is not None and not (isinstance(batch_size, Integral) and batch_size > 0):
        raise ValueError(f"batch_size must be a whole number from 1 on, or None for any; received {batch_size!r}.")
    if image_size is None:
        return None
    sides = image_size if isinstance(image_size, (tuple, list)) else (image_size, image_size)
    if len(sides) != 2 or not all(map(is_count, sides)):
        raise ValueError(
            f"image_size must be a side, or height and width, of 1 to {MAX_SIDE} pixels, or None for any; received "
            f"{shortened(image_size)}."
        )
    return int(sides[0]), int(sides[1])


def _check_installed(chosen: Format, precision: str) -> None:
    needs = [name for name in chosen.needs if precision == "int8" or name not in INT8_ALONE]
    if missing := [name for name in needs if importlib.util.find_spec(name) is None]:
        raise ImportError(
            f"{chosen.title} in {precision} needs {' and '.join(missing)}: pip install "
            f"'keras-resnet-suite[{chosen.extra}]'."
        )
    if chosen.needs and keras.backend.backend() != "tensorflow":
        raise ValueError(f"{chosen.title} needs the TensorFlow backend: set KERAS_BACKEND=tensorflow.")


def in_bfloat16(model: keras.Model) -> keras.Model:
    """Copy a network to one that computes in bfloat16, but for its head, with the same weights in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return transfer(model)
    finally:
        keras.config.set_dtype_policy(before)
