"""Augmentations that mix each image of a batch with another one, and their labels in the same proportion.

The other one is that at the same place from the end of the batch. As batches are shuffled, it is any.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Literal

from keras_resnet.choices.registry import Range
from training.data.augmentation.erasing import rectangles
from training.data.augmentation.registry import Drawn, Mixture, augmentation

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

STEPS = 4096  # of the table of a distribution

Alpha = Annotated[float, Range(0, 100, above=True, closed=True), "both parameters of the Beta distribution of shares"]
Share = Annotated[float, Range(0, 1, above=True, closed=True), "share of the batches, or examples, that it mixes"]
By = Annotated[Literal["batch", "example"], "for what a share is drawn"]


@functools.cache
def beta_quantiles(alpha: float) -> np.ndarray:
    """Make a table of the quantiles of Beta(alpha, alpha) at 0, 1 / STEPS, ..., 1, float32 (STEPS + 1,).

    Up to 1/2 the distribution function is x^a (1 - x)^a / a B(a, a) times the hypergeometric series F(2a, 1; a + 1; x),
    whose terms are all positive; bisection finds where it reaches a probability. Above, it is symmetric.
    """
    import numpy as np

    terms = np.arange(2000)
    ratios = (2 * alpha + terms) / (alpha + 1 + terms)

    def log_below(x):
        """Give the logarithm of the distribution function, but for a constant."""
        total, term = np.ones_like(x), np.ones_like(x)
        for ratio in ratios:
            term = term * ratio * x
            total += term
            if (term < 1e-17 * total).all():
                break
        return alpha * (np.log(x) + np.log1p(-x)) + np.log(total)

    # In logarithms of x, because a small alpha puts nearly all of it next to 0.
    wanted = np.log(np.arange(1, STEPS // 2) / (STEPS // 2)) + log_below(np.array([0.5]))
    low, high = np.full(wanted.shape, -700.0), np.full(wanted.shape, np.log(0.5))
    for _ in range(60):
        middle = (low + high) / 2
        reached = log_below(np.exp(middle)) > wanted
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    lower = np.concatenate([[0], np.exp(high), [0.5]])
    return np.concatenate([lower, 1 - lower[-2::-1]]).astype("float32")


def beta_share(number: tf.Tensor, alpha: float) -> tf.Tensor:
    """Turn even numbers in [0, 1) into numbers of Beta(alpha, alpha)."""
    from keras_resnet.pipeline import ops

    place = number * STEPS
    below = ops.cast(place, "int32")
    table = beta_quantiles(alpha)
    low, high = ops.take(table, below), ops.take(table, below + 1)
    return low + (high - low) * (place - ops.cast(below, "float32"))


def _deciding(drawn: Drawn, by: str) -> tf.Tensor:
    """Give the numbers that decide: of every example, or of the first one for the whole batch."""
    if by == "example":
        return drawn.numbers
    return drawn.numbers[:1] if drawn.leading is None else drawn.leading


@augmentation("mixup", draws=2, kind="mix")
def mixup(drawn: Drawn, size: tuple[int, int], *, alpha: Alpha = 0.2, share: Share = 1.0, by: By = "batch") -> Mixture:
    """Average every image with another one of its batch, and their labels, with weights drawn by Beta(alpha, alpha).

    Args:
        drawn: Drawn; the numbers decide whether, and the weight.
        size: tuple (height, width), which weights do not depend on.
        alpha: float, both parameters of the Beta distribution.
        share: float, share of the batches, or examples, that it mixes.
        by: "batch" or "example", for what both are drawn.

    Returns:
        Mixture.

    Source: arXiv 1710.09412, with 0.2 for ImageNet and 1 for CIFAR-10.
    """
    numbers = _deciding(drawn, by)
    kept = beta_share(numbers[:, 1], alpha)[:, None, None, None]
    return Mixture(kept, (numbers[:, 0] < share)[:, None, None, None])


@augmentation("cutmix", draws=4, kind="mix")
def cutmix(drawn: Drawn, size: tuple[int, int], *, alpha: Alpha = 1.0, share: Share = 1.0, by: By = "batch") -> Mixture:
    """Put a rectangle of another image of the batch into every image; labels are mixed by the area.

    The rectangle has the aspect of the image and its center at any pixel; what lies outside the image is cut off.

    Args:
        drawn: Drawn; the numbers decide whether, the area, row and column of the center.
        size: tuple (height, width), in pixels.
        alpha: float, both parameters of the Beta distribution of the area that is kept.
        share: float, share of the batches, or examples, that it mixes.
        by: "batch" or "example", for what both are drawn.

    Returns:
        Mixture.

    Source: arXiv 1905.04899, with 1 for CIFAR and ImageNet.
    """
    from keras_resnet.pipeline import ops

    numbers = _deciding(drawn, by)
    part = ops.sqrt(1 - beta_share(numbers[:, 1], alpha))
    begins, ends = [], []
    for place, side in enumerate(size):
        center, half = ops.floor(numbers[:, 2 + place] * side), ops.floor(part * side) / 2
        begins.append(ops.floor(center - half))
        ends.append(ops.floor(center + half))
    kept = 1 - ops.cast(rectangles(size, begins[0], ends[0], begins[1], ends[1]), "float32")
    return Mixture(kept, (numbers[:, 0] < share)[:, None, None, None])
