"""The operations of AutoAugment and its successors, of which every image of a batch has one of its own in a pass.

They are those of Pillow, level by level; geometry turns and slants around the center, and interpolates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from training.data.augmentation.colors import luma
from training.data.augmentation.geometry import matrices_of
from training.data.augmentation.resampling import warp

if TYPE_CHECKING:
    import tensorflow as tf

# The amount of an operation is an angle in degrees, a slant, a share of the side, a threshold, bits, or a factor.
OPERATIONS = (
    "identity",
    "auto_contrast",
    "equalize",
    "rotate",
    "solarize",
    "color",
    "posterize",
    "contrast",
    "brightness",
    "sharpness",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "invert",
)
Chosen = Mapping[str, "tf.Tensor"]


def operate(images: tf.Tensor, operation: tf.Tensor, amount: tf.Tensor, fill: float) -> tf.Tensor:
    """Let each image of a batch go through an operation of its own.

    Args:
        images: float32 tensor (batch, height, width, channels), levels 0 to 255, which are rounded.
        operation: int32 tensor (batch,), places in `OPERATIONS`.
        amount: float32 tensor (batch,), what `OPERATIONS` says.
        fill: float, level of what lies outside the image.

    Returns:
        float32 tensor of the same shape.

    Raises:
        ValueError: the images are neither of one channel nor of three.
    """
    from keras import ops

    images = ops.round(images)
    chosen = {name: ops.equal(operation, place) for place, name in enumerate(OPERATIONS)}
    gray = ops.round(ops.sum(images * luma(images.shape[3], "An operation on colors"), axis=3, keepdims=True))
    leveled = _look_up(_blend(images, gray, chosen, amount), _tables(images, gray, chosen, amount))
    return warp(leveled, _matrices(chosen, amount, images.shape[1:3]), fill)


def _matrices(chosen: Chosen, amount, size: tuple[int, int]):
    """Give the matrix of each image's places; that of what moves no pixel is the identity."""
    from keras import ops

    by = {name: ops.where(chosen[name], amount, 0.0) for name in OPERATIONS}
    cosine, sine = (function(by["rotate"] * (math.pi / 180)) for function in (ops.cos, ops.sin))
    return matrices_of(
        [
            (cosine, by["shear_x"] - sine, by["translate_x"] * size[1]),
            (by["shear_y"] + sine, cosine, by["translate_y"] * size[0]),
        ]
    )


def _blend(images, gray, chosen: Chosen, amount):
    """Draw images towards gray, or smoothed ones, (a factor below 1) or away from them, in whole levels."""
    from keras import ops

    colored, sharpened = (chosen[name][:, None, None, None] for name in ("color", "sharpness"))
    other = ops.where(colored, gray, _smooth(images))
    factor = ops.where(colored | sharpened, amount[:, None, None, None], 1.0)  # 1 leaves whole levels as they are
    return ops.floor(ops.clip(other + factor * (images - other), 0, 255))


def _smooth(images):
    """Average each pixel, five times, with its eight neighbors; those along the border stay.

    On rows of all channels: to cut those apart costs several times as much.
    """
    from keras import ops

    height, width, channels = images.shape[1:]
    if min(height, width) < 3:
        return images
    rows = ops.reshape(images, (-1, height, width * channels))
    three = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    nine = three[:, :, : -2 * channels] + three[:, :, channels:-channels] + three[:, :, 2 * channels :]
    inner = ops.floor((nine + 4 * rows[:, 1:-1, channels:-channels]) / 13 + 0.5)
    middle = ops.concatenate([rows[:, 1:-1, :channels], inner, rows[:, 1:-1, -channels:]], axis=2)
    return ops.reshape(ops.concatenate([rows[:, :1], middle, rows[:, -1:]], axis=1), ops.shape(images))


def _look_up(images, tables):
    """Replace whole levels by those of tables (batch, channels, 256)."""
    from keras import ops

    return ops.take(ops.reshape(tables, (-1,)), _places_in_tables(images), axis=0)


def _places_in_tables(images):
    """Give the place of each level in the tables of its image and channel, one table after the other."""
    from keras import ops

    channels = images.shape[3]
    own = ops.arange(ops.shape(images)[0], dtype="int32")[:, None, None, None] * channels
    return (own + ops.arange(channels, dtype="int32")) * 256 + ops.cast(images, "int32")


def _tables(images, gray, chosen: Chosen, amount):
    """Give the new level of each old one, float32 (batch, channels, 256), for each image by its operation."""
    from keras import ops

    level = ops.arange(256, dtype="float32")[None, None]
    mean = ops.floor(ops.mean(gray, axis=(1, 2)) + 0.5)[:, :, None]
    factor = amount[:, None, None]
    step = 2.0 ** ops.clip(8 - factor, 0, 8)
    made = {
        "auto_contrast": _stretched(images, level),
        "equalize": _equalized(images, level),
        "invert": 255 - level,
        "solarize": ops.where(level < factor, level, 255 - level),
        "posterize": ops.floor(level / step) * step,
        "brightness": ops.floor(ops.clip(level * factor, 0, 255)),
        "contrast": ops.floor(ops.clip(mean + factor * (level - mean), 0, 255)),
    }
    tables = level + ops.zeros((ops.shape(images)[0], images.shape[3], 1))
    for name, table in made.items():
        tables = ops.where(chosen[name][:, None, None], table, tables)
    return tables


def _stretched(images, level):
    """Spread the levels of each channel from black to white."""
    from keras import ops

    lowest, highest = (extreme(images, axis=(1, 2))[:, :, None] for extreme in (ops.min, ops.max))
    spread = ops.floor(ops.clip((level - lowest) * 255 / ops.maximum(highest - lowest, 1), 0, 255))
    return ops.where(highest > lowest, spread, level)


def _equalized(images, level):
    """Spread the levels of each channel by how many pixels have them, in integers."""
    from keras import ops

    count, channels = ops.shape(images)[0], images.shape[3]
    places = ops.reshape(_places_in_tables(images), (-1,))
    pixels = ops.segment_sum(ops.ones_like(places), places, num_segments=count * channels * 256)
    pixels = ops.reshape(pixels, (count, channels, 256))
    highest = ops.max(images, axis=(1, 2))[:, :, None]
    # As Pillow has it: the pixels of the highest level do not count, and the rest is shared out to 255 steps.
    step = ops.sum(ops.where(level < highest, pixels, 0), axis=2, keepdims=True) // 255
    below = ops.cumsum(pixels, axis=2) - pixels
    spread = ops.clip((step // 2 + below) // ops.maximum(step, 1), 0, 255)
    return ops.where(step > 0, ops.cast(spread, "float32"), level)
