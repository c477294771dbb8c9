"""The residual unit: its convolutions as data, its order of operations as data, one function that lays both out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import keras

from keras_resnet.activations import activation_factory
from keras_resnet.layers import BatchNormalization, channel_axis, channels, he_initializer
from keras_resnet.shortcuts import SHORTCUTS, parse_shortcut

if TYPE_CHECKING:
    from keras_resnet.architecture import Architecture


class Convolutions(NamedTuple):
    """The convolutions of a unit: kernel sizes, and the channels it gives out as a multiple of its width."""

    kernels: tuple[int, ...]
    expansion: int


# arXiv 1512.03385, Figure 5; one convolution: arXiv 1603.05027, Table 3, "1-layer", and the Highway networks.
UNITS: dict[str, Convolutions] = {
    "basic": Convolutions(kernels=(3, 3), expansion=1),
    "bottleneck": Convolutions(kernels=(1, 3, 1), expansion=4),
    "single": Convolutions(kernels=(3,), expansion=1),
}


class Placement(NamedTuple):
    """Where the operations other than convolutions stand in a unit; exactly one activation between any two of them."""

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
        stride: int, 1 or 2.
        drop_rate: float, share of the examples for which stochastic depth drops the residual branch.
        dilation: int, pixels from tap to tap of the kernels that it begins with.
        dilates: bool, whether the dilation doubles where the unit would stride.
    """

    architecture: Architecture
    name: str
    width: int
    stride: int
    drop_rate: float = 0.0
    dilation: int = 1
    dilates: bool = False

    @property
    def filters_out(self) -> int:
        """Channels that the unit adds up; the activation behind an addition may take several for one."""
        taken = 1 if "act" in self.architecture.entry.suffix else self.architecture.pieces
        return self.width * UNITS[self.architecture.unit].expansion * taken

    @property
    def filters_inside(self) -> int:
        """Channels between the convolutions of the unit.

        Source: arXiv 1611.05431, Table 1: `groups` times `width_per_group`, in proportion to the width.
        """
        return self.width * self.architecture.groups * self.architecture.width_per_group // 64

    def changes_channels_of(self, x) -> bool:
        """Tell whether a tensor has another number of channels than the unit adds up."""
        return channels(x) != self.filters_out

    def project(self, x, norm: bool = True):
        """Bring the shortcut to the shape of the residual branch by a 1x1 convolution.

        Args:
            x: KerasTensor.
            norm: bool, whether it is normalised where the last convolution of the residual branch is.

        Returns:
            KerasTensor of `filters_out` channels, smaller by the stride.

        Source: arXiv 1512.03385, equation 2; arXiv 1603.05027, appendix.
        """
        stride = self.stride
        if (stride > 1 or self.dilates) and self.architecture.projection == "average_pool":
            x = keras.layers.AveragePooling2D(2, stride, padding="same", name=f"{self.name}_0_pool")(x)
            stride = 1
        x = convolution(self.architecture, x, self.filters_out, 1, stride, "shortcut", f"{self.name}_0")
        suffix = tuple(word for word in self.architecture.entry.suffix if word == "norm")
        return operations(self.architecture, x, suffix if norm else (), f"{self.name}_0")


