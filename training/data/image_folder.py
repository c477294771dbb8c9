"""Folders of image files: which files are read, as which classes."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from keras_resnet.images import IMAGE_SUFFIXES
from training.data.image_files import SUFFIXES, ImageFiles, shortened, shuffled
from training.data.splits import first_name, split_names
from training.run_folder import LOCK, RunFolder

LAYOUT = "DIR/train/CLASS/*.jpg and DIR/val/CLASS/*.jpg, or DIR/CLASS/*.jpg with --validation 0.2"
# Folders that file managers, cameras and notebooks create, besides those that begin with a dot.
HIDDEN = {"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found"}


@dataclass
class Listing:
    """The files of one folder or several."""

    images: list[str] = field(default_factory=list)
    strange: list[tuple[str, str]] = field(default_factory=list)  # (path, kind); not files
    unread: Counter = field(default_factory=Counter)  # other files, by suffix

    def add(self, folder: str) -> None:
        """Add the files of a folder, in the order of their names."""
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            suffix = os.path.splitext(entry.name)[1].lower()
            if is_hidden(entry.name):
                continue
            if suffix not in IMAGE_SUFFIXES:
                if not _is_true(entry.is_dir):
                    self.unread[suffix or "without suffix"] += 1
            elif _is_true(entry.is_file):
                self.images.append(entry.path)
            else:
                self.strange.append((entry.path, _kind(entry)))

    def check(self) -> None:
        """Raise an error for folders, broken links and pipes with the name of an image: they cannot be read."""
        if self.strange:
            names = shortened([f"{path} ({kind})" for path, kind in self.strange])
            raise ValueError(f"Not files that hold images: {names}. Rename or remove them.")

    def print_unread(self, folder: str | os.PathLike) -> None:
        """Report the files that are not read, on stderr because the output may be JSON."""
        if self.unread:
            counts = ", ".join(f"{suffix} {count}" for suffix, count in sorted(self.unread.items()))
            print(f"Not read in {folder}: {counts}. Images are {SUFFIXES}.", file=sys.stderr, flush=True)


def _is_true(question: Callable[[], bool]) -> bool:
    """Ask an entry whether it is a file, or a folder; a link to itself, of which `os` raises an error, is neither."""
    try:
        return question()
    except OSError:
        return False


def _kind(entry: os.DirEntry) -> str:
    if _is_true(entry.is_dir):
        return "a folder"
    return "a link to nothing" if entry.is_symlink() and not os.path.exists(entry.path) else "a pipe or device"


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is one of those that users do not see."""
    return name.startswith(".") or name in HIDDEN


def holds_run(folder: str | os.PathLike) -> bool:
    """Tell whether a folder is that of a run, also of one that has only begun, of which the lock is there first."""
    return os.path.exists(os.path.join(folder, LOCK)) or RunFolder(Path(folder)).is_run()


def subfolders(folder: str | os.PathLike) -> list[str]:
    """List the names of the folders in a folder that users see, in their order, but for those of runs."""
    seen = (entry for entry in os.scandir(folder) if _is_true(entry.is_dir) and not is_hidden(entry.name))
    return sorted(entry.name for entry in seen if not holds_run(entry.path))


def open_folder(folder: Path | None, train: str, tested: Collection[str] = ()) -> ImageFiles:
    """Find the images of a folder, in the order that TFDS's `ImageFolder` gives them.

    What lies beside the splits to train and to test on, and is not laid out as a split, is left out.
    """
    if folder is None or not folder.is_dir():
        raise ValueError(f"dataset 'image_folder' needs --data-dir, a folder laid out as {LAYOUT}; received {folder}.")
    read, files = Listing(), {}
    for split, place in _split_folders(folder, first_name(train)).items():
        listing = Listing()
        try:
            found = _files_of(place, listing)
        except ValueError:
            if split in (*split_names(train), *tested):
                raise
            continue
        files |= {split: found} if found else {}
        read.unread += listing.unread
    read.print_unread(folder)
    return shuffled(files, train)


def _files_of(place: Path, listing: Listing) -> list[tuple[str, str]]:
    """List (path, class) of the folder of a split."""
    files = []
    for name in subfolders(place):
        before = len(listing.images)
        listing.add(os.path.join(place, name))
        listing.check()
        files += [(path, name) for path in listing.images[before:]]
        # Runs that were begun from within the data lie in a folder beside the classes.
        if len(listing.images) == before and not any(holds_run(inner) for inner, *_ in os.walk(place / name)):
            raise ValueError(f"The class folder {place / name} holds no image ({SUFFIXES}). Fill or remove it.")
    return files


def _split_folders(folder: Path, train: str) -> dict[str, Path]:
    """Find the folders of the splits; where there are classes instead, all of them are the training split."""
    names = subfolders(folder)
    splits = {name: folder / name for name in names if subfolders(folder / name)}
    if train not in splits and any(_holds_images(folder / name) for name in names):
        return {train: folder}
    if not splits:
        raise ValueError(f"No classes in {folder}: it must be laid out as {LAYOUT}.")
    return splits


def _holds_images(folder: Path) -> bool:
    listing = Listing()
    listing.add(str(folder))
    return bool(listing.images or listing.strange)
