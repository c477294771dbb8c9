"""The shortcut of a residual unit: one small function per variant, in a registry by name.

A shortcut is a function `(unit, x, residual, **parameters) -> branches`. It receives the unit it stands in,
the tensor `x` that enters the shortcut and the output `residual` of the residual branch, and returns the
tensors that the unit adds. So a shortcut may leave the residual branch alone, scale it, or drop `x` altogether.
Its keyword-only parameters are what a user may set: `shortcut={"name": "A", "zeros": "both"}`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

import keras

from keras_resnet.layers import ZeroPadChannels
from keras_resnet.messages import unknown

SHORTCUTS: dict[str, Callable] = {}


def shortcut(name: str) -> Callable[[Callable], Callable]:
    """Register a shortcut function under the name that users write.

    Args:
        name: str, the paper's name of the variant.

    Returns:
        A decorator that registers the function and returns it unchanged.
    """

    def register(function: Callable) -> Callable:
        SHORTCUTS[name] = function
        return function

    return register


def parse_shortcut(choice: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Split a user's choice of shortcut into its name and its parameters, and check both.

    Args:
        choice: str, a name in `SHORTCUTS`; or a mapping of `name` and the variant's parameters.

    Returns:
        Tuple of the name and the dict of parameters.

    Raises:
        ValueError: the name or a parameter is unknown.
    """
    parameters = dict(choice) if isinstance(choice, Mapping) else {"name": choice}
    name = parameters.pop("name", None)
    if name not in SHORTCUTS:
        raise ValueError(unknown("shortcut", name, SHORTCUTS))
    accepted = _parameters(SHORTCUTS[name])
    for parameter, value in parameters.items():
        if parameter not in accepted:
            raise ValueError(unknown(f"parameter of shortcut {name!r}:", parameter, accepted or ["(none)"]))
        if get_origin(accepted[parameter]) is Literal and value not in get_args(accepted[parameter]):
            raise ValueError(unknown(f"value of {parameter}", value, get_args(accepted[parameter])))
    return name, parameters


def _parameters(function: Callable) -> dict[str, Any]:
    """Read the names and types of what users may set off a shortcut's keyword-only arguments."""
    hints = get_type_hints(function)
    arguments = inspect.signature(function).parameters.values()
    return {a.name: hints.get(a.name) for a in arguments if a.kind is inspect.Parameter.KEYWORD_ONLY}


@shortcut("A")
def identity_with_zero_padding(unit, x, residual, *, zeros: Literal["end", "both"] = "end"):
    """Option A: identity everywhere, zero channels where the width grows; no parameters.

    Args:
        unit: the `Unit` the shortcut stands in.
        x: KerasTensor, the input of the shortcut.
        residual: KerasTensor, the output of the residual branch.
        zeros: "end" appends the zero channels, as the authors' Torch code does; "both" puts half of them
            in front, as other code does. The function differs by a permutation of channels only.

    Returns:
        List of the two branches.

    Source: arXiv 1512.03385, section 3.3 and Table 3, option A.
    """
    x = subsample(unit, x)
    missing = unit.filters_out - unit.filters_in
    if missing:
        front = missing // 2 if zeros == "both" else 0
        x = ZeroPadChannels((front, missing - front), name=f"{unit.name}_0_zeros")(x)
    return [x, residual]


@shortcut("B")
def projection_where_width_grows(unit, x, residual):
    """Option B: a 1x1 projection where the width grows, identity elsewhere.

    Args:
        unit: the `Unit` the shortcut stands in.
        x: KerasTensor, the input of the shortcut.
        residual: KerasTensor, the output of the residual branch.

    Returns:
        List of the two branches.

    Source: arXiv 1512.03385, equation 2, section 3.3 and Table 3, option B.
    """
    return [unit.project(x) if unit.widens else subsample(unit, x), residual]


@shortcut("C")
def projection_everywhere(unit, x, residual):
    """Option C: a 1x1 projection on every shortcut.

    Args:
        unit: the `Unit` the shortcut stands in.
        x: KerasTensor, the input of the shortcut.
        residual: KerasTensor, the output of the residual branch.

    Returns:
        List of the two branches.

    Source: arXiv 1512.03385, Table 3, option C.
    """
    return [unit.project(x), residual]


@shortcut("none")
def no_shortcut(unit, x, residual):
    """No shortcut at all: the unit of a plain network.

    Args:
        unit: the `Unit` the shortcut stands in.
        x: KerasTensor, not used.
        residual: KerasTensor, the output of the stacked layers.

    Returns:
        List of the one branch.

    Source: arXiv 1512.03385, section 3.3, "plain network".
    """
    return [residual]


def subsample(unit, x):
    """Keep every `stride`-th pixel, as an identity shortcut with a stride does.

    Args:
        unit: the `Unit` that carries the stride.
        x: KerasTensor, the input of the shortcut.

    Returns:
        KerasTensor; `x` itself where the stride is 1.

    Source: arXiv 1512.03385, section 3.3: shortcuts across two sizes have a stride of 2.
    """
    if unit.stride == 1:
        return x
    return keras.layers.MaxPooling2D(1, unit.stride, name=f"{unit.name}_0_pool")(x)
