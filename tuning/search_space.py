"""The search space as data: fields of a run that are a choice or a range, with parameters where they apply.

A space is a mapping of fields of `RunConfig` to what they may be:

    activation: [relu, gelu, {name: trainable_swish, beta: {low: 0.5, high: 2}}]    # beta exists for Swish alone
    shortcut: [A, B, {name: exclusive_gating, bias: [-10, -6, -3]}]
    optimizer: [{name: sgd, learning_rate: {low: 0.02, high: 0.4, scale: log}}, adamw]
    batch_size: {low: 64, high: 256, scale: log, points: 3}

A list is a choice; `low` and `high` are a range, on a linear or logarithmic scale, that a grid needs `points` of; any
other value is fixed. What stands beside a `name` are parameters of that option: of a shortcut or an activation its own,
of all others further fields of the run.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import yaml

from keras_resnet.messages import unknown
from training.config import FIELDS

if TYPE_CHECKING:
    import keras_tuner

# The fields whose options take parameters of their own; those of all others are fields of the run.
PARAMETRISED = ("shortcut", "activation")
# What the study itself decides, or what makes no network better.
RESERVED = ("seed", "validation", "validation_seed", "data_dir", "download", "devices", "test_split", "train_split")
SCALES = ("linear", "log")

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

    def declare(self, hyperparameters: keras_tuner.HyperParameters) -> None:
        """Declare the choice, and its options' parameters under the condition that they are chosen."""
        hyperparameters.Choice(self.name, [option.label for option in self.options])
        for option in self.options:
            with hyperparameters.conditional_scope(self.name, [option.label]):
                for parameter in option.parameters:
                    parameter.declare(hyperparameters)

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

    def declare(self, hyperparameters: keras_tuner.HyperParameters) -> None:
        """Declare the range."""
        declare = hyperparameters.Int if self.is_whole else hyperparameters.Float
        declare(self.name, self.low, self.high, sampling=self.scale)

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

    def hyperparameters(self) -> keras_tuner.HyperParameters:
        """Say the space in the words of keras-tuner.

        Returns:
            keras_tuner.HyperParameters.
        """
        import keras_tuner

        declared = keras_tuner.HyperParameters()
        for dimension in self.dimensions:
            dimension.declare(declared)
        return declared

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


def parse_space(space: Mapping[str, Any]) -> Space:
    """Read a search space and check all that can be said without building a network.

    Args:
        space: mapping of fields of `RunConfig` to what they may be; see the head of this module.

    Returns:
        Space.

    Raises:
        ValueError: it is empty, a field is unknown or not to be searched, or stands in two places, a range is upside
            down, an option stands twice.
    """
    if not isinstance(space, Mapping) or not space:
        raise ValueError("The search space is empty: name at least one field, as in {activation: [relu, gelu]}.")
    for field in space:
        _check_field(field)
    dimensions = tuple(_dimension(field, field, description) for field, description in space.items())
    for field, option, parameter in _parameters_that_are_fields(dimensions):
        if parameter in space:
            raise ValueError(f"{parameter} is searched twice: by itself, and as a parameter of {field} {option}.")
    return Space(dimensions)


def _parameters_that_are_fields(dimensions: tuple[Choice | Range, ...]) -> Iterator[tuple[str, str, str]]:
    for dimension in dimensions:
        if isinstance(dimension, Choice) and dimension.name not in PARAMETRISED:
            for option in dimension.options:
                searched = [parameter.name.rpartition("/")[2] for parameter in option.parameters]
                for parameter in (*option.fixed, *searched):
                    yield dimension.name, option.label, parameter


def default_space(fields: list[str]) -> dict[str, Any]:
    """Pick fields of the space that comes with the package.

    Args:
        fields: list of str.

    Returns:
        Dict as of `parse_space`.

    Raises:
        ValueError: the package has no range for a field.
    """
    known = yaml.safe_load(resources.files("tuning").joinpath("space.yaml").read_text(encoding="utf-8"))
    for field in fields:
        if field not in known:
            raise ValueError(
                f"{unknown('field to search:', field, known)} Any other field needs a space of its own, in a file for "
                "--config."
            )
    return {field: known[field] for field in fields}


def signature(fields: Mapping[str, Any]) -> str:
    """Give the text that tells two points apart.

    Args:
        fields: mapping of fields of `RunConfig`.

    Returns:
        str; numbers count to six digits.
    """
    return json.dumps(_rounded(fields), sort_keys=True, default=str)


def _rounded(item: Any) -> Any:
    if isinstance(item, Mapping):
        return {key: _rounded(value) for key, value in item.items()}
    return f"{item:.6g}" if isinstance(item, float) else item


def _check_field(field: str) -> None:
    if field not in FIELDS:
        raise ValueError(unknown("field of the search space:", field, FIELDS))
    if field in RESERVED:
        raise ValueError(f"{field!r} cannot be searched: it is the same for all trials, or the study sets it.")


def _dimension(name: str, field: str, description: Any) -> Choice | Range:
    if isinstance(description, Mapping) and {"low", "high"} & set(description):
        return _range(name, description)
    options = description if isinstance(description, list) else [description]
    if not options:
        raise ValueError(f"{name} has no options; give some, as in {name}: [a, b], or leave it out.")
    names = [option.get("name") if isinstance(option, Mapping) else option for option in options]
    made = tuple(_option(name, field, option, names.count(own) > 1) for option, own in zip(options, names))
    labels = [option.label for option in made]
    if len(set(labels)) < len(labels):
        raise ValueError(f"{name} has an option twice: {', '.join(labels)}.")
    return Choice(name, made)


def _option(name: str, field: str, option: Any, ambiguous: bool) -> Option:
    if not isinstance(option, Mapping):
        return Option(_label(option), option, {}, ())
    parameters = dict(option)
    value = parameters.pop("name", None)
    if value is None:
        raise ValueError(
            f"{name}: an option with parameters needs a name, as in {{name: ..., ...}}; received {option}."
        )
    if field not in PARAMETRISED:
        for parameter in parameters:
            _check_field(parameter)
    searched = {key: v for key, v in parameters.items() if isinstance(v, (list, Mapping))}
    fixed = {key: v for key, v in parameters.items() if key not in searched}
    label = _label(value)
    if ambiguous and fixed:
        label += "(" + ", ".join(f"{key}={v}" for key, v in fixed.items()) + ")"
    dimensions = tuple(_dimension(f"{name}/{label}/{key}", key, v) for key, v in searched.items())
    return Option(label, value, fixed, dimensions)


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _range(name: str, description: Mapping[str, Any]) -> Range:
    known = {"low", "high", "scale", "points"}
    for key in description:
        if key not in known:
            raise ValueError(f"{name}: {unknown('part of a range:', key, sorted(known))}")
    low, high = description.get("low"), description.get("high")
    scale, count = description.get("scale", "linear"), description.get("points")
    for number in (low, high):
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            raise ValueError(f"{name} needs two numbers, low and high; received {dict(description)}.")
    if low >= high:
        raise ValueError(f"{name} is upside down: low is {low} and high is {high}. Give the lesser one as low.")
    if scale not in SCALES:
        raise ValueError(f"{name}: {unknown('scale', scale, SCALES)}")
    if scale == "log" and low <= 0:
        raise ValueError(f"{name}: a logarithmic scale needs a low above 0; received {low}.")
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 2):
        raise ValueError(f"{name}: points must be a whole number of at least 2; received {count!r}.")
    return Range(name, low, high, scale, count)


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
