"""Files of Keras: the HDF5 files of its early versions, `.weights.h5`, and the one inside a `.keras` archive.

The HDF5 library reads them. It finds out what is cut short, but trusts the rest: what is known to crash it is asked
before it is read, and yet a file made or damaged in just the right place can hang it, here as in Keras itself.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

import h5py
import numpy as np

from keras_resnet.weights.raw import BFLOAT16, UnreadableError, check_member, damaged, decode, read_member

LEGACY, WEIGHTS, ARCHIVE = "legacy Keras HDF5", "Keras weights", "Keras archive"
# Keras 3 numbers the weights of a layer; these are their names, for the layers of residual networks.
WEIGHT_NAMES = {
    "conv2d": [("kernel",), ("kernel", "bias")],
    "dense": [("kernel",), ("kernel", "bias")],
    "batch_normalization": [("gamma", "beta", "moving_mean", "moving_variance")],
}
_MAX_DEPTH = 16
_LARGE, _EXPANSION = 2**28, 1000


def read(file: BinaryIO) -> tuple[str, dict[str, np.ndarray]]:
    """Read the weights of an HDF5 file of Keras.

    Args:
        file: the file, opened for reading bytes.

    Returns:
        The format, and a dict of arrays by `layer/weight`.

    Raises:
        UnreadableError: Keras did not write it, or it refers to other files.
    """
    with h5py.File(file, "r") as root:
        group = _group(root, "model_weights") if "model_weights" in root else root
        if _has_list(group, "layer_names"):
            return LEGACY, dict(_legacy(group))
        if "layers" in root or "_layer_checkpoint_dependencies" in root:
            return WEIGHTS, _merged(_numbered(root, None))
    raise UnreadableError("is an HDF5 file, but not of a Keras model", "give a `.h5` or `.weights.h5` file of Keras")


def read_archive(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """Read the weights of a `.keras` archive; the names that old files lack are those of its configuration.

    Args:
        archive: zipfile.ZipFile.

    Returns:
        dict of arrays by `layer/weight`.

    Raises:
        UnreadableError: it lacks its parts, or they do not fit each other.
    """
    config = json.loads(read_member(archive, "config.json"))["config"]
    check_member(archive, "model.weights.h5")
    with tempfile.TemporaryFile() as copy:
        with archive.open("model.weights.h5") as member:
            shutil.copyfileobj(member, copy, 2**20)
        with h5py.File(copy, "r") as root:
            return _merged(_numbered(root, config))


def _legacy(group: h5py.Group) -> Iterator[tuple[str, np.ndarray]]:
    for layer in _list(group, "layer_names"):
        weights = _list(_group(group, layer), "weight_names")
        # `conv1/kernel:0`, with the layer's name or, in a graph that was built twice, another; or `conv1_W`.
        inner = [name.split(":")[0].split("/") for name in weights]
        first = {parts[0] for parts in inner}
        shared = len(first) == 1 and all(len(parts) > 1 for parts in inner)
        for name, parts in zip(weights, inner):
            short = "/".join(parts[1:] if shared else parts)
            yield f"{layer}/{short}", _array(_group(group, layer), name)


def _numbered(group: h5py.Group, config: Any, above: str = "", depth: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Walk the layers of a Keras 3 model, and of models among them, in the model's order where it is known."""
    if depth > _MAX_DEPTH:
        raise damaged("its groups are nested without end")
    folder = "layers" if "layers" in group else "_layer_checkpoint_dependencies"
    if folder not in group:
        return
    layers = _group(group, folder)
    configs = _by_group(config)
    order = [name for name in configs if name in layers]
    for kind in order + sorted(set(layers) - set(order), key=_natural):
        layer = _group(layers, kind)
        known = configs.get(kind, {})
        name = above + str(_layer_name(layer) or known.get("config", {}).get("name") or kind)
        yield from _variables(layer, re.sub(r"_\d+$", "", kind), name)
        yield from _numbered(layer, known.get("config"), f"{name}/", depth + 1)


