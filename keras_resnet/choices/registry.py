"""Choices that are a name with parameters: how they are written, and how the parameters are checked.

A registry maps names to functions or classes. What users may set is their keyword-only arguments; the annotations say
which values are allowed: a `Literal`, `bool`, a number `Annotated` with a `Range`, or a tuple of such numbers. A text
in the annotation, as in `Annotated[float, Range(0, 1), "share of values dropped"]`, documents the parameter, and a
function in it checks what a range cannot say.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from keras_resnet.messages import unknown


class Range(NamedTuple):
    """The values that a number may take: from the least, which `above` leaves out, to the limit if it is `closed`."""

    least: float
    limit: float
    above: bool = False
    closed: bool = False

    def __contains__(self, number: float) -> bool:
        above = self.least < number if self.above else self.least <= number
        return above and (number <= self.limit if self.closed else number < self.limit)

    def __str__(self) -> str:
        lower = f"above {self.least:g}" if self.above else f"from {self.least:g}"
        if self.limit == math.inf:
            return f"{lower}, and finite"
        upper = f"{'at most ' if self.above else ''}{self.limit:g}" if self.closed else f"below {self.limit:g}"
        return f"{lower} {'and' if self.above else 'to'} {upper}"


class Parameter(NamedTuple):
    """A parameter of a choice: its type without what `Annotated` adds, its default, and what `Annotated` adds."""

    kind: Any
    default: Any
    bounds: Range | None
    doc: str
    checks: tuple[Callable[[Any], None], ...]


def registering(registry: dict[str, Callable]) -> Callable[[str], Callable[[Callable], Callable]]:
    """Make the decorator that puts functions into a registry under the names that users write."""

    def named(name: str) -> Callable[[Callable], Callable]:
        def register(function: Callable) -> Callable:
            registry[name] = function
            return function

        return register

    return named


def parse_choice(kind: str, choice: str | Mapping[str, Any], registry: Mapping[str, Callable]) -> tuple[str, dict]:
    """Split a user's choice, a name or a mapping of `name` and parameters, into both, and check them."""
    parameters = dict(choice) if isinstance(choice, Mapping) else {"name": choice}
    name = parameters.pop("name", None)
    if not isinstance(name, str) or name not in registry:
        raise ValueError(unknown(kind, name, registry))
    accepted = parameters_of(registry[name])
    for parameter, value in parameters.items():
        if parameter not in accepted:
            raise ValueError(unknown(f"parameter of {kind} {name!r}:", parameter, accepted or ["(none)"]))
        check_value(parameter, value, accepted[parameter])
    return name, parameters


def complete(kind: str, choice: str | Mapping[str, Any], registry: Mapping[str, Callable]) -> dict[str, Any]:
    """Check a user's choice, and write it as a dict of `name` and all parameters, those not given by their defaults."""
    name, given = parse_choice(kind, choice, registry)
    accepted = describe(registry[name])
    values = {parameter: given.get(parameter, known.default) for parameter, known in accepted.items()}
    return {"name": name} | {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}


def parameters_of(function: Callable) -> dict[str, Any]:
    """Read the names and types of what users may set off the keyword-only arguments of a function or class.

    Only their annotations are evaluated: those of other arguments may name what is imported in the function's body.
    """
    arguments = inspect.signature(function).parameters.values()
    written = {a.name: a.annotation for a in arguments if a.kind is inspect.Parameter.KEYWORD_ONLY}
    body = function.__init__ if isinstance(function, type) else inspect.unwrap(function)
    return get_type_hints(SimpleNamespace(__annotations__=written), body.__globals__, include_extras=True)


def describe(function: Callable) -> dict[str, Parameter]:
    """Read all that is known of what users may set off a function's keyword-only arguments."""
    arguments = inspect.signature(function).parameters
    return {name: as_parameter(kind, arguments[name].default) for name, kind in parameters_of(function).items()}


def extended(function: Callable, around: Callable) -> Callable:
    """Make `around`, which calls the function, look like it, with keyword-only parameters of both."""
    own, outer = inspect.signature(function), inspect.signature(around)
    more = [p for p in outer.parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
    functools.update_wrapper(around, function)
    around.__signature__ = own.replace(parameters=[*own.parameters.values(), *more])
    return around


def as_parameter(annotation: Any, default: Any) -> Parameter:
    """Take an annotation apart."""
    kind, *more = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    bounds = next((item for item in more if isinstance(item, Range)), None)
    doc = next((item for item in more if isinstance(item, str)), "")
    return Parameter(kind, default, bounds, doc, tuple(filter(callable, more)))


def check_value(parameter: str, value: Any, annotation: Any) -> None:
    """Refuse a value that an annotation does not allow."""
    kind, _, bounds, _, checks = as_parameter(annotation, None)
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise ValueError(unknown(f"value of {parameter}", value, get_args(kind)))
    if kind is bool:
        check_flag(parameter, value)
    if get_origin(kind) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{parameter} must be a list; received {value!r}.")
        for item in value:
            check_value(f"each of {parameter}", item, get_args(kind)[0])
    if bounds is not None:
        check_number(parameter, value, int if kind is int else float, bounds)
    for check in checks:
        check(value)


def check_flag(parameter: str, value: Any) -> None:
    """Refuse what is neither true nor false."""
    if not isinstance(value, bool):
        raise ValueError(f"{parameter} must be true or false; received {value!r}.")


def check_number(parameter: str, value: Any, kind: type, bounds: Range) -> None:
    """Refuse anything but a number of a kind, `int` or `float`, within bounds."""
    allowed, noun = ((int,), "an integer") if kind is int else ((int, float), "a number")
    if isinstance(value, bool) or not isinstance(value, allowed) or value not in bounds:
        raise ValueError(f"{parameter} must be {noun} {bounds}; received {value!r}.")
