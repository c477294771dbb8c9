"""From a file of weights to named arrays: its content says which format it is of, whatever it is called."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from keras_resnet.weights.files import hdf5, npz, safetensors, torch
from keras_resnet.weights.files.archives import open_archive
from keras_resnet.weights.files.budget import Budget
from keras_resnet.weights.files.raw import UnreadableError, damaged, opened, shortened

FORMATS = "torch (.pth, .pt, .th, .bin), .safetensors, .npz and Keras (.h5, .weights.h5, .keras)"
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
            it asks for more bytes or operations than a file of its size may take; see `files.budget`.
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


def _read(file: BinaryIO, budget: Budget, key: str | None) -> tuple[str, dict[str, np.ndarray]]:
    """Tell the format by the first bytes and read it."""
    start = file.read(512)
    file.seek(0)
    if not start:
        raise UnreadableError("is empty", "download or copy it again")
    # First, for the length that it begins with may look like anything; text has no zero in the eighth place.
    if start[7:9] == b"\0{":
        return "safetensors", safetensors.read(file, budget)
    if start[:2] == b"PK":
        return _read_archive(file, budget, key)
    if start[:8] == b"\x89HDF\r\n\x1a\n":
        return hdf5.read(file, budget)
    if start[:1] == b"\x80":
        return "legacy torch", torch.read_legacy(file, budget, key)
    for beginning, found, advice in MISTAKEN:
        if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(beginning):
            raise UnreadableError(found, advice)
    if start[8:9] == b"{":
        return "safetensors", safetensors.read(file, budget)
    if start[257:262] == b"ustar":
        raise UnreadableError("is a tar archive", "unpack it first")
    raise UnreadableError(f"is not a file of weights: it begins with {start[:8]!r}", _ADVICE)


def _read_archive(file: BinaryIO, budget: Budget, key: str | None) -> tuple[str, dict[str, np.ndarray]]:
    with open_archive(file, budget) as archive:
        names = archive.names
        if any(map(torch.is_program, names)):
            return "torch", torch.read_archive(archive, key)
        if hdf5.WEIGHTS_MEMBER in names:
            return hdf5.ARCHIVE, hdf5.read_archive(archive)
        if npz.is_npz(names):
            return "npz", npz.read_archive(archive)
    raise UnreadableError(f"is a zip archive of {', '.join(names[:3]) or 'nothing'}", _ADVICE)


def _plain(array: np.ndarray) -> np.ndarray:
    """Give an array of native byte order that cannot be written to."""
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    array.flags.writeable = False
    return array
