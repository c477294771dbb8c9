"""What stands before the first stage: the stems as a table, and the function that lays one out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import keras

from keras_resnet.layers import MaxPoolPadding2D
from keras_resnet.units import convolution, operations

if TYPE_CHECKING:
    from keras_resnet.architecture import Architecture


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


def stem(architecture: Architecture, x):
    """Lay out what stands before the first stage.

    Args:
        architecture: Architecture.
        x: KerasTensor, a batch of images.

    Returns:
        KerasTensor of as many channels as the stem is wide; `x` itself where there is no stem.

    Source: arXiv 1512.03385, Table 1 and section 4.2; arXiv 1603.05027, appendix; arXiv 1812.01187, section 4.
    """
    row = STEMS[architecture.stem]
    for index, (kernel, multiple) in enumerate(zip(row.kernels, row.filters)):
        last = index == len(row.kernels) - 1
        name = f"conv1_{index + 1}" if len(row.kernels) > 1 else "conv1"
        filters = int(architecture.stem_filters * multiple) * architecture.pieces
        x = convolution(architecture, x, filters, kernel, row.stride if index == 0 else 1, "stem", name)
        if architecture.stem_activation or not last:
            x = operations(architecture, x, ("norm", "act"), name)
    return max_pool(architecture, x) if row.pool else x


def max_pool(architecture: Architecture, x):
    """Halve the map by the 3x3 max pool of the ImageNet stem.

    Args:
        architecture: Architecture.
        x: KerasTensor.

    Returns:
        KerasTensor.

    Source: arXiv 1512.03385, Table 1.
    """
    if architecture.padding == "same":
        return keras.layers.MaxPooling2D(3, 2, padding="same", name="pool1_pool")(x)
    pad = MaxPoolPadding2D if architecture.pool_padding == "lowest" else keras.layers.ZeroPadding2D
    x = pad(1, name="pool1_pad")(x)
    return keras.layers.MaxPooling2D(3, 2, name="pool1_pool")(x)
