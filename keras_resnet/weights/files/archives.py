"""Zip archives, read within a budget: what all members unpack to counts."""

from __future__ import annotations

import errno
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from keras_resnet.weights.files.budget import Budget
from keras_resnet.weights.files.raw import UnreadableError, damaged

# The directory of an archive: 170 thousand members of the shortest names, some 50 thousand of usual ones.
_MAX_DIRECTORY = 2**23
# What torch, NumPy and Keras write.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
# What writing fails with where there is no room: on a disk, for a user, in a file.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_archive(file: BinaryIO) -> bool:
    """Tell whether a file begins as a zip archive does; the file is left at its beginning."""
    start = file.read(2)
    file.seek(0)
    return start == b"PK"


class Archive:
    """The members of a zip archive."""

    def __init__(self, archive: zipfile.ZipFile, budget: Budget):
        self._archive, self.budget = archive, budget
        self.names, self.comment = archive.namelist(), archive.comment
        if len(archive.NameToInfo) != len(self.names):
            raise damaged("its archive has two members of one name")

    def __contains__(self, name: str) -> bool:
        return name in self._archive.NameToInfo

    def size_of(self, name: str) -> int:
        """Check a member and give its length, unpacked, in bytes."""
        if name not in self:
            raise damaged(f"its archive has no {name!r}")
        info = self._archive.getinfo(name)
        if info.flag_bits & _ENCRYPTED:
            raise UnreadableError(f"has a member {name!r} that is encrypted", "save it without a password")
        if info.compress_type not in _METHODS:
            found = f"has a member {name!r} that is compressed by the method {info.compress_type} of zip"
            raise UnreadableError(found, "unpack it and save it again, stored or deflated")
        return info.file_size

    def read(self, name: str) -> bytes:
        """Read a member, checked by its sum."""
        self.budget.take(self.size_of(name), "bytes")
        return self._archive.read(name)

    def copy(self, name: str, target: BinaryIO) -> None:
        """Copy a member into a file, a temporary one."""
        self.budget.take(self.size_of(name), "bytes")
        with self._archive.open(name) as member:
            try:
                shutil.copyfileobj(member, target, 2**20)
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                found = f"cannot be unpacked into {tempfile.gettempdir()} ({error.strerror})"
                raise UnreadableError(found, "make room there, or name another folder by TMPDIR") from error


@contextmanager
def open_archive(file: BinaryIO, budget: Budget) -> Iterator[Archive]:
    """Open a zip archive for reading."""
    bounded = _Bounded(file)
    with zipfile.ZipFile(bounded) as archive:
        bounded.most = None
        yield Archive(archive, budget)


class _Bounded:
    """A binary file whose reads are bounded for a while: `zipfile` reads the directory of an archive in one."""

    def __init__(self, file: BinaryIO):
        self.file, self.most = file, _MAX_DIRECTORY
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        if self.most is not None and count > self.most:
            found = f"has a directory of {count:,} bytes, and that of an archive of weights has {self.most:,} at most"
            raise UnreadableError(found, "get it from another source")
        return self.file.read(count)
