"""Labelled images in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from training.data.splits import Splits, slices, splits_of
from training.tasks import ANY, ONE, Task

Examples = tuple[np.ndarray, np.ndarray]  # images and labels
ASKED = (
    "Give (images, labels): values 0 to 255 of shape (count, height, width, channels), and integers; or 0 and 1 as "
    "integers of shape (count, classes) where an image may have any number of classes"
)


@dataclass(frozen=True, eq=False)
class Arrays:
    """Labelled images in memory, as a `training.data.datasets.Reader`."""

    parts: dict[str, Examples]  # by split
    classes: tuple[str, ...]  # in the order of the labels

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images."""
        return next(iter(self.parts.values()))[0].shape[1:]

    @property
    def task(self) -> Task:
        """What the labels are: numbers of classes, or 0 and 1 for each class."""
        return ANY if next(iter(self.parts.values()))[1].ndim == 2 else ONE

    @property
    def splits(self) -> Splits:
        """The splits by name."""
        return splits_of({name: len(labels) for name, (_, labels) in self.parts.items()})

    @property
    def digest(self) -> str:
        """A name of the images and labels, by which other ones are told from them."""
        digest = hashlib.blake2b(repr(self.classes).encode(), digest_size=8)
        for name, arrays in self.parts.items():
            for array in arrays:
                digest.update(f"{name} {array.dtype} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def labels(self, split: str) -> np.ndarray:
        """Give the label of every example of a split, in its order."""
        return self._read(split, 1)

    def examples(self, split: str, members: np.ndarray | None = None) -> tf.data.Dataset:
        """Read (image, label) of a split, or of those of its examples for which a bool array says so."""
        arrays = self._read(split, 0), self._read(split, 1)
        return tf.data.Dataset.from_tensor_slices(
            arrays if members is None else tuple(array[members] for array in arrays)
        )

    def unread(self, split: str, members: np.ndarray | None = None) -> tuple[tf.data.Dataset, Callable]:
        """Give the same, and the function that makes (image, label) of an example, which it is."""
        return self.examples(split, members), lambda image, label: (image, label)

    def _read(self, split: str, place: int) -> np.ndarray:
        """Give the images (place 0) or labels (place 1) of a split; a copy only where it consists of several slices."""
        found = [self.parts[name][place][part] for name, part in slices(split, self.splits)]
        return found[0] if len(found) == 1 else np.concatenate(found)


def make_arrays(train: Examples, test: Examples | None = None, classes: Sequence[str] | None = None) -> Arrays:
    """Check images and labels, and name their classes; by their numbers where no names are given."""
    parts = {name: _checked(name, one) for name, one in (("train", train), ("test", test)) if one is not None}
    widths = {labels.shape[1:] for _, labels in parts.values()}
    if len(widths) > 1:
        raise ValueError(f"Labels to train and to test on must be of one kind; received {_kinds(parts)}.")
    if len(shapes := {images.shape[1:] for images, _ in parts.values()}) > 1:
        raise ValueError(f"Images to train and to test on must have the same shape; received {sorted(shapes)}.")
    (width,) = widths
    found = width[0] if width else 1 + int(max(labels.max() for _, labels in parts.values()))
    names = tuple(map(str, range(found) if classes is None else classes))
    if width and found != len(names):
        raise ValueError(f"Labels have {found} columns, one a class, and there are {len(names)} classes.")
    if found > len(names):
        raise ValueError(f"A label is {found - 1}, and there are {len(names)} classes, numbered from 0.")
    if test is not None and not width and (unseen := np.setdiff1d(parts["test"][1], parts["train"][1]).tolist()):
        raise ValueError(
            f"The images to test on have the labels {unseen}, which none to train on has. Add images of them to train "
            "on, or remove them."
        )
    return Arrays(parts, names)


def _kinds(parts: dict[str, Examples]) -> str:
    return " and ".join(f"{name} of shape {labels.shape}" for name, (_, labels) in parts.items())


def _checked(name: str, examples: Examples) -> Examples:
    """Bring images to (count, height, width, channels) and labels to their kind, or say what is wrong with them."""
    if not isinstance(examples, (tuple, list)) or len(examples) != 2:
        raise ValueError(f"{name}: received {type(examples).__name__}. {ASKED}.")
    images, labels = map(np.asarray, examples)
    images = images[..., np.newaxis] if images.ndim == 3 else images
    if images.ndim != 4 or 0 in images.shape or images.dtype.kind not in "uif":
        raise ValueError(f"{name}: received images of shape {images.shape} and type {images.dtype}. {ASKED}.")
    low, high = images.min(), images.max()
    labels = _checked_labels(name, labels, len(images))
    if not (low >= 0 and high <= 255) or (images.dtype.kind == "f" and high <= 1):
        raise ValueError(f"{name}: values of images must be 0 to 255; received {low:g} to {high:g}.")
    return images if images.dtype == np.uint8 else images.astype("float32"), labels


def _checked_labels(name: str, labels: np.ndarray, count: int) -> np.ndarray:
    """Bring labels to int64 (count,), or to 0 and 1 as float32 (count, classes)."""
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    marks = labels.ndim == 2 and labels.shape[1] > 1
    if labels.shape[:1] != (count,) or labels.ndim > 1 + marks or labels.dtype.kind not in ("uib" if marks else "ui"):
        raise ValueError(
            f"{name}: received labels of shape {labels.shape} and type {labels.dtype} for {count} images. {ASKED}."
        )
    if not marks:
        if labels.min() < 0:
            raise ValueError(f"{name}: labels are numbered from 0; received {labels.min()}.")
        return labels.astype("int64")
    if others := sorted(set(np.unique(labels).tolist()) - {0, 1}):
        raise ValueError(f"{name}: labels of shape {labels.shape} must be 0 and 1; received {others[0]}.")
    if name == "train" and len(absent := np.flatnonzero(~labels.any(axis=0))):
        raise ValueError(f"train: no image has the class in column {absent[0]}. Leave the column out, or add images.")
    return labels.astype("float32")
