"""Folders in which one process writes at a time."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

# Errors of file systems without locks, such as some network mounts: there a run goes on without one.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


@contextlib.contextmanager
def alone(file: Path, refusal: str) -> Iterator[None]:
    """Hold the lock of a folder, or raise the refusal; it opens when this process ends, however it ends."""
    import fcntl  # systems without it have no TensorFlow either

    with open(file, "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(refusal) from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise OSError(f"Cannot lock {file}: {error.strerror}.") from error
        # The last holder may have removed the file with an empty folder; a lock on a removed file protects nothing.
        if not file.exists() or not os.path.samestat(os.fstat(lock.fileno()), file.stat()):
            raise ValueError(refusal)
        yield
