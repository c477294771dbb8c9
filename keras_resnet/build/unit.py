"""The residual unit: one function lays out its convolutions and operations, which are given as data."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.build.operations import convolution, normalize_and_activate, penalty
from keras_resnet.choices.activations import activation_factory
from keras_resnet.choices.shortcuts import SHORTCUTS, parse_shortcut
from keras_resnet.choices.units import UNITS
from keras_resnet.layers.conventions import channels, he_initializer


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

    @property
    def penalty(self) -> keras.regularizers.Regularizer | None:
        """The penalty on a kernel, or None."""
        return penalty(self.architecture)

    def changes_channels_of(self, x) -> bool:
        """Tell whether a tensor has another number of channels than the unit adds up."""
        return channels(x) != self.filters_out

    def project(self, x, norm: bool = True):
        """Bring the shortcut to the shape of the residual branch by a 1x1 convolution.

        `norm` says whether it is normalized where the last convolution of the residual branch is.

        Source: arXiv 1512.03385, equation 2; arXiv 1603.05027, appendix.
        """
        stride = self.stride
        if (stride > 1 or self.dilates) and self.architecture.projection == "average_pool":
            x = keras.layers.AveragePooling2D(2, stride, padding="same", name=f"{self.name}_0_pool")(x)
            stride = 1
        name = f"{self.name}_0"
        x = convolution(self.architecture, x, self.filters_out, 1, name, site="shortcut", stride=stride)
        suffix = tuple(word for word in self.architecture.entry.suffix if word == "norm")
        return normalize_and_activate(self.architecture, x, suffix if norm else (), name)


def residual_unit(unit: Unit, x, activated: bool):
    """Lay out one residual unit on a tensor, which may have had the unit's pre-activation already (`activated`).

    Where the width changes, a pre-activation feeds both branches; elsewhere the shortcut takes the raw input.

    Source: arXiv 1512.03385, equations 1 and 2; arXiv 1603.05027, equations 1 and 2, Figure 4, appendix.
    """
    architecture, placement = unit.architecture, unit.architecture.entry
    residual = x if activated else normalize_and_activate(architecture, x, placement.prefix, f"{unit.name}_preact")
    entrance = residual if unit.changes_channels_of(x) else x
    residual = regularized_branch(unit, residual_branch(unit, residual))
    name, parameters = parse_shortcut(architecture.shortcut)
    branches = SHORTCUTS[name](unit, entrance, residual, **parameters)
    return join(unit, branches)


def residual_branch(unit: Unit, x):
    """Lay out the convolutions of a unit and what stands between and behind them, before the addition.

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
            name,
            site=str(index + 1),
            stride=unit.stride if index == strided else 1,
            groups=architecture.groups if kernel == 3 else 1,
            dilation=unit.dilation * (2 if unit.dilates and index > strided else 1) if kernel > 1 else 1,
        )
        gamma = "zeros" if last and architecture.zero_init_residual else "ones"
        x = normalize_and_activate(architecture, x, placement.suffix if last else placement.between, name, gamma)
    return x


def regularized_branch(unit: Unit, x):
    """Weigh the channels of a residual branch and drop it for some examples, where the architecture says so.

    Source: arXiv 1603.09382, section 3, by example instead of by batch, scaled up while training; arXiv 1709.01507.
    """
    if unit.architecture.squeeze_excitation:
        x = squeeze_and_excite(unit, x)
    if unit.drop_rate:
        x = keras.layers.Dropout(unit.drop_rate, noise_shape=(None, 1, 1, 1), name=f"{unit.name}_depth")(x)
    return x


def squeeze_and_excite(unit: Unit, x):
    """Weigh each channel by a function of the means of all channels.

    Source: arXiv 1709.01507, section 3 and Figure 3; its fully connected layers are 1x1 convolutions with biases.
    """
    reduced = channels(x) // unit.architecture.squeeze_excitation
    weights = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{unit.name}_se_squeeze")(x)
    for name, filters, activation in (("reduce", reduced, "relu"), ("excite", channels(x), "sigmoid")):
        weights = keras.layers.Conv2D(
            filters,
            1,
            activation=activation,
            kernel_initializer=he_initializer(unit.architecture.init_gain),
            kernel_regularizer=unit.penalty,
            name=f"{unit.name}_se_{name}",
        )(weights)
    return keras.layers.Multiply(name=f"{unit.name}_se_scale")([x, weights])


def join(unit: Unit, branches: list):
    """Add the branches, the shortcut first, and apply what stands after the addition; the result is named `..._out`."""
    after = unit.architecture.entry.after
    name = f"{unit.name}_add" if after else f"{unit.name}_out"
    if len(branches) > 1:
        x = keras.layers.Add(name=name)(branches)
    else:
        x = branches[0] if after else keras.layers.Identity(name=name)(branches[0])
    if not after:
        return x
    x = normalize_and_activate(unit.architecture, x, after[:-1], f"{unit.name}_add")
    return activation_factory(unit.architecture.activation)(name=f"{unit.name}_out")(x)
