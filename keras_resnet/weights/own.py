"""Files of this package: weights that know which network they are of, and `.keras` files from anybody, checked."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import h5py
import keras

# Keras finds the classes that a file names when they have been imported.
import keras_resnet.layers
import keras_resnet.model  # noqa: F401
from keras_resnet.architecture import Architecture
from keras_resnet.build.head import TOP
from keras_resnet.preprocessing import Preprocessing
from keras_resnet.signature import ARCHITECTURE, CLASSIFIER, NAMES, classifier_of, layer_names, names_of
from keras_resnet.weights.comparison import differences
from keras_resnet.weights.files.archives import Archive, is_archive, open_archive
from keras_resnet.weights.files.budget import Budget
from keras_resnet.weights.files.hdf5 import CONFIG_MEMBER, WEIGHTS_MEMBER, layers_of, opened_tree, text_of
from keras_resnet.weights.files.json_text import parse, parse_object
from keras_resnet.weights.files.raw import UnreadableError, damaged, opened, shortened
from keras_resnet.weights.network_config import check_class_names, check_network, is_network, sound_architecture

HDF5 = b"\x89HDF\r\n\x1a\n"  # how its files begin


class Signature(NamedTuple):
    """Which network a file is of, as far as it says: names of layers, Architecture as plain values, classifier."""

    names: list[str] | None = None
    architecture: Any = None
    classifier: Any = None


def read_signature(path: str | os.PathLike) -> Signature:
    """Read which network a `.keras` or HDF5 file is of."""
    with _reading(path) as (file, budget):
        if not is_archive(file):
            return _signature(file)
        with open_archive(file, budget) as archive:
            config = _config(archive).get("config")
        layers = layers_of(config, budget)
        names = layer_names((layer["class_name"], layer["config"].get("name", "")) for layer in layers)
        tops = (layer["config"].get("activation") for layer in layers if layer["config"].get("name") == TOP)
        return Signature(names, config.get("architecture") if isinstance(config, dict) else None, next(tops, None))


def written_here(path: str | os.PathLike) -> Literal["network", "weights"] | None:
    """Tell whether a file holds a network of this package, or the weights of one."""
    with _reading(path) as (file, budget):
        if is_archive(file):
            with open_archive(file, budget) as archive:
                whole = {CONFIG_MEMBER, WEIGHTS_MEMBER} <= set(archive.names)
                return "network" if whole and is_network(_config(archive)) else None
        hdf5 = file.read(len(HDF5)) == HDF5
        return "weights" if hdf5 and _signature(file).names is not None else None


def read_carried(path: str | os.PathLike) -> tuple[Preprocessing | None, tuple[str, ...] | None]:
    """Read input contract and names of classes in a `.keras` file of this package, without building its network."""
    with _reading(path) as (file, budget), open_archive(file, budget) as archive:
        config = _config(archive)["config"]
        fields, labels = config.get("preprocessing"), config.get("labels")
        check_class_names(labels)
        return None if fields is None else Preprocessing(**fields), labels and tuple(labels)


def load_network(path: str | os.PathLike) -> keras.Model:
    """Load a network of this package from its `.keras` file, whoever made the file.

    Nothing in it is run, and what it may ask for is bounded before Keras builds anything: the layers that the
    configuration names, the weights that they would have, and what the archive unpacks to; see `files.budget`. Only
    the layers that networks of this package have are made, and classes and functions that the user has registered.
    """
    return load_noted(path)[0]


def load_noted(path: str | os.PathLike) -> tuple[keras.Model, dict[str, Any]]:
    """Load a network as `load_network` does, and what `note_down` wrote into the same file; empty where it did not."""
    with _reading(path) as (file, budget):
        if not is_archive(file):
            raise UnreadableError("is not a .keras file", "give one, or read its weights with network_of")
        with open_archive(file, budget) as archive, tempfile.TemporaryDirectory() as folder:
            config, weights = _config(archive), Path(folder, WEIGHTS_MEMBER)
            weighted = check_network(config, budget)
            with open(weights, "wb") as copy:
                archive.copy(WEIGHTS_MEMBER, copy)
            with opened_tree(os.fspath(weights), budget) as root:
                if "layers" not in root or weighted > len(root["layers"]):
                    raise damaged(f"its configuration has {weighted} layers with weights, its weights fewer")
            model = _built(config)
            model.load_weights(weights)
            return model, _note(archive)


def note_down(path: str | os.PathLike, note: Mapping[str, Any]) -> None:
    """Note facts about a network in its `.keras` file, as the comment of the archive, which Keras passes over."""
    with zipfile.ZipFile(path, "a") as archive:  # a further member would have Keras unpack all others to the disk
        archive.comment = json.dumps(note).encode()


def _note(archive: Archive) -> dict[str, Any]:
    """Read the comment of an archive, which others may use for something else."""
    try:
        return parse_object(archive.comment, "comment")
    except UnreadableError:
        return {}


def _built(config: dict[str, Any]) -> keras.Model:
    """Let Keras build a network that has been checked; of its errors, which print the whole file, keep the reason."""
    try:
        return keras.saving.deserialize_keras_object({**config, "compile_config": None}, safe_mode=True)
    except Exception as error:
        reason = str(error).rpartition("Exception encountered: ")[2]
        raise damaged(f"its {CONFIG_MEMBER} describes no network: {reason}") from error


def load_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Load a weights file into a model, and say plainly what is wrong with one that does not fit."""
    path = os.fspath(path)
    with opened(path, "give the path of a weights file, or None") as file:
        try:
            _check_format(path)
            _check_signature(model, read_signature(path), Budget(os.path.getsize(path)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of what does not fit, which the error says too
                _load_checked(model, path, file)
        except Exception as error:
            text = f"it {error}" if isinstance(error, UnreadableError) else str(error).replace(f"{path!r} ", "it ", 1)
            reason = shortened(text) or type(error).__name__
            raise ValueError(f"weights={path!r} does not hold the weights of {model.name!r}: {reason}") from error


def _check_format(path: str) -> None:
    """Refuse a file of a format in which no network of Keras is saved, such as PyTorch's, safetensors and `.npz`."""
    with _reading(path) as (file, budget):
        if is_archive(file):
            with open_archive(file, budget) as archive:
                known = CONFIG_MEMBER in archive
        else:
            known = file.read(len(HDF5)) == HDF5
        if not known:
            raise UnreadableError(
                "is neither a .weights.h5 nor a .keras file",
                "if other code wrote it, read it with network_of(path) or load_weights_from(model, path)",
            )


def _load_checked(model: keras.Model, path: str, file: BinaryIO) -> None:
    """Let Keras load a file after checking that all of it may be read."""
    budget = Budget(os.path.getsize(path))
    if not is_archive(file):
        with opened_tree(path, budget):
            pass
        model.load_weights(path)
        return
    with open_archive(file, budget) as archive, tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, WEIGHTS_MEMBER)
        with open(weights, "wb") as copy:
            archive.copy(WEIGHTS_MEMBER, copy)
        with opened_tree(os.fspath(weights), budget):
            pass
        model.load_weights(weights)


@contextmanager
def _reading(path: str | os.PathLike) -> Iterator[tuple[BinaryIO, Budget]]:
    """Open a file; an error about its content becomes one sentence that names the file."""
    path = os.fspath(path)
    with opened(path) as file:
        try:
            yield file, Budget(os.path.getsize(path))
        except UnreadableError as error:
            raise ValueError(f"{path!r} {error}") from error
        except Exception as error:  # of Keras, and of the libraries that read archives and HDF5: they know many
            raise ValueError(f"{path!r} {damaged(error)}") from error


def _config(archive: Archive) -> dict[str, Any]:
    return parse_object(archive.read(CONFIG_MEMBER), CONFIG_MEMBER)


def _signature(file: BinaryIO) -> Signature:
    """Read the signature in the attributes of an HDF5 file, which has none if another program wrote it."""
    with h5py.File(file, "r") as root:
        names, architecture, classifier = (_attribute(root, name) for name in (NAMES, ARCHITECTURE, CLASSIFIER))
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise damaged(f"its attribute {NAMES!r} is not a list of names")
    return Signature(names, architecture, classifier)


def _attribute(root: h5py.File, name: str) -> Any:
    return parse("".join(text_of(root, name)), f"attribute {name}") if name in root.attrs else None


def _check_signature(model: keras.Model, signature: Signature, budget: Budget) -> None:
    """Refuse the file of another network: of one that computes something else, or has other layers."""
    architecture = getattr(model, "architecture", None)
    if signature.architecture is not None and architecture is not None:
        _check_architecture(architecture, signature.architecture, budget)
    if signature.names is not None and signature.names != names_of(model):
        raise ValueError(_difference(signature.names, names_of(model)))
    here, there = classifier_of(model), signature.classifier
    if (here, there) in (("softmax", "sigmoid"), ("sigmoid", "softmax")):
        labels = "one" if there == "softmax" else "any number"
        raise ValueError(
            f"the file is of a network for images with {labels} of the classes, whose classifier ends in {there}, and "
            f"this one ends in {here}."
        )


def _check_architecture(here: Architecture, fields: Any, budget: Budget) -> None:
    if fields == here.to_dict():
        return  # whatever its activation is, also a function that only the user's program knows
    if found := differences(here, sound_architecture(fields, budget)):
        raise ValueError(f"the file is of another network: {'; '.join(found[:3])}.")


def _difference(names: list[str], expected: list[str]) -> str:
    surplus, missing = sorted(set(names) - set(expected)), sorted(set(expected) - set(names))
    parts = [("has no layer ", missing), ("has a layer ", surplus)]
    return "the file " + " and ".join(f"{verb}{layers[0]!r}" for verb, layers in parts if layers) + "."
