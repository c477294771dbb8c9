"""Fields of a configuration by name: in groups, by dotted paths, or by the short names of those that everybody uses."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pydantic

from keras_resnet.messages import unknown, unknown_of_many
from keras_resnet.startup import called
from training.config import former
from training.config.groups import LENGTHS, REGISTRIES, Group, RunConfig

# Short names and the paths that they stand for; the fields outside the groups have no other.
SHORT: dict[str, str] = {
    "network": "network.name",
    "shortcut": "network.shortcut",
    "placement": "network.placement",
    "activation": "network.activation",
    "weights": "start.weights",
    "new_head": "start.new_head",
    "freeze": "start.freeze",
    "dataset": "data.dataset",
    "data_dir": "data.data_dir",
    "download": "data.download",
    "test_split": "data.test_split",
    "validation": "data.validation",
    "image_size": "data.image_size",
    "learning_rate": "optimizer.learning_rate",
    "devices": "hardware.devices",
}


def _leaves(group: type[Group], prefix: str = "") -> Iterator[tuple[str, pydantic.fields.FieldInfo]]:
    for name, field in group.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Group):
            yield from _leaves(field.annotation, f"{name}.")
        else:
            yield prefix + name, field


# All fields by path.
FIELDS: dict[str, pydantic.fields.FieldInfo] = dict(_leaves(RunConfig))
GROUPS: tuple[str, ...] = tuple(name for name in RunConfig.model_fields if name not in FIELDS)
# Those that say where a run found its data and devices, and decide nothing of what it learns. Of image files `data_dir`
# is the data set itself, as `is_of_files` says, though the same images may lie elsewhere.
OF_THE_MACHINE: tuple[str, ...] = ("hardware.devices", "data.data_dir", "data.download", "data.cache")
# Names of data sets that are not registered with TFDS: image files, of a folder or of a table of them, and arrays.
IMAGE_FOLDER, TABLE, ARRAYS = "image_folder", "csv", "arrays"
# The fields that are one choice, a name with parameters, which are set one by one too, as in `optimizer.momentum`.
CHOICES: tuple[str, ...] = (
    "network.shortcut",
    "network.activation",
    *(path for path in REGISTRIES if path != "augmentation"),
)


def name_of(path: str) -> str:
    """Give the short name of a field, or its path where it has none."""
    return next((short for short, own in SHORT.items() if own == path), path)


def shown_name(path: str) -> str:
    """Name a field of a flat configuration as users do: a choice is its name, "optimizer" for "optimizer.name"."""
    choice = path.removesuffix(".name")
    return name_of(choice if choice in CHOICES else path)


def is_of_files(dataset: str) -> bool:
    """Tell whether `data_dir` is the data set itself, image files, and not only where one lies that its name tells."""
    return dataset in (IMAGE_FOLDER, TABLE)


def choice_of(path: str) -> str | None:
    """Give the choice that a path sets a parameter of, "optimizer" of "optimizer.momentum"; None for any other."""
    parent = path.rpartition(".")[0]
    return parent if parent in CHOICES else None


def flatten(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Write fields by paths, a choice as the paths of its name and its parameters; refuse unknown and doubled ones."""
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        for path, item in _paths(name, value):
            if path in flat:
                raise ValueError(f"{name_of(path)} is given twice, once as {name}; give it once.")
            flat[path] = item
    return flat


