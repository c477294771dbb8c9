"""Files of Keras: the HDF5 files of its early versions, `.weights.h5`, and the one inside a `.keras` archive.

The HDF5 library reads them. It notices what is cut short, but trusts the rest: what is known to crash it is checked
before it is read. A file that is made or damaged in just the right place can still hang it, here as in Keras itself.
"""

from __future__ import annotations

import itertools
import math
import re
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import h5py
import numpy as np

from keras_resnet.weights.files.archives import Archive
from keras_resnet.weights.files.budget import AN_OBJECT, Budget
from keras_resnet.weights.files.json_text import parse_object
from keras_resnet.weights.files.raw import BFLOAT16, UnreadableError, damaged, decode

CONFIG_MEMBER, WEIGHTS_MEMBER = "config.json", "model.weights.h5"
LEGACY, WEIGHTS, ARCHIVE = "legacy Keras HDF5", "Keras weights", "Keras archive"
# Keras 3 numbers the weights of a layer; these are their names.
WEIGHT_NAMES = {
    "conv2d": [("kernel",), ("kernel", "bias")],
    "dense": [("kernel",), ("kernel", "bias")],
    "batch_normalization": [("gamma", "beta", "moving_mean", "moving_variance")],
}
_MAX_DEPTH = 16
# The filters that unpack to no more than a chunk, once that is checked, in the order in which they are applied.
_FILTERS = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32)
_A_CHUNK = 10  # operations


def read(file: BinaryIO, budget: Budget) -> tuple[str, dict[str, np.ndarray]]:
    """Read the weights of an HDF5 file of Keras: the format, and arrays by `layer/weight`."""
    with opened_tree(file, budget) as root:
        group = _group(root, "model_weights") if "model_weights" in root else root
        if _has_list(group, "layer_names"):
            return LEGACY, dict(_legacy(group, budget))
        if "layers" in root or "_layer_checkpoint_dependencies" in root:
            return WEIGHTS, _merged(_numbered(root, None, budget))
    raise UnreadableError("is an HDF5 file, but not of a Keras model", "give a `.h5` or `.weights.h5` file of Keras")


def read_archive(archive: Archive) -> dict[str, np.ndarray]:
    """Read the weights of a `.keras` archive; where old files lack names, its configuration has them."""
    config = parse_object(archive.read(CONFIG_MEMBER), CONFIG_MEMBER).get("config")
    with tempfile.TemporaryFile() as copy:
        archive.copy(WEIGHTS_MEMBER, copy)
        with opened_tree(copy, archive.budget) as root:
            return _merged(_numbered(root, config, archive.budget))


@contextmanager
def opened_tree(file: BinaryIO | str, budget: Budget) -> Iterator[h5py.File]:
    """Open an HDF5 file after checking that its objects form a tree and that its arrays fit the budget."""
    with h5py.File(file, "r") as root:
        seen, pending = {_identity(root)}, [root]
        while pending:
            group = pending.pop()
            budget.take(AN_OBJECT * len(group), "operations")
            for name in group:
                child = _child(group, name)
                if _identity(child) in seen:
                    raise damaged(f"its groups are nested without end, or one stands in two places, as {name!r}")
                seen.add(_identity(child))
                if isinstance(child, h5py.Group):
                    pending.append(child)
                elif isinstance(child, h5py.Dataset):
                    _check_array(child, name, budget)
        yield root


def _identity(item: h5py.HLObject) -> int:
    return h5py.h5o.get_info(item.id).addr


