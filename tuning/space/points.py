"""Which points of a space describe a network, found out before any of them costs a trial."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from tuning.space.dimensions import Range, Space
from tuning.space.reading import signature

# A space of at most as many points is listed, so that each is tried once and no draw is wasted.
LISTED = 10_000


def is_listable(space: Space) -> bool:
    """Tell whether a space has no range in it and not too many points."""
    if any(isinstance(dimension, Range) for dimension in space.all_dimensions):
        return False
    return sum(1 for _ in itertools.islice(space.points(), LISTED + 1)) <= LISTED


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
