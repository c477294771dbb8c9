"""Learning rates as functions of the step."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from training.config import RunConfig


def learning_rate(
    config: RunConfig, steps: int, head_steps: int = 0
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Make the learning rate of a run.

    Args:
        config: RunConfig.
        steps: int, length of the whole run.
        head_steps: int, steps at its start in which only the head learns: at the highest rate, before the schedule.

    Returns:
        float, or a schedule of the step.

    Raises:
        ValueError: a milestone lies beyond the end.

    Source: "steps": arXiv 1512.03385, section 4.2; "one_cycle": arXiv 1708.07120; "cosine": arXiv 1608.03983.
    """
    if head_steps and config.schedule != "constant":
        return After(head_steps, config.learning_rate, learning_rate(config, steps - head_steps))
    peak, warm = config.learning_rate, round(config.warmup * steps)
    if config.schedule == "one_cycle":
        return piecewise_linear([0, warm, steps], [0.0 if warm else peak, peak, 0.0])
    if config.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            0.0 if warm else peak, steps - warm, warmup_target=peak if warm else None, warmup_steps=warm
        )
    if config.schedule == "steps":
        milestones = milestone_steps(config.milestones, steps)
        rates = [peak * 0.1**drop for drop in range(len(milestones) + 1)]
        # Keras keeps the old rate at the boundary itself; a milestone is the first step at the new one.
        return keras.optimizers.schedules.PiecewiseConstantDecay([step - 1 for step in milestones], rates)
    return peak


def milestone_steps(milestones: Sequence[float], steps: int) -> list[int]:
    """Find the steps of milestones.

    Args:
        milestones: sequence of steps, or of shares of the run between 0 and 1.
        steps: int, length of the run, or of what of it the schedule is for.

    Returns:
        List of ints.

    Raises:
        ValueError: one lies beyond the end.
    """
    if milestones[-1] >= steps:
        raise ValueError(
            f"milestones={' '.join(map(str, milestones))} lie beyond the {steps:,} steps for which the schedule has "
            "time. Give earlier steps, shares of the run as in 0.5 0.75, or a longer run."
        )
    return [round(stone * steps) if stone < 1 else int(stone) for stone in milestones]


def piecewise_linear(steps: list[int], rates: list[float]) -> PiecewiseLinear:
    """Join points by straight lines.

    Args:
        steps: list of ints, ascending, from 0.
        rates: list of floats, one a step.

    Returns:
        PiecewiseLinear; points at the same step are joined by a jump.
    """
    kept = [index for index in range(len(steps)) if index == 0 or steps[index] > steps[index - 1]]
    return PiecewiseLinear([steps[index] for index in kept], [rates[index] for index in kept])


@keras.saving.register_keras_serializable("training")
class PiecewiseLinear(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that runs in straight lines from point to point, and stays at the last.

    Args:
        steps: list of ints, ascending.
        rates: list of floats, the rate at each of the steps.
    """

    def __init__(self, steps: list[int], rates: list[float]):
        self.steps, self.rates = list(steps), list(rates)

    def __call__(self, step):
        """Give the rate at a step."""
        step = keras.ops.cast(step, "float32")
        rate = keras.ops.convert_to_tensor(self.rates[0], "float32")
        pairs = zip(self.steps, self.rates, self.steps[1:], self.rates[1:])
        for begin, low, end, high in pairs:
            share = keras.ops.clip((step - begin) / (end - begin), 0.0, 1.0)
            rate = rate + share * (high - low)
        return rate

    def get_config(self) -> dict:
        """Return the schedule's configuration."""
        return {"steps": self.steps, "rates": self.rates}


@keras.saving.register_keras_serializable("training")
class After(keras.optimizers.schedules.LearningRateSchedule):
    """A constant learning rate, and a schedule after it.

    Args:
        steps: int, how long the rate is constant.
        rate: float.
        schedule: keras.optimizers.schedules.LearningRateSchedule, or its configuration; it counts from there.
    """

    def __init__(self, steps: int, rate: float, schedule):
        self.steps, self.rate = steps, rate
        self.schedule = keras.optimizers.schedules.deserialize(schedule) if isinstance(schedule, dict) else schedule

    def __call__(self, step):
        """Give the rate at a step."""
        later = self.schedule(keras.ops.maximum(step - self.steps, 0))
        return keras.ops.where(step < self.steps, keras.ops.cast(self.rate, later.dtype), later)

    def get_config(self) -> dict:
        """Return the schedule's configuration."""
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"steps": self.steps, "rate": self.rate, "schedule": schedule}
