"""From a file of weights to named arrays, whatever program wrote it: its content says which format it is of."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from keras_resnet.weights import hdf5_files, safetensors_files, torch_files
from keras_resnet.weights.archives import Archive, open_archive
from keras_resnet.weights.budget import Budget
from keras_resnet.weights.raw import UnreadableError, damaged, opened, shortened

FORMATS = "torch (.pth, .pt, .th, .bin), .safetensors, .npz and Keras (.h5, .weights.h5, .keras)"
# What wrappers of a model, for training or compiling, put before the name of every tensor.
PREFIXES = ("module.", "model.", "backbone.", "encoder.", "resnet.", "_orig_mod.")
# What torch's averages of a model, of which torchvision's `model_ema` is one, count beside its tensors.
COUNT = "n_averaged"
_MAX_NAME = 500  # characters of the name of a tensor; those of networks have some 50
# What is often found in the place of weights: how it begins, what it is, what to do.
MISTAKEN = (
    (b"version https://git-lfs", "is a git-LFS pointer, not the file itself", "fetch it with `git lfs pull`"),
    (b"<", "is a web page, not weights", "download the file itself: its raw or direct address"),
    (b"{", "is JSON, not weights", "give the file of weights that belongs to it"),
    (b"\x1f\x8b", "is compressed with gzip", "unpack it first"),
    (b"BZh", "is compressed with bzip2", "unpack it first"),
    (b"\xfd7zXZ", "is compressed with xz", "unpack it first"),
    (b"\x93NUMPY", "is a single array without a name", "save named arrays with numpy.savez"),
)
_ADVICE = f"give a file of one of the formats that are read: {FORMATS}"


@dataclass(frozen=True, eq=False)
class Tensors:
    """The named arrays of a file, as they are in it.

    Args:
        format: str, one of "torch", "legacy torch", "safetensors", "npz", "legacy Keras HDF5", "Keras weights",
            "Keras archive".
        arrays: dict of arrays by name, in the file's order. They are read-only; those that share values in the file
            share memory; bfloat16 has become float32.
    """

    format: str
    arrays: dict[str, np.ndarray]


def read_tensors(path: str | os.PathLike, key: str | None = None) -> Tensors:
    """Read the named tensors of a file of torch, safetensors, NumPy or Keras, and run nothing that is in it.

    Args:
        path: the file; its content says which format it is of, whatever it is called.
        key: str, which of several sets of weights in a file of torch, keys within one another joined by dots, as in
            "model_ema". Default the plain one, under a key such as "state_dict" or "model", never an average beside it.

    Returns:
        Tensors.

    Raises:
        ValueError: there is no such file or set, it is cut short, it is of no known format, it would have to be run, or
            it asks for more bytes or operations than a file of its size may take; see `budget`.
    """
    path = os.fspath(path)
    with opened(path) as file:
        try:
            kind, arrays = _read(file, Budget(os.path.getsize(path)), key)
            if key is not None and "torch" not in kind:
                raise UnreadableError(f"is of the format {kind}, which holds one set of weights", "leave the key out")
            arrays = {name: _plain(array) for name, array in arrays.items() if array.dtype.kind in "biufc"}
            if not arrays:
                raise UnreadableError("holds no tensors", "give a file that holds the weights of a network")
            if longest := max((name for name in arrays if len(name) > _MAX_NAME), default=None):
                raise damaged(f"the name of a tensor, {shortened(longest, 40)!r}, has {len(longest):,} characters")
        except UnreadableError as error:
            raise ValueError(f"{path!r} {error}") from error
        except Exception as error:  # of the libraries that read archives, arrays and HDF5: they know many
            raise ValueError(f"{path!r} {damaged(error)}") from error
    return Tensors(kind, arrays)


def strip_prefixes(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Drop what wrappers of a model put before all its names, as long as all share it.

    Args:
        arrays: arrays by name.

    Returns:
        dict of the same arrays in the same order, without the count of averages.
    """
    arrays = {name: array for name, array in arrays.items() if name != COUNT}
    while arrays:
        shared = [prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in arrays)]
        if not shared or shared[0] in arrays:
            return arrays
        arrays = {name.removeprefix(shared[0]): array for name, array in arrays.items()}
    return arrays


def _read(file: BinaryIO, budget: Budget, key: str | None) -> tuple[str, dict[str, np.ndarray]]:
    """Tell the format by the first bytes and read it."""
    start = file.read(512)
    file.seek(0)
    if not start:
        raise UnreadableError("is empty", "download or copy it again")
    # First, for the length that it begins with may look like anything; text has no zero in the eighth place.
    if start[7:9] == b"\0{":
        return "safetensors", safetensors_files.read(file, budget)
    if start[:2] == b"PK":
        return _read_archive(file, budget, key)
    if start[:8] == b"\x89HDF\r\n\x1a\n":
        return hdf5_files.read(file, budget)
    if start[:1] == b"\x80":
        return "legacy torch", torch_files.read_legacy(file, budget, key)
    for beginning, found, advice in MISTAKEN:
        if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(beginning):
            raise UnreadableError(found, advice)
    if start[8:9] == b"{":
        return "safetensors", safetensors_files.read(file, budget)
    if start[257:262] == b"ustar":
        raise UnreadableError("is a tar archive", "unpack it first")
    raise UnreadableError(f"is not a file of weights: it begins with {start[:8]!r}", _ADVICE)


def _read_archive(file: BinaryIO, budget: Budget, key: str | None) -> tuple[str, dict[str, np.ndarray]]:
    with open_archive(file, budget) as archive:
        names = archive.names
        if any(map(torch_files.is_program, names)):
            return "torch", torch_files.read_archive(archive, key)
        if hdf5_files.WEIGHTS_MEMBER in names:
            return hdf5_files.ARCHIVE, hdf5_files.read_archive(archive)
        if names and all(name.endswith(".npy") for name in names):
            return "npz", {name.removesuffix(".npy"): _read_npy(archive, name) for name in names}
    raise UnreadableError(f"is a zip archive of {', '.join(names[:3]) or 'nothing'}", _ADVICE)


def _read_npy(archive: Archive, name: str) -> np.ndarray:
    """Lay an array over the bytes of a member; NumPy's own reader makes room for what the header claims first."""
    content = io.BytesIO(archive.read(name))
    version = np.lib.format.read_magic(content)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in header:
        raise damaged(f"its array {name!r} is of the version {version} of .npy")
    shape, turned, dtype = header[version](content)
    if dtype.hasobject:
        found = f"has an array {name!r} of Python objects, which are never read"
        raise UnreadableError(found, "save it with a numeric type")
    values = np.frombuffer(content.getbuffer()[content.tell() :], dtype, math.prod(shape))
    return values.reshape(shape, order="F" if turned else "C")


def _plain(array: np.ndarray) -> np.ndarray:
    """Give an array of native byte order that cannot be written to."""
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    array.flags.writeable = False
    return array
