"""Raw images as arrays: the files that carry them to a machine with nothing but NumPy, and how they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from keras_resnet.files import write_atomically
from keras_resnet.preprocessing import Preprocessing

SPLITS = ("train", "test")
KINDS = ("images", "labels")
FIELDS = ("name", "classes", "part", "parts", *(f"{split}_{kind}" for split in SPLITS for kind in KINDS))


@dataclass(frozen=True, eq=False)
class Images:
    """A data set in memory, and what `training` asks of one.

    Args:
        name: str, as TFDS knows it.
        classes: tuple of str, in the order of the labels.
        train: tuple of uint8 images (count, height, width, channels) and int32 labels (count,).
        test: the same.
    """

    name: str
    classes: tuple[str, ...]
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    train_split: ClassVar[str] = "train"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images."""
        return self.train[0].shape[1:]

    def count(self, split: str) -> int:
        """Count the examples of a split."""
        return len(getattr(self, split)[1])

    def batches(self, blank: Preprocessing) -> Iterator[np.ndarray]:
        """Read the training images, which are of the network's size, in batches."""
        images = blank.resize(self.train[0])
        return (images[first : first + 256] for first in range(0, len(images), 256))


def write_images(path: Path, images: Images, parts: int = 1) -> list[Path]:
    """Write a data set as one compressed `.npz`, or as several, each with a share of every split.

    Args:
        path: Path of the file; parts stand beside it as `NAME-1of4.npz`.
        images: Images.
        parts: int, how many files.

    Returns:
        List of Path.

    Raises:
        OSError: a file cannot be written.
    """
    paths = [path] if parts == 1 else [path.with_name(f"{path.stem}-{n}of{parts}.npz") for n in range(1, parts + 1)]
    for number, place in enumerate(paths):
        arrays = {"name": images.name, "classes": np.array(images.classes), "part": number, "parts": parts}
        for split in SPLITS:
            pixels, labels = getattr(images, split)
            share = slice(number * len(labels) // parts, (number + 1) * len(labels) // parts)
            arrays |= {f"{split}_images": pixels[share], f"{split}_labels": labels[share].astype("int32")}
        write_atomically(place, lambda part, arrays=arrays: np.savez_compressed(part, **arrays))
    return paths


def read_images(paths: Sequence[Path]) -> Images:
    """Read a data set from its file, or from all of its parts in any order.

    Args:
        paths: sequence of Path.

    Returns:
        Images.

    Raises:
        ValueError: a file cannot be read or is not one of `export_data.py`; or parts are missing.
    """
    found = sorted((read_part(path) for path in paths), key=lambda part: int(part["part"]))
    wanted = int(found[0]["parts"])
    numbers = [int(part["part"]) for part in found]
    if numbers != list(range(wanted)) or len({str(part["name"]) for part in found}) > 1:
        raise ValueError(
            f"--data must name each of the {wanted} parts of one data set once; received parts "
            f"{', '.join(str(number + 1) for number in numbers)} of {', '.join(str(part['name']) for part in found)}."
        )
    splits = [tuple(np.concatenate([part[f"{split}_{kind}"] for part in found]) for kind in KINDS) for split in SPLITS]
    return Images(str(found[0]["name"]), tuple(map(str, found[0]["classes"])), *splits)


def read_part(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a file, and check that they are images and their labels."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in FIELDS}
    except Exception as error:  # of NumPy and what it reads archives and headers with: they know many
        reason = getattr(error, "strerror", None) or str(error).strip("'")
        raise ValueError(f"{path} is not a file of export_data.py ({reason}). Make it anew.") from error
    for split in SPLITS:
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        if images.dtype != "uint8" or images.ndim != 4 or labels.shape != images.shape[:1]:
            raise ValueError(
                f"{path}: {split} must be uint8 images (count, height, width, channels) with a label each; received "
                f"{images.dtype} {images.shape} and labels {labels.shape}."
            )
    return arrays
