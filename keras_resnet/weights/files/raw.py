"""What all formats share: opening a file, decoding its values, and the error that says why it cannot be read."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

# NumPy has no bfloat16: its values are read as what they are, the upper halves of float32.
BFLOAT16 = "bfloat16"
# Characters of a file's text that go into a message.
_MOST = 300


class UnreadableError(ValueError):
    """A file that cannot be read: what was found, which follows the file's name in the sentence, and what to do."""

    def __init__(self, found: str, advice: str):
        self.found, self.advice = shortened(found), advice
        super().__init__(f"{self.found}; {advice}.")


def shortened(text: object, most: int = _MOST) -> str:
    """Shorten text of a file to one line of bounded length, for messages."""
    line = " ".join(str(text)[: 20 * most].split())
    return line if len(line) <= most else f"{line[:most]} ..."


def damaged(reason: object) -> UnreadableError:
    """Say that a file is cut short or broken."""
    text = shortened(reason, 200).removesuffix(".") or type(reason).__name__
    return UnreadableError(f"is cut short or damaged ({text})", "download or copy it again, and compare its size")


def stored_dtype(dtype: str, order: str = "little") -> np.dtype:
    """Give the type of array into which stored values are read."""
    return np.dtype("uint16" if dtype == BFLOAT16 else dtype).newbyteorder("<" if order == "little" else ">")


def decode(stored: np.ndarray, dtype: str) -> np.ndarray:
    """Turn stored values into native ones, bfloat16 into float32; native ones are not copied."""
    if dtype == BFLOAT16:
        return (stored.astype("uint32") << 16).view("float32")
    return stored.astype(dtype, copy=False)


def is_file(path: str | os.PathLike) -> bool:
    """Tell whether a path is of a regular file; reading a pipe or a device might never end."""
    return not _fault(path)


@contextlib.contextmanager
def opened(path: str | os.PathLike, advice: str = "give the path of a weights file") -> Iterator[BinaryIO]:
    """Open a regular file; its `advice` says what to do where it cannot be opened, without a full stop."""
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
