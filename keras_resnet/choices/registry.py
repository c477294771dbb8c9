"""Choices that are a name with parameters: how they are written, and how the parameters are checked.

A registry maps names to functions or classes. What users may set is their keyword-only arguments; the annotations say
which values are allowed: a `Literal`, `bool`, or a number `Annotated` with a `Range`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from keras_resnet.messages import unknown


class Range(NamedTuple):
    """The values that a number may take: from the least one up to, but not at, the limit."""

    least: float
    limit: float


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
    if name not in registry:
        raise ValueError(unknown(kind, name, registry))
    accepted = parameters_of(registry[name])
    for parameter, value in parameters.items():
        if parameter not in accepted:
            raise ValueError(unknown(f"parameter of {kind} {name!r}:", parameter, accepted or ["(none)"]))
        check_value(parameter, value, accepted[parameter])
    return name, parameters


def parameters_of(function: Callable) -> dict[str, Any]:
    """Read the names and types of what users may set off the keyword-only arguments of a function or class.

    Only their annotations are evaluated: those of other arguments may name what is imported in the function's body.
    """
    arguments = inspect.signature(function).parameters.values()
    written = {a.name: a.annotation for a in arguments if a.kind is inspect.Parameter.KEYWORD_ONLY}
    body = function.__init__ if isinstance(function, type) else inspect.unwrap(function)
    return get_type_hints(SimpleNamespace(__annotations__=written), body.__globals__, include_extras=True)


def check_value(parameter: str, value: Any, kind: Any) -> None:
    """Refuse a value that an annotation, a `Literal`, `bool` or `Annotated[float or int, Range]`, does not allow."""
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise ValueError(unknown(f"value of {parameter}", value, get_args(kind)))
    if kind is bool and not isinstance(value, bool):
        raise ValueError(f"{parameter} must be true or false; received {value!r}.")
    if get_origin(kind) is Annotated:
        number, (least, limit) = get_args(kind)
        allowed, noun = ((int,), "an integer") if number is int else ((int, float), "a number")
        if isinstance(value, bool) or not isinstance(value, allowed) or not least <= value < limit:
            raise ValueError(f"{parameter} must be {noun} from {least:g} to below {limit:g}; received {value!r}.")
