"""Crops and flips: pixels that move and keep their values.

Those of a batch are written in `keras.ops`, so that they augment on any backend.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from keras_resnet.choices.registry import Range
from training.data.augmentation.registry import Drawn, augmentation, pair_of
from training.data.augmentation.resampling import cut_windows
from training.limits import LARGEST_SIDE

if TYPE_CHECKING:
    import tensorflow as tf


@augmentation("random_resized_crop", draws=4, kind="crop")
def random_resized_crop(
    image: tf.Tensor,
    drawn: Drawn,
    size: tuple[int, int],
    *,
    area: Annotated[float, Range(0, 1, above=True), "least share of the image's area"] = 0.25,
    aspect: Annotated[float, Range(1, 100, closed=True), "largest width by height, and height by width"] = 4 / 3,
    overlong: Annotated[Literal["cut", "redraw"], "what becomes of rectangles longer than the image"] = "cut",
) -> tf.Tensor:
    """Cut a rectangle of random area, aspect and place out of an image, and resize it.

    Args:
        image: tensor (height, width, channels).
        drawn: Drawn; the numbers decide area, aspect, top and left.
        size: tuple (height, width) of the result, in pixels.
        area: float, least share of the image's area.
        aspect: float, largest width by height; the logarithm is even between this and its reciprocal.
        overlong: "cut" cuts a rectangle that is longer than the image to the image. "redraw" has the result of drawing
            aspects until one fits; where none does, the rectangle is the largest one in the middle, as torchvision's.

    Returns:
        float32 tensor (*size, channels).

    Source: facebook's fb.resnet.torch, "random sized crop", the training crop that arXiv 1603.05027 calls
        scale and aspect augmentation (Table 5). Inception's and torchvision's has an area from 0.08 and redraws.
    """
    import tensorflow as tf

    return tf.image.resize(cut_rectangle(image, drawn.numbers, area, aspect, overlong), size, antialias=True)


def cut_rectangle(
    image: tf.Tensor, numbers: tf.Tensor, least: float, longest: float = 4 / 3, overlong: str = "cut"
) -> tf.Tensor:
    """Cut a rectangle of random area, aspect, top and left out of an image, as four numbers in [0, 1) say."""
    import tensorflow as tf

    by_area, by_aspect, by_top, by_left = tf.unstack(numbers)
    height, width = (tf.cast(tf.shape(image)[axis], tf.float32) for axis in (0, 1))
    area = height * width * (least + by_area * (1 - least))
    limit = math.log(longest)
    if overlong == "cut":
        aspect = tf.exp((2 * by_aspect - 1) * limit)
    else:
        low, high = tf.maximum(-limit, tf.math.log(area / height**2)), tf.minimum(limit, tf.math.log(width**2 / area))
        middle = tf.exp(tf.clip_by_value(tf.math.log(width / height), -limit, limit))
        aspect = tf.where(low <= high, tf.exp(low + by_aspect * (high - low)), middle)
        area = tf.where(low <= high, area, tf.minimum(width**2 / middle, height**2 * middle))
        by_top, by_left = (tf.where(low <= high, number, 0.5) for number in (by_top, by_left))
    rows = tf.clip_by_value(tf.round(tf.sqrt(area / aspect)), 1, height)
    columns = tf.clip_by_value(tf.round(tf.sqrt(area * aspect)), 1, width)
    begin = tf.stack([tf.floor(by_top * (height - rows + 1)), tf.floor(by_left * (width - columns + 1)), 0])
    extent = tf.stack([rows, columns, tf.cast(tf.shape(image)[2], tf.float32)])
    return tf.slice(image, tf.cast(begin, tf.int32), tf.cast(extent, tf.int32))


@augmentation("resize_crop", draws=3, kind="crop")
def resize_crop(
    image: tf.Tensor,
    drawn: Drawn,
    size: tuple[int, int],
    *,
    sides: Annotated[
        tuple[Annotated[int, Range(1, LARGEST_SIDE, closed=True)], ...],
        "least and largest shorter side",
        pair_of("sides"),
    ] = (256, 480),
) -> tf.Tensor:
    """Resize an image to a random shorter side, and cut a window of the network's size at a random place.

    Args:
        image: tensor (height, width, channels).
        drawn: Drawn; the numbers decide side, top and left.
        size: tuple (height, width) of the result, in pixels.
        sides: tuple (least, largest) length of the shorter side, in pixels.

    Returns:
        float32 tensor (*size, channels).

    Raises:
        ValueError: the least side is shorter than the window.

    Source: arXiv 1512.03385, section 3.4, "scale augmentation".
    """
    import tensorflow as tf

    least, largest = sides
    if least < max(size):
        raise ValueError(
            f"resize_crop: sides={[least, largest]} begin below the network's images, {size[0]}x{size[1]}; the least "
            f"one must be {max(size)} or more."
        )
    by_side, by_top, by_left = tf.unstack(drawn.numbers)
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    side = tf.floor(least + by_side * (largest - least + 1))
    resized = tf.round(shape * side / tf.reduce_min(shape))
    corner = tf.floor(tf.stack([by_top, by_left]) * (resized - size + 1))
    # What `tf.image.resize` computes of the whole image, of the window only.
    window = tf.raw_ops.ScaleAndTranslate(
        images=tf.cast(image, tf.float32)[tf.newaxis],
        size=size,
        scale=resized / shape,
        translation=-corner,
        kernel_type="triangle",
        antialias=True,
    )
    return window[0]


@augmentation("pad_crop", draws=2, kind="standardized")
def pad_crop(
    images: tf.Tensor,
    drawn: Drawn,
    *,
    pixels: Annotated[int, Range(1, LARGEST_SIDE), "pixels to pad on each side"] = 4,
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
    from keras_resnet.pipeline import ops

    height, width = images.shape[1:3]
    if pixels >= min(height, width):
        raise ValueError(
            f"pad_crop: pixels={pixels} needs images of more than {pixels} pixels; these are {height}x{width}."
        )
    mode = {"zeros": "constant", "reflect": "reflect"}[border]
    padded = ops.pad(images, [(0, 0), (pixels, pixels), (pixels, pixels), (0, 0)], mode)
    top, left = (ops.cast(drawn.numbers[:, place] * (2 * pixels + 1), "int32") for place in (0, 1))
    return cut_windows(padded, top, left, (height, width))


@augmentation("flip", draws=1, kind="any")
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
    from keras_resnet.pipeline import ops

    mirrored = drawn.numbers[:, 0] < 0.5
    if alternating:
        mirrored = ops.logical_xor(drawn.first[:, 0] < 0.5, drawn.epoch % 2 == 1)
    return ops.where(mirrored[:, None, None, None], ops.flip(images, 2), images)