def _check_array(data: h5py.Dataset, name: str, budget: Budget) -> None:
    """Check that an array lies in the file, is of numbers, and unpacks to no more than it says."""
    if data.external or data.is_virtual:
        raise UnreadableError(f"has values of {name!r} in another file", "give a file that holds its weights itself")
    if data.shape is None or not (data.dtype.kind in "biufc" or _is_bfloat16(data)):
        raise damaged(f"its {name!r} is not of numbers")
    chunks = data.chunks or data.shape
    chunk = math.prod(chunks) * data.dtype.itemsize
    budget.take(max(data.nbytes, chunk), "bytes")
    if data.chunks:
        count = math.prod(-(-length // step) for length, step in zip(data.shape, chunks))
        budget.take(_A_CHUNK * count, "operations")
        _check_filters(data, name, chunk)


def _check_filters(data: h5py.Dataset, name: str, most: int) -> None:
    """Check that no chunk unpacks to more than its values take, for HDF5 itself unpacks all of it."""
    pipeline = data.id.get_create_plist()
    filters = [pipeline.get_filter(place)[0] for place in range(pipeline.get_nfilters())]
    if filters != [kind for kind in _FILTERS if kind in filters]:
        raise UnreadableError(f"has values of {name!r} that are packed by other filters than gzip", "save it unpacked")
    if h5py.h5z.FILTER_DEFLATE not in filters:
        return
    for part in data.iter_chunks():
        place = tuple(axis.start for axis in part)
        if data.id.get_chunk_info_by_coord(place).byte_offset is None:
            continue
        mask, packed = data.id.read_direct_chunk(place)
        unpacking = zlib.decompressobj()
        if not mask and len(unpacking.decompress(packed, most + 1)) > most:
            raise damaged(f"its {name!r} unpacks to more than its {most} bytes")


def _legacy(group: h5py.Group, budget: Budget) -> Iterator[tuple[str, np.ndarray]]:
    for layer in _list(group, "layer_names"):
        weights = _list(_group(group, layer), "weight_names")
        budget.take(AN_OBJECT * (1 + len(weights)), "operations")
        # `conv1/kernel:0`, with the layer's name or, in a graph that was built twice, another; or `conv1_W`.
        inner = [name.split(":")[0].split("/") for name in weights]
        first = {parts[0] for parts in inner}
        shared = len(first) == 1 and all(len(parts) > 1 for parts in inner)
        for name, parts in zip(weights, inner):
            short = "/".join(parts[1:] if shared else parts)
            yield f"{layer}/{short}", _array(_group(group, layer), name, budget)


def _numbered(
    group: h5py.Group, config: Any, budget: Budget, above: str = "", depth: int = 0
) -> Iterator[tuple[str, np.ndarray]]:
    """Walk the layers of a Keras 3 model, and of models among them, in the model's order where it is known."""
    if depth > _MAX_DEPTH:
        raise damaged("its groups are nested without end")
    folder = "layers" if "layers" in group else "_layer_checkpoint_dependencies"
    if folder not in group:
        return
    layers = _group(group, folder)
    configs = _by_group(config, budget)
    order = [name for name in configs if name in layers]
    for kind in order + sorted(set(layers) - set(order), key=_natural):
        layer = _group(layers, kind)
        known = configs.get(kind, {})
        name = above + str(_layer_name(layer) or known.get("config", {}).get("name") or kind)
        yield from _variables(layer, re.sub(r"_\d+$", "", kind), name, budget)
        yield from _numbered(layer, known.get("config"), budget, f"{name}/", depth + 1)


def _variables(layer: h5py.Group, kind: str, name: str, budget: Budget) -> Iterator[tuple[str, np.ndarray]]:
    if "vars" not in layer:
        return
    variables = _group(layer, "vars")
    numbers = sorted(variables, key=_natural)
    names = next((names for names in WEIGHT_NAMES.get(kind, []) if len(names) == len(numbers)), numbers)
    for number, weight in zip(numbers, names):
        yield f"{name}/{weight}", _array(variables, number, budget)


def _by_group(config: Any, budget: Budget) -> dict[str, dict[str, Any]]:
    """Give the layers of a model's configuration by the names of their groups: snake case, counted from 1."""
    counts: Counter[str] = Counter()
    layers = {}
    for layer in layers_of(config, budget):
        words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", layer["class_name"]))
        kind = re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
        layers[f"{kind}_{counts[kind]}" if counts[kind] else kind] = layer
        counts[kind] += 1
    return layers


def layers_of(config: Any, budget: Budget) -> list[dict[str, Any]]:
    """Give the layers in the configuration of a model, after checking that each has a class and a configuration."""
    layers = config.get("layers", []) if isinstance(config, dict) else config or []
    budget.take(len(layers) if isinstance(layers, list) else 0, "layers")
    sound = isinstance(layers, list) and all(
        isinstance(layer, dict)
        and isinstance(layer.get("class_name"), str)
        and isinstance(layer.get("config"), dict)
        and isinstance(layer["config"].get("name", ""), str)
        for layer in layers
    )
    if not sound:
        raise damaged(f"its {CONFIG_MEMBER} does not list the layers of a network")
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
    return text_of(variables, "name")[0] if variables is not None and "name" in variables.attrs else None


def _has_list(group: h5py.Group, name: str) -> bool:
    return name in group.attrs or f"{name}0" in group.attrs


def _list(group: h5py.Group, name: str) -> list[str]:
    """Read a list of names; a long one is split into numbered attributes."""
    numbered = itertools.takewhile(group.attrs.__contains__, (f"{name}{number}" for number in itertools.count()))
    parts = [name] if name in group.attrs else list(numbered)
    return [item for part in parts for item in text_of(group, part)]


def text_of(group: h5py.Group, name: str) -> list[str]:
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


def _is_bfloat16(data: h5py.Dataset) -> bool:
    return "dtype" in data.attrs and data.dtype.itemsize == 2 and text_of(data, "dtype") == [BFLOAT16]


def _array(group: h5py.Group, path: str, budget: Budget) -> np.ndarray:
    data = _child(group, path)
    if not isinstance(data, h5py.Dataset):
        raise damaged(f"its {path!r} is not an array")
    budget.take(data.nbytes, "bytes")
    values = np.asarray(data[()])
    return decode(values.view("<u2"), BFLOAT16) if _is_bfloat16(data) else values
