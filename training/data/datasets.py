"""Every source of images: sets registered with TFDS, the embedded default among them, image files, and arrays."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import tensorflow as tf

from keras_resnet.labels import check_labels
from training.config import Data
from training.config.fields import ARRAYS, IMAGE_FOLDER, TABLE
from training.data import image_files
from training.data.arrays import Arrays
from training.data.display_names import named
from training.data.image_files import ImageFiles
from training.data.image_folder import open_folder
from training.data.image_table import open_table
from training.data.registered import Registered, open_registered
from training.data.splits import Splits, check_split, length, split_names
from training.tasks import ANY, Task

TEST_SPLITS = ("test", "validation", "val")


class Reader(Protocol):
    """What a `Source` reads: a data set that TFDS has prepared, image files of a folder or a table, or arrays.

    A split is a name in `splits`, or slices of such as TFDS writes them, `train[:10%]`.
    """

    classes: tuple[str, ...]
    shape: tuple[int | None, int | None, int]
    task: Task

    @property
    def splits(self) -> Splits:
        """The splits by name."""

    def labels(self, split: str) -> np.ndarray:
        """Give the label of every example of a split, in its order: a number, or 0 and 1 for each class."""

    def examples(self, split: str, members: np.ndarray | None = None) -> tf.data.Dataset:
        """Read (image, label) of a split, or of those of its examples for which a bool array says so."""

    def unread(self, split: str, members: np.ndarray | None = None) -> tuple[tf.data.Dataset, Callable]:
        """Give the same examples, and the function that makes (image, label) of one.

        Where each can be read by itself they are yet to be read.
        """


@dataclass(frozen=True)
class Source:
    """A data set that is ready to be read."""

    name: str
    reader: Reader
    train_split: str
    test_split: str
    # Splits that the reader does not know: a split that it knows, and which of its examples belong to the part.
    parts: dict[str, tuple[str, np.ndarray]] = dataclasses.field(default_factory=dict)
    validation_split: str | None = None  # that was taken off the training split, if one was
    untrained: tuple[str, ...] = ()  # classes all of whose images went into it
    # Image files that are left out as they cannot be decoded, from the folder of the data; None where none may be.
    skipped: tuple[str, ...] | None = None
    display_names: tuple[str, ...] | None = None  # by which the classes are shown, in the order of the labels

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the labels, as they are shown."""
        return self.display_names or self.reader.classes

    @property
    def shape(self) -> tuple[int | None, int | None, int]:
        """Height, width and channels of the images; a side is None where it varies."""
        return self.reader.shape

    @property
    def task(self) -> Task:
        """What the labels of an image are."""
        return self.reader.task

    @property
    def is_encoded(self) -> bool:
        """Whether images vary in size, and are therefore read as encoded files and decoded one by one."""
        return None in self.shape

    @property
    def watched(self) -> Source:
        """The same data set, to be tested on what a run looks at after every epoch: its validation split, if any."""
        return dataclasses.replace(self, test_split=self.validation_split or self.test_split)

    def count(self, split: str) -> int:
        """Count the examples of a split."""
        if split in self.parts:
            return int(self.parts[split][1].sum())
        return length(split, self.reader.splits)

    def labels(self, split: str) -> np.ndarray:
        """Give the label of every example of a split, in its order."""
        whole, members = self.parts.get(split, (split, slice(None)))
        return self.reader.labels(whole)[members]

    def examples(self, split: str) -> tf.data.Dataset:
        """Read a split in an order that never changes."""
        return self.reader.examples(*self.parts.get(split, (split, None)))

    def unread(self, split: str) -> tuple[tf.data.Dataset, Callable]:
        """Give a split in that order, yet to be read where that can wait, and the function that reads an example."""
        return self.reader.unread(*self.parts.get(split, (split, None)))

    def fingerprint(self, split: str) -> bytes:
        """Tell a split from others by its labels, or by what TFDS notes of it, without reading images or records."""
        whole, members = self.parts.get(split, (split, None))
        is_noted = isinstance(self.reader, Registered)
        known = self.reader.fingerprint(whole) if is_noted else self.reader.labels(whole).tobytes()
        return known if members is None else known + members.tobytes()

    def chosen(self, split: str, chosen: np.ndarray) -> tf.data.Dataset:
        """Read those examples of a split, in its order, for which a bool array says so."""
        whole, members = self.parts.get(split, (split, np.ones(len(chosen), bool)))
        members = members.copy()
        members[members] = chosen
        return self.reader.examples(whole, members)

    def sample(self, split: str, size: int, seed: int) -> tf.data.Dataset:
        """Read so many examples of a split, or all, drawn at random, in an order drawn at random."""
        whole, members = self.parts.get(split, (split, None))
        members = np.ones(self.count(split), bool) if members is None else members
        generator = np.random.default_rng((seed, 1))  # other numbers than those of a validation split
        drawn = generator.permutation(np.flatnonzero(members))[:size]
        examples = self.reader.examples(whole, np.isin(np.arange(len(members)), drawn))
        return examples.shuffle(len(drawn), seed=int(generator.integers(1, 2**31)), reshuffle_each_iteration=False)


