"""Marks in the annotations of an Architecture's fields: which values are allowed, and what a field has no effect on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from keras_resnet.messages import shortened, unknown

MOST = 64  # entries: no image has pixels for so many stages
HARMLESS = object()  # the field leaves the function of trained weights as it is


class OneOf(NamedTuple):
    """The values are the names in a table."""

    table: Mapping[str, Any]


class Registered(NamedTuple):
    """The value may be a name in a registry; the documentation lists them."""

    registry: Mapping[str, Any]


class Counts(NamedTuple):
    """The value is a tuple of positive integers: one for each stage, or any number of them."""

    one_for_each_stage: bool

    def check(self, name: str, values: object) -> None:
        """Refuse any other value."""
        counts = isinstance(values, tuple) and all(type(value) is int and value > 0 for value in values)
        if not counts or (self.one_for_each_stage and not values):
            number = "one for each stage" if self.one_for_each_stage else "or none"
            raise ValueError(f"{name} must be a tuple of positive integers, {number}; received {shortened(values)}.")
        if len(values) > MOST:
            raise ValueError(f"{name} must have at most {MOST} entries; received {len(values):,}.")


class Names(NamedTuple):
    """The value is a tuple of names."""

    what: str
    allowed: tuple[str, ...]

    def check(self, name: str, values: object) -> None:
        """Refuse any other value."""
        if not isinstance(values, tuple):
            raise ValueError(f"{name} must be a tuple; received {values!r}.")
        for value in values:
            if value not in self.allowed:
                raise ValueError(unknown(f"{self.what} in {name}:", value, self.allowed))
