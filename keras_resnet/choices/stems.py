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


# Images and data sets of the papers.
IMAGENET = {"image_size": 224, "classes": 1000, "family": "ImageNet"}
CIFAR = {"image_size": 32, "classes": 10, "family": "CIFAR"}
# arXiv 1512.03385, Table 1 and section 4.2; "deep": arXiv 1812.01187, Figure 2(b), "ResNet-C"; "none": arXiv 1409.1556.
STEMS: dict[str, Stem] = {
    "imagenet": Stem(kernels=(7,), filters=(1,), stride=2, pool=True, **IMAGENET),
    "deep": Stem(kernels=(3, 3, 3), filters=(0.5, 0.5, 1), stride=2, pool=True, **IMAGENET),
    "cifar": Stem(kernels=(3,), filters=(1,), stride=1, pool=False, **CIFAR),
    "none": Stem(kernels=(), filters=(), stride=1, pool=False, **IMAGENET),
}
