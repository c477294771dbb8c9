"""Options of the command lines that describe runs, made from the table of fields.

The fields that everybody uses have short options, as in `--epochs`; all others are dotted, as in `--data.cache`. A
choice is an option, as in `--optimizer muon`, and so is each of its parameters, as in `--optimizer.momentum 0.8`.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args, get_origin

import tyro
from pydantic import BaseModel

from keras_resnet.choices.registry import Parameter, describe
from keras_resnet.messages import unknown_of_many
from training.command_line import positive
from training.config import FIELDS, SHORT, RunConfig, former
from training.config.fields import CHOICES, flat_config, name_of
from training.config.groups import REGISTRIES
from training.config.text import read_choice, read_inline, write_inline

Own = TypeVar("Own")


@dataclass(frozen=True)
class Option:
    """A field of a run as an option."""

    path: str  # of the field
    kind: Any  # what tyro reads; str for what is written as YAML
    doc: str  # a line for --help
    fallback: Any = None  # shown where the configuration has no such parameter

    @property
    def flag(self) -> str:
        """The option as users write it."""
        return "--" + name_of(self.path).replace("_", "-")

    @property
    def attribute(self) -> str:
        """The name that the parsed value has."""
        return self.path.replace(".", "__")

    def declared(self, values: dict[str, Any]) -> tuple[str, Any, Any]:
        """Declare the option as a field of a dataclass for tyro: its name, its type, and the default to show."""
        default = values.get(f"{self.path}.name", values.get(self.path, self.fallback))
        if self.kind in (str, str | None) and not isinstance(default, (str, type(None))):
            default = write_inline(default)
        kind = self.kind if default is not None else self.kind | None
        about = tyro.conf.arg(name=self.flag.removeprefix("--"), help=self.doc)
        return self.attribute, Annotated[kind, about], dataclasses.field(default=default)

    def read(self, value: Any) -> Any:
        """Read a mapping or a list that was written as YAML."""
        is_text = self.kind in (str, str | None) and value is not None  # which is written None
        return read_choice(name_of(self.path), value) if is_text else value


def _options() -> list[Option]:
    """List the options: those with short names, those of the whole run, and the dotted ones."""
    short = [_of_field(path) for path in SHORT.values() if path in FIELDS]
    whole = [_of_field(path) for path in FIELDS if "." not in path]
    dotted = [_of_field(path) for path in FIELDS if "." in path and path not in SHORT.values()]
    parameters = [option for choice in CHOICES if choice in REGISTRIES for option in _of_parameters(choice)]
    return [*short, *whole, *parameters, *dotted]


def _of_field(path: str) -> Option:
    field = FIELDS[path]
    kind = field.annotation
    if path in REGISTRIES:
        wanted = "a list of names or mappings" if path == "augmentation" else "a name or mapping"
        listed = ", ".join(_listed(name, function) for name, function in REGISTRIES[path].items())
        return Option(path, str, f"{field.description}: {wanted}, of {listed}")
    if dict in (get_origin(part) for part in (kind, *get_args(kind))) or path in CHOICES:
        kind = str | None if type(None) in get_args(kind) else str
    return Option(path, kind, field.description)


def _listed(name: str, function: Callable) -> str:
    """Name a choice and its parameters."""
    parameters = describe(function)
    return f"{name} ({', '.join(parameters)})" if parameters else name


def _of_parameters(choice: str) -> list[Option]:
    """Make an option of each parameter of a choice, which several of its names may have."""
    found: dict[str, list[tuple[str, Parameter]]] = {}
    for name, function in REGISTRIES[choice].items():
        for parameter, known in describe(function).items():
            found.setdefault(parameter, []).append((name, known))
    return [_of_parameter(f"{choice}.{parameter}", known) for parameter, known in found.items()]


def _of_parameter(path: str, known: Sequence[tuple[str, Parameter]]) -> Option:
    names, (parameter, *_) = zip(*known)
    kind = tuple[int | float, ...] if get_origin(parameter.kind) is tuple else parameter.kind
    # A switch has no third state.
    return Option(path, kind, f"{parameter.doc} ({', '.join(names)})", parameter.default if kind is bool else None)


OPTIONS: tuple[Option, ...] = tuple(_options())
# How options with a short name would be written by the paths of their fields.
WRITTEN_OUT = {"--" + option.path.replace("_", "-"): option.flag for option in OPTIONS}


def read_options(
    own: Own, arguments: list[str], config: RunConfig, prog: str, description: str
) -> tuple[Own, dict[str, Any]]:
    """Parse a command line that describes a run: its own options, and the fields that were given, by path."""
    check_known(arguments, [*_flags(own), *(option.flag for option in OPTIONS), "--help"])
    values = flat_config(config)
    fields = [option.declared(values) for option in OPTIONS]
    parser = dataclasses.make_dataclass(type(own).__name__, fields, bases=(type(own),), kw_only=True)
    parsed = tyro.cli(parser, prog=prog, description=description, args=arguments, default=parser(**vars(own)))
    given = {positive(argument) for argument in arguments if argument.startswith("--")}
    changes = {o.path: o.read(getattr(parsed, o.attribute)) for o in OPTIONS if o.flag in given}
    return parsed, changes


def _flags(own: Any) -> list[str]:
    """List the options of a dataclass, and of the pydantic models within it."""
    named = {field.name: getattr(own, field.name) for field in dataclasses.fields(own)}
    nested = [name for value in named.values() if isinstance(value, BaseModel) for name in type(value).model_fields]
    return [f"--{name.replace('_', '-')}" for name in (*named, *nested)]


def check_known(arguments: Sequence[str], known: Sequence[str]) -> None:
    """Refuse an option that is unknown, and name the nearest; of one of version 0.1.0, what is written today."""
    for place, argument in enumerate(arguments):
        if not argument.startswith("--") or positive(argument) in known:
            continue
        flag, _, value = argument.partition("=")
        others = [value] if value else _values(arguments[place + 1 :])
        if new := _new_spelling(flag, others):
            raise ValueError(f"{flag} is an option of version 0.1.0; write {new} instead.")
        if short := WRITTEN_OUT.get(positive(flag)):
            raise ValueError(f"{flag} has a short name; write {short} instead.")
        raise ValueError(unknown_of_many("option", flag, known, "--help lists all."))


def _values(arguments: Sequence[str]) -> list[str]:
    """Take the values that follow an option."""
    end = next((place for place, argument in enumerate(arguments) if argument.startswith("--")), len(arguments))
    return list(arguments[:end])


def _new_spelling(flag: str, values: Sequence[str]) -> str | None:
    """Write an option of version 0.1.0 as today; None for any other."""
    name = positive(flag).removeprefix("--").replace("-", "_")
    new = former.moved_to(name, read_inline(name, values[0]) if values else None)
    if new is None:
        return None
    path, text = new
    if not values:
        parent, dot, last = path.rpartition(".")
        return f"--{parent}{dot}{'no-' if flag.startswith('--no-') else ''}{last}".replace("_", "-")
    option = "--" + name_of(path).replace("_", "-")
    return shlex.join([option, text] if path == "augmentation" else [option, *values])
