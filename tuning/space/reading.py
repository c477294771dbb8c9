"""The search space as data: fields of a run that are a choice or a range, with parameters where they apply.

A space is a mapping of fields of `RunConfig` to what they may be:

    activation: [relu, gelu, {name: trainable_swish, beta: {low: 0.5, high: 2}}]    # beta exists for Swish alone
    shortcut: [A, B, {name: exclusive_gating, bias: [-10, -6, -3]}]
    optimizer: [{name: sgd, learning_rate: {low: 0.02, high: 0.4, scale: log}}, adamw]
    batch_size: {low: 64, high: 256, scale: log, points: 3}

A list is a choice; `low` and `high` are a range, on a linear or logarithmic scale, that a grid needs `points` of; any
other value is fixed. Fields are named as in a configuration, by short name or path; what stands beside a `name` are
parameters of that option.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import yaml

from keras_resnet.choices.registry import describe
from keras_resnet.messages import unknown
from training.config import FIELDS, SHORT, former
from training.config.fields import CHOICES, choice_of, name_of
from training.config.groups import REGISTRIES
from tuning.space.dimensions import Choice, Dimension, Option, Range, Space

# What the study itself decides, or what makes no network better.
RESERVED = (
    "seed",
    "data.validation",
    "data.validation_seed",
    "data.data_dir",
    "data.download",
    "data.test_split",
    "data.train_split",
    "hardware.devices",
)
SCALES = ("linear", "log")


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
    searched = searched_paths(space)
    for dimension, option, parameter in _parameters(dimensions):
        path = f"{SHORT.get(dimension, dimension)}.{parameter}"
        if path in searched:
            raise ValueError(
                f"{name_of(path)} is searched twice: by itself, and as a parameter of {dimension} {option}."
            )
    return Space(dimensions)


def searched_paths(space: Mapping[str, Any]) -> set[str]:
    """Give the paths of the fields that a space searches."""
    return {SHORT.get(field, field) for field in space}


def _parameters(dimensions: tuple[Dimension, ...]) -> Iterator[tuple[str, str, str]]:
    for dimension in dimensions:
        for option in dimension.options if isinstance(dimension, Choice) else ():
            for parameter in (*option.fixed, *(searched.short_name for searched in option.parameters)):
                yield dimension.name, option.label, parameter


def default_space(fields: list[str]) -> dict[str, Any]:
    """Pick fields of the space that comes with the package."""
    known = yaml.safe_load(resources.files("tuning").joinpath("space.yaml").read_text(encoding="utf-8"))
    for field in fields:
        if field not in known:
            raise ValueError(
                f"{unknown('field to search:', field, known)} Any other field needs a space of its own, in a file for "
                "--config."
            )
    return {field: known[field] for field in fields}


def signature(fields: Mapping[str, Any]) -> str:
    """Give the text that tells two points apart; numbers count to six digits."""
    return json.dumps(_rounded(fields), sort_keys=True, default=str)


def _rounded(item: Any) -> Any:
    if isinstance(item, Mapping):
        return {key: _rounded(value) for key, value in item.items()}
    return f"{item:.6g}" if isinstance(item, float) else item


def _check_field(field: str) -> None:
    path = SHORT.get(field, field)
    choice = choice_of(path)
    parameters = {name for entry in REGISTRIES.get(choice, {}).values() for name in describe(entry)}
    if path not in FIELDS and path.rpartition(".")[2] not in parameters:
        if new := former.moved_to(field, None):
            raise ValueError(f"{field!r} is a field of version 0.1.0; search {name_of(new[0])} instead.")
        raise ValueError(unknown("field of the search space:", field, [*SHORT, *FIELDS]))
    if path in RESERVED:
        raise ValueError(f"{field!r} cannot be searched: it is the same for all trials, or the study sets it.")


def _dimension(name: str, field: str, description: Any) -> Dimension:
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


def _option(name: str, field: str, option: Any, is_ambiguous: bool) -> Option:
    choice = SHORT.get(field, field)
    if choice not in CHOICES or not isinstance(option, Mapping):
        return Option(_label(option), option, {}, ())
    parameters = dict(option)
    value = parameters.pop("name", None)
    if value is None:
        raise ValueError(
            f"{name}: an option with parameters needs a name, as in {{name: ..., ...}}; received {option}."
        )
    if value in REGISTRIES.get(choice, {}):
        accepted = describe(REGISTRIES[choice][value])
        for parameter in parameters:
            if parameter not in accepted:
                raise ValueError(unknown(f"parameter of {name} {value!r}:", parameter, accepted))
    searched = {key: v for key, v in parameters.items() if isinstance(v, (list, Mapping))}
    fixed = {key: v for key, v in parameters.items() if key not in searched}
    label = _label(value)
    if is_ambiguous and fixed:
        label += "(" + ", ".join(f"{key}={v}" for key, v in fixed.items()) + ")"
    dimensions = tuple(_dimension(f"{name}/{label}/{key}", key, v) for key, v in searched.items())
    return Option(label, value, fixed, dimensions)


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _range(name: str, description: Mapping[str, Any]) -> Range:
    parts = {"low": None, "high": None, "scale": "linear", "points": None}
    for key in description:
        if key not in parts:
            raise ValueError(f"{name}: {unknown('part of a range:', key, sorted(parts))}")
    low, high, scale, count = {**parts, **description}.values()
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
