"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import glob
import os
import platform
import re
import shutil
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path

# What a file or folder that is being written is called before it is whole: hidden, by whom, and with its ending, which
# tells Keras and Matplotlib what to write.
PART = ".part-"
_NAMED = re.compile(
    rf"{re.escape(PART)}(?:(?P<machine>[0-9a-f]{{8}})-(?P<process>\d+)-)?[0-9a-f]{{8}}-(?P<name>.+)", re.DOTALL
)
_unfinished: set[Path] = set()


def write_atomically(path: str | os.PathLike, write: Callable[[Path], object], size: int = 0) -> None:
    """Write a file, or a folder that is not there yet, beside its place and move it there when it is whole.

    A link is followed, so that it still points to what was written. `size` is the number of bytes for which there must
    be room before `write` begins. Where anything fails, an OSError says why, and what was there before is unchanged.
    """
    place = Path(os.path.realpath(path))
    part = place.with_name(f"{PART}{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}-{place.name}")
    _unfinished.add(part)
    try:
        if place.exists() and not place.is_file():
            raise FileExistsError(f"{'a folder' if place.is_dir() else 'something else than a file'} stands there")
        _check_room(part, size)
        write(part)
        _flush(part)
        _move(part, place)
    except Exception as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise OSError(f"Cannot save {path}: {reason.removesuffix('.')}. What was saved before is untouched.") from error
    finally:
        remove_part(part)
        _unfinished.discard(part)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a file of text, whole or not at all, the same bytes on every system."""
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8", newline="\n"))


def make_folder(path: str | os.PathLike, kind: str = "folder") -> None:
    """Make a folder and those around it, where it is not there yet; an OSError says why it cannot be made."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"Cannot make the {kind} {path}: {error.strerror}.") from error


def prepare_place(path: str | os.PathLike) -> None:
    """Make the folders around what is to be saved, and clear what killed processes left of it.

    An OSError says why it cannot be saved there.
    """
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"Cannot save {path}: {error.strerror}.") from error
    place = Path(os.path.realpath(path))
    remove_left(place.parent, glob.escape(place.name))


def remove_left(folder: Path, pattern: str = "*", alone: bool = False) -> None:
    """Remove what processes that no longer live began to write into a folder, under names that match a pattern.

    What another machine began may still be written, which cannot be told here; it goes where the caller is `alone`, as
    no other process may write such names.
    """
    for part in folder.glob(f"{PART}*"):
        found = _NAMED.fullmatch(part.name)
        if fnmatch.fnmatchcase(found["name"] if found else "", pattern) and _is_left(part, found, alone):
            remove_part(part)


def _is_left(part: Path, found: re.Match | None, alone: bool) -> bool:
    """Tell whether nobody writes a part any more."""
    if found is None or found["machine"] != _machine():
        return alone
    if int(found["process"]) == os.getpid():
        return part.name not in {own.name for own in [*_unfinished]}
    return not _lives(int(found["process"]))


def _lives(process: int) -> bool:
    """Tell whether a process of this machine lives; where it cannot be asked, it may."""
    if os.name != "posix":  # where a signal of 0 is one that ends
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is another user's, or no number that a process has
        return True
    return True


@functools.cache
def _machine() -> str:
    """Name this machine or, within it, the container whose processes see each other, in eight letters."""
    try:
        processes = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        processes = 0
    return f"{zlib.crc32(f'{platform.node()} {processes}'.encode()):08x}"


def remove_unfinished() -> None:
    """Remove what is being written at this moment, because the process is about to end."""
    for part in list(_unfinished):
        remove_part(part)


def remove_part(part: Path) -> None:
    """Remove a file or folder that was not moved to its place, as far as it can be removed."""
    with contextlib.suppress(OSError):
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def _check_room(part: Path, size: int) -> None:
    """Take room on the disk and give it back: a file system knows of quotas and limits only when it is asked."""
    if size and hasattr(os, "posix_fallocate"):
        with open(part, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        part.unlink()


def _move(part: Path, place: Path) -> None:
    """Move what is whole to its place, unless something came to stand there that is not to be replaced."""
    try:
        os.replace(part, place)
    except OSError as error:
        if place.is_dir() or (part.is_dir() and place.exists()):
            what = "a folder" if place.is_dir() else "a file"
            raise FileExistsError(f"another process has written {what} there meanwhile") from error
        raise


def _flush(part: Path) -> None:
    """Bring a file to the disk before it takes the place of another, or a loss of power could leave neither."""
    if part.is_file():
        with open(part, "rb") as file:
            os.fsync(file.fileno())
