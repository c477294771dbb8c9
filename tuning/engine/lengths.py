"""Whether the runs of a study are long enough for their phases and their schedule, told before the first trial."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from training.config.fields import SHORT, choice_of
from training.optimization.schedules import make_schedule
from training.plan import Plan
from tuning.engine.halving import shortest_rung
from tuning.space.dimensions import LISTED, Range, Space
from tuning.study import Study

if TYPE_CHECKING:
    from training.config import RunConfig
    from training.data.datasets import Source

# The fields, beside those of the schedule, that decide whether a run is long enough.
LENGTHS = ("epochs", "iterations", "batch_size", "start.head_epochs", "hardware.steps_per_execution", "schedule")


def check_lengths(study: Study, source: Source, planned: int) -> None:
    """Refuse a study whose runs are all too short, and a Hyperband search in whose shortest rung some are.

    `planned` are the epochs of a run. A ValueError says for what they are too short.
    """
    space = study.parsed_space
    common = space.fields(next(space.points(coarse=True)))
    part = Space(tuple(one for one in space.dimensions if _decides(one.name)))

    def problem(values: dict[str, Any], epochs: int | None = None) -> str | None:
        try:
            config = study.config({**common, **part.fields(values)}, epochs=epochs)
        except ValueError:  # a point that no run can have, which is left out elsewhere
            return None
        return length_problem(source, config)

    reasons = [problem(values) for values in ends(part)]
    if all(reasons):
        raise ValueError(reasons[0])
    epochs = shortest_rung(planned) if study.tuner == "hyperband" else planned
    for values in ends(part) if epochs < planned else ():
        if reason := problem(values, epochs):
            point = ", ".join(f"{name}={value}" for name, value in values.items())
            raise ValueError(
                f"The shortest trials of a hyperband search of {planned} epochs make {epochs}, too few"
                f"{point and f' for {point}'}: {reason.partition('. ')[0].removesuffix('.')}. Give less of that, or "
                "shares of the run instead of steps, or choose another tuner."
            )


def length_problem(source: Source, config: RunConfig) -> str | None:
    """Say for what a run is too short; None where it is long enough."""
    try:
        plan = Plan.of(source, config)
        make_schedule(config.schedule, plan.iterations, plan.head_steps)(1.0)
    except ValueError as error:
        return str(error)
    return None


def ends(space: Space) -> Iterator[dict[str, Any]]:
    """Give the points of a space whose numbers from ranges are all the lowest, or all the highest."""
    ranges = [one for one in space.all_dimensions if isinstance(one, Range)]
    for point in itertools.islice(space.points(coarse=True), LISTED):
        for place in (0.0, 1.0) if ranges else (0.0,):
            yield {**point, **{one.name: one.at(place) for one in ranges if one.name in point}}


def _decides(field: str) -> bool:
    """Tell whether a field that is searched decides which lengths a run can have."""
    path = SHORT.get(field, field)
    return (choice_of(path) or path) in LENGTHS
