"""Which image files a user means: files, folders, patterns, and names on standard input."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from training.data.image_files import SUFFIXES
from training.data.image_folder import Listing, is_hidden

INPUT = Path("-")  # stands for the names on standard input
BLOCK = 2**16  # bytes that are read at once


class Found(NamedTuple):
    """Image files in their order.

    Args:
        paths: iterable of Path; of names on standard input they are read as they are needed.
        count: int, how many there are; None where that is not known before they are read.
    """

    paths: Iterable[Path]
    count: int | None


def find_images(given: Sequence[str | os.PathLike], names: BinaryIO | None = None) -> Found:
    """Find image files.

    Args:
        given: sequence of paths of files and folders, patterns, and `-` for names that are read elsewhere.
        names: binary file of these names, one a line, or each ended by a zero byte.

    Returns:
        Found.

    Raises:
        ValueError: nothing is given, a pattern matches nothing, or a folder holds no image.
        OSError: a folder cannot be read.
    """
    given = [Path(path) for path in given]
    if not given:
        raise ValueError(
            "No image is given: name files, folders, or patterns such as 'photos/*.jpg'; or - for names on standard "
            "input."
        )
    if names is None or INPUT not in given:
        paths = [path for one in given for path in _named(one)]
        return Found(paths, len(paths))
    if given.count(INPUT) > 1:
        raise ValueError("Standard input is given twice; give - once.")
    place = given.index(INPUT)
    before, after = ([path for one in part for path in _named(one)] for part in (given[:place], given[place + 1 :]))
    return Found(itertools.chain(before, read_names(names), after), None)


def read_names(names: BinaryIO) -> Iterator[Path]:
    """Read names of files, one a line or, as `find -print0` writes them, each ended by a zero byte."""
    rest, end = b"", None
    while block := names.read1(BLOCK):
        rest += block
        if end is None and (ends := [byte for byte in (b"\0", b"\n") if byte in rest]):
            end = ends[0]
        if end is not None:
            *whole, rest = rest.split(end)
            yield from _paths(whole)
    yield from _paths([rest])


def _paths(names: Iterable[bytes]) -> Iterator[Path]:
    return (Path(os.fsdecode(name)) for one in names if (name := one.removesuffix(b"\r")).strip())


def _named(path: Path) -> list[Path]:
    """List the images that a path or a pattern means."""
    matches = [path] if path.exists() or not glob.has_magic(str(path)) else _matching(path)
    return [image for match in matches for image in (_images_in(match) if match.is_dir() else [match])]


def _matching(pattern: Path) -> list[Path]:
    matches = sorted(glob.glob(str(pattern), recursive=True))
    if not matches:
        raise ValueError(f"No file matches {str(pattern)!r}.")
    return [Path(match) for match in matches]


def _fail(error: OSError) -> None:
    """Raise an error for a folder that cannot be read, which `os.walk` would skip."""
    raise error


def _images_in(folder: Path) -> list[Path]:
    listing = Listing()
    for place, folders, _ in os.walk(folder, onerror=_fail):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        listing.add(place)
    listing.print_unread(folder)
    # What has an image's name but is not a file is passed on too, and reported with the files that cannot be read.
    paths = [*listing.images, *(path for path, _ in listing.strange)]
    if not paths:
        raise ValueError(f"No image in {folder} ({SUFFIXES}).")
    return [Path(path) for path in paths]
