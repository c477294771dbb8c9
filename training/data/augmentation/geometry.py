"""Augmentations that move pixels: crops and flips.

Those of a batch are written in `keras.ops`, so that they augment on any backend.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from keras_resnet.choices.registry import Range
from training.data.augmentation.registry import Drawn, augmentation

if TYPE_CHECKING:
    import tensorflow as tf


@augmentation("random_resized_crop", draws=4, resizes=True)
def random_resized_crop(
    image: tf.Tensor,
    drawn: Drawn,
    size: tuple[int, int],
    *,
    area: Annotated[float, Range(0, 1, above=True), "least share of the image's area"] = 0.25,
) -> tf.Tensor:
    """Cut a rectangle of random area, aspect and place out of an image, and resize it.

    Args:
        image: tensor (height, width, channels).
        drawn: Drawn; the numbers decide area, aspect, top and left.
        size: tuple (height, width) of the result, in pixels.
        area: float, least share of the image's area; the aspect lies between 3/4 and 4/3.

    Returns:
        float32 tensor (*size, channels).

    Source: facebook's fb.resnet.torch, "random sized crop", the training crop that arXiv 1603.05027 calls
        scale and aspect augmentation (Table 5); here a rectangle that is too long is cut to the image.
    """
    import tensorflow as tf

    return tf.image.resize(cut_rectangle(image, drawn.numbers, area), size, antialias=True)


def cut_rectangle(image: tf.Tensor, numbers: tf.Tensor, least: float) -> tf.Tensor:
    """Cut a rectangle of random area, aspect, top and left out of an image, as four numbers in [0, 1) say."""
    import tensorflow as tf

    by_area, by_aspect, by_top, by_left = tf.unstack(numbers)
    height, width = (tf.cast(tf.shape(image)[axis], tf.float32) for axis in (0, 1))
    area = height * width * (least + by_area * (1 - least))
    aspect = tf.exp((2 * by_aspect - 1) * math.log(4 / 3))
    rows = tf.clip_by_value(tf.round(tf.sqrt(area / aspect)), 1, height)
    columns = tf.clip_by_value(tf.round(tf.sqrt(area * aspect)), 1, width)
    begin = tf.stack([tf.floor(by_top * (height - rows + 1)), tf.floor(by_left * (width - columns + 1)), 0])
    extent = tf.stack([rows, columns, tf.cast(tf.shape(image)[2], tf.float32)])
    return tf.slice(image, tf.cast(begin, tf.int32), tf.cast(extent, tf.int32))


@augmentation("pad_crop", draws=2)
def pad_crop(
    images: tf.Tensor,
    drawn: Drawn,
    *,
    pixels: Annotated[int, Range(1, 4096), "pixels to pad on each side"] = 4,
    border: Annotated[Literal["zeros", "reflect"], "what is padded"] = "zeros",
) -> tf.Tensor:
    """Pad every image on all sides and cut a window of the old size at a random place.

    Args:
        images: float32 tensor (batch, height, width, channels).
        drawn: Drawn; the numbers decide top and left.
        pixels: int, on each side.
        border: "zeros", which is the mean of standardized images, or "reflect".

    Returns:
        Tensor of the same shape.

    Raises:
        ValueError: the border is as wide as the images.

    Source: arXiv 1512.03385, section 4.2, with zeros and 4 pixels.
    """
    from keras import ops

    height, width = images.shape[1:3]
    if pixels >= min(height, width):
        raise ValueError(
            f"pad_crop: pixels={pixels} needs images of more than {pixels} pixels; these are {height}x{width}."
        )
    mode = {"zeros": "constant", "reflect": "reflect"}[border]
    padded = ops.pad(images, [(0, 0), (pixels, pixels), (pixels, pixels), (0, 0)], mode)
    top, left = (ops.cast(drawn.numbers[:, place] * (2 * pixels + 1), "int32") for place in (0, 1))
    return cut_windows(padded, top, left, (height, width))


def cut_windows(images: tf.Tensor, top: tf.Tensor, left: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Cut a window of one size out of each image of a batch, from its own top and left: one gather of pixels."""
    from keras import ops

    count, channels = ops.shape(images)[0], images.shape[3]
    height, width = images.shape[1:3]
    rows = (ops.arange(count) * height + top)[:, None] + ops.arange(size[0])
    columns = left[:, None] + ops.arange(size[1])
    places = rows[:, :, None] * width + columns[:, None, :]
    return ops.take(ops.reshape(images, (-1, channels)), places, axis=0)


@augmentation("flip", draws=1)
def flip(
    images: tf.Tensor,
    drawn: Drawn,
    *,
    alternating: Annotated[bool, "turn each image over in every epoch, from a random side"] = False,
) -> tf.Tensor:
    """Mirror half of the images left to right.

    Args:
        images: tensor (batch, height, width, channels).
        drawn: Drawn; the number tosses a coin.
        alternating: bool, whether the coin is tossed once for each example and turned over in every epoch, so that
            two epochs show both sides.

    Returns:
        Tensor of the same shape.
    """
    from keras import ops

    mirrored = drawn.numbers[:, 0] < 0.5
    if alternating:
        mirrored = ops.logical_xor(drawn.first[:, 0] < 0.5, drawn.epoch % 2 == 1)
    return ops.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