def _paths(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if name in GROUPS and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _paths(f"{name}.{key}", item)
        return
    path = SHORT.get(name, name)
    if path in CHOICES:
        yield from ((f"{path}.{key}", item) for key, item in _parts(value))
    elif path in FIELDS or choice_of(path):
        yield path, value
    else:
        raise ValueError(_unknown(name, value))


def _parts(choice: Any) -> Iterator[tuple[str, Any]]:
    yield from choice.items() if isinstance(choice, Mapping) else [("name", choice)]


def _unknown(name: str, value: Any) -> str:
    if new := former.moved_to(name, value):
        return f"{name!r} is a field of version 0.1.0; write {new[0]}: {new[1]} instead."
    group = name.partition(".")[0]
    if names := [path for path in FIELDS if path.startswith(f"{group}.") and group != name]:
        return unknown("field", name, names)
    names = [*SHORT, *(path for path in FIELDS if path not in SHORT.values())]
    return unknown_of_many("field", name, names, f"`{called('training')} --help` lists all.")


def override(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Set fields of a configuration otherwise.

    A choice of another name starts from its own defaults; one of the same name, or without a name, keeps the parameters
    that are not given. A length replaces the other.
    """
    replaced = {
        choice for choice in CHOICES if (name := f"{choice}.name") in changes and changes[name] != base.get(name)
    }
    given = [length for length in LENGTHS if changes.get(length) is not None]
    kept = {path: value for path, value in base.items() if choice_of(path) not in replaced}
    return {**kept, **(dict.fromkeys(LENGTHS) if given else {}), **changes}


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Write fields in groups, as `RunConfig` takes them; the reverse of `flatten`."""
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, name = path.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    for choice in CHOICES:
        *parents, name = choice.split(".")
        place = nested.get(parents[0], {}) if parents else nested
        if set(place.get(name, ())) == {"name"}:  # without parameters, which `None` has not either
            place[name] = place[name]["name"]
    return nested


# A parameter that is given without its choice belongs to the one that stands there.
DEFAULTS: dict[str, Any] = flatten({choice: FIELDS[choice].default for choice in CHOICES if choice in REGISTRIES})


def lay_over(base: Mapping[str, Any], changes: Mapping[str, Any], origin: str = "") -> dict[str, Any]:
    """Lay fields over those of a configuration, as of `override`; `origin` says in a message where they come from."""
    try:
        return override(flatten(base), flatten(changes))
    except ValueError as error:
        raise ValueError(f"{origin}: {error}" if origin else str(error)) from error


def make_config(fields: Mapping[str, Any], origin: str = "", base: Mapping[str, Any] | None = None) -> RunConfig:
    """Check fields and make a configuration of them.

    Args:
        fields: mapping of groups, paths or short names to values.
        origin: str, where they come from, for the message.
        base: mapping of the same kind, such as a recipe, that the fields are laid over: a choice of the same name, or
            without a name, keeps the parameters that are not given; epochs replace iterations, and the reverse.

    Returns:
        RunConfig.

    Raises:
        ValueError: a field is unknown or its value not allowed; one line says which and what to do.
    """
    settled = lay_over(override(DEFAULTS, flatten(base or {})), fields, origin)
    try:
        return RunConfig(**nest(settled))
    except pydantic.ValidationError as error:
        raise ValueError(f"{origin}: {explain(error)}" if origin else explain(error)) from error


def flat_config(config: RunConfig) -> dict[str, Any]:
    """Write a configuration by paths."""
    return flatten(config.model_dump())


def changes(before: RunConfig, now: RunConfig) -> dict[str, Any]:
    """Give the fields, by path, that a configuration has otherwise, as plain values; but seed, data folder, devices."""
    old, new, plain = flat_config(before), flat_config(now), flatten(now.model_dump(mode="json"))
    free = {*OF_THE_MACHINE, "seed"}
    return {path: plain[path] for path in new if path not in free and old.get(path) != new[path]}


def explain(error: pydantic.ValidationError, fields: Collection[str] = (*FIELDS, *GROUPS)) -> str:
    """Put pydantic's report into one line: "field: what is wrong; received ...", one clause a fault."""
    clauses: dict[str, str] = {}
    for fault in error.errors():
        names = itertools.accumulate((str(part) for part in fault["loc"]), "{}.{}".format)
        where = next((name for name in reversed(list(names)) if name in fields), "")
        what = fault["msg"].removeprefix("Value error, ").rstrip(".")
        received = "" if fault["type"] == "value_error" else f"; received {fault['input']!r}"
        clauses.setdefault(where, f"{name_of(where)}: {what}{received}" if where else what)
    return ". ".join(clauses.values()) + "."
