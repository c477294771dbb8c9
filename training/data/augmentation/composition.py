"""What a batch goes through from decoded images to those that a network learns from, in as few passes as it needs.

Neighboring augmentations of geometry multiply their matrices, so that pixels are interpolated once; those of color do
too, so that levels are clipped once.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from training.data.augmentation.registry import OF_LEVELS, Step
from training.data.augmentation.resampling import warp

if TYPE_CHECKING:
    import tensorflow as tf


def augment(
    images: tf.Tensor, labels: tf.Tensor, steps: Sequence[Step], standardize: Callable, classes: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Augment and standardize a batch.

    Args:
        images: uint8 or float32 tensor (batch, height, width, channels), levels 0 to 255.
        labels: integer tensor (batch,), or 0 and 1 for each class, float32 (batch, classes).
        steps: sequence of Step, in an order that `registry.check_order` allows; none of the kind crop.
        standardize: function of images that subtracts a mean and divides by a deviation.
        classes: int, how many there are.

    Returns:
        Tuple of images, a float32 tensor of the same shape, and labels: the same or, where images are mixed, the share
        of each class, float32 (batch, classes).
    """
    mixing = [step for step in steps if step.kind == "mix"]
    images = _augment_each(images, steps[: len(steps) - len(mixing)], standardize)
    return _mix(images, labels, mixing, classes) if mixing else (images, labels)


def _augment_each(images, steps: Sequence[Step], standardize: Callable):
    """Augment and standardize images one by one."""
    from keras_resnet.pipeline import ops

    of_levels = [place for place, step in enumerate(steps) if step.kind in OF_LEVELS]
    place = of_levels[-1] + 1 if of_levels else 0
    if place:
        images = ops.cast(images, "float32")
    for pass_over, group in itertools.groupby(steps[:place], key=lambda step: PASSES.get(step.kind, _one_by_one)):
        images = pass_over(images, list(group))
    return _one_by_one(standardize(images), steps[place:])


def _one_by_one(images, steps):
    for step in steps:
        images = step(images, step.drawn)
    return images


def _move(images, steps):
    """Multiply the matrices of neighboring geometry, and interpolate once for each level that fills what is bare."""
    from keras_resnet.pipeline import ops

    motions = [step(step.drawn, tuple(images.shape[1:3])) for step in steps]
    for fill, group in itertools.groupby(motions, key=lambda motion: motion.fill):
        images = warp(images, functools.reduce(ops.matmul, (motion.matrices for motion in group)), fill)
    return images


def _color(images, steps):
    """Multiply the matrices of neighboring changes of color, and apply them at once.

    Each is made for the mean colors that those before it leave.
    """
    from keras_resnet.pipeline import ops

    count, channels = ops.shape(images)[0], images.shape[3]
    means = ops.concatenate([ops.mean(images, axis=(1, 2)), ops.ones((count, 1))], axis=1)[:, :, None]
    total = ops.eye(channels + 1)[None]
    for step in steps:
        total = ops.matmul(step(step.drawn, ops.matmul(total, means)[:, :channels, 0]), total)
    changed = ops.matmul(ops.reshape(images, (count, -1, channels)), ops.swapaxes(total[:, :channels, :channels], 1, 2))
    changed = ops.clip(changed + total[:, None, :channels, channels], 0, 255)
    return ops.reshape(changed, ops.shape(images))


def _mix(images, labels, steps, classes: int):
    """Mix images and labels with those from the end of the batch; what one step has mixed, the next ones leave."""
    from keras_resnet.pipeline import ops

    kept, mixed = 1.0, False
    for step in steps:
        mixture = step(step.drawn, tuple(images.shape[1:3]))
        kept = ops.where(ops.logical_and(mixture.mixed, ops.logical_not(mixed)), mixture.kept, kept)
        mixed = ops.logical_or(mixed, mixture.mixed)
    share = ops.mean(kept, axis=(1, 2, 3))[:, None]
    soft = labels if len(labels.shape) == 2 else ops.one_hot(labels, classes, dtype="float32")
    return kept * images + (1 - kept) * ops.flip(images, 0), share * soft + (1 - share) * ops.flip(soft, 0)


PASSES = {"geometry": _move, "color": _color}
