"""The residual unit: its convolutions as data, its order of operations as data, one function that lays both out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import keras

from keras_resnet.activations import activation_factory
from keras_resnet.layers import BatchNormalization, channel_axis, he_initializer
from keras_resnet.shortcuts import SHORTCUTS, parse_shortcut

if TYPE_CHECKING:
    from keras_resnet.architecture import Architecture


class Convolutions(NamedTuple):
    """The convolutions of a unit: kernel sizes, output filters as multiples of the width."""

    kernels: tuple[int, ...]
    multiples: tuple[int, ...]

    @property
    def expansion(self) -> int:
        """Channels that the unit gives out, as a multiple of its width."""
        return self.multiples[-1]


# arXiv 1512.03385, Figure 5.
UNITS: dict[str, Convolutions] = {
    "basic": Convolutions(kernels=(3, 3), multiples=(1, 1)),
    "bottleneck": Convolutions(kernels=(1, 3, 1), multiples=(1, 1, 4)),
}


class Placement(NamedTuple):
    """Where the operations other than convolutions stand in a unit."""

    prefix: tuple[str, ...]
    between: tuple[str, ...]
    suffix: tuple[str, ...]
    after: tuple[str, ...]

    @classmethod
    def parse(cls, order: str) -> Placement:
        """Read the order of a basic unit, "+" being the addition; a third convolution repeats what is between.

        Args:
            order: str, words out of "conv", "norm", "act" and "+".

        Returns:
            Placement.
        """
        branch, after = order.split("+")
        prefix, between, suffix = (tuple(part.split()) for part in branch.split("conv"))
        return cls(prefix, between, suffix, tuple(after.split()))


# arXiv 1603.05027, Figure 4 and Table 2, (a) to (e).
PLACEMENTS: dict[str, Placement] = {
    name: Placement.parse(order)
    for name, order in {
        "original": "conv norm act conv norm + act",
        "bn_after_addition": "conv norm act conv + norm act",
        "relu_before_addition": "conv norm act conv norm act +",
        "relu_only_preactivation": "act conv norm act conv norm +",
        "full_preactivation": "norm act conv norm act conv +",
    }.items()
}


@dataclass(frozen=True)
class Unit:
    """One residual unit of a network: what a shortcut needs to know of the place it stands in.

    Args:
        architecture: Architecture, the network's choices.
        name: str, prefix of its layers' names, as in "conv4_block6".
        width: int, filters of its 3x3 convolutions.
        filters_in: int, channels that enter.
        stride: int, 1 or 2.
    """

    architecture: Architecture
    name: str
    width: int
    filters_in: int
    stride: int

    @property
    def filters_out(self) -> int:
        """Channels that leave the unit."""
        return self.width * UNITS[self.architecture.unit].expansion

    @property
    def widens(self) -> bool:
        """Whether the unit changes the number of channels."""
        return self.filters_in != self.filters_out

    def project(self, x, norm: bool = True):
        """Bring the shortcut to the shape of the residual branch by a 1x1 convolution.

        Args:
            x: KerasTensor of `filters_in` channels.
            norm: bool, whether it is normalised where the last convolution of the residual branch is.

        Returns:
            KerasTensor of `filters_out` channels, smaller by the stride.

        Source: arXiv 1512.03385, equation 2; arXiv 1603.05027, appendix.
        """
        stride = self.stride
        if stride > 1 and self.architecture.projection == "average_pool":
            x = keras.layers.AveragePooling2D(stride, stride, padding="same", name=f"{self.name}_0_pool")(x)
            stride = 1
        x = convolution(self.architecture, x, self.filters_out, 1, stride, "shortcut", f"{self.name}_0")
        suffix = tuple(word for word in self.architecture.entry.suffix if word == "norm")
        return operations(self.architecture, x, suffix if norm else (), f"{self.name}_0")


def residual_unit(unit: Unit, x, activated: bool):
    """Lay out one residual unit on a tensor.

    Where the width changes, a pre-activation feeds both branches; elsewhere the shortcut takes the raw input.

    Args:
        unit: Unit.
        x: KerasTensor of `unit.filters_in` channels.
        activated: bool, whether `x` has had the unit's pre-activation already, as in a network's first unit.

    Returns:
        KerasTensor of `unit.filters_out` channels, smaller by the unit's stride.

    Source: arXiv 1512.03385, equations 1 and 2; arXiv 1603.05027, equations 1 and 2, Figure 4, appendix.
    """
    architecture, placement = unit.architecture, unit.architecture.entry
    residual = x if activated else operations(architecture, x, placement.prefix, f"{unit.name}_preact")
    entrance = residual if unit.widens else x
    residual = residual_branch(unit, residual)
    name, parameters = parse_shortcut(architecture.shortcut)
    branches = SHORTCUTS[name](unit, entrance, residual, **parameters)
    return join(unit, branches)


def residual_branch(unit: Unit, x):
    """Lay out the convolutions of a unit and what stands between and behind them.

    Args:
        unit: Unit.
        x: KerasTensor, pre-activated where the placement says so.

    Returns:
        KerasTensor, the branch before the addition.
    """
    architecture, placement = unit.architecture, unit.architecture.entry
    kernels, multiples = UNITS[architecture.unit]
    strided = kernels.index(3) if architecture.stride_on == "3x3" else 0
    for index, (kernel, multiple) in enumerate(zip(kernels, multiples)):
        name = f"{unit.name}_{index + 1}"
        stride = unit.stride if index == strided else 1
        x = convolution(architecture, x, unit.width * multiple, kernel, stride, str(index + 1), name)
        last = index == len(kernels) - 1
        x = operations(architecture, x, placement.suffix if last else placement.between, name)
    return x


def join(unit: Unit, branches: list):
    """Add the branches and apply what stands after the addition; the result is named `..._out`.

    Args:
        unit: Unit.
        branches: list of KerasTensors, the shortcut first.

    Returns:
        KerasTensor.
    """
    after = unit.architecture.entry.after
    name = f"{unit.name}_add" if after else f"{unit.name}_out"
    if len(branches) > 1:
        x = keras.layers.Add(name=name)(branches)
    else:
        x = branches[0] if after else keras.layers.Identity(name=name)(branches[0])
    if not after:
        return x
    x = operations(unit.architecture, x, after[:-1], f"{unit.name}_add")
    return activation_factory(unit.architecture.activation)(name=f"{unit.name}_out")(x)


def operations(architecture: Architecture, x, words: tuple[str, ...], name: str):
    """Apply normalisations and activations in the order of the words.

    Args:
        architecture: Architecture.
        x: KerasTensor.
        words: tuple out of "norm" and "act".
        name: str, prefix of the layers' names. An activation's ends in `_relu` whatever the function, so that
            names stay those of keras.applications.

    Returns:
        KerasTensor.
    """
    for word in words:
        if word == "norm":
            x = BatchNormalization(
                axis=channel_axis(),
                momentum=architecture.norm_momentum,
                epsilon=architecture.norm_epsilon,
                synchronized=architecture.synchronized,
                name=f"{name}_bn",
            )(x)
        else:
            x = activation_factory(architecture.activation)(name=f"{name}_relu")(x)
    return x


def convolution(architecture: Architecture, x, filters: int, kernel: int, stride: int, site: str, name: str):
    """Convolve, with the padding of the architecture and He's initialisation.

    TensorFlow's "same" equals symmetric padding at stride 1; at stride 2 it shifts even sizes by a pixel, so a
    strided convolution is padded by a layer of its own.

    Args:
        architecture: Architecture.
        x: KerasTensor.
        filters: int, output channels.
        kernel: int, side of the kernel in pixels.
        stride: int.
        site: str, which of the architecture's `biased` convolutions this is.
        name: str, prefix of the layers' names.

    Returns:
        KerasTensor.

    Source: arXiv 1502.01852, equation 10 in its fan-out form, as the authors' Torch code has it.
    """
    padding = "same"
    if stride > 1 and kernel > 1 and architecture.padding == "symmetric":
        x = keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
        padding = "valid"
    return keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding=padding,
        use_bias=site in architecture.biased,
        kernel_initializer=he_initializer(),
        name=f"{name}_conv",
    )(x)
