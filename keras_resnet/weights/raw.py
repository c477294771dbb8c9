"""What the readers of weight files share: from bytes to arrays, and the error that says why there are none."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

# NumPy has no bfloat16: its values are read as what they are, the upper halves of float32.
BFLOAT16 = "bfloat16"
# Characters of what a file says that go into a message.
_MOST = 300


class UnreadableError(ValueError):
    """A file that is not read, in two parts: what was found, and what to do.

    Args:
        found: str, what follows the file's name in the sentence.
        advice: str, what the user can do, without a full stop.
    """

    def __init__(self, found: str, advice: str):
        self.found, self.advice = shortened(found), advice
        super().__init__(f"{self.found}; {advice}.")


def shortened(text: object, most: int = _MOST) -> str:
    """Bring what a file says to one line of bounded length, for messages.

    Args:
        text: what it says, or an exception.
        most: int, characters to keep.

    Returns:
        str.
    """
    line = " ".join(str(text)[: 20 * most].split())
    return line if len(line) <= most else f"{line[:most]} ..."


def damaged(reason: object) -> UnreadableError:
    """Say that a file is cut short or broken.

    Args:
        reason: what shows it, a clause or an exception.

    Returns:
        UnreadableError.
    """
    text = shortened(reason, 200).removesuffix(".") or type(reason).__name__
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


def is_file(path: str | os.PathLike) -> bool:
    """Tell whether there is a file at a path: no folder, pipe or device, whose reading might never end.

    Args:
        path: any path.

    Returns:
        bool.
    """
    return not _fault(path)


@contextlib.contextmanager
def opened(path: str | os.PathLike, advice: str = "give the path of a weights file") -> Iterator[BinaryIO]:
    """Open a file for reading; nothing but a file, for the reading of a pipe or a device might never end.

    Args:
        path: file to open.
        advice: str, what the user can do where there is none, without a full stop.

    Yields:
        Binary file.

    Raises:
        ValueError: there is no such file, something else stands there, or it may not be read.
    """
    path = os.fspath(path)
    if fault := _fault(path):
        raise ValueError(f"{path!r} {fault}; {advice}.")
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
        except OSError as error:
            raise ValueError(f"{path!r} cannot be read: {error.strerror}; {advice}.") from error
        yield file


def _fault(path: str | os.PathLike) -> str | None:
    """Say what is wrong with a path that is not a file's."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return "is not a file but a link to nothing" if os.path.islink(path) else "is not a file"
    except (OSError, ValueError) as error:  # of a link to itself, a folder that is closed, a path with a zero byte
        return f"is not a file ({getattr(error, 'strerror', None) or error})"
    if stat.S_ISREG(mode):
        return None
    return f"is not a file but {'a folder' if stat.S_ISDIR(mode) else 'a pipe or a device'}"
