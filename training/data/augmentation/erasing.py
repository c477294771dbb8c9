"""Augmentations that take a rectangle out of standardized images: zeros, the mean of the training set, stand there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from keras_resnet.choices.registry import Range
from training.data.augmentation.registry import Drawn, Pair, augmentation, pair_of
from training.limits import LARGEST_SIDE

if TYPE_CHECKING:
    import tensorflow as tf


def rectangles(size: tuple[int, int], top, bottom, left, right) -> tf.Tensor:
    """Give masks (batch, height, width, 1) that are true in rectangles, from first rows and columns up to the ends."""
    from keras_resnet.pipeline import ops

    rows, columns = (ops.arange(side, dtype="float32")[None] for side in size)
    high = (rows >= top[:, None]) & (rows < bottom[:, None])
    wide = (columns >= left[:, None]) & (columns < right[:, None])
    return (high[:, :, None] & wide[:, None])[..., None]


@augmentation("cutout", draws=2, kind="standardized")
def cutout(
    images: tf.Tensor,
    drawn: Drawn,
    *,
    size: Annotated[int, Range(1, LARGEST_SIDE, closed=True), "side of the square, in pixels"] = 16,
) -> tf.Tensor:
    """Put zeros into a square of every image; its center is any pixel, so that it may lie partly outside.

    Args:
        images: float32 tensor (batch, height, width, channels).
        drawn: Drawn; the numbers decide row and column of the center.
        size: int, side of the square, in pixels.

    Returns:
        Tensor of the same shape.

    Source: arXiv 1708.04552, with 16 pixels for CIFAR-10 and 8 for CIFAR-100.
    """
    from keras_resnet.pipeline import ops

    height, width = images.shape[1:3]
    top, left = (ops.floor(drawn.numbers[:, place] * side) - size // 2 for place, side in enumerate((height, width)))
    return ops.where(rectangles((height, width), top, top + size, left, left + size), 0.0, images)


@augmentation("random_erasing", draws=5, kind="standardized")
def random_erasing(
    images: tf.Tensor,
    drawn: Drawn,
    *,
    probability: Annotated[float, Range(0, 1, closed=True), "share of the images"] = 0.5,
    area: Annotated[Pair, "least and largest share of the image's area", pair_of("area", 1)] = (0.02, 0.4),
    aspect: Annotated[Pair, "least and largest height by width", pair_of("aspect")] = (0.3, 3.333),
) -> tf.Tensor:
    """Put zeros into a rectangle of a share of the images.

    Where the paper draws again until the rectangle fits into the image, its aspect is drawn out of those that fit.

    Args:
        images: float32 tensor (batch, height, width, channels).
        drawn: Drawn; the numbers decide whether, area, aspect, top and left.
        probability: float, share of the images.
        area: tuple (least, largest) share of the image's area.
        aspect: tuple (least, largest) height by width.

    Returns:
        Tensor of the same shape.

    Source: arXiv 1708.04896; zeros in standardized images are the mean, which the paper compares as RE-M.
    """
    from keras_resnet.pipeline import ops

    height, width = images.shape[1:3]
    happens, by_area, by_aspect, by_top, by_left = (drawn.numbers[:, place] for place in range(5))
    pixels = (area[0] + by_area * (area[1] - area[0])) * (height * width)
    fits = pixels / width**2, height**2 / pixels
    least, largest = (ops.minimum(ops.maximum(fits[0], bound), fits[1]) for bound in aspect)
    ratio = least + by_aspect * (largest - least)
    rows, columns = (ops.maximum(ops.round(ops.sqrt(sides)), 1.0) for sides in (pixels * ratio, pixels / ratio))
    top, left = ops.floor(by_top * (height - rows + 1)), ops.floor(by_left * (width - columns + 1))
    erased = rectangles((height, width), top, top + rows, left, left + columns)
    return ops.where(erased & (happens < probability)[:, None, None, None], 0.0, images)
