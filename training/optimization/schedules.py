"""Learning-rate schedules by name: one function each, whose keyword-only arguments are what users may set.

A schedule is a function `(peak, steps, **parameters)` of the highest learning rate and the number of steps, and gives a
float or a `keras.optimizers.schedules.LearningRateSchedule`. All take `warmup` and `warmup_from`; a function that does
not state them has them from `warmed_up`. Keras is imported inside the functions, so that `--help` can list them at
once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from keras_resnet.choices.registry import Range, extended, parse_choice, registering

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


def check_amount(amount: float) -> None:
    """Refuse what is neither a share of a run nor a whole number of steps."""
    if amount >= 1 and amount != int(amount):
        raise ValueError(
            f"warmup must be a share of the run, below 1, or a whole number of steps; received {amount}. Give "
            f"{int(amount)} or {int(amount) + 1}."
        )


Warmup = Annotated[float, Range(0, math.inf), "linear rise at the start: share of the run, or steps", check_amount]
WarmupFrom = Annotated[float, Range(0, 1), "where that rise begins, as a share of the rate"]
WarmupSteps = Annotated[int, Range(0, math.inf), "steps at the start at a tenth of the rate"]
Milestones = Annotated[
    tuple[Annotated[float, Range(0, math.inf, above=True)], ...],
    "where the rate is divided by ten: steps, or shares of the run, as in 0.5 0.75",
    check_milestones,
]


def warmed_up(function: Callable) -> Callable:
    """Give a schedule the warm-up that all have; it begins after it."""

    def added(peak: float, steps: int, *, warmup: Warmup = 0.0, warmup_from: WarmupFrom = 0.0, **parameters):
        warm = warm_steps(warmup, steps)
        return warming_up(function(peak, steps - warm, **parameters), warm, warmup_from, begin=warm)

    return extended(function, added)


def warming_up(scheduled: Any, warm: int, start: float, begin: int) -> Any:
    """Let the share of a rate or schedule rise from `start` over so many steps, if any; it counts from `begin`."""
    if not warm:
        return scheduled
    from training.optimization.curves import WarmUp

    return WarmUp(warm, start, scheduled, begin)


def warm_steps(warmup: float, steps: int) -> int:
    """Count the steps of a warm-up, which must leave some."""
    warm = in_steps(warmup, steps)
    if warm >= steps:
        raise ValueError(
            f"warmup={warmup:g} takes {warm:,} of the {steps:,} steps for which the schedule has time, and leaves "
            "none. Give a smaller one, or a longer run."
        )
    return warm


def in_steps(amount: float, steps: int) -> int:
    """Count the steps of an amount of a run of so many: below 1 it is a share of it."""
    return round(amount * steps) if amount < 1 else int(amount)


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
@warmed_up
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
    warmup: Warmup = 0.0,
    warmup_from: WarmupFrom = 0.0,
) -> keras.optimizers.schedules.LearningRateSchedule:
    """A rate that is divided by ten at each milestone; a warm-up takes place in its first steps.

    Raises:
        ValueError: a milestone lies beyond the end, or within the warm-up.

    Source: arXiv 1512.03385, section 4.2; with 400 steps of warm-up arXiv 1603.05027, appendix.
    """
    import keras

    places, warm = milestone_steps(milestones, steps), warm_steps(warmup, steps)
    rates = [peak * 0.1**drop for drop in range(len(places) + 1)]
    for given, count in ((f"warmup_steps={warmup_steps}", warmup_steps), (f"warmup={warmup:g}", warm)):
        if count and count >= places[0]:
            raise ValueError(
                f"{given} takes {count} steps and the first milestone is step {places[0]} of {steps:,}, so that the "
                "full rate would never be reached. Give a smaller one, or a later milestone."
            )
    if warmup_steps:
        places, rates = [warmup_steps, *places], [peak * 0.1, *rates]
    # Keras keeps the old rate at the boundary itself; a milestone is the first step at the new one.
    scheduled = keras.optimizers.schedules.PiecewiseConstantDecay([step - 1 for step in places], rates)
    return warming_up(scheduled, warm, warmup_from, begin=0)


# The warm-ups of the next two are steps of their curves: a common one rounds otherwise than in the runs made so far.
@schedule("one_cycle")
def one_cycle(
    peak: float, steps: int, *, warmup: Warmup = 0.2, warmup_from: WarmupFrom = 0.0
) -> keras.optimizers.schedules.LearningRateSchedule:
    """A rate that rises, by default from zero, and falls to zero, in straight lines.

    Source: arXiv 1708.07120.
    """
    from training.optimization.curves import piecewise_linear

    warm = warm_steps(warmup, steps)
    return piecewise_linear([0, warm, steps], [warmup_from * peak if warm else peak, peak, 0.0])


@schedule("cosine")
def cosine(
    peak: float, steps: int, *, warmup: Warmup = 0.0, warmup_from: WarmupFrom = 0.0
) -> keras.optimizers.schedules.LearningRateSchedule:
    """A rate that falls along half a cosine wave.

    Source: arXiv 1608.03983, equation 5, without restarts.
    """
    import keras

    warm = warm_steps(warmup, steps)
    return keras.optimizers.schedules.CosineDecay(
        warmup_from * peak if warm else peak, steps - warm, warmup_target=peak if warm else None, warmup_steps=warm
    )


@schedule("polynomial")
@warmed_up
def polynomial(
    peak: float,
    steps: int,
    *,
    power: Annotated[float, Range(0, math.inf, above=True), "power of the share of the run that is left"] = 1.0,
    end: Annotated[float, Range(0, 1), "rate at the end as a share of the highest"] = 0.0,
) -> keras.optimizers.schedules.LearningRateSchedule:
    """A rate that falls as a power of what is left of the run.

    Source: arXiv 1606.00915, section 4.1, "poly" learning rate policy.
    """
    import keras

    return keras.optimizers.schedules.PolynomialDecay(peak, steps, end * peak, power)


@schedule("exponential")
@warmed_up
def exponential(
    peak: float,
    steps: int,
    *,
    rate: Annotated[float, Range(0, 1, above=True), "what is left of the rate after each interval"] = 0.5,
    every: Annotated[
        float, Range(0, math.inf, above=True), "the interval: steps, or below 1 a share of what the warm-up leaves"
    ] = 0.1,
) -> keras.optimizers.schedules.LearningRateSchedule:
    """A rate that falls by the same factor in equal times, a little in every step.

    Source: arXiv 1512.00567, section 8.
    """
    import keras

    return keras.optimizers.schedules.ExponentialDecay(peak, every * steps if every < 1 else every, rate)


@schedule("plateau")
@warmed_up
def plateau(
    peak: float,
    steps: int,
    *,
    factor: Annotated[float, Range(0, 1, above=True), "what is left of the rate at each fall"] = 0.1,
    patience: Annotated[int, Range(1, math.inf), "epochs without a better figure before it falls"] = 5,
    threshold: Annotated[float, Range(0, 1), "share by which a figure must be below the best one to be better"] = 1e-4,
) -> keras.optimizers.schedules.LearningRateSchedule:
    """A rate that falls when the error of the validation split, or without one the training loss, does not.

    Epochs of the warm-up, and those in which only the head learns, do not count.

    Source: arXiv 1512.03385, section 3.4, "divided by 10 when the error plateaus".
    """
    from training.optimization.curves import Plateau

    return Plateau(peak, factor, patience, threshold)


def full_rate_from(choice: Mapping[str, Any], steps: int, head_steps: int = 0) -> int:
    """Give the first step after every warm-up, at the full rate, at which the whole network learns."""
    return head_steps + max(warm_steps(choice["warmup"], steps - head_steps), choice.get("warmup_steps", 0))


def milestone_steps(milestones: Sequence[float], steps: int) -> list[int]:
    """Find the steps of milestones, which are steps or shares of a run of so many steps."""
    if milestones[-1] >= steps:
        raise ValueError(
            f"milestones={' '.join(map(str, milestones))} lie beyond the {steps:,} steps for which the schedule has "
            "time. Give earlier steps, shares of the run as in 0.5 0.75, or a longer run."
        )
    return [in_steps(stone, steps) for stone in milestones]
