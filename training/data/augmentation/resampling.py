"""Pixels of a batch taken from other places, by gather: windows, and places between pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


def cut_windows(images: tf.Tensor, top: tf.Tensor, left: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Cut a window of one size out of each image of a batch, from its own top and left: one gather of pixels."""
    from keras_resnet.pipeline import ops

    count, channels = ops.shape(images)[0], images.shape[3]
    height, width = images.shape[1:3]
    rows = (ops.arange(count) * height + top)[:, None] + ops.arange(size[0])
    columns = left[:, None] + ops.arange(size[1])
    places = rows[:, :, None] * width + columns[:, None, :]
    return ops.take(ops.reshape(images, (-1, channels)), places, axis=0)


def warp(images: tf.Tensor, matrices: tf.Tensor, fill: float) -> tf.Tensor:
    """Take every pixel from another place of its image, interpolated between the four pixels around it.

    Args:
        images: float32 tensor (batch, height, width, channels).
        matrices: float32 tensor (batch, 3, 3), or (1, 3, 3) for all: from the column (x, y, 1) of a place in the new
            image to that in the old one; in pixels to the right of the image's center, and below it.
        fill: float, value of pixels whose place lies outside the old image.

    Returns:
        Tensor of the same shape. Places between the border and the centers of the pixels along it have their values.
    """
    from keras_resnet.pipeline import ops

    height, width = images.shape[1:3]
    x = ops.arange(width, dtype="float32")[None, None] + (0.5 - width / 2)
    y = ops.arange(height, dtype="float32")[None, :, None] + (0.5 - height / 2)
    by_x, by_y, shift = (matrices[:, :2, column, None, None] for column in range(3))
    across = by_x[:, 0] * x + by_y[:, 0] * y + (shift[:, 0] + width / 2)
    down = by_x[:, 1] * x + by_y[:, 1] * y + (shift[:, 1] + height / 2)
    inside = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    left, right, by_right = _between(across, width)
    above, below, by_below = _between(down, height)
    upper = _blend(_gather(images, above, left), _gather(images, above, right), by_right)
    lower = _blend(_gather(images, below, left), _gather(images, below, right), by_right)
    return ops.where(inside[..., None], _blend(upper, lower, by_below), ops.cast(fill, images.dtype))


def _between(place, side: int):
    """Find the pixels before and after places along an axis, and the share of the second one."""
    from keras_resnet.pipeline import ops

    centered = ops.clip(place - 0.5, 0, side - 1)
    first = ops.floor(centered)
    pixel = ops.cast(first, "int32")
    return pixel, ops.minimum(pixel + 1, side - 1), centered - first


def _gather(images, rows, columns):
    """Gather the pixels of each image at its rows and columns, int32 (batch, height, width)."""
    from keras_resnet.pipeline import ops

    count, channels = ops.shape(images)[0], images.shape[3]
    height, width = images.shape[1:3]
    places = (ops.arange(count, dtype="int32")[:, None, None] * height + rows) * width + columns
    return ops.take(ops.reshape(images, (-1, channels)), places, axis=0)


def _blend(one, other, share):
    return one + (other - one) * share[..., None]
