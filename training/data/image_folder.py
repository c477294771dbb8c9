"""Folders of image files: which files are read, as which classes, and which cannot be decoded."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_resnet.images import IMAGE_SUFFIXES, decode_image
from training.data.splits import slices

LAYOUT = "DIR/train/CLASS/*.jpg and DIR/val/CLASS/*.jpg, or DIR/CLASS/*.jpg with --validation 0.2"
SUFFIXES = ", ".join(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES)
# Folders that file managers, cameras and notebooks create, besides those that begin with a dot.
HIDDEN = {"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found"}
SHOWN = 5  # files that a message names


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
                if not entry.is_dir():
                    self.unread[suffix or "without suffix"] += 1
            elif entry.is_file():
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


def _kind(entry: os.DirEntry) -> str:
    if entry.is_dir():
        return "a folder"
    return "a link to nothing" if entry.is_symlink() and not os.path.exists(entry.path) else "a pipe or device"


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is one of those that users do not see."""
    return name.startswith(".") or name in HIDDEN


def subfolders(folder: str | os.PathLike) -> list[str]:
    """List the names of the folders in a folder that users see, in their order."""
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not is_hidden(entry.name))


def shortened(names: Sequence[str]) -> str:
    """Name the first few of many."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class ImageFolder:
    """Labelled image files, as a `training.data.datasets.Reader`."""

    files: dict[str, list[tuple[str, str]]]  # of each split, (path, class) in the order in which they are read
    classes: tuple[str, ...]  # in the order of the labels
    shape: tuple[None, None, int] = (None, None, 3)

    @property
    def splits(self) -> dict[str, tfds.core.SplitInfo]:
        """The splits by name."""
        return {
            name: tfds.core.SplitInfo(name=name, shard_lengths=[len(files)], num_bytes=0)
            for name, files in self.files.items()
        }

    def members(self, split: str, members: np.ndarray | None = None) -> list[tuple[str, str]]:
        """List (path, class) of a split, or of those of its examples for which a bool array says so."""
        files = [file for name, part in slices(split, self.splits) for file in self.files[name][part]]
        return files if members is None else [file for file, is_member in zip(files, members) if is_member]

    def labels(self, split: str) -> np.ndarray:
        """Give the label of every example of a split, in its order."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        return np.array([numbers[name] for _, name in self.members(split)], "int64")

    def examples(self, split: str, members: np.ndarray | None = None) -> tf.data.Dataset:
        """Read (image, label) of a split, or of those of its examples for which a bool array says so."""
        paths = [os.fsencode(path) for path, _ in self.members(split, members)]
        labels = self.labels(split) if members is None else self.labels(split)[members]
        dataset = tf.data.Dataset.from_tensor_slices((paths, labels))
        return dataset.map(lambda path, label: (tf.io.read_file(path), label), tf.data.AUTOTUNE)

    def check_classes(self, split: str) -> None:
        """Raise an error where a split to test on has classes that the training split lacks."""
        if unknown := sorted({name for _, name in self.members(split)} - set(self.classes)):
            raise ValueError(
                f"The split {split!r} has classes that the training split lacks: {shortened(unknown)}. Add images of "
                "them to train on, or remove them."
            )


def open_folder(folder: Path | None, train: str) -> ImageFolder:
    """Find the images of a folder, in the order that TFDS's `ImageFolder` gives them."""
    if folder is None or not folder.is_dir():
        raise ValueError(f"dataset 'image_folder' needs --data-dir, a folder laid out as {LAYOUT}; received {folder}.")
    listing, files = Listing(), {}
    for split, place in _split_folders(folder, train).items():
        files[split] = []
        for name in subfolders(place):
            before = len(listing.images)
            listing.add(os.path.join(place, name))
            listing.check()
            files[split] += [(path, name) for path in listing.images[before:]]
            if len(listing.images) == before:
                raise ValueError(f"The class folder {place / name} holds no image ({SUFFIXES}). Fill or remove it.")
        random.Random(split).shuffle(files[split])  # as TFDS does
    listing.print_unread(folder)
    known = files.get(train) or [file for split in files.values() for file in split]
    return ImageFolder(files, tuple(sorted({name for _, name in known})))


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


def broken_images(paths: Sequence[str], channels: int) -> list[str]:
    """Find the files that cannot be decoded."""

    def decoded(index, path):
        # The size of the decoded image, because TensorFlow skips an unused decoding.
        return index, tf.size(decode_image(tf.io.read_file(path), channels))

    dataset = tf.data.Dataset.from_tensor_slices([os.fsencode(path) for path in paths]).enumerate()
    dataset = dataset.map(decoded, tf.data.AUTOTUNE, deterministic=False).ignore_errors(log_warning=False)
    sound, done = np.zeros(len(paths), bool), 0
    for indices, _ in dataset.batch(64):
        sound[indices.numpy()] = True
        done += len(indices)
        _show_progress(done, len(paths))
    _show_progress(len(paths), len(paths))
    return [path for path, is_sound in zip(paths, sound) if not is_sound]


def _show_progress(done: int, count: int) -> None:
    if sys.stderr.isatty():
        print(f"\rChecking images: {done} of {count}", end="" if done < count else "\n", file=sys.stderr, flush=True)


def check_images(paths: Iterable[str], channels: int) -> None:
    """Raise an error where files cannot be decoded, before a run reads them."""
    paths = list(dict.fromkeys(paths))
    if broken := broken_images(paths, channels):
        raise ValueError(
            f"{len(broken)} of {len(paths)} images cannot be read: {shortened(broken)}. Replace or remove them."
        )