def residual_unit(unit: Unit, x, activated: bool):
    """Lay out one residual unit on a tensor.

    Where the width changes, a pre-activation feeds both branches; elsewhere the shortcut takes the raw input.

    Args:
        unit: Unit.
        x: KerasTensor.
        activated: bool, whether `x` has had the unit's pre-activation already, as in a network's first unit.

    Returns:
        KerasTensor, smaller by the unit's stride.

    Source: arXiv 1512.03385, equations 1 and 2; arXiv 1603.05027, equations 1 and 2, Figure 4, appendix.
    """
    architecture, placement = unit.architecture, unit.architecture.entry
    residual = x if activated else operations(architecture, x, placement.prefix, f"{unit.name}_preact")
    entrance = residual if unit.changes_channels_of(x) else x
    residual = regularised_branch(unit, residual_branch(unit, residual))
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

    Source: arXiv 1512.03385, Figure 5; dropout: arXiv 1605.07146, section 2.4; gamma: arXiv 1706.02677, section 5.1.
    """
    architecture, placement = unit.architecture, unit.architecture.entry
    kernels, expansion = UNITS[architecture.unit]
    strided = kernels.index(3) if architecture.stride_on == "3x3" else 0
    for index, kernel in enumerate(kernels):
        last = index == len(kernels) - 1
        name = f"{unit.name}_{index + 1}"
        filters = unit.width * expansion if last else unit.filters_inside
        if last and architecture.dropout:
            x = keras.layers.Dropout(architecture.dropout, name=f"{unit.name}_dropout")(x)
        x = convolution(
            architecture,
            x,
            filters * architecture.pieces,
            kernel,
            unit.stride if index == strided else 1,
            str(index + 1),
            name,
            architecture.groups if kernel == 3 else 1,
            unit.dilation * (2 if unit.dilates and index > strided else 1) if kernel > 1 else 1,
        )
        gamma = "zeros" if last and architecture.zero_init_residual else "ones"
        x = operations(architecture, x, placement.suffix if last else placement.between, name, gamma)
    return x


def regularised_branch(unit: Unit, x):
    """Weigh the channels of a residual branch and drop it for some examples, where the architecture says so.

    Args:
        unit: Unit.
        x: KerasTensor, the output of the unit's convolutions.

    Returns:
        KerasTensor.

    Source: arXiv 1603.09382, section 3, by example instead of by batch, scaled up while training; arXiv 1709.01507.
    """
    if unit.architecture.squeeze_excitation:
        x = squeeze_and_excite(unit, x)
    if unit.drop_rate:
        x = keras.layers.Dropout(unit.drop_rate, noise_shape=(None, 1, 1, 1), name=f"{unit.name}_depth")(x)
    return x


def squeeze_and_excite(unit: Unit, x):
    """Weigh each channel by a function of the means of all channels.

    Args:
        unit: Unit.
        x: KerasTensor.

    Returns:
        KerasTensor of the same shape.

    Source: arXiv 1709.01507, section 3 and Figure 3; its fully connected layers are 1x1 convolutions with biases.
    """
    reduced = channels(x) // unit.architecture.squeeze_excitation
    weights = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{unit.name}_se_squeeze")(x)
    for name, filters, activation in (("reduce", reduced, "relu"), ("excite", channels(x), "sigmoid")):
        weights = keras.layers.Conv2D(
            filters,
            1,
            activation=activation,
            kernel_initializer=he_initializer(),
            kernel_regularizer=unit.architecture.penalty,
            name=f"{unit.name}_se_{name}",
        )(weights)
    return keras.layers.Multiply(name=f"{unit.name}_se_scale")([x, weights])


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


def operations(architecture: Architecture, x, words: tuple[str, ...], name: str, gamma: str = "ones"):
    """Apply normalisations and activations in the order of the words.

    Args:
        architecture: Architecture.
        x: KerasTensor.
        words: tuple out of "norm" and "act".
        name: str, prefix of the layers' names. An activation's ends in `_relu` whatever the function, so that
            names stay those of keras.applications.
        gamma: str, Keras's name of the initialiser of the normalisations' scale.

    Returns:
        KerasTensor.
    """
    for word in words:
        if word == "norm" and architecture.normalization == "none":
            continue
        if word == "norm":
            x = BatchNormalization(
                axis=channel_axis(),
                momentum=architecture.norm_momentum,
                epsilon=architecture.norm_epsilon,
                gamma_initializer=gamma,
                synchronized=architecture.synchronized,
                name=f"{name}_bn",
            )(x)
        else:
            x = activation_factory(architecture.activation)(name=f"{name}_relu")(x)
    return x


def convolution(
    architecture: Architecture,
    x,
    filters: int,
    kernel: int,
    stride: int,
    site: str,
    name: str,
    groups: int = 1,
    dilation: int = 1,
):
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
        groups: int, groups of channels that are convolved each by itself.
        dilation: int, pixels from tap to tap of the kernel.

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
        groups=groups,
        dilation_rate=dilation,
        use_bias=site in architecture.biased,
        kernel_initializer=he_initializer(),
        kernel_regularizer=architecture.penalty,
        name=f"{name}_conv",
    )(x)
