"""The dimensions of a search space: choices, ranges, and parameters that exist for one option alone; and its points.

A point is a mapping of names of dimensions to labels of options and numbers. The name of a parameter says where it
applies: "activation/trainable_swish/beta".
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from training.config.text import write_inline

LISTED = 10_000  # points of a space that is listed, so that each is tried once and no draw is wasted
DIGITS = 6  # to which numbers count
Values = Mapping[str, Any]
Ancestors = tuple[tuple[str, str], ...]  # the choices, with the label of the option, under which a parameter applies


def label_of(value: Any) -> str:
    """Name a value as reports and points do: as it is written in a study file, in one line."""
    if isinstance(value, str):
        return value
    return write_inline(value) if isinstance(value, (list, Mapping)) else json.dumps(value)


class Option(NamedTuple):
    """One thing that a choice may be."""

    label: str  # its name in reports
    value: Any  # what the field becomes
    fixed: dict[str, Any]  # parameters with the values that they always have
    parameters: tuple[Dimension, ...]  # parameters that are searched


@dataclass(frozen=True)
class _Dimension:
    name: str
    ancestors: Ancestors

    @property
    def short_name(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]

    @property
    def is_open(self) -> bool:
        """Whether it may be several things, parameters aside."""
        return len(self.options) != 1


@dataclass(frozen=True)
class Choice(_Dimension):
    """A field, or a parameter, that is one of several options."""

    options: tuple[Option, ...]
    scale: ClassVar[None] = None  # which numbers have

    def option(self, label: str) -> Option:
        """Find an option by its label."""
        return next(option for option in self.options if option.label == label)

    @cached_property
    def ranks(self) -> list[int] | None:
        """The indices of its options from the smallest on, where they are numbers; None where they have no order."""
        numbers = [option.value for option in self.options]
        if any(isinstance(number, bool) or not isinstance(number, (int, float)) for number in numbers):
            return None
        return sorted(range(len(numbers)), key=numbers.__getitem__)

    def holds(self, label: Any) -> bool:
        """Tell whether a label is that of an option."""
        return any(option.label == label for option in self.options)

    def place(self, label: str) -> float:
        """Give the index of an option, or where options are numbers its rank, from 0 to 1."""
        index = self.options.index(self.option(label))
        return float(index) if self.ranks is None else self.ranks.index(index) / (len(self.options) - 1)

    def at(self, place: float) -> str:
        """Give the label of the option at a place."""
        index = round(place) if self.ranks is None else self.ranks[round(place * (len(self.options) - 1))]
        return self.options[index].label

    def nearest(self, places: np.ndarray) -> np.ndarray:
        """Move places from 0 to 1 to those of ranks, which are equally probable."""
        count = len(self.options)
        return np.minimum(np.floor(places * count), count - 1) / (count - 1)

    def points(self, coarse: bool) -> Iterator[dict[str, Any]]:
        """Give the values of all options, with those of their parameters; see `Space.points`."""
        for option in self.options:
            for point in _product(option.parameters, coarse):
                yield {self.name: option.label, **point}

    def field(self, values: Values) -> Any:
        """Turn its value at a point, with those of its parameters, into that of a field."""
        option = self.option(values[self.name])
        searched = {parameter.short_name: parameter.field(values) for parameter in option.parameters}
        return {"name": option.value, **option.fixed, **searched} if option.fixed or searched else option.value


@dataclass(frozen=True)
class Range(_Dimension):
    """A field, or a parameter, that is any number from `low` to `high`, or any whole one."""

    low: float
    high: float
    scale: str  # "linear" or "log"
    count: int | None  # the number of points of a grid
    is_whole: bool  # whether its values are whole numbers
    options: ClassVar[tuple[Option, ...]] = ()  # which choices have

    def points(self, coarse: bool) -> Iterator[dict[str, Any]]:
        """Give evenly spaced values on the scale, the ends among them; see `Space.points`."""
        if self.count is None and not coarse:
            raise ValueError(
                f"{self.name} is a range, of which a grid needs points: add points, as in {{low: {self.low}, high: "
                f"{self.high}, points: 3}}, or choose another tuner."
            )
        for share in [0.5] if coarse else [index / (self.count - 1) for index in range(self.count)]:
            yield {self.name: self.at(share)}

    def holds(self, value: Any) -> bool:
        """Tell whether a value is a number of the range."""
        if not isinstance(value, int if self.is_whole else (int, float)):
            return False
        low, own, high = (float(f"{number:.{DIGITS}g}") for number in (self.low, value, self.high))
        return low <= own <= high

    def place(self, value: float) -> float:
        """Give the place of a value on the scale, from 0 to 1."""
        low, high, own = (math.log(end) if self.scale == "log" else end for end in (self.low, self.high, value))
        return (own - low) / (high - low)

    def at(self, place: float) -> float:
        """Give the value at a place, to six digits."""
        if self.scale == "log":
            value = math.exp(math.log(self.low) + place * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + place * (self.high - self.low)
        return round(value) if self.is_whole else min(self.high, max(self.low, float(f"{value:.{DIGITS}g}")))

    def nearest(self, places: np.ndarray) -> np.ndarray:
        """Move places to those of whole numbers, where the range is one of such."""
        return np.array([self.place(self.at(place)) for place in places]) if self.is_whole else places

    def field(self, values: Values) -> Any:
        """Give its value at a point."""
        return values[self.name]


Dimension = Choice | Range


@dataclass(frozen=True)
class Space:
    """All dimensions of a search, one a field."""

    dimensions: tuple[Dimension, ...]

    @property
    def searched(self) -> list[Dimension]:
        """The dimensions in which points can differ, parameters of options included in theirs."""
        return [dimension for dimension in self.dimensions if dimension.is_open or dimension.options[0].parameters]

    @cached_property
    def all_dimensions(self) -> list[Dimension]:
        """All dimensions, each before the parameters of its options."""
        return list(_all(self.dimensions))

    @property
    def is_listable(self) -> bool:
        """Whether it has no range in it and not too many points."""
        has_range = any(isinstance(dimension, Range) for dimension in self.all_dimensions)
        return not has_range and sum(1 for _ in itertools.islice(self.points(), LISTED + 1)) <= LISTED

    def points(self, coarse: bool = False) -> Iterator[dict[str, Any]]:
        """Give every point of the grid, with the values that apply only; `coarse` takes the middle of each range."""
        return _product(self.dimensions, coarse)

    def active(self, values: Values) -> dict[str, Any]:
        """Pick the values that apply, in the order of the space: not those of parameters of other options."""
        return {part.name: values[part.name] for part in self._applying(values)}

    def _applying(self, values: Values) -> list[Dimension]:
        return [part for part in self.all_dimensions if dict(part.ancestors).items() <= values.items()]

    def misfit(self, values: Values) -> str | None:
        """Say why values, those that apply, are no point of the space; None where they are one."""
        applying = self._applying(values)
        for part in applying:
            if part.name not in values:
                return f"it has no {part.name}"
            if not part.holds(values[part.name]):
                return f"{part.name} is {values[part.name]}"
        others = values.keys() - {part.name for part in applying}
        return f"{', '.join(sorted(others))} is not searched" if others else None

    def fields(self, values: Values) -> dict[str, Any]:
        """Turn a point into fields of a run; values of other things are passed over."""
        return {dimension.name: dimension.field(values) for dimension in self.dimensions}


def _product(dimensions: Iterable[Dimension], coarse: bool) -> Iterator[dict[str, Any]]:
    for parts in itertools.product(*(list(dimension.points(coarse)) for dimension in dimensions)):
        yield {name: value for part in parts for name, value in part.items()}


def _all(dimensions: Iterable[Dimension]) -> Iterator[Dimension]:
    for dimension in dimensions:
        yield dimension
        for option in dimension.options:
            yield from _all(option.parameters)


def signature(fields: Mapping[str, Any]) -> str:
    """Give the text that tells two points apart; numbers count to six digits."""
    rounded = json.loads(json.dumps(fields, default=str), parse_float=lambda number: f"{float(number):.{DIGITS}g}")
    return json.dumps(rounded, sort_keys=True)


def possible_points(
    space: Space, points: Iterable[dict[str, Any]], problem: Callable[[dict[str, Any]], str | None]
) -> list[dict[str, Any]]:
    """Pick the points whose fields have no problem, each network once; an option that fits nowhere is an error."""
    possible: dict[str, dict[str, Any]] = {}
    reasons: dict[tuple[str, Any], str] = {}
    for values in points:
        fields = space.fields(values)
        if (reason := problem(fields)) is None:
            possible.setdefault(signature(fields), values)
        else:
            reasons = {**dict.fromkeys(values.items(), reason), **reasons}
    used = {item for values in possible.values() for item in values.items()}
    for (name, value), reason in reasons.items():
        if (name, value) not in used:
            raise ValueError(f"{name}: {value} fits nothing in this space: {reason}")
    return list(possible.values())
