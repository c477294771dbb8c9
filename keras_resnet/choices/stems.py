"""What stands before the first stage, as a table."""

from __future__ import annotations

from typing import NamedTuple


class Stem(NamedTuple):
    """A row of the table: the convolutions of a stem, and the images that the papers give it.

    Args:
        kernels: tuple of ints, sides of the kernels in pixels.
        filters: tuple of floats, output channels as multiples of the stem's width.
        stride: int, of the first convolution.
        pool: bool, whether a 3x3 max pool of stride 2 follows.
        image_size: int, side of the papers' images in pixels.
        classes: int, classes of the papers' data set.
        family: str, name of that data set.
    """

    kernels: tuple[int, ...]
    filters: tuple[float, ...]
    stride: int
    pool: bool
    image_size: int
    classes: int
    family: str


# arXiv 1512.03385, Table 1 and section 4.2; "deep": arXiv 1812.01187, Figure 2(b), "ResNet-C"; "none": arXiv 1409.1556.
STEMS: dict[str, Stem] = {
    "imagenet": Stem((7,), (1,), 2, True, 224, 1000, "ImageNet"),
    "deep": Stem((3, 3, 3), (0.5, 0.5, 1), 2, True, 224, 1000, "ImageNet"),
    "cifar": Stem((3,), (1,), 1, False, 32, 10, "CIFAR"),
    "none": Stem((), (), 1, False, 224, 1000, "ImageNet"),
}
