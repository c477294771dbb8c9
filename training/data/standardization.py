"""The input contract of a new network: the size of its images and how their pixels are standardized."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from keras_resnet.preprocessing import Preprocessing
from training.config import Data

if TYPE_CHECKING:
    from training.data.datasets import Source

IMAGENET_MEAN = np.array([123.675, 116.28, 103.53])
IMAGENET_STD = np.array([58.395, 57.12, 57.375])
Reader = Callable[["Source", Preprocessing], Iterable[np.ndarray]]


def training_images(source: Source, blank: Preprocessing) -> Iterable[np.ndarray]:
    """Read the images of the training set in batches, in the network's size and not standardized."""
    from training.data.batches import resized  # imports TensorFlow, which not every reader needs

    examples = resized(source, source.train_split, blank).batch(256).prefetch(2)
    return (images for images, _ in examples.as_numpy_iterator())


def make_preprocessing(
    source: Source,
    data: Data,
    test_crop: float | None,
    default_size: tuple[int, int],
    weights: Preprocessing | None = None,
    *,
    read: Reader = training_images,
) -> Preprocessing:
    """Decide what the network expects of its images, by the training set or by the weights that it starts from."""
    height, width, channels = source.shape
    if data.standardize == "weights" and weights is None:
        raise ValueError(
            "standardize='weights', but the weights do not say what they expect of images; choose the standardize that "
            "they were trained with."
        )
    given = None not in (height, width) and data.standardize != "weights"
    size = (data.image_size,) * 2 if data.image_size else (height, width) if given else default_size
    if data.standardize == "weights":
        return dataclasses.replace(weights.for_images(size, channels), crop=test_crop or weights.crop)
    blank = Preprocessing(size, channels, np.zeros(channels), np.ones(channels), test_crop or 1.0)
    if data.standardize == "imagenet":
        if channels != 3:
            raise ValueError(
                f"standardize 'imagenet' is for three channels; the images have {channels}. Use 'channel'."
            )
        mean, std = IMAGENET_MEAN, IMAGENET_STD
    else:
        pixel_mean, square = _pixel_moments(read(source, blank), blank)
        mean, std = pixel_mean.mean((0, 1)), np.full(channels, 255.0)
        if data.standardize == "channel":
            std = np.sqrt(np.maximum(square.mean((0, 1)) - mean**2, 1e-6))
        else:
            mean = pixel_mean
    return dataclasses.replace(blank, mean=mean, std=std)


def _pixel_moments(batches: Iterable[np.ndarray], blank: Preprocessing) -> tuple[np.ndarray, np.ndarray]:
    """Average each pixel and its square over the training set, in the network's size."""
    total, count = np.zeros((2, *blank.size, blank.channels)), 0
    for images in batches:
        images = images.astype("float64")
        total += images.sum(0), (images**2).sum(0)
        count += len(images)
    return tuple(total / count)
