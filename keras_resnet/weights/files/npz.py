"""Archives of NumPy's `savez`: arrays laid over the bytes of their members."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np

from keras_resnet.weights.files.archives import Archive
from keras_resnet.weights.files.raw import UnreadableError, damaged

SUFFIX = ".npy"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def is_npz(names: Sequence[str]) -> bool:
    """Tell whether all members of an archive are arrays."""
    return bool(names) and all(name.endswith(SUFFIX) for name in names)


def read_archive(archive: Archive) -> dict[str, np.ndarray]:
    """Read the arrays of an archive, in its order."""
    return {name.removesuffix(SUFFIX): _array(archive, name) for name in archive.names}


def _array(archive: Archive, name: str) -> np.ndarray:
    """Lay an array over the bytes of a member; NumPy's own reader makes room for what the header claims first."""
    content = io.BytesIO(archive.read(name))
    version = np.lib.format.read_magic(content)
    if version not in _HEADERS:
        raise damaged(f"its array {name!r} is of the version {version} of .npy")
    shape, turned, dtype = _HEADERS[version](content)
    if dtype.hasobject:
        found = f"has an array {name!r} of Python objects, which are never read"
        raise UnreadableError(found, "save it with a numeric type")
    values = np.frombuffer(content.getbuffer()[content.tell() :], dtype, math.prod(shape))
    return values.reshape(shape, order="F" if turned else "C")
