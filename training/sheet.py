"""The sheet of training images as they are when a network learns from them, with their labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from keras_resnet.preprocessing import Preprocessing
from training.config import Data, RunConfig
from training.data.batches import training_batches
from training.data.datasets import Source
from training.pictures import drawable, save, shorten

SHOWN = 32  # images on the sheet
COLUMNS = 8  # and images that are mixed with one another
LONGEST = 16  # letters of a class
MOST = 4  # classes of an image
NOTABLE = 0.005  # share of a class from which on it is named


@dataclass(frozen=True, eq=False)
class Example:
    """An image as a network gets it, and what it is to answer.

    Args:
        image: uint8 array (height, width, channels); of more than three channels the first three are drawn, of two one.
        label: str, the class; of mixed images a line for each class, with its share.
    """

    image: np.ndarray
    label: str


class First(Source):
    """The first examples of a data set, which costs no more to read."""

    def count(self, split: str) -> int:
        """Count the examples."""
        return min(super().count(split), SHOWN)

    def examples(self, split: str) -> tf.data.Dataset:
        """Read the examples."""
        return super().examples(split).take(self.count(split))

    def unread(self, split: str) -> tuple[tf.data.Dataset, Callable]:
        """Give the examples, and the function that reads one."""
        examples, read = super().unread(split)
        return examples.take(self.count(split)), read


def read_examples(source: Source, preprocessing: Preprocessing, config: RunConfig) -> list[Example]:
    """Read the first training images as they are augmented in the first epoch.

    Args:
        source: Source. It stores its examples in no order of their classes.
        preprocessing: Preprocessing, by which images are standardized, and here are brought back.
        config: RunConfig.

    Returns:
        List of Examples, by eights: so many are mixed with one another, where a run mixes whole batches.
    """
    first = First(**vars(source))
    batches = training_batches(
        first,
        preprocessing,
        # Each example once, whatever a run balances or repeats.
        config.data.model_copy(update={"balance": Data().balance, "repeats": 1}),
        range(1),
        augmentation=config.augmentation,
        batch_size=min(COLUMNS, first.count(first.train_split)),
        seed=config.seed,
    )
    return [
        Example(image, label_of(label, source.classes))
        for images, labels, *_ in batches.as_numpy_iterator()
        for image, label in zip(levels_of(images, preprocessing), labels)
    ]


def levels_of(images: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Give the levels of standardized images, which augmentation may have led beyond black and white."""
    levels = images * preprocessing.std + preprocessing.mean
    levels = levels[..., ::-1] if preprocessing.order == "BGR" else levels
    return np.clip(np.round(levels), 0, 255).astype("uint8")


def label_of(label: np.ndarray, classes: Sequence[str]) -> str:
    """Name the class of a label; of several, or of shares, a line each, the largest first."""
    if not label.ndim:
        return shorten(classes[label], LONGEST)
    label = label.astype("float32")  # of several labels, integers
    named = [place for place in np.argsort(-label, kind="stable") if label[place] >= NOTABLE]
    shares = ["" if label[place] > 1 - NOTABLE else f"{label[place]:.0%} " for place in named[:MOST]]
    lines = [f"{share}{shorten(classes[place], LONGEST)}" for share, place in zip(shares, named)]
    return "\n".join([*lines, *(["…"] if len(named) > MOST else [])])


def draw_sheet(examples: Sequence[Example], to: Path | BinaryIO) -> None:
    """Draw images with their labels below them.

    Args:
        examples: sequence of Examples.
        to: path or file for the PNG.
    """
    columns = min(COLUMNS, len(examples))
    rows = math.ceil(len(examples) / columns)
    lines = max(example.label.count("\n") for example in examples) + 1
    figure = Figure(figsize=(1.3 * columns, (1.25 + 0.17 * lines) * rows), layout="constrained")
    for axes in (places := list(figure.subplots(rows, columns, squeeze=False).flat)):
        axes.set_axis_off()
    for axes, example in zip(places, examples):
        axes.imshow(drawable(example.image), cmap="gray", vmin=0, vmax=255)
        axes.set_title(example.label, fontsize=8, y=-0.04, pad=0, va="top")
    save(figure, to)
