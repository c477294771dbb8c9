"""Labelled image files of a folder or a table: how they are read, and which cannot be decoded."""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

import numpy as np
import tensorflow as tf

from keras_resnet.images import IMAGE_SUFFIXES, checked, decode_image
from keras_resnet.startup import decoders_kept_quiet
from training.data.splits import Splits, slices, split_names, splits_of
from training.tasks import ANY, ONE, Task

SUFFIXES = ", ".join(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES)
SHOWN = 5  # files that a message names
Label = str | tuple[str, ...]  # the class of an image, or its classes where it may have any number


def shortened(names: Sequence[str]) -> str:
    """Name the first few of many."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def classes_in(files: Iterable[tuple[str, Label]]) -> set[str]:
    """Name the classes of labelled files."""
    return {name for _, label in files for name in ((label,) if isinstance(label, str) else label)}


@dataclass(frozen=True)
class ImageFiles:
    """Labelled image files, as a `training.data.datasets.Reader`."""

    files: dict[str, list[tuple[str, Label]]]  # of each split, (path, label) in the order in which they are read
    classes: tuple[str, ...]  # in the order of the labels
    shape: tuple[None, None, int] = (None, None, 3)
    task: Task = ONE

    @property
    def splits(self) -> Splits:
        """The splits by name."""
        return splits_of({name: len(files) for name, files in self.files.items()})

    def members(self, split: str, members: np.ndarray | None = None) -> list[tuple[str, Label]]:
        """List (path, label) of a split, or of those of its examples for which a bool array says so."""
        files = [file for name, part in slices(split, self.splits) for file in self.files[name][part]]
        return files if members is None else [file for file, is_member in zip(files, members) if is_member]

    def labels(self, split: str) -> np.ndarray:
        """Give the label of every example of a split, in its order."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        labels = [label for _, label in self.members(split)]
        if self.task is ANY:
            return k_hot([[numbers[name] for name in own] for own in labels], len(self.classes))
        return np.array([numbers[name] for name in labels], "int64")

    def examples(self, split: str, members: np.ndarray | None = None) -> tf.data.Dataset:
        """Read (image, label) of a split, or of those of its examples for which a bool array says so."""
        files, read = self.unread(split, members)
        return files.map(read, tf.data.AUTOTUNE)

    def unread(self, split: str, members: np.ndarray | None = None) -> tuple[tf.data.Dataset, Callable]:
        """Give (path, label) of the same examples, and the function that makes (image, label) of it."""
        # Of a type of their own, for a host's share of a small split may be none.
        paths = tf.constant([os.fsencode(path) for path, _ in self.members(split, members)], tf.string)
        labels = self.labels(split) if members is None else self.labels(split)[members]
        return tf.data.Dataset.from_tensor_slices((paths, labels)), lambda path, label: (tf.io.read_file(path), label)

    def without(self, broken: Collection[str], train: str) -> ImageFiles:
        """Leave out files that cannot be read; an error where a split, or a class to train on, has no others."""
        files = {split: [file for file in own if file[0] not in broken] for split, own in self.files.items()}
        before, after = (
            classes_in(file for split in split_names(train) for file in own.get(split, ()))
            for own in (self.files, files)
        )
        emptied = [split for split in self.files if self.files[split] and not files[split]]
        empty = [*(f"the class {name!r}" for name in sorted(before - after)), *map(repr, emptied)]
        if empty:
            raise ValueError(
                f"No image of {empty[0]} can be read, so that leaving them out leaves nothing: "
                f"{shortened(sorted(broken))}. Replace them."
            )
        return dataclasses.replace(self, files=files)

    def check_classes(self, split: str) -> None:
        """Raise an error where a split to test on has classes that the training split lacks."""
        if unknown := sorted(classes_in(self.members(split)) - set(self.classes)):
            raise ValueError(
                f"The split {split!r} has classes that the training split lacks: {shortened(unknown)}. Add images of "
                "them to train on, or remove them."
            )


def k_hot(labels: Sequence[Sequence[int]], classes: int) -> np.ndarray:
    """Write numbers of classes as 0 and 1 for each class, a float32 array (images, classes)."""
    table = np.zeros((len(labels), classes), "float32")
    for row, own in zip(table, labels):
        row[list(own)] = 1
    return table


def shuffled(
    files: dict[str, list[tuple[str, Label]]],
    train: str,
    in_order: Callable[[set[str]], Iterable[str]] = sorted,
    task: Task = ONE,
) -> ImageFiles:
    """Shuffle the (path, label) of each split, as TFDS does; the classes are those of the training splits, if any."""
    for split, own in files.items():
        random.Random(split).shuffle(own)
    trained = [file for name in split_names(train) for file in files.get(name, ())]
    known = trained or [file for own in files.values() for file in own]
    return ImageFiles(files, tuple(in_order(classes_in(known))), task=task)


def broken_images(paths: Sequence[str], channels: int) -> list[str]:
    """Find the files that cannot be decoded."""

    def decoded(index, path):
        # The size of the decoded image, because TensorFlow skips an unused decoding.
        return index, tf.size(_decode_roughly(tf.io.read_file(path), channels))

    dataset = tf.data.Dataset.from_tensor_slices([os.fsencode(path) for path in paths]).enumerate()
    dataset = dataset.map(decoded, tf.data.AUTOTUNE, deterministic=False).ignore_errors(log_warning=False)
    sound, done = np.zeros(len(paths), bool), 0
    with decoders_kept_quiet() as stream:
        for indices, _ in dataset.batch(64):
            sound[indices.numpy()] = True
            done += len(indices)
            _show_progress(done, len(paths), stream)
        _show_progress(len(paths), len(paths), stream)
    return [path for path, is_sound in zip(paths, sound) if not is_sound]


def _decode_roughly(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """Decode an image to see whether that works, a JPEG to an eighth of its size.

    All of its data are read, which is where one that is cut off fails; only the transform to pixels is spared, which
    takes most of the time.
    """
    is_jpeg = tf.strings.substr(encoded, 0, 3) == b"\xff\xd8\xff"
    return tf.cond(
        is_jpeg,
        lambda: tf.io.decode_jpeg(checked(encoded), channels=3, ratio=8),
        lambda: decode_image(encoded, channels),
    )


def _show_progress(done: int, count: int, stream: TextIO) -> None:
    if stream.isatty():
        print(f"\rChecking images: {done} of {count}", end="" if done < count else "\n", file=stream, flush=True)


def check_images(paths: Iterable[str], channels: int) -> None:
    """Raise an error where files cannot be decoded, before a run reads them."""
    paths = list(dict.fromkeys(paths))
    if broken := broken_images(paths, channels):
        raise ValueError(
            f"{len(broken)} of {len(paths)} images cannot be read: {shortened(broken)}. Replace or remove them; a "
            "training leaves them out by --data.on-bad-image skip."
        )
