"""What shortcuts do to signal and gradient over depth: the factors of the formula beside those measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_resnet.analysis.execution import (
    Leave,
    UnitParts,
    check_images,
    check_labels,
    parts_of_units,
    root_mean_square,
    run,
)
from keras_resnet.analysis.gradients import unit_gradients
from keras_resnet.choices.shortcuts import parse_shortcut

GATED, CARRY = "_0_gated", "_0_carry"  # the layers that multiply a shortcut by what a gate lets through


class Factor(NamedTuple):
    """How a unit's output compares with that of the first unit, and its gradient with that of the last, of a stage.

    Args:
        unit: str.
        formula_signal: float, the product of the factors of the shortcuts from the first unit's output to this one's;
            nan where the formula has none.
        signal: float, the same as measured: root mean squares, residual branches left out.
        formula_gradient: float, the product from this unit's output to that of the last.
        gradient: float, the same as measured, back along the shortcuts alone.
        whole_gradient: float, the same along all paths.
    """

    unit: str
    formula_signal: float
    signal: float
    formula_gradient: float
    gradient: float
    whole_gradient: float


def propagation(model: keras.Model, images: Any, labels: Any, training: bool = False) -> list[Factor]:
    """Measure what the shortcuts of each stage do to signal and gradient, beside the product that the formula gives.

    The formula takes what follows an addition for the identity. It is exact for constant scaling in pre-activation
    networks; a gate is put in as it is at an input of zero; it has nothing for projections. All maps of a stage have
    one shape. The first unit may change it, and so its output is what those of the others are compared with.

    Args:
        model: keras.Model of this package that knows its architecture.
        images: array (number, height, width, channels), standardized as the network takes them; one batch.
        labels: array of as many classes.
        training: bool, whether normalization takes the statistics of the batch, and dropout drops.

    Returns:
        List of Factors, one a unit. A stage of one unit has nothing to compare: its factors are 1.

    Raises:
        ValueError: the network does not know its architecture, images or labels do not fit, or the backend has no
            gradients.

    Source: arXiv 1603.05027, equations 3 to 8 and section 3.1.
    """
    images, units = check_images(model, images), parts_of_units(model)
    labels = check_labels(model, images, labels)
    scales = [shortcut_factor(model, unit) for unit in units]
    exits = [unit.exit for unit in units]
    signals = _signals(model, images, units, training)
    along = unit_gradients(model, images, labels, exits, _only_shortcuts(units), training=training)
    whole = unit_gradients(model, images, labels, exits, training=training)
    rows = []
    for first, last in _stages(units):
        for place in range(first, last + 1):
            end = exits[last]
            rows.append(
                Factor(
                    unit=units[place].name,
                    formula_signal=math.prod(scales[first + 1 : place + 1]),
                    signal=signals[exits[place]],
                    formula_gradient=math.prod(scales[place + 1 : last + 1]),
                    gradient=_ratio(along[exits[place]], along[end]),
                    whole_gradient=_ratio(whole[exits[place]], whole[end]),
                )
            )
    return rows


def _stages(units: list[UnitParts]) -> list[tuple[int, int]]:
    """Give the places of the first and the last unit of each stage whose maps have one shape."""
    starts = [place for place, unit in enumerate(units) if not place or _begins(units[place - 1], unit)]
    return [(start, end - 1) for start, end in zip(starts, [*starts[1:], len(units)])]


def _begins(before: UnitParts, unit: UnitParts) -> bool:
    return before.stage != unit.stage or not unit.keeps_shape


def _ratio(one: np.ndarray, other: np.ndarray) -> float:
    below = root_mean_square(other)
    return root_mean_square(one) / below if below else math.nan


def shortcut_factor(model: keras.Model, unit: UnitParts) -> float:
    """Give the factor by which a unit's shortcut multiplies its input; nan where that is no number.

    Source: arXiv 1603.05027, section 3.1.
    """
    architecture = getattr(model, "architecture", None)
    if architecture is None:
        raise ValueError(f"{model.name!r} does not know its architecture, by which the formula goes; build it anew.")
    name, parameters = parse_shortcut(architecture.shortcut)
    return FACTORS.get(name, _unknown)(model, unit, parameters)


def _scale(model: keras.Model, unit: UnitParts, parameters: Mapping[str, Any]) -> float:
    return float(parameters.get("scale", model.get_layer(f"{unit.name}_0_scale").scale))


def _gate(model: keras.Model, unit: UnitParts, parameters: Mapping[str, Any]) -> float:
    bias = keras.ops.convert_to_numpy(model.get_layer(f"{unit.name}_0_gate").bias)
    return float(np.mean(1 / (1 + np.exp(bias))))  # 1 - sigma(b)


def _unknown(model: keras.Model, unit: UnitParts, parameters: Mapping[str, Any]) -> float:
    return math.nan


# The factor of each shortcut where a unit keeps the shape. Dropout is scaled up, so that its expectation is 1.
FACTORS: dict[str, Callable[[keras.Model, UnitParts, Mapping[str, Any]], float]] = {
    **dict.fromkeys(("A", "B", "dropout"), lambda *_: 1.0),
    "none": lambda *_: 0.0,
    "constant_scaling": _scale,
    "exclusive_gating": _gate,
    "shortcut_only_gating": _gate,
}


def _only_shortcuts(units: list[UnitParts]) -> Callable[[str, list], list]:
    """Let no gradient through residual branches, nor through what opens and closes a gate."""
    shortcuts = {unit.joint: int(unit.has_shortcut) for unit in units}

    def enter(name: str, inputs: list) -> list:
        kept = shortcuts.get(name, 1 if name.endswith(GATED) else len(inputs))
        return [*inputs[:kept], *map(keras.ops.stop_gradient, inputs[kept:])]

    return enter


def _signals(model: keras.Model, images: np.ndarray, units: list[UnitParts], training: bool) -> dict[str, float]:
    """Send what leaves the first unit of a stage along the shortcuts alone; give how large it is, as shares of it."""
    firsts = {units[first].exit for first, _ in _stages(units)}
    kept: dict[str, Any] = {}

    def keep(name: str, output: Any) -> Any:
        if name in firsts or name.endswith(CARRY):
            kept[name] = output
        return output

    run(model, images, training=training, leave=keep)
    shortcuts, sizes = {unit.joint: int(unit.has_shortcut) for unit in units}, {}

    def enter(name: str, inputs: list) -> list:
        from_shortcut = shortcuts.get(name, len(inputs))
        return [*inputs[:from_shortcut], *map(keras.ops.zeros_like, inputs[from_shortcut:])]

    run(model, images, training=training, enter=enter, leave=_noting(sizes, kept, {unit.exit for unit in units}))
    shares = {}
    for first, last in _stages(units):
        start = sizes[units[first].exit]
        for unit in units[first : last + 1]:
            shares[unit.exit] = sizes[unit.exit] / start if start else math.nan
    return shares


def _noting(sizes: dict[str, float], kept: Mapping[str, Any], exits: set[str]) -> Leave:
    """Put in what was kept, and note the root mean square of what leaves each unit."""

    def leave(name: str, output: Any) -> Any:
        output = kept.get(name, output)
        if name in exits:
            sizes[name] = root_mean_square(output)
        return output

    return leave
