"""The size of training images along a run, by name.

A choice is a function `(done, **parameters) -> share` of the part of the run's epochs that are done, from 0 to 1. It
gives the side of training images as a share of that of the network's; they are tested in full size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from keras_resnet.choices.registry import Range, registering

SIZES: dict[str, Callable] = {}
size = registering(SIZES)


@size("full")
def full(done: float) -> float:
    """Train on images of the network's size.

    Args:
        done: float, part of the run's epochs that are done.

    Returns:
        1.0.
    """
    return 1.0


@size("progressive")
def progressive(
    done: float,
    *,
    smallest: Annotated[float, Range(0, 1, above=True), "side in the first epochs, as a share of the full one"] = 0.5,
    sizes: Annotated[int, Range(2, 64, closed=True), "sizes from the smallest to the full one"] = 4,
    until: Annotated[float, Range(0, 1, above=True), "part of the run from which images have the full size"] = 0.8,
) -> float:
    """Train on images that grow in equal steps from the smallest to the full size, for the earlier epochs cost less.

    A network with global pooling takes them all. Augmentations by pixels keep their number of pixels.

    Args:
        done: float, part of the run's epochs that are done.
        smallest: float, side in the first epochs, as a share of the full one.
        sizes: int, sizes from the smallest to the full one.
        until: float, part of the run from which images have the full size.

    Returns:
        float, the side as a share of the full one.

    Source: arXiv 2104.00298, section 4, without its stronger regularization for larger images.
    """
    step = min(int(done / until * (sizes - 1) + 1e-9), sizes - 1)
    return smallest + (1 - smallest) * step / (sizes - 1)


@size("smaller")
def smaller(
    done: float,
    *,
    share: Annotated[float, Range(0, 1, above=True), "side of training images, as a share of the full one"] = 0.7857,
) -> float:
    """Train on smaller images throughout: random crops show objects larger than the crop of a test does.

    Args:
        done: float, part of the run's epochs that are done.
        share: float, side of training images as a share of the full one; unless given torchvision's, 176 of 224.

    Returns:
        float, the same.

    Source: arXiv 1906.06423, "Fixing the train-test resolution discrepancy", without its fine-tuning.
    """
    return share
