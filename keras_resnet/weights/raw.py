"""What the readers of weight files share: from bytes to arrays, and the error that says why there are none."""

from __future__ import annotations

import zipfile

import numpy as np

# NumPy has no bfloat16: its values are read as what they are, the upper halves of float32.
BFLOAT16 = "bfloat16"
# A member of an archive that unpacks to more than this, and to far more than it takes on disk, holds no weights.
_LARGE, _EXPANSION = 2**28, 200


class UnreadableError(ValueError):
    """A file that is not read, in two parts: what was found, and what to do.

    Args:
        found: str, what follows the file's name in the sentence.
        advice: str, what the user can do, without a full stop.
    """

    def __init__(self, found: str, advice: str):
        super().__init__(f"{found}; {advice}.")
        self.found, self.advice = found, advice


def damaged(reason: object) -> UnreadableError:
    """Say that a file is cut short or broken.

    Args:
        reason: what shows it, a clause or an exception.

    Returns:
        UnreadableError.
    """
    text = " ".join(str(reason).split()).rstrip(".")[:200] or type(reason).__name__
    return UnreadableError(f"is cut short or damaged ({text})", "download or copy it again, and compare its size")


def stored_dtype(dtype: str, order: str = "little") -> np.dtype:
    """Give the type of array into which stored values are read.

    Args:
        dtype: str, a NumPy type's name, or "bfloat16".
        order: str, "little" or "big".

    Returns:
        numpy.dtype with its byte order.
    """
    return np.dtype("uint16" if dtype == BFLOAT16 else dtype).newbyteorder("<" if order == "little" else ">")


def decode(stored: np.ndarray, dtype: str) -> np.ndarray:
    """Turn stored values into native ones; without a copy where they are native already.

    Args:
        stored: array of type `stored_dtype(dtype, ...)`, any shape.
        dtype: str, a NumPy type's name, or "bfloat16", which becomes float32 without loss.

    Returns:
        Array of the same shape.
    """
    if dtype == BFLOAT16:
        return (stored.astype("uint32") << 16).view("float32")
    return stored.astype(dtype, copy=False)


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read a member of an archive, checked by its sum.

    Args:
        archive: zipfile.ZipFile.
        name: str, its full name.

    Returns:
        bytes.

    Raises:
        UnreadableError: there is no such member, or it would unpack to many times its size.
    """
    check_member(archive, name)
    return archive.read(name)


def check_member(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse a member that is missing, or that would unpack to many times its size.

    Args:
        archive: zipfile.ZipFile.
        name: str, its full name.

    Raises:
        UnreadableError: see above.
    """
    if name not in archive.NameToInfo:
        raise damaged(f"its archive has no {name!r}")
    info = archive.getinfo(name)
    if info.file_size > max(_LARGE, _EXPANSION * info.compress_size):
        sizes = f"{info.compress_size} bytes that unpack to {info.file_size}"
        raise UnreadableError(f"has a member {name!r} of {sizes}, which no weights do", "get it from another source")
