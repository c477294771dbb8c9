"""Learning-rate schedules by name: one function each, whose keyword-only arguments are what users may set.

A schedule is a function `(peak, steps, **parameters)` of the highest learning rate and the number of steps, and gives a
float or a `keras.optimizers.schedules.LearningRateSchedule`. Keras is imported inside the functions, so that `--help`
can list them at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from keras_resnet.choices.registry import Range, parse_choice, registering

if TYPE_CHECKING:
    import keras

SCHEDULES: dict[str, Callable] = {}
schedule = registering(SCHEDULES)


def check_milestones(milestones: Sequence[float]) -> None:
    """Refuse milestones that do not ascend, or are neither steps nor shares of a run."""
    shares = [0 < stone < 1 for stone in milestones]
    whole = [stone >= 1 and stone == int(stone) for stone in milestones]
    if not milestones or not (all(shares) or all(whole)) or list(milestones) != sorted(set(milestones)):
        raise ValueError(
            "milestones must ascend, and be either steps, as in 32000 48000, or shares of the run, as in 0.5 0.75; "
            f"received {' '.join(map(str, milestones)) or 'none'}."
        )


Warmup = Annotated[float, Range(0, 1), "share of the run in which the rate rises linearly"]
WarmupSteps = Annotated[int, Range(0, math.inf), "steps at the start at a tenth of the rate"]
Milestones = Annotated[
    tuple[Annotated[float, Range(0, math.inf, above=True)], ...],
    "where the rate is divided by ten: steps, or shares of the run, as in 0.5 0.75",
    check_milestones,
]


def make_schedule(
    choice: str | Mapping[str, Any], steps: int, head_steps: int = 0
) -> Callable[[float], float | keras.optimizers.schedules.LearningRateSchedule]:
    """Make the function that gives the learning rate of a run by its highest value."""
    name, parameters = parse_choice("schedule", choice, SCHEDULES)

    def rate(peak: float):
        scheduled = SCHEDULES[name](peak, steps - head_steps, **parameters)
        if not head_steps or isinstance(scheduled, float):
            return scheduled
        from training.optimization.curves import After

        return After(head_steps, peak, scheduled)

    return rate


@schedule("constant")
def constant(peak: float, steps: int) -> float:
    """The same rate in every step."""
    return float(peak)


@schedule("steps")
def divide_at_milestones(
    peak: float,
    steps: int,
    *,
    milestones: Milestones = (0.5, 0.75),
    warmup_steps: WarmupSteps = 0,
) -> keras.optimizers.schedules.LearningRateSchedule:
    """A rate that is divided by ten at each milestone.

    Raises:
        ValueError: a milestone lies beyond the end, or within the warm-up.

    Source: arXiv 1512.03385, section 4.2; with 400 steps of warm-up arXiv 1603.05027, appendix.
    """
    import keras

    places = milestone_steps(milestones, steps)
    rates = [peak * 0.1**drop for drop in range(len(places) + 1)]
    if warmup_steps:
        if warmup_steps >= places[0]:
            raise ValueError(
                f"warmup_steps={warmup_steps} reach the first milestone, step {places[0]} of {steps:,}. Give fewer, or "
                "a later milestone."
            )
        places, rates = [warmup_steps, *places], [peak * 0.1, *rates]
    # Keras keeps the old rate at the boundary itself; a milestone is the first step at the new one.
    return keras.optimizers.schedules.PiecewiseConstantDecay([step - 1 for step in places], rates)


@schedule("one_cycle")
def one_cycle(peak: float, steps: int, *, warmup: Warmup = 0.2) -> keras.optimizers.schedules.LearningRateSchedule:
    """A rate that rises from zero and falls to zero, in straight lines.

    Source: arXiv 1708.07120.
    """
    from training.optimization.curves import piecewise_linear

    warm = round(warmup * steps)
    return piecewise_linear([0, warm, steps], [0.0 if warm else peak, peak, 0.0])


@schedule("cosine")
def cosine(peak: float, steps: int, *, warmup: Warmup = 0.0) -> keras.optimizers.schedules.LearningRateSchedule:
    """A rate that falls along half a cosine wave, after a linear rise.

    Source: arXiv 1608.03983, equation 5, without restarts.
    """
    import keras

    warm = round(warmup * steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warm else peak, steps - warm, warmup_target=peak if warm else None, warmup_steps=warm
    )


def milestone_steps(milestones: Sequence[float], steps: int) -> list[int]:
    """Find the steps of milestones, which are steps or shares of a run of so many steps."""
    if milestones[-1] >= steps:
        raise ValueError(
            f"milestones={' '.join(map(str, milestones))} lie beyond the {steps:,} steps for which the schedule has "
            "time. Give earlier steps, shares of the run as in 0.5 0.75, or a longer run."
        )
    return [round(stone * steps) if stone < 1 else int(stone) for stone in milestones]
