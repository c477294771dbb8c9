"""What stands before the first stage."""

from __future__ import annotations

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.build.operations import convolution, normalize_and_activate
from keras_resnet.choices.stems import STEMS
from keras_resnet.layers.padding import MaxPoolPadding2D


def build_stem(architecture: Architecture, x):
    """Lay out what stands before the first stage; without a stem, `x` itself.

    Source: arXiv 1512.03385, Table 1 and section 4.2; arXiv 1603.05027, appendix; arXiv 1812.01187, section 4.
    """
    row = STEMS[architecture.stem]
    for index, (kernel, multiple) in enumerate(zip(row.kernels, row.filters)):
        last = index == len(row.kernels) - 1
        name = f"conv1_{index + 1}" if len(row.kernels) > 1 else "conv1"
        filters = int(architecture.stem_filters * multiple) * architecture.pieces
        x = convolution(architecture, x, filters, kernel, name, site="stem", stride=row.stride if index == 0 else 1)
        if architecture.stem_activation or not last:
            x = normalize_and_activate(architecture, x, ("norm", "act"), name)
    return max_pool(architecture, x) if row.pool else x


def max_pool(architecture: Architecture, x):
    """Halve the map by the 3x3 max pool of the ImageNet stem.

    Source: arXiv 1512.03385, Table 1.
    """
    if architecture.padding == "same":
        return keras.layers.MaxPooling2D(3, 2, padding="same", name="pool1_pool")(x)
    pad = MaxPoolPadding2D if architecture.pool_padding == "lowest" else keras.layers.ZeroPadding2D
    x = pad(1, name="pool1_pad")(x)
    return keras.layers.MaxPooling2D(3, 2, name="pool1_pool")(x)