def open_source(data: Data, arrays: Arrays | None = None, *, only_test: bool = False) -> Source:
    """Open the data set of a run, and prepare it where that needs no network or the user allowed it.

    Args:
        data: group of the configuration.
        arrays: Arrays, where these are the data.
        only_test: bool, whether nothing is read but the split to test on, so that no other image needs a check.

    Returns:
        Source.

    Raises:
        ValueError: the data set is unknown, not prepared, or not one of labelled images; or it lacks a split, or
            examples in it, or classes that the other has; images that cannot be read leave nothing; or classes are not
            named one by one, or cannot be balanced.
    """
    reader = _open_reader(data, arrays)
    names = named(reader.classes, data.display_names)
    check_labels(names)
    if len(reader.classes) < 2:
        raise ValueError(f"{data.dataset!r} has one class, {reader.classes[0]!r}; there is nothing to tell apart.")
    if reader.task is ANY and data.balance["name"] != "none":
        raise ValueError(
            f"balance={data.balance['name']!r} is for images of one class each; in {data.dataset!r} they have any "
            "number of them."
        )
    splits = list(reader.splits)
    test = data.test_split
    if not test and not data.validation:
        test = next((split for split in TEST_SPLITS if split in splits and _has_labels(reader, split)), None)
        if test is None:
            parting = "" if only_test else "keep a share of the training images by --validation 0.2, or "
            raise ValueError(
                f"{data.dataset!r} has no split to test on: {parting}name one of {splits} by --test-split."
            )
    skipped = None
    if data.on_bad_image == "skip":
        read = [data.train_split] if data.validation or not only_test else []
        reader, skipped = _leave_out_broken(reader, data, [*read, *([test] if test else [])])
    for field, split in (("train_split", data.train_split), ("test_split", test)):
        if split:
            check_split(f"{field} of {data.dataset!r}", split, reader.splits)
            if not _has_labels(reader, split):
                labelled = [name for name in splits if _has_labels(reader, name)]
                raise ValueError(
                    f"{field}={split!r} of {data.dataset!r} has no labels; the splits with labels are {labelled}."
                )
    if test and isinstance(reader, ImageFiles):
        reader.check_classes(test)
    source = Source(data.dataset, reader, data.train_split, test, skipped=skipped, display_names=names)
    source = _hold_out(source, data) if data.validation else source
    if source.task is ANY:
        _check_marks(source)
    return source


def _check_marks(source: Source) -> None:
    """Raise an error where no image of a split to test on has a label, so that no average precision is defined."""
    for split in dict.fromkeys((source.watched.test_split, source.test_split)):
        if not source.labels(split).any():
            raise ValueError(
                f"No image of the split {split!r} of {source.name!r} has a label; choose another split, or a larger "
                "share, to test on."
            )


def _has_labels(reader: Reader, split: str) -> bool:
    """Tell whether a split has labels, which only sets registered with TFDS may lack."""
    return not isinstance(reader, Registered) or reader.has_labels(split)


