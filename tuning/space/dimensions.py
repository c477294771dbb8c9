"""The dimensions of a search space: choices, ranges, and parameters that exist for one option alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# The fields whose options take parameters of their own; those of all others are fields of the run.
PARAMETRISED = ("shortcut", "activation")

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Option:
    """One thing that a choice may be.

    Args:
        label: str, its name in reports.
        value: str, number or bool, what the field becomes.
        fixed: dict of parameters with the values that they always have.
        parameters: tuple of dimensions that exist for this option alone.
    """

    label: str
    value: Any
    fixed: dict[str, Any]
    parameters: tuple[Choice | Range, ...]


@dataclass(frozen=True)
class Choice:
    """A field, or a parameter, that is one of several options.

    Args:
        name: str, the field; of a parameter, "field/option/parameter".
        options: tuple of Options.
    """

    name: str
    options: tuple[Option, ...]

    def option(self, label: str) -> Option:
        """Find an option by its label."""
        return next(option for option in self.options if option.label == label)

    def points(self, coarse: bool) -> Iterator[dict[str, Any]]:
        """Give the values of all options, with those of their parameters; see `Space.points`."""
        for option in self.options:
            for point in _product(option.parameters, coarse):
                yield {self.name: option.label, **point}


@dataclass(frozen=True)
class Range:
    """A field, or a parameter, that is any number from `low` to `high`, both included.

    Args:
        name: str, as of a Choice.
        low: int or float.
        high: int or float; both int make a range of whole numbers.
        scale: "linear" or "log".
        count: int, the number of points of a grid; None where a grid cannot have it.
    """

    name: str
    low: float
    high: float
    scale: str
    count: int | None

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def points(self, coarse: bool) -> Iterator[dict[str, Any]]:
        """Give evenly spaced values on the scale, the ends among them; see `Space.points`."""
        if self.count is None and not coarse:
            raise ValueError(
                f"{self.name} is a range, of which a grid needs points: add points, as in {{low: {self.low}, high: "
                f"{self.high}, points: 3}}, or choose another tuner."
            )
        forth, back = (math.log, math.exp) if self.scale == "log" else (float, float)
        low, high = forth(self.low), forth(self.high)
        shares = [0.5] if coarse else [index / (self.count - 1) for index in range(self.count)]
        for share in shares:
            value = back(low + share * (high - low))
            yield {self.name: round(value) if self.is_whole else float(f"{value:.6g}")}


@dataclass(frozen=True)
class Space:
    """All dimensions of a search.

    Args:
        dimensions: tuple of Choices and Ranges, one a field.
    """

    dimensions: tuple[Choice | Range, ...]

    def points(self, coarse: bool = False) -> Iterator[dict[str, Any]]:
        """Give every point of the grid.

        Args:
            coarse: bool, whether the middle stands for a range.

        Returns:
            Iterator of dicts of names of dimensions to labels and numbers, those that apply only.

        Raises:
            ValueError: a range has no points.
        """
        return _product(self.dimensions, coarse)

    def active(self, values: Values) -> dict[str, Any]:
        """Pick the values that apply: those of parameters of other options, and of other things, do not.

        Args:
            values: mapping of names of dimensions to labels and numbers.

        Returns:
            Dict in the order of the space.
        """
        return {name: value for dimension in self.dimensions for name, value in _active(dimension, values)}

    def fields(self, values: Values) -> dict[str, Any]:
        """Turn a point into fields of a run.

        Args:
            values: mapping of names of dimensions to labels and numbers; others are passed over.

        Returns:
            Dict of fields of `RunConfig`.
        """
        fields: dict[str, Any] = {}
        for dimension in self.dimensions:
            fields |= _fields(dimension, values)
        return fields


def _product(dimensions: tuple[Choice | Range, ...], coarse: bool) -> Iterator[dict[str, Any]]:
    for parts in itertools.product(*(list(dimension.points(coarse)) for dimension in dimensions)):
        yield {name: value for part in parts for name, value in part.items()}


def _active(dimension: Choice | Range, values: Values) -> Iterator[tuple[str, Any]]:
    yield dimension.name, values[dimension.name]
    if isinstance(dimension, Choice):
        for parameter in dimension.option(values[dimension.name]).parameters:
            yield from _active(parameter, values)


def _fields(dimension: Choice | Range, values: Values) -> dict[str, Any]:
    """Give what a dimension makes of the fields, by the last part of its name."""
    field = dimension.name.rpartition("/")[2]
    if isinstance(dimension, Range):
        return {field: values[dimension.name]}
    option = dimension.option(values[dimension.name])
    parameters = dict(option.fixed)
    for parameter in option.parameters:
        parameters |= _fields(parameter, values)
    if not parameters:
        return {field: option.value}
    if field in PARAMETRISED:
        return {field: {"name": option.value, **parameters}}
    return {field: option.value, **parameters}