def _variables(layer: h5py.Group, kind: str, name: str) -> Iterator[tuple[str, np.ndarray]]:
    if "vars" not in layer:
        return
    variables = _group(layer, "vars")
    numbers = sorted(variables, key=_natural)
    names = next((names for names in WEIGHT_NAMES.get(kind, []) if len(names) == len(numbers)), numbers)
    for number, weight in zip(numbers, names):
        yield f"{name}/{weight}", _array(variables, number)


def _by_group(config: Any) -> dict[str, dict[str, Any]]:
    """Give the layers of a model's configuration by the names of their groups: snake case, counted from 1."""
    counts: Counter[str] = Counter()
    layers = {}
    for layer in (config or {}).get("layers", []):
        words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", layer["class_name"]))
        kind = re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
        layers[f"{kind}_{counts[kind]}" if counts[kind] else kind] = layer
        counts[kind] += 1
    return layers


def _merged(weights: Iterator[tuple[str, np.ndarray]]) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for name, array in weights:
        if name in arrays:
            raise UnreadableError(
                f"has two weights {name!r}", "give the layers of the model distinct names and save it"
            )
        arrays[name] = array
    return arrays


def _natural(name: str) -> tuple[str, int]:
    """Sort `conv2d`, `conv2d_1`, `conv2d_10` as they were counted."""
    stem, _, number = name.rpartition("_")
    if name.isdecimal():
        return "", int(name)
    return (stem, int(number)) if number.isdecimal() and stem else (name, 0)


def _layer_name(layer: h5py.Group) -> str | None:
    variables = _group(layer, "vars") if "vars" in layer else None
    return _text(variables, "name")[0] if variables is not None and "name" in variables.attrs else None


def _has_list(group: h5py.Group, name: str) -> bool:
    return name in group.attrs or f"{name}0" in group.attrs


def _list(group: h5py.Group, name: str) -> list[str]:
    """Read a list of names; a long one is split into numbered attributes."""
    numbered = itertools.takewhile(group.attrs.__contains__, (f"{name}{number}" for number in itertools.count()))
    parts = [name] if name in group.attrs else list(numbered)
    return [item for part in parts for item in _text(group, part)]


def _text(group: h5py.Group, name: str) -> list[str]:
    """Read an attribute of text. HDF5 crashes at damaged ones of other types, so their type is asked first."""
    attribute = group.attrs.get_id(name)
    if attribute.shape == (0,):
        return []
    if attribute.shape is None or len(attribute.shape) > 1 or h5py.check_string_dtype(attribute.dtype) is None:
        raise damaged(f"its attribute {name!r} is not text")
    items = np.ravel(group.attrs[name]).tolist()
    return [item.decode("utf-8") if isinstance(item, bytes) else str(item) for item in items]


def _child(group: h5py.Group, path: str) -> Any:
    """Follow a path inside the file, and never a link out of it."""
    for part in path.split("/"):
        if not isinstance(group, h5py.Group) or part not in group:
            raise damaged(f"it has no {path!r}")
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise UnreadableError(f"has a link at {path!r}", "give a file that holds its weights itself")
        group = group[part]
    return group


def _group(group: h5py.Group, path: str) -> h5py.Group:
    child = _child(group, path)
    if not isinstance(child, h5py.Group):
        raise damaged(f"its {path!r} is not a group")
    return child


def _array(group: h5py.Group, path: str) -> np.ndarray:
    data = _child(group, path)
    if not isinstance(data, h5py.Dataset):
        raise damaged(f"its {path!r} is not an array")
    if data.external or data.is_virtual:
        raise UnreadableError(f"has values of {path!r} in another file", "give a file that holds its weights itself")
    if data.shape is None or data.nbytes > max(_LARGE, _EXPANSION * data.id.get_storage_size()):
        raise damaged(f"its {path!r} of shape {data.shape} has {data.id.get_storage_size()} bytes in the file")
    if "dtype" in data.attrs and data.dtype.itemsize == 2 and _text(data, "dtype") == [BFLOAT16]:
        return decode(np.asarray(data[()]).view("<u2"), BFLOAT16)
    if data.dtype.kind not in "biufc":
        raise damaged(f"its {path!r} is not of numbers")
    return np.asarray(data[()])
