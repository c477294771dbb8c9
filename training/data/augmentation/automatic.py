"""AutoAugment and its successors: operations drawn by image, out of a table found by a search or out of all.

What an operation does at which strength, from 0 to 1, is a table of amounts, made once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from keras_resnet.choices.registry import Range
from training.data.augmentation.geometry import Fill
from training.data.augmentation.operations import OPERATIONS, operate
from training.data.augmentation.policies import POLICIES
from training.data.augmentation.registry import Drawn, augmentation

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

MOST_OPERATIONS = 4  # that an image may go through, by rand_augment
DRAWN = [name for name in OPERATIONS if name != "invert"]  # the 14 of rand_augment and trivial_augment
FACTORS = ("color", "contrast", "brightness", "sharpness")


def amounts(
    strengths: np.ndarray, *, degrees: float, slant: float, shift: tuple[float, float], factor: float, bits: int
) -> np.ndarray:
    """Make the table of amounts (operations, strengths, 2), of which the last axis is to one side and to the other.

    Args:
        strengths: array of numbers from 0, at which an operation changes nothing, to 1.
        degrees: of a rotation at strength 1.
        slant: of a shear at strength 1.
        shift: shares of width and height by which images are translated at strength 1.
        factor: how far factors are from 1 at strength 1.
        bits: how many are taken from the eight of a level at strength 1.
    """
    import numpy as np

    either_side = strengths[:, None] * np.array([-1.0, 1.0])
    same = np.ones((1, 2))
    made = {
        "rotate": degrees * either_side,
        "shear_x": slant * either_side,
        "shear_y": slant * either_side,
        "translate_x": shift[0] * either_side,
        "translate_y": shift[1] * either_side,
        "solarize": 256 * (1 - strengths[:, None]) * same,
        "posterize": (8 - np.round(bits * strengths[:, None])) * same,
    } | dict.fromkeys(FACTORS, 1 + factor * either_side)
    return np.array([made.get(name, 0 * either_side) for name in OPERATIONS], "float32")


def _usual(strengths: np.ndarray) -> np.ndarray:
    """Make the table of the ranges of AutoAugment, which RandAugment keeps."""
    return amounts(strengths, degrees=30, slant=0.3, shift=(150 / 331,) * 2, factor=0.9, bits=4)


def _place(number: tf.Tensor, count: int) -> tf.Tensor:
    """Turn numbers in [0, 1) into places in a sequence of so many."""
    from keras_resnet.pipeline import ops

    return ops.cast(number * count, "int32")


def _one_after_the_other(images, operations, amounts, fill: float):
    """Let every image go through several operations, (batch, passes): in a loop, for XLA to compile one pass only."""
    from keras_resnet.pipeline import ops

    def operated(number, images):
        operation, amount = (ops.take(columns, number, axis=1) for columns in (operations, amounts))
        return operate(images, operation, amount, fill)

    return ops.fori_loop(0, operations.shape[1], operated, ops.cast(images, "float32"))


@augmentation("rand_augment", draws=2 * MOST_OPERATIONS, kind="pixels")
def rand_augment(
    images: tf.Tensor,
    drawn: Drawn,
    *,
    count: Annotated[int, Range(1, MOST_OPERATIONS, closed=True), "operations on each image"] = 2,
    magnitude: Annotated[float, Range(0, 10, closed=True), "of all of them"] = 9.0,
    fill: Fill = 128.0,
) -> tf.Tensor:
    """Let every image go through operations drawn out of 14, all at one magnitude, to either side.

    The scale is the paper's, on which 10 is the most; torchvision's goes to 30. A factor on brightness, contrast, color
    or sharpness is 1 - 0.09 or 1 + 0.09 times the magnitude, so that every operation grows with it.

    Args:
        images: float32 tensor (batch, height, width, channels), levels 0 to 255.
        drawn: Drawn; the numbers decide operation and side, count times.
        count: int, operations on each image.
        magnitude: float, of all of them.
        fill: float, level of what lies outside the image.

    Returns:
        float32 tensor of the same shape.

    Source: arXiv 1909.13719.
    """
    import numpy as np

    from keras_resnet.pipeline import ops

    places = np.array([OPERATIONS.index(name) for name in DRAWN], "int32")
    table = _usual(np.array([magnitude / 10]))[:, 0]
    operations = ops.take(places, _place(drawn.numbers[:, : 2 * count : 2], len(places)))
    sides = _place(drawn.numbers[:, 1 : 2 * count : 2], 2)
    return _one_after_the_other(images, operations, ops.take(table.reshape(-1), operations * 2 + sides), fill)


@augmentation("trivial_augment", draws=3, kind="pixels")
def trivial_augment(images: tf.Tensor, drawn: Drawn, *, fill: Fill = 128.0) -> tf.Tensor:
    """Let every image go through one operation drawn out of 14, at a magnitude drawn out of 31, to either side.

    The ranges are the paper's wide ones: 135 degrees, 32 pixels, factors from 0.01 to 1.99, 2 bits.

    Args:
        images: float32 tensor (batch, height, width, channels), levels 0 to 255.
        drawn: Drawn; the numbers decide operation, magnitude and side.
        fill: float, level of what lies outside the image.

    Returns:
        float32 tensor of the same shape.

    Source: arXiv 2103.10158, "TA (wide)".
    """
    import numpy as np

    from keras_resnet.pipeline import ops

    height, width = images.shape[1:3]
    shift = 32 / width, 32 / height
    table = amounts(np.linspace(0, 1, 31), degrees=135, slant=0.99, shift=shift, factor=0.99, bits=6)
    places = np.array([OPERATIONS.index(name) for name in DRAWN], "int32")
    operation = ops.take(places, _place(drawn.numbers[:, 0], len(places)))
    row = operation * 31 + _place(drawn.numbers[:, 1], 31)
    return operate(images, operation, ops.take(table.reshape(-1), row * 2 + _place(drawn.numbers[:, 2], 2)), fill)


@augmentation("auto_augment", draws=5, kind="pixels")
def auto_augment(
    images: tf.Tensor,
    drawn: Drawn,
    *,
    policy: Annotated[Literal["imagenet", "cifar10"], "data set of the search"] = "imagenet",
    fill: Fill = 128.0,
) -> tf.Tensor:
    """Let every image go through a pair of operations drawn out of 25, each with its probability and magnitude.

    Args:
        images: float32 tensor (batch, height, width, channels), levels 0 to 255.
        drawn: Drawn; the numbers decide the pair and, twice, whether and to which side.
        policy: "imagenet" or "cifar10".
        fill: float, level of what lies outside the image.

    Returns:
        float32 tensor of the same shape.

    Source: arXiv 1805.09501; magnitudes as in its Table 6, factors from 0.1 at magnitude 0 to 1.9 at 9.
    """
    import numpy as np

    from keras_resnet.pipeline import ops

    strengths = np.arange(10) / 9
    table = _usual(strengths)
    for name in FACTORS:
        table[OPERATIONS.index(name)] = 0.1 + 1.8 * strengths[:, None]
    pairs = POLICIES[policy]
    operations = np.array([[OPERATIONS.index(part.operation) for part in parts] for parts in pairs], "int32")
    amount = table[operations, [[part.magnitude for part in parts] for parts in pairs]]  # (pairs, 2, sides)
    probability = np.array([[part.probability for part in parts] for parts in pairs], "float32")
    pair = _place(drawn.numbers[:, 0], len(pairs))
    happens = drawn.numbers[:, 1:5:2] < ops.take(probability, pair, axis=0)
    operation = ops.where(happens, ops.take(operations, pair, axis=0), OPERATIONS.index("identity"))
    places = pair[:, None] * 4 + np.array([0, 2], "int32") + _place(drawn.numbers[:, 2:5:2], 2)
    return _one_after_the_other(images, operation, ops.take(amount.reshape(-1), places), fill)
