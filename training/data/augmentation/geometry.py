"""Augmentations that turn, slant, shift and zoom: matrices, of which neighbors become one.

A matrix leads from a place in the new image to that in the old one, both relative to the center; `resampling.warp`
takes the pixels from there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from keras_resnet.choices.registry import Range
from training.data.augmentation.registry import Drawn, Motion, augmentation

if TYPE_CHECKING:
    import tensorflow as tf

Fill = Annotated[float, Range(0, 256), "level of what lies outside the image, 0 is black and 255 white"]
Share = Annotated[float, Range(0, 1), "share of the side to which it shifts at most, to either side"]
Slant = Annotated[float, Range(0, 10), "pixels that a step of one pixel shifts at most, to either side"]


def _either_side(number: tf.Tensor, most: float) -> tf.Tensor:
    """Spread numbers in [0, 1) evenly from minus the most to the most."""
    return (2 * number - 1) * most


def matrices_of(rows) -> tf.Tensor:
    """Make float32 matrices (batch, 3, 3) of their upper two rows: tensors (batch,) and numbers."""
    from keras_resnet.pipeline import ops

    some = next(entry for row in rows for entry in row if not isinstance(entry, (int, float)))
    entries = [ops.zeros_like(some) + entry for row in (*rows, (0.0, 0.0, 1.0)) for entry in row]
    return ops.reshape(ops.stack(entries, axis=1), (-1, 3, 3))


def rotation(degrees: tf.Tensor) -> tf.Tensor:
    """Give the matrices (batch, 3, 3) that turn images counterclockwise by angles (batch,), in degrees."""
    from keras_resnet.pipeline import ops

    cosine, sine = ops.cos(degrees * (math.pi / 180)), ops.sin(degrees * (math.pi / 180))
    return matrices_of([(cosine, -sine, 0.0), (sine, cosine, 0.0)])


@augmentation("rotate", draws=1, kind="geometry")
def rotate(
    drawn: Drawn,
    size: tuple[int, int],
    *,
    degrees: Annotated[float, Range(0, 360, above=True), "angle at most, to either side"] = 15.0,
    fill: Fill = 0.0,
) -> Motion:
    """Turn every image around its center by an angle of its own.

    Args:
        drawn: Drawn; the number decides the angle.
        size: tuple (height, width), which the angle does not depend on.
        degrees: float, angle at most, to either side.
        fill: float, level of what lies outside the image.

    Returns:
        Motion.
    """
    return Motion(rotation(_either_side(drawn.numbers[:, 0], degrees)), fill)


@augmentation("shear", draws=2, kind="geometry")
def shear(
    drawn: Drawn,
    size: tuple[int, int],
    *,
    horizontal: Slant = 0.3,
    vertical: Slant = 0.0,
    fill: Fill = 0.0,
) -> Motion:
    """Slant every image: shift each row sideways in proportion to its distance from the middle, columns likewise.

    Args:
        drawn: Drawn; the numbers decide both slants.
        size: tuple (height, width), which slants do not depend on.
        horizontal: float, pixels by which a row is shifted against the next one, at most.
        vertical: float, the same of columns.
        fill: float, level of what lies outside the image.

    Returns:
        Motion.
    """
    across, down = (_either_side(drawn.numbers[:, place], most) for place, most in enumerate((horizontal, vertical)))
    return Motion(matrices_of([(1.0, across, 0.0), (down, 1.0, 0.0)]), fill)


@augmentation("translate", draws=2, kind="geometry")
def translate(
    drawn: Drawn,
    size: tuple[int, int],
    *,
    horizontal: Share = 0.1,
    vertical: Share = 0.1,
    fill: Fill = 0.0,
) -> Motion:
    """Shift every image by shares of its width and height.

    Args:
        drawn: Drawn; the numbers decide both shifts.
        size: tuple (height, width), in pixels.
        horizontal: float, share of the width at most, to either side.
        vertical: float, share of the height at most, to either side.
        fill: float, level of what lies outside the image.

    Returns:
        Motion.
    """
    height, width = size
    across = _either_side(drawn.numbers[:, 0], horizontal * width)
    down = _either_side(drawn.numbers[:, 1], vertical * height)
    return Motion(matrices_of([(1.0, 0.0, across), (0.0, 1.0, down)]), fill)


@augmentation("scale", draws=1, kind="geometry")
def scale(
    drawn: Drawn,
    size: tuple[int, int],
    *,
    factor: Annotated[float, Range(1, math.inf, above=True), "how many times as large or as small at most"] = 1.2,
    fill: Fill = 0.0,
) -> Motion:
    """Zoom every image around its center, evenly in the logarithm between 1/factor and factor.

    Args:
        drawn: Drawn; the number decides the zoom.
        size: tuple (height, width), which the zoom does not depend on.
        factor: float, how many times as large or as small at most.
        fill: float, level of what lies outside the image.

    Returns:
        Motion.
    """
    from keras_resnet.pipeline import ops

    smaller = ops.exp(-_either_side(drawn.numbers[:, 0], math.log(factor)))
    return Motion(matrices_of([(smaller, 0.0, 0.0), (0.0, smaller, 0.0)]), fill)
