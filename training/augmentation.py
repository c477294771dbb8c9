"""Stateless augmentation: each example draws its numbers from (seed, epoch, index), whatever the order."""

from __future__ import annotations

import math

import tensorflow as tf

# The uniform numbers that one example draws in one epoch, by what they decide.
DRAWS = ("flip", "top", "left", "area", "aspect")


def draw(count: int, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """Draw the numbers of every example for one epoch.

    Args:
        count: int, examples in the data set.
        seed: int, the run's seed.
        epoch: int64 scalar tensor.

    Returns:
        float32 tensor (count, len(DRAWS)) in [0, 1); row i is example i's.
    """
    return tf.random.stateless_uniform((count, len(DRAWS)), seed=tf.stack([tf.cast(seed, tf.int64), epoch]))


def column(draws: tf.Tensor, name: str) -> tf.Tensor:
    """Take what one decision needs out of drawn numbers.

    Args:
        draws: float32 tensor (..., len(DRAWS)).
        name: str, one of `DRAWS`.

    Returns:
        float32 tensor (...).
    """
    return draws[..., DRAWS.index(name)]


def random_area(image: tf.Tensor, draws: tf.Tensor, smallest: float) -> tf.Tensor:
    """Cut a rectangle of random area, aspect and place out of an image.

    Args:
        image: tensor (height, width, channels).
        draws: float32 tensor (len(DRAWS),).
        smallest: float, least share of the image's area; the aspect lies between 3/4 and 4/3.

    Returns:
        Tensor (rows, columns, channels) of the image's type.

    Source: facebook's fb.resnet.torch, "random sized crop", the training crop that arXiv 1603.05027 calls
        scale and aspect augmentation (Table 5); here a rectangle that is too long is cut to the image.
    """
    height, width = (tf.cast(tf.shape(image)[axis], tf.float32) for axis in (0, 1))
    area = height * width * (smallest + column(draws, "area") * (1 - smallest))
    aspect = tf.exp((2 * column(draws, "aspect") - 1) * math.log(4 / 3))
    rows = tf.clip_by_value(tf.round(tf.sqrt(area / aspect)), 1, height)
    columns = tf.clip_by_value(tf.round(tf.sqrt(area * aspect)), 1, width)
    top = tf.floor(column(draws, "top") * (height - rows + 1))
    left = tf.floor(column(draws, "left") * (width - columns + 1))
    begin = tf.cast(tf.stack([top, left, 0]), tf.int32)
    size = tf.cast(tf.stack([rows, columns, tf.cast(tf.shape(image)[2], tf.float32)]), tf.int32)
    return tf.slice(image, begin, size)


def pad_and_crop(images: tf.Tensor, draws: tf.Tensor, padding: int, border: str) -> tf.Tensor:
    """Pad every image on all sides and cut a window of the old size at a random place.

    Args:
        images: float32 tensor (batch, height, width, channels).
        draws: float32 tensor (batch, len(DRAWS)).
        padding: int, pixels on each side.
        border: "zeros" or "reflect".

    Returns:
        Tensor of the same shape.

    Source: arXiv 1512.03385, section 4.2, with zeros and 4 pixels.
    """
    mode = {"zeros": "CONSTANT", "reflect": "REFLECT"}[border]
    padded = tf.pad(images, [(0, 0), (padding, padding), (padding, padding), (0, 0)], mode)
    for axis, name in ((1, "top"), (2, "left")):
        start = tf.cast(column(draws, name) * (2 * padding + 1), tf.int32)
        window = start[:, tf.newaxis] + tf.range(images.shape[axis])
        padded = tf.gather(padded, window, axis=axis, batch_dims=1)
    return tf.ensure_shape(padded, images.shape)


def flip(images: tf.Tensor, mirrored: tf.Tensor) -> tf.Tensor:
    """Mirror some images left to right.

    Args:
        images: tensor (batch, height, width, channels).
        mirrored: bool tensor (batch,).

    Returns:
        Tensor of the same shape.
    """
    return tf.where(mirrored[:, tf.newaxis, tf.newaxis, tf.newaxis], images[:, :, ::-1], images)


def mirrored(kind: str, draws: tf.Tensor, first: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
    """Decide which examples are mirrored in an epoch.

    Args:
        kind: "random" tosses a coin for each example and epoch; "alternating" tosses once for each example
            and turns it over every epoch, so that two epochs show both sides; "none".
        draws: float32 tensor (..., len(DRAWS)) of this epoch.
        first: float32 tensor (..., len(DRAWS)) of epoch 0.
        epoch: int64 scalar tensor.

    Returns:
        bool tensor (...).
    """
    if kind == "none":
        return tf.zeros(tf.shape(draws)[:-1], tf.bool)
    if kind == "random":
        return column(draws, "flip") < 0.5
    return tf.math.logical_xor(column(first, "flip") < 0.5, epoch % 2 == 1)
