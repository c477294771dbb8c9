"""The shortcut of a residual unit: one small function per variant, in a registry by name.

A shortcut is a function `(unit, x, residual, **parameters) -> branches`. It receives the unit it stands in (a
`build.unit.Unit`), the tensor `x` that enters the shortcut and the output `residual` of the residual branch, and
returns the tensors that the unit adds. So a shortcut may leave the residual branch alone, scale it, or drop `x`
altogether. Its keyword-only parameters are what a user may set: `shortcut={"name": "A", "zeros": "both"}`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from keras_resnet.choices.registry import Range, parse_choice, registering

SHORTCUTS: dict[str, Callable] = {}
shortcut = registering(SHORTCUTS)


# How the shortcuts of arXiv 1603.05027 bring x to another shape, which the paper leaves open: as option A or B.
Change = Literal["A", "B"]
Bias = Annotated[float, Range(-1e3, 1e3)]
Scale = Annotated[float, Range(-1e3, 1e3)]
Rate = Annotated[float, Range(0.0, 1.0)]


def parse_shortcut(choice: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Split a user's choice of shortcut into its name and its parameters, and check both."""
    return parse_choice("shortcut", choice, SHORTCUTS)


def pads_with_zeros(choice: str | Mapping[str, Any]) -> bool:
    """Tell whether a shortcut brings its input to more channels by zeros, which cannot shrink them."""
    name, parameters = parse_shortcut(choice)
    change = inspect.signature(SHORTCUTS[name]).parameters.get("change")
    return name == "A" or (change is not None and parameters.get("change", change.default) == "A")


@shortcut("A")
def identity_with_zero_padding(unit, x, residual, *, zeros: Literal["end", "both"] = "end"):
    """Option A: identity everywhere, zero channels where the width grows; no parameters.

    "end" appends the zero channels, as the authors' Torch code does; "both" puts half of them in front, as other code
    does. The function differs by a permutation of channels only.

    Source: arXiv 1512.03385, section 3.3 and Table 3, option A.
    """
    from keras_resnet.layers.conventions import channels
    from keras_resnet.layers.padding import ZeroPadChannels

    x = subsample(unit, x)
    missing = unit.filters_out - channels(x)
    if missing:
        front = missing // 2 if zeros == "both" else 0
        x = ZeroPadChannels((front, missing - front), name=f"{unit.name}_0_zeros")(x)
    return [x, residual]


@shortcut("B")
def projection_where_width_grows(unit, x, residual):
    """Option B: a 1x1 projection where the width grows, identity elsewhere.

    Source: arXiv 1512.03385, equation 2, section 3.3 and Table 3, option B.
    """
    return [unit.project(x) if unit.changes_channels_of(x) else subsample(unit, x), residual]


@shortcut("convolution")
@shortcut("C")
def projection_everywhere(unit, x, residual, *, norm: bool = True):
    """Option C of the first paper, the 1x1 convolutional shortcut of the second: a projection on every shortcut.

    `norm` says whether the projection is normalized where the residual branch is; the second paper does not say.

    Source: arXiv 1512.03385, Table 3, option C; arXiv 1603.05027, section 3.1 and Table 1.
    """
    return [unit.project(x, norm), residual]


@shortcut("none")
def no_shortcut(unit, x, residual):
    """No shortcut at all: the unit of a plain network.

    Source: arXiv 1512.03385, section 3.3, "plain network".
    """
    return [residual]


@shortcut("constant_scaling")
def constant_scaling(unit, x, residual, *, scale: Scale = 0.5, residual_scale: Scale = 0.5, change: Change = "A"):
    """Both branches times a constant: lambda on the shortcut, and 1 or 1 - lambda on the residual branch.

    Source: arXiv 1603.05027, section 3.1, Figure 2(b) and Table 1.
    """
    import keras

    x = keras.layers.Rescaling(scale, name=f"{unit.name}_0_scale")(reshaped(unit, x, change))
    return [x, keras.layers.Rescaling(residual_scale, name=f"{unit.name}_scale")(residual)]


@shortcut("exclusive_gating")
def exclusive_gating(unit, x, residual, *, bias: Bias = -6.0, change: Change = "A"):
    """The shortcut times 1 - g(x), the residual branch times g(x); the paper's best initial bias of the gate is -6.

    Source: arXiv 1603.05027, section 3.1, Figure 2(c) and Table 1; arXiv 1505.00387.
    """
    import keras

    carried, opening = gate(unit, x, bias)
    x = keras.layers.Multiply(name=f"{unit.name}_0_gated")([reshaped(unit, x, change), carried])
    return [x, keras.layers.Multiply(name=f"{unit.name}_gated")([residual, opening])]


@shortcut("shortcut_only_gating")
def shortcut_only_gating(unit, x, residual, *, bias: Bias = -6.0, change: Change = "A"):
    """The shortcut times 1 - g(x), the residual branch as it is; the paper's best initial bias of the gate is -6.

    Source: arXiv 1603.05027, section 3.1, Figure 2(d) and Table 1.
    """
    import keras

    carried, _ = gate(unit, x, bias)
    return [keras.layers.Multiply(name=f"{unit.name}_0_gated")([reshaped(unit, x, change), carried]), residual]


@shortcut("dropout")
def dropout(unit, x, residual, *, rate: Rate = 0.5, change: Change = "A"):
    """The shortcut under dropout, scaled up while training so that inference is the identity shortcut.

    Source: arXiv 1603.05027, section 3.1, Figure 2(f) and Table 1.
    """
    import keras

    return [keras.layers.Dropout(rate, name=f"{unit.name}_0_dropout")(reshaped(unit, x, change)), residual]


def reshaped(unit, x, change: str):
    """Bring the input of the shortcut to the shape of the residual branch, where that differs."""
    return SHORTCUTS[change](unit, x, None)[0]


def gate(unit, x, bias: float):
    """Compute 1 - g(x) and g(x) by a 1x1 convolution, of the unit's stride and output width.

    The paper does not say how the convolution is normalized and initialized: it is not normalized, because its bias is
    learned, and initialized like all others.

    Source: arXiv 1603.05027, section 3.1: g(x) is the logistic function of W x + b, by a 1x1 convolution.
    """
    import keras

    from keras_resnet.layers.conventions import he_initializer

    g = keras.layers.Conv2D(
        unit.filters_out,
        1,
        strides=unit.stride,
        activation="sigmoid",
        kernel_initializer=he_initializer(unit.architecture.init_gain),
        kernel_regularizer=unit.penalty,
        bias_initializer=keras.initializers.Constant(bias),
        name=f"{unit.name}_0_gate",
    )(x)
    return keras.layers.Rescaling(-1.0, offset=1.0, name=f"{unit.name}_0_carry")(g), g


def subsample(unit, x):
    """Keep every `stride`-th pixel, as an identity shortcut with a stride does.

    Source: arXiv 1512.03385, section 3.3: shortcuts across two sizes have a stride of 2.
    """
    import keras

    if unit.stride == 1:
        return x
    return keras.layers.MaxPooling2D(1, unit.stride, name=f"{unit.name}_0_pool")(x)
