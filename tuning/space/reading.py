"""The search space as data: fields of a run that are a choice or a range, with parameters where they apply.

A space is a mapping of fields of `RunConfig`, by short name or path, to what they may be:

    activation: [relu, gelu, {name: trainable_swish, beta: {low: 0.5, high: 2}}]    # beta exists for Swish alone
    optimizer: [{name: sgd, learning_rate: {low: 0.02, high: 0.4, scale: log}}, adamw]
    augmentation: [[], [flip], [flip, {name: pad_crop, pixels: 2}]]
    batch_size: {low: 64, high: 256, scale: log, points: 3}

A list is a choice; `low` and `high` are a range, on a linear or logarithmic scale, that a grid needs `points` of; it is
one of whole numbers where both are, unless what is searched is a real number. Any other value is fixed. What stands
beside the `name` of an activation, a shortcut, an optimizer, a schedule or a loss are its parameters, each of them
fixed, a choice or a range again; a fixed list stands in a list of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any, get_args

import yaml

from keras_resnet.choices.activations import LAYERS
from keras_resnet.choices.registry import describe, parse_choice
from keras_resnet.choices.shortcuts import SHORTCUTS
from keras_resnet.messages import unknown, unknown_of_many
from keras_resnet.startup import called
from training.config import FIELDS, SHORT, former
from training.config.fields import CHOICES, choice_of, flatten, name_of
from training.config.groups import REGISTRIES
from tuning.space.dimensions import Ancestors, Choice, Dimension, Option, Range, Space, label_of

# The fields that the study itself decides, and how. Neither these can be searched, nor what all trials have in common
# beside them, nor where they run.
DECIDED: dict[str, str] = {
    "seed": "give seed as a setting of the study",
    "data.validation": "give validation as a setting of the study",
    "data.validation_seed": "the seed of the study decides its validation split",
    "evaluation.each_epoch": "trials are tested after each epoch, and finalists once, after the last one",
}
COMMON = ("data.train_split", "data.test_split", "evaluation.views")
PLACE = ("data.data_dir", "data.download", "hardware.devices")
RESERVED = (*DECIDED, *COMMON, *PLACE)
SCALES = ("linear", "log")
# The registries of the choices that take parameters, by path.
PARAMETERS: dict[str, Mapping[str, Callable]] = {path: REGISTRIES[path] for path in CHOICES if path in REGISTRIES}
PARAMETERS |= {"network.activation": LAYERS, "network.shortcut": SHORTCUTS}


def searched_paths(space: Mapping[str, Any]) -> set[str]:
    """Give the paths of the fields that a space searches."""
    return {SHORT.get(field, field) for field in space}


def read_space(space: Mapping[str, Any]) -> Space:
    """Read a search space, see the head of this module; refuse what can be told to be none without making a network."""
    if not isinstance(space, Mapping | None):
        raise ValueError(
            "The search space must name fields, each with its choices or its range, as in {activation: [relu, gelu]}; "
            f"received {space!r}."
        )
    if not space:
        raise ValueError("The search space is empty: name at least one field, as in {activation: [relu, gelu]}.")
    for field in space:
        path = SHORT.get(field, field)
        parameters = {name for entry in PARAMETERS.get(choice_of(path), {}).values() for name in describe(entry)}
        if path not in FIELDS and path.rpartition(".")[2] not in parameters:
            if new := former.moved_to(field, None):
                raise ValueError(f"{field!r} is a field of version 0.1.0; search {name_of(new[0])} instead.")
            listing = f"`{called('training')} --help` lists all."
            raise ValueError(unknown_of_many("field of the search space:", field, [*SHORT, *FIELDS], listing))
        if path in RESERVED:
            raise ValueError(f"{field!r} cannot be searched: it is the same for all trials, or the study sets it.")
    flatten(dict.fromkeys(space))  # names what is given twice
    parsed = parse_space(space)
    for dimension in parsed.dimensions:
        for option in dimension.options:
            _check_option(dimension, option, searched_paths(space))
    return parsed


def _check_option(dimension: Choice, option: Option, searched: set[str]) -> None:
    """Refuse what the registry of a choice does not allow, and parameters that are searched by themselves too."""
    name, path = dimension.name, SHORT.get(dimension.name, dimension.name)
    registry = PARAMETERS.get(path)
    values = list(option.fixed.items())
    for part in option.parameters:  # those that decide whether all are allowed
        ends = [part.low, part.high] if isinstance(part, Range) else [choice.value for choice in part.options]
        values += [(part.short_name, end) for end in ends]
    if registry is None:
        if values:
            raise ValueError(f"{name} takes no parameters; received {', '.join(dict(values))} with {option.label}.")
        return
    if isinstance(option.value, Mapping):
        raise ValueError(
            f"{name}: an option with parameters needs a name, as in {{name: ..., ...}}; received {option.value}."
        )
    for parameter, value in values:
        own = name_of(f"{path}.{parameter}")
        if f"{path}.{parameter}" in searched:
            raise ValueError(f"{own} is searched twice: by itself, and as a parameter of {name} {option.label}.")
        parse_choice(name, {"name": option.value, parameter: value}, registry)
    if path in REGISTRIES:  # elsewhere there are more options than those that take parameters
        parse_choice(name, option.value, registry)


def parse_space(space: Mapping[str, Any]) -> Space:
    """Read a search space without checking its fields."""
    return Space(tuple(_dimension(field, description) for field, description in space.items()))


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


def _is_real(field: str, option: Any = None, parameter: str = "") -> bool:
    """Tell whether a field, or a parameter of one of its options, is a real number wherever it applies."""
    path = SHORT.get(field, field)
    if path in FIELDS and not parameter:
        kinds = [FIELDS[path].annotation]
    else:
        registry = PARAMETERS.get(path if parameter else choice_of(path), {})
        name = parameter or path.rpartition(".")[2]
        entries = [registry[option]] if isinstance(option, str) and option in registry else registry.values()
        kinds = [known[name].kind for known in map(describe, entries) if name in known]
    return bool(kinds) and all(float in (kind, *get_args(kind)) for kind in kinds)


def _dimension(name: str, description: Any, ancestors: Ancestors = (), is_real: bool | None = None) -> Dimension:
    if isinstance(description, Mapping) and {"low", "high"} & set(description):
        return _range(name, description, ancestors, _is_real(name) if is_real is None else is_real)
    options = description if isinstance(description, list) else [description]
    if not options:
        raise ValueError(f"{name} has no options; give some, as in {name}: [a, b], or leave it out.")
    named = [option if isinstance(option, Mapping) and "name" in option else {"name": option} for option in options]
    values = [option["name"] for option in named]
    made = tuple(_option(name, option, values.count(option["name"]) > 1, ancestors) for option in named)
    labels = [option.label for option in made]
    if len(set(labels)) < len(labels):
        raise ValueError(f"{name} has an option twice: {', '.join(labels)}.")
    return Choice(name, ancestors, made)


def _option(choice: str, description: Mapping[str, Any], is_ambiguous: bool, ancestors: Ancestors) -> Option:
    value, parameters = description["name"], {key: v for key, v in description.items() if key != "name"}
    fixed = {key: v for key, v in parameters.items() if not isinstance(v, (list, Mapping))}
    label = label_of(value)
    if is_ambiguous and fixed:
        label += "(" + ", ".join(f"{key}={v}" for key, v in fixed.items()) + ")"
    under = (*ancestors, (choice, label))
    searched = [
        _dimension(f"{choice}/{label}/{key}", v, under, _is_real(choice, value, key))
        for key, v in parameters.items()
        if key not in fixed
    ]
    return Option(label, value, fixed, tuple(searched))


def _range(name: str, description: Mapping[str, Any], ancestors: Ancestors, is_real: bool) -> Range:
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
    # A real number is no whole one because its ends are written without a point, as in {low: 0, high: 1}.
    is_whole = isinstance(low, int) and isinstance(high, int) and not is_real
    return Range(name, ancestors, low, high, scale=scale, count=count, is_whole=is_whole)