def _open_reader(data: Data, arrays: Arrays | None) -> Reader:
    if data.dataset == ARRAYS:
        if arrays is None:
            raise ValueError(
                "dataset 'arrays' is for arrays in memory, which no run keeps. Give them in Python, as in "
                "training.train(run_dir, train=(images, labels), test=(images, labels)); or name another dataset."
            )
        return arrays
    if data.dataset == TABLE:
        return open_table(data.data_dir, data.train_split, data.label_separator)
    if data.label_separator is not None:
        raise ValueError(f"label_separator is for the labels in a CSV file; the dataset is {data.dataset!r}.")
    if data.dataset == IMAGE_FOLDER:
        tested = split_names(data.test_split) if data.test_split else () if data.validation else TEST_SPLITS
        return open_folder(data.data_dir, data.train_split, tested)
    return open_registered(data)


def _leave_out_broken(reader: Reader, data: Data, splits: Sequence[str]) -> tuple[ImageFiles, tuple[str, ...]]:
    """Take the images that cannot be decoded out of these splits, before anything is counted or drawn."""
    if not isinstance(reader, ImageFiles):
        raise ValueError(
            f"on_bad_image='skip' is for image files, {IMAGE_FOLDER!r} and {TABLE!r}; {data.dataset!r} has none."
        )
    names = [name for split in splits for name in split_names(split) if reader.files.get(name)]
    paths = list(dict.fromkeys(path for name in names for path, _ in reader.files[name]))
    if not (broken := image_files.broken_images(paths, reader.shape[2])):
        return reader, ()
    print(
        f"{len(broken)} of {len(paths)} images cannot be read and are left out: {image_files.shortened(broken)}.",
        file=sys.stderr,
        flush=True,
    )
    root = data.data_dir if data.dataset == IMAGE_FOLDER else data.data_dir.parent
    return reader.without(set(broken), data.train_split), tuple(os.path.relpath(path, root) for path in broken)


def _hold_out(source: Source, data: Data) -> Source:
    """Part a training split in two and test on the smaller one, unless another was named."""
    labels = source.reader.labels(source.train_split)
    members = validation_members(source, labels, data.validation, data.validation_seed)
    if not members.any():
        raise ValueError(
            f"validation={data.validation} of {len(members)} examples in {len(source.classes)} classes leaves none; "
            "give a larger share."
        )
    rest, kept = f"{source.train_split} without validation", f"validation of {source.train_split}"
    lost = [] if source.task is ANY else np.setdiff1d(labels[members], labels[~members])
    return dataclasses.replace(
        source,
        untrained=tuple(source.classes[label] for label in lost),
        train_split=rest,
        test_split=data.test_split or kept,
        validation_split=kept,
        parts={rest: (source.train_split, ~members), kept: (source.train_split, members)},
    )


def validation_members(source: Source, labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Draw the examples of a validation split: a bool for each of the training split, of which the labels are given.

    It is the same share of each class; of all images where they may have any number of classes, which cannot be shared
    out one by one.
    """
    generator, members = np.random.default_rng(seed), np.zeros(len(labels), bool)
    if source.task is ANY:
        groups = [np.arange(len(labels))]
    else:
        groups = [np.flatnonzero(labels == label) for label in range(len(source.classes))]
    for group in groups:
        own = generator.permutation(group)
        members[own[: round(share * len(own))]] = True
    return members


def check_trained(source: Source, data: Data) -> None:
    """Raise an error where the validation split leaves no image to train on, or none of a class.

    Images of any number of classes are not shared out by class, and chance may leave none of a rare one.
    """
    count = len(source.untrained)
    if count or not source.count(source.train_split):
        classes = f" of the class{'es' if count > 1 else ''} {image_files.shortened(source.untrained)}" if count else ""
        raise ValueError(
            f"validation={data.validation} takes every training image{classes} to test on, and leaves none to learn "
            "from; give a smaller share."
        )


def check_images(source: Source, *splits: str) -> None:
    """Decode every image file of these splits, so that a damaged one is reported before the run."""
    if isinstance(source.reader, ImageFiles) and source.skipped is None:
        files = [file for split in splits for file in source.reader.members(*source.parts.get(split, (split, None)))]
        image_files.check_images((path for path, _ in files), source.shape[2])
