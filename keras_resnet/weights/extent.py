"""Whether a file holds about as many values as the network that its names, shapes or configuration ask for.

They may ask for any number of units and filters, and building a network takes time and memory before its weights are
looked for. What is counted here is less than the network needs, so that a file that lacks a few tensors still gets the
message that names them.
"""

from __future__ import annotations

import math

from keras_resnet.architecture import Architecture
from keras_resnet.choices.units import UNITS
from keras_resnet.weights.naming import Arrays

# The network may need so many times the values of the file.
_SLACK = 2
_ADVICE = "get it from another source"


def check_ranks(tensors: Arrays) -> None:
    """Check that every weight has the number of axes that such a weight has in any network."""
    for name, array in tensors.items():
        layer, _, weight = name.rpartition("/")
        if weight == "kernel":
            axes = (4,) if layer.endswith(("_conv", "_se_reduce", "_se_excite")) else (2, 4)
        else:
            axes = (1,) if weight in ("bias", "gamma", "beta", "moving_mean", "moving_variance") else range(1, 5)
        if array.ndim not in axes or 0 in array.shape:
            raise ValueError(f"a tensor {name} of shape {array.shape}, which no network has; {_ADVICE}.")


def check_extent(architecture: Architecture, tensors: Arrays, channels: int = 1, classes: int | None = None) -> None:
    """Check that a network is not far larger than the file whose weights it would take."""
    units, values = sum(architecture.blocks), sum(array.size for array in tensors.values())
    if units > len(tensors):
        raise ValueError(f"names or a configuration of {units:,} units, and {len(tensors):,} tensors; {_ADVICE}.")
    needed = least_parameters(architecture, channels, classes or 0)
    if needed > _SLACK * values:
        raise ValueError(
            f"names or a configuration of at least {needed:,} parameters, and {values:,} values; {_ADVICE}."
        )


def least_parameters(architecture: Architecture, channels: int = 1, classes: int = 0) -> int:
    """Count weights that a network has at least, in kernels of stem, units and classifier, without building it."""
    row, entering = UNITS[architecture.unit], architecture.stem_filters
    total = channels * entering if architecture.stem != "none" else 0
    for blocks, width in zip(architecture.blocks, architecture.widths):
        inside = width * architecture.groups * architecture.width_per_group // 64
        leaving = width * row.expansion
        for first, count in ((entering, 1), (leaving, blocks - 1)):
            maps = [first, *[inside] * (len(row.kernels) - 1), leaving]
            kernels = (side**2 * math.prod(pair) for side, *pair in zip(row.kernels, maps, maps[1:]))
            total += count * sum(kernels) // architecture.groups
        entering = leaving
    return total + classes * entering
