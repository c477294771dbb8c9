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
SEVERAL = "**"  # folders within one another, as many as there are


class Found(NamedTuple):
    """Image files in their order.

    Args:
        paths: iterable of Path; of names on standard input they are read as they are needed.
        count: int, how many there are; None where that is not known before they are read.
    """

    paths: Iterable[Path]
    count: int | None


def find_images(
    given: Sequence[str | os.PathLike], names: BinaryIO | None = None, without: str | os.PathLike | None = None
) -> Found:
    """Find image files.

    Args:
        given: sequence of paths of files and folders, patterns, and `-` for names that are read elsewhere.
        names: binary file of these names, one a line, or each ended by a zero byte.
        without: folder that pictures are written to, which is passed over in folders and by patterns.

    Returns:
        Found.

    Raises:
        ValueError: nothing is given, a pattern matches nothing, or a folder holds no image or is that of the pictures.
        OSError: a folder cannot be read.
    """
    given = [Path(path) for path in given]
    without = None if without is None else os.path.realpath(without)
    if not given:
        raise ValueError(
            "No image is given: name files, folders, or patterns such as 'photos/*.jpg'; or - for names on standard "
            "input."
        )
    if names is None or INPUT not in given:
        paths = [path for one in given for path in _named(one, without)]
        return Found(paths, len(paths))
    if given.count(INPUT) > 1:
        raise ValueError("Standard input is given twice; give - once.")
    place = given.index(INPUT)
    before, after = (
        [path for one in part for path in _named(one, without)] for part in (given[:place], given[place + 1 :])
    )
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


def _named(path: Path, without: str | None) -> list[Path]:
    """List the images that a path or a pattern means, each once."""
    if path.is_dir():
        if _is_in(path, without):
            raise ValueError(f"{path} is given as images, and to write pictures into; name another folder by --to.")
        if images := _images_in(path, without):
            return images
        raise ValueError(f"No image in {path} ({SUFFIXES}).")
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    return _images_of(path, without)


def _images_of(pattern: Path, without: str | None) -> list[Path]:
    """List the images that a pattern means."""
    matches = _matching(pattern)
    if not matches:
        raise ValueError(f"No file matches {str(pattern)!r}.")
    others = [match for match in matches if not _is_in(match, without)]
    if not others:
        raise ValueError(f"All that {str(pattern)!r} matches lies in the folder of the pictures; name another by --to.")
    images = (image for match in others for image in (_images_in(match, without) if match.is_dir() else [match]))
    if images := [*dict.fromkeys(images)]:
        return images
    raise ValueError(f"No image in what {str(pattern)!r} matches ({SUFFIXES}).")


def _matching(pattern: Path) -> list[Path]:
    """List what a pattern matches, in the order of the names."""
    return sorted({Path(match) for match in _expanded(pattern)}, key=str)


def _expanded(pattern: Path) -> Iterator[str]:
    """Expand a pattern as `glob` does, but that `**` follows no link to a folder: it might lead in circles."""
    if SEVERAL not in pattern.parts:
        yield from glob.glob(str(pattern))
        return
    place = pattern.parts.index(SEVERAL)
    before, behind = (Path(*part) for part in (pattern.parts[:place], pattern.parts[place + 1 :]))
    for start in filter(os.path.isdir, glob.glob(str(before))):
        if behind == Path():  # everything at any depth, as a folder means it
            yield start
        else:
            for folder in _folders(start):
                yield from _expanded(Path(glob.escape(folder), behind))


def _is_in(path: Path, folder: str | None) -> bool:
    """Tell whether a path is that of a folder, or of a file in it."""
    return folder is not None and os.path.realpath(path if path.is_dir() else path.parent) == folder


def _fail(error: OSError) -> None:
    """Raise an error for a folder that cannot be read, which `os.walk` would skip."""
    raise error


def _folders(folder: str | os.PathLike, without: str | None = None) -> Iterator[str]:
    """Give a folder and those in it that users see, at any depth, the folder of the pictures left out."""
    for place, folders, _ in os.walk(folder, onerror=_fail):
        folders[:] = sorted(name for name in folders if not is_hidden(name) and not _is_in(Path(place, name), without))
        yield place


def _images_in(folder: Path, without: str | None) -> list[Path]:
    """List the images in a folder, and say which other files are not read."""
    listing = Listing()
    for place in _folders(folder, without):
        listing.add(place)
    listing.print_unread(folder)
    # What has an image's name but is not a file is passed on too, and reported with the files that cannot be read.
    return [Path(path) for path in (*listing.images, *(path for path, _ in listing.strange))]
