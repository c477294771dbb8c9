"""Which points of a space are networks at all, before any of them costs a trial."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from training.networks import make_architecture
from tuning.space.dimensions import Choice
from tuning.space.reading import signature
from tuning.study import Study

# A space of at most as many points is gone through as a list, so that none is missed and none is drawn in vain.
LISTED = 10_000


def problem(study: Study, fields: dict[str, Any]) -> str | None:
    """Tell why a point of the space is no network.

    Args:
        study: Study.
        fields: dict of the fields that it sets.

    Returns:
        str, or None where it is one.
    """
    try:
        make_architecture(study.config(fields))
    except ValueError as error:
        return str(error)
    return None


def is_listable(study: Study) -> bool:
    """Tell whether a space has no range in it and not too many points.

    Args:
        study: Study.

    Returns:
        bool.
    """

    def count(dimension) -> float:
        if not isinstance(dimension, Choice):
            return float("inf")
        return sum(float(np.prod([count(parameter) for parameter in o.parameters])) for o in dimension.options)

    return np.prod([count(dimension) for dimension in study.parsed_space.dimensions]) <= LISTED


def possible_points(study: Study, points: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pick the points that are networks, each network once.

    Args:
        study: Study.
        points: iterable of dicts as of `Space.points`.

    Returns:
        List of dicts.

    Raises:
        ValueError: an option is in none of them.
    """
    possible: dict[str, dict[str, Any]] = {}
    reasons: dict[tuple[str, Any], str] = {}
    for values in points:
        fields = study.parsed_space.fields(values)
        reason = problem(study, fields)
        if reason is None:
            possible.setdefault(signature(fields), values)
        else:
            reasons = {**dict.fromkeys(values.items(), reason), **reasons}
    used = {item for values in possible.values() for item in values.items()}
    for (name, value), reason in reasons.items():
        if (name, value) not in used:
            raise ValueError(f"{name}: {value} fits nothing in this space: {reason}")
    return list(possible.values())


def check_grid(study: Study, points: int, planned: int) -> None:
    """Refuse a grid that its budget does not cover.

    Args:
        study: Study.
        points: int.
        planned: int, epochs of a run.

    Raises:
        ValueError: it does not.
    """
    if study.tuner != "grid":
        return
    if study.trials is not None and study.trials < points:
        raise ValueError(
            f"The grid has {points} points and the budget is {study.trials} trials, which would cover the first "
            "options only. Give as many trials, a smaller space, or the random tuner."
        )
    epochs = points * study.repeats * planned
    if study.total_epochs is not None and study.total_epochs < epochs:
        raise ValueError(
            f"The grid has {points} points, which take {epochs} epochs, and the budget is {study.total_epochs}. "
            "Give as many, a smaller space, or the random tuner."
        )
