"""Labelled images in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from training.data.splits import Splits, slices, splits_of

Examples = tuple[np.ndarray, np.ndarray]  # images and labels
ASKED = "Give (images, labels): values 0 to 255 of shape (count, height, width, channels), and integers"


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

    def _read(self, split: str, place: int) -> np.ndarray:
        """Give the images (place 0) or labels (place 1) of a split; a copy only where it consists of several slices."""
        found = [self.parts[name][place][part] for name, part in slices(split, self.splits)]
        return found[0] if len(found) == 1 else np.concatenate(found)


def make_arrays(train: Examples, test: Examples | None = None, classes: Sequence[str] | None = None) -> Arrays:
    """Check images and labels, and name their classes; by their numbers where no names are given."""
    parts = {name: _checked(name, one) for name, one in (("train", train), ("test", test)) if one is not None}
    highest = int(max(labels.max() for _, labels in parts.values()))
    names = tuple(map(str, range(highest + 1))) if classes is None else tuple(map(str, classes))
    if highest >= len(names):
        raise ValueError(f"A label is {highest}, and there are {len(names)} classes, numbered from 0.")
    if len(shapes := {images.shape[1:] for images, _ in parts.values()}) > 1:
        raise ValueError(f"Images to train and to test on must have the same shape; received {sorted(shapes)}.")
    return Arrays(parts, names)


def _checked(name: str, examples: Examples) -> Examples:
    """Bring images to (count, height, width, channels) and labels to (count,), or say what is wrong with them."""
    if not isinstance(examples, (tuple, list)) or len(examples) != 2:
        raise ValueError(f"{name}: received {type(examples).__name__}. {ASKED}.")
    images, labels = map(np.asarray, examples)
    images = images[..., np.newaxis] if images.ndim == 3 else images
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if images.ndim != 4 or 0 in images.shape or images.dtype.kind not in "uif":
        raise ValueError(f"{name}: received images of shape {images.shape} and type {images.dtype}. {ASKED}.")
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "ui":
        raise ValueError(
            f"{name}: received labels of shape {labels.shape} and type {labels.dtype} for {len(images)} images. "
            f"{ASKED}."
        )
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 255) or (images.dtype.kind == "f" and high <= 1):
        raise ValueError(f"{name}: values of images must be 0 to 255; received {low:g} to {high:g}.")
    if labels.min() < 0:
        raise ValueError(f"{name}: labels are numbered from 0; received {labels.min()}.")
    return images if images.dtype == np.uint8 else images.astype("float32"), labels.astype("int64")
