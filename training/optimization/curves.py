"""Learning rates as functions of the step, which Keras lacks."""

from __future__ import annotations

from collections.abc import Sequence

import keras


def piecewise_linear(steps: list[int], rates: list[float]) -> PiecewiseLinear:
    """Join points by straight lines; points at the same step are joined by a jump."""
    kept = [index for index in range(len(steps)) if index == 0 or steps[index] > steps[index - 1]]
    return PiecewiseLinear([steps[index] for index in kept], [rates[index] for index in kept])


@keras.saving.register_keras_serializable("training")
class PiecewiseLinear(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that runs in straight lines from point to point, the steps ascending, and stays at the last."""

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
    """A constant learning rate for so many steps, and a schedule after it, which counts from there."""

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


@keras.saving.register_keras_serializable("training")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule, or a constant rate, whose share rises linearly from `start` to 1 in the first steps.

    The schedule counts from the step `begin`; before, it gives its first rate.
    """

    def __init__(self, steps: int, start: float, schedule, begin: int):
        self.steps, self.start, self.begin = steps, start, begin
        self.schedule = keras.optimizers.schedules.deserialize(schedule) if isinstance(schedule, dict) else schedule

    def __call__(self, step):
        """Give the rate at a step."""
        rate = self.schedule
        if callable(rate):
            rate = rate(keras.ops.maximum(step - self.begin, 0))
        share = self.start + keras.ops.cast(step, "float32") / self.steps * (1.0 - self.start)
        return rate * keras.ops.where(step < self.steps, share, 1.0)

    def get_config(self) -> dict:
        """Return the schedule's configuration."""
        schedule = keras.optimizers.schedules.serialize(self.schedule) if callable(self.schedule) else self.schedule
        return {"steps": self.steps, "start": self.start, "schedule": schedule, "begin": self.begin}


@keras.saving.register_keras_serializable("training")
class Plateau(keras.optimizers.schedules.LearningRateSchedule):
    """A constant learning rate that falls to a share of itself whenever the figure of an epoch stops improving.

    It knows no step: `follow` tells it the figures of all epochs so far, from which alone the rate follows.

    Source: arXiv 1512.03385, section 3.4, "divided by 10 when the error plateaus".
    """

    def __init__(self, rate: float, factor: float = 0.1, patience: int = 5, threshold: float = 1e-4):
        self.rate, self.factor, self.patience, self.threshold = rate, factor, patience, threshold
        self.current = keras.Variable(rate, trainable=False, dtype="float32", name="plateau")

    def __call__(self, step):
        """Give the rate, which is the same at every step of an epoch."""
        return keras.ops.convert_to_tensor(self.current)

    def follow(self, figures: Sequence[float]) -> None:
        """Set the rate of the next epoch by the figures of those before it, the smaller the better."""
        self.current.assign(self.rate * self.factor ** self.falls(figures))

    def falls(self, figures: Sequence[float]) -> int:
        """Count how often so many epochs in a row brought no figure that is better by more than the threshold."""
        best, waited, falls = float("inf"), 0, 0
        for figure in figures:
            if figure < best * (1 - self.threshold):
                best, waited = figure, 0
            else:
                waited += 1
            if waited >= self.patience:
                waited, falls = 0, falls + 1
        return falls

    def get_config(self) -> dict:
        """Return the schedule's configuration."""
        return {name: getattr(self, name) for name in ("rate", "factor", "patience", "threshold")}


def plateau_of(optimizer: keras.optimizers.Optimizer) -> Plateau | None:
    """Find the `Plateau` among the schedules of an optimizer, which may lie within others; None where there is none."""
    schedule = getattr(optimizer, "inner_optimizer", optimizer)._learning_rate  # its property gives the rate of now
    while isinstance(schedule, (After, WarmUp)):
        schedule = schedule.schedule
    return schedule if isinstance(schedule, Plateau) else None
