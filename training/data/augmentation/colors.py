"""Augmentations of color: matrices, of which neighbors become one; levels are clipped to 0 to 255 once, at the end.

A matrix leads from the column (red, green, blue, 1) of a pixel, or (gray, 1), to the same of the new pixel.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Annotated

from keras_resnet.choices.registry import Range
from training.data.augmentation.registry import Drawn, augmentation

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

LUMA = (0.299, 0.587, 0.114)  # of ITU-R 601, as Pillow and fb.resnet.torch have it
TO_YIQ = (LUMA, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))
ORDERS = tuple(itertools.permutations(range(4)))  # of brightness, contrast, saturation and hue
# The colors of ImageNet's training images in [0, 1]: deviations along their principal axes, and these axes as columns.
PRINCIPAL_DEVIATIONS = (0.2175, 0.0188, 0.0045)
PRINCIPAL_AXES = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))

Strength = Annotated[float, Range(0, math.inf), "how far the factor may be from 1; it is never below 0"]


def luma(channels: int, name: str) -> np.ndarray:
    """Give the weights (channels,) of gray in images; raises ValueError where they are neither color nor gray."""
    import numpy as np

    if channels not in (1, 3):
        raise ValueError(f"{name} needs images of 1 or 3 channels; these have {channels}. Leave it out.")
    return np.array(LUMA if channels == 3 else (1.0,), "float32")


def _affine(matrix, offset) -> tf.Tensor:
    """Put a matrix (batch, channels, channels) and an offset (batch, channels) into one of a channel and row more."""
    from keras_resnet.pipeline import ops

    upper = ops.concatenate([matrix, offset[:, :, None]], axis=2)
    last = ops.zeros_like(upper[:, :1]) + ops.eye(upper.shape[2], dtype="float32")[-1]
    return ops.concatenate([upper, last], axis=1)


@augmentation("color_jitter", draws=5, kind="color")
def color_jitter(
    drawn: Drawn,
    means: tf.Tensor,
    *,
    brightness: Strength = 0.4,
    contrast: Strength = 0.4,
    saturation: Strength = 0.4,
    hue: Annotated[float, Range(0, 0.5, closed=True), "turns of the color circle at most, to either side"] = 0.0,
) -> tf.Tensor:
    """Change brightness, contrast, saturation and hue of every image, in an order of its own.

    A factor is drawn evenly from 1 - strength, at least 0, to 1 + strength. Hue turns around the axis of grays in YIQ,
    which is linear and keeps the brightness; torchvision's turns in HSV.

    Args:
        drawn: Drawn; the numbers decide three factors, the turn and the order.
        means: float32 tensor (batch, channels), mean levels of the images.
        brightness: float, how far the factor on all levels may be from 1.
        contrast: float, the same of the factor on the distance from the mean gray.
        saturation: float, the same of the factor on the distance from gray.
        hue: float, turns of the color circle at most.

    Returns:
        float32 tensor (batch, channels + 1, channels + 1).

    Source: fb.resnet.torch, "color jitter", with 0.4 for brightness, contrast and saturation; torchvision's
        ColorJitter.
    """
    import numpy as np

    from keras_resnet.pipeline import ops

    channels = means.shape[1]
    gray = luma(channels, "color_jitter")
    lowest = np.array([max(0.0, 1 - strength) for strength in (brightness, contrast, saturation)], "float32")
    highest = np.array([1 + strength for strength in (brightness, contrast, saturation)], "float32")
    factors = lowest + drawn.numbers[:, :3] * (highest - lowest)
    by_brightness, by_contrast, by_saturation = (factors[:, place, None, None] for place in range(3))
    identity = np.eye(channels, dtype="float32")[None]
    turned = hue_turn((2 * drawn.numbers[:, 3] - 1) * hue) if channels == 3 else identity + 0 * by_brightness
    saturated = identity * by_saturation + np.ones((channels, 1), "float32") * gray * (1 - by_saturation)
    linear = ops.stack([identity * by_brightness, identity * by_contrast, saturated, turned], axis=1)
    order = ops.take(np.array(ORDERS, "float32"), ops.cast(drawn.numbers[:, 4] * len(ORDERS), "int32"), axis=0)
    total = _affine(identity + 0 * by_brightness, 0 * means)
    for turn in range(4):
        chosen = ops.cast(ops.equal(order[:, turn, None], np.arange(4, dtype="float32")), "float32")
        now = ops.matmul(total[:, :channels, :channels], means[:, :, None]) + total[:, :channels, channels:]
        # Contrast draws levels towards the mean gray that the changes before it have left.
        offset = ops.sum(gray[:, None] * now, axis=1) * (1 - by_contrast[:, 0]) * chosen[:, 1, None]
        matrix = ops.sum(linear * chosen[:, :, None, None], axis=1)
        total = ops.matmul(_affine(matrix, offset + 0 * means), total)
    return total


def hue_turn(turns: tf.Tensor) -> tf.Tensor:
    """Give the matrices (batch, 3, 3) that turn colors from red towards green, by shares (batch,) of a turn."""
    import numpy as np

    from keras_resnet.pipeline import ops

    cosine, sine = (function(turns * (2 * math.pi))[:, None, None] for function in (ops.cos, ops.sin))
    forth = np.array(TO_YIQ)
    back = np.linalg.inv(forth)
    # In YIQ red lies at a smaller angle than magenta: towards green is against the axes.
    still, even, odd = np.diag([1.0, 0, 0]), np.diag([0, 1.0, 1.0]), np.array([(0, 0, 0), (0, 0, 1.0), (0, -1.0, 0)])
    parts = [(back @ part @ forth).astype("float32")[None] for part in (still, even, odd)]
    return parts[0] + parts[1] * cosine + parts[2] * sine


@augmentation("pca_color", draws=4, kind="color")
def pca_color(
    drawn: Drawn,
    means: tf.Tensor,
    *,
    deviation: Annotated[float, Range(0, 10, above=True), "standard deviation, as a share of the images' own"] = 0.1,
) -> tf.Tensor:
    """Add a color to every image, drawn along the principal axes of the colors of ImageNet: another illumination.

    Args:
        drawn: Drawn; the numbers decide the normally distributed shares of the three axes.
        means: float32 tensor (batch, 3), which says how many channels there are.
        deviation: float, standard deviation of these shares.

    Returns:
        float32 tensor (batch, 4, 4).

    Raises:
        ValueError: the images are not of three channels.

    Source: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", NIPS 2012,
        section 4.1; the axes and deviations are those of fb.resnet.torch.
    """
    import numpy as np

    from keras_resnet.pipeline import ops

    if means.shape[1] != 3:
        raise ValueError(
            f"pca_color adds colors of ImageNet, of 3 channels; these images have {means.shape[1]}. Leave it out."
        )
    # Box and Muller's two normal numbers of two even ones.
    radius = ops.sqrt(-2 * ops.log(1 - drawn.numbers[:, 0:4:2]))
    angle = drawn.numbers[:, 1:4:2] * (2 * math.pi)
    normal = ops.concatenate([radius * ops.cos(angle), radius * ops.sin(angle)], axis=1)[:, :3]
    colors = (255 * deviation * np.array(PRINCIPAL_DEVIATIONS) * np.array(PRINCIPAL_AXES)).T.astype("float32")
    added = ops.matmul(normal, colors)
    return _affine(np.eye(3, dtype="float32")[None] + 0 * added[:, :, None], added)


@augmentation("grayscale", draws=1, kind="color")
def grayscale(
    drawn: Drawn,
    means: tf.Tensor,
    *,
    share: Annotated[float, Range(0, 1, above=True, closed=True), "share of the images"] = 0.1,
) -> tf.Tensor:
    """Take the color from a share of the images.

    Args:
        drawn: Drawn; the number decides whether.
        means: float32 tensor (batch, channels), which says how many channels there are.
        share: float, share of the images.

    Returns:
        float32 tensor (batch, channels + 1, channels + 1).

    Source: torchvision's RandomGrayscale.
    """
    import numpy as np

    from keras_resnet.pipeline import ops

    channels = means.shape[1]
    gray = np.ones((channels, 1), "float32") * luma(channels, "grayscale")
    taken = (drawn.numbers[:, 0] < share)[:, None, None]
    return _affine(ops.where(taken, gray[None], np.eye(channels, dtype="float32")[None]), 0 * means)
