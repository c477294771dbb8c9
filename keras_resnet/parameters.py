"""Choices that are a name with parameters: how they are written, and how the parameters are checked.

A registry maps names to functions. What users may set is a function's keyword-only arguments; their annotations say
which values are allowed: a `Literal`, `bool`, or a number `Annotated` with a `Range`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from keras_resnet.messages import unknown


class Range(NamedTuple):
    """The values that a number may take: from the least one up to, but not at, the limit."""

    least: float
    limit: float


def registering(registry: dict[str, Callable]) -> Callable[[str], Callable[[Callable], Callable]]:
    """Make the decorator that puts functions into a registry under the names that users write.

    Args:
        registry: dict to fill.

    Returns:
        Function of a name that gives a decorator, which returns the function unchanged.
    """

    def named(name: str) -> Callable[[Callable], Callable]:
        def register(function: Callable) -> Callable:
            registry[name] = function
            return function

        return register

    return named


def parse_choice(kind: str, choice: str | Mapping[str, Any], registry: Mapping[str, Callable]) -> tuple[str, dict]:
    """Split a user's choice into its name and its parameters, and check both.

    Args:
        kind: str, what is chosen, as in "shortcut".
        choice: str, a name in the registry; or a mapping of `name` and parameters.
        registry: mapping of names to functions.

    Returns:
        Tuple of the name and the dict of parameters.

    Raises:
        ValueError: the name or a parameter is unknown, or a value not allowed.
    """
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
    """Read the names and types of what users may set off a function's keyword-only arguments.

    Args:
        function: of a registry.

    Returns:
        Dict of names to annotations.
    """
    hints = get_type_hints(function, include_extras=True)
    arguments = inspect.signature(function).parameters.values()
    return {a.name: hints.get(a.name) for a in arguments if a.kind is inspect.Parameter.KEYWORD_ONLY}


def check_value(parameter: str, value: Any, kind: Any) -> None:
    """Refuse a value that an annotation does not allow.

    Args:
        parameter: str, its name, for the message.
        value: what the user gave.
        kind: the annotation: a `Literal`, `bool`, or `Annotated[float or int, Range]`.

    Raises:
        ValueError: the value is not allowed.
    """
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise ValueError(unknown(f"value of {parameter}", value, get_args(kind)))
    if kind is bool and not isinstance(value, bool):
        raise ValueError(f"{parameter} must be true or false; received {value!r}.")
    if get_origin(kind) is Annotated:
        number, (least, limit) = get_args(kind)
        allowed, noun = ((int,), "an integer") if number is int else ((int, float), "a number")
        if isinstance(value, bool) or not isinstance(value, allowed) or not least <= value < limit:
            raise ValueError(f"{parameter} must be {noun} from {least:g} to below {limit:g}; received {value!r}.")
