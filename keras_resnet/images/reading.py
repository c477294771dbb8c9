"""The bytes of image files: none is read that cannot be an image."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_BYTES = 2**30  # more than the pixels of an image of `extent.MOST_PIXELS` take in any format


def read_image_file(path: str | os.PathLike) -> bytes:
    """Read a file whole; an OSError says why not, where it is none, or larger than any image that is decoded."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a file", os.fspath(path))
    if status.st_size > MOST_BYTES:
        about = f"it has {status.st_size:,} bytes, and files of more than {MOST_BYTES:,} are not read"
        raise OSError(errno.EFBIG, about, os.fspath(path))
    return Path(path).read_bytes()
