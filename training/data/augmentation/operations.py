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
    from keras_resnet.pipeline import is_tensorflow, ops

    luma(images.shape[3], "An operation on colors")
    images = ops.round(images)
    # Under tf.data a processor computes, image by image what each needs; accelerators are faster with all for all.
    operate_on = _one_by_one if is_tensorflow() else _all_at_once
    return operate_on(images, operation, amount, fill)


def _one_by_one(images, operation, amount, fill: float):
    """Let each image go through its operation only."""
    import numpy as np

    from keras_resnet.pipeline import ops

    def moved(image, operation, amount):
        return _moved(image, _chosen(operation), amount, fill)

    # One branch for all that moves pixels: XLA takes a second to compile each.
    branches = [lambda image, _, amount, change=change: change(image, amount) for change in POINTWISE.values()]
    places = np.array([[*POINTWISE, name].index(name) for name in OPERATIONS], "int32")

    def operated(one):
        image, place, strength = (part[None] for part in one)
        return ops.switch(ops.take(places, place[0]), [*branches, moved], image, place, strength)[0]

    return ops.map(operated, (images, operation, amount))


def _all_at_once(images, operation, amount, fill: float):
    """Compute every operation of every image, and keep its own."""
    from keras_resnet.pipeline import ops

    chosen, changed = _chosen(operation), images
    for name, function in POINTWISE.items():
        changed = ops.where(chosen[name][:, None, None, None], function(images, amount), changed)
    return _moved(changed, chosen, amount, fill)


def _chosen(operation) -> dict[str, tf.Tensor]:
    """Tell by name which images have an operation."""
    from keras_resnet.pipeline import ops

    return {name: ops.equal(operation, place) for place, name in enumerate(OPERATIONS)}


def _moved(images, chosen: Mapping[str, tf.Tensor], amount, fill: float):
    """Take each pixel from where an image's operation says; what moves no pixel leaves all bits."""
    from keras_resnet.pipeline import ops

    height, width = images.shape[1:3]
    by = {name: ops.where(chosen[name], amount, 0.0) for name in MOVING}
    cosine, sine = (function(by["rotate"] * (math.pi / 180)) for function in (ops.cos, ops.sin))
    rows = [
        (cosine, by["shear_x"] - sine, by["translate_x"] * width),
        (by["shear_y"] + sine, cosine, by["translate_y"] * height),
    ]
    return warp(images, matrices_of(rows), fill)


def _by_image(amount):
    return amount[:, None, None, None]


def _whole(levels):
    """Cut levels to whole ones of 0 to 255."""
    from keras_resnet.pipeline import ops

    return ops.floor(ops.clip(levels, 0, 255))


def _gray(images):
    """Give the brightness of each pixel, a whole level (batch, height, width, 1)."""
    from keras_resnet.pipeline import ops

    weights = luma(images.shape[3], "An operation on colors")
    return ops.round(ops.sum(images * weights, axis=3, keepdims=True))


def _drawn_from(other, images, amount):
    """Draw images towards others (a factor below 1) or away from them, in whole levels."""
    return _whole(other + _by_image(amount) * (images - other))


def _color(images, amount):
    return _drawn_from(_gray(images), images, amount)


def _sharpness(images, amount):
    return _drawn_from(_smooth(images), images, amount)


def _contrast(images, amount):
    from keras_resnet.pipeline import ops

    return _drawn_from(ops.floor(ops.mean(_gray(images), axis=(1, 2), keepdims=True) + 0.5), images, amount)


def _brightness(images, amount):
    return _whole(images * _by_image(amount))


def _solarize(images, amount):
    from keras_resnet.pipeline import ops

    return ops.where(images < _by_image(amount), images, 255 - images)


def _posterize(images, amount):
    from keras_resnet.pipeline import ops

    step = 2.0 ** ops.clip(8 - _by_image(amount), 0, 8)
    return ops.floor(images / step) * step


def _auto_contrast(images, amount):
    """Spread the levels of each channel from black to white."""
    from keras_resnet.pipeline import ops

    lowest, highest = (extreme(images, axis=(1, 2), keepdims=True) for extreme in (ops.min, ops.max))
    spread = _whole((images - lowest) * 255 / ops.maximum(highest - lowest, 1))
    return ops.where(highest > lowest, spread, images)


def _smooth(images):
    """Average each pixel, five times, with its eight neighbors; those along the border stay.

    On rows of all channels: to cut those apart costs several times as much.
    """
    from keras_resnet.pipeline import ops

    height, width, channels = images.shape[1:]
    if min(height, width) < 3:
        return images
    rows = ops.reshape(images, (-1, height, width * channels))
    three = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    nine = three[:, :, : -2 * channels] + three[:, :, channels:-channels] + three[:, :, 2 * channels :]
    inner = ops.floor((nine + 4 * rows[:, 1:-1, channels:-channels]) / 13 + 0.5)
    middle = ops.concatenate([rows[:, 1:-1, :channels], inner, rows[:, 1:-1, -channels:]], axis=2)
    return ops.reshape(ops.concatenate([rows[:, :1], middle, rows[:, -1:]], axis=1), ops.shape(images))


def _equalize(images, amount):
    """Spread the levels of each channel by how many pixels have them, in integers."""
    from keras_resnet.pipeline import ops

    count, channels = ops.shape(images)[0], images.shape[3]
    # The place of each level among those of its image and channel, 256 for each, one after the other.
    own = ops.arange(count, dtype="int32")[:, None, None, None] * channels
    places = (own + ops.arange(channels, dtype="int32")) * 256 + ops.cast(images, "int32")
    flat = ops.reshape(places, (-1,))
    pixels = ops.segment_sum(ops.ones_like(flat), flat, num_segments=count * channels * 256)
    pixels = ops.reshape(pixels, (count, channels, 256))
    level = ops.arange(256, dtype="float32")[None, None]
    highest = ops.max(images, axis=(1, 2))[:, :, None]
    # As Pillow has it: the pixels of the highest level do not count, and the rest is shared out to 255 steps.
    step = ops.sum(ops.where(level < highest, pixels, 0), axis=2, keepdims=True) // 255
    below = ops.cumsum(pixels, axis=2) - pixels
    spread = ops.clip((step // 2 + below) // ops.maximum(step, 1), 0, 255)
    table = ops.where(step > 0, ops.cast(spread, "float32"), level)
    return ops.take(ops.reshape(table, (-1,)), places, axis=0)


# Those that move no pixel, as functions of images and amounts (batch,).
POINTWISE = {
    "identity": lambda images, amount: images,
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "solarize": _solarize,
    "color": _color,
    "posterize": _posterize,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
    "invert": lambda images, amount: 255 - images,
}
MOVING = tuple(name for name in OPERATIONS if name not in POINTWISE)
