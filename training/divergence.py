"""Runs that diverge: they end at the step that shows it, and nothing that is not finite is saved."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping

import keras
import numpy as np

from training.plan import Plan
from training.run_folder import RunFolder


class DivergedError(ValueError):
    """The numbers of a run are no longer finite.

    `what` is the message without the advice, which is for who can begin another run, and names folders of the machine.
    """

    def __init__(self, what: str, advice: str = ""):
        super().__init__(f"{what}. {advice}" if advice else what)
        self.what = what


class StopAtDivergence(keras.callbacks.Callback):
    """Ends a run at the first step after which the loss is no longer finite, before anything is saved of it.

    Keras gives the mean of the losses of an epoch so far, which is not finite from the first loss on that is not.
    Gradients that overflow in float16 are another matter: the loss scale leaves out their step, and the loss is finite.
    """

    def __init__(self, plan: Plan, folder: RunFolder, steps_per_execution: int = 1):
        super().__init__()
        self.plan, self.folder, self.steps_per_execution = plan, folder, steps_per_execution
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Note the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Raise an error where the loss is not finite."""
        loss = (logs or {}).get("loss", 0.0)
        if math.isfinite(loss):
            return
        first, last = batch + 2 - self.steps_per_execution, batch + 1
        steps = f"step {last}" if first == last else f"steps {first} to {last}"
        what = f"The loss became {loss} in epoch {self.epoch + 1}, {steps} of {self.plan.steps}"
        raise diverged(what, self.model, self.folder, self.epoch)


class CountSkippedSteps(keras.callbacks.Callback):
    """Counts the steps that the loss scale of float16 has left out, which the optimizer does not.

    So the schedule ends with the run, and the count in the checkpoint tells which epochs are complete.
    """

    def __init__(self, plan: Plan):
        super().__init__()
        self.plan = plan

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        """Set the count to that of all steps so far."""
        if isinstance(self.model.optimizer, keras.optimizers.LossScaleOptimizer):
            self.model.optimizer.iterations.assign(min((epoch + 1) * self.plan.steps, self.plan.iterations))


def check_epoch(model: keras.Model, logs: Mapping[str, float], folder: RunFolder, epoch: int) -> None:
    """Raise an error where a metric, a weight or the optimizer's state is not finite after an epoch, counted from 0."""
    for name, value in logs.items():
        if not math.isfinite(value):
            raise diverged(f"The {name} became {value} in epoch {epoch + 1}", model, folder, epoch)
    if variable := not_finite(model):
        raise diverged(f"{variable} is no longer finite in epoch {epoch + 1}", model, folder, epoch)


def check_weights(model: keras.Model) -> None:
    """Raise an error where a weight is not finite before the first step."""
    if variable := not_finite(model):
        raise ValueError(f"{variable} is not finite before the first step; start from other weights.")


def not_finite(model: keras.Model) -> str | None:
    """Name a variable of a network or of its optimizer that is not finite, if there is one."""
    for variable in (*model.weights, *model.optimizer.variables):
        values = keras.ops.convert_to_numpy(variable)
        if values.dtype.kind not in "iub" and not np.isfinite(values.astype("float32")).all():
            return variable.path
    return None


def diverged(what: str, model: keras.Model, folder: RunFolder, done: int) -> DivergedError:
    """Make the error that says what is no longer finite, which of the epochs is kept, and how to go on."""
    changes = "a lower learning_rate, a longer warmup, a clip_norm"
    if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        changes += ", another dtype"
    start = "from the start"
    if done:
        start = f"from epoch {done}, which is kept, by --weights {shlex.quote(str(folder.path))}; or {start}"
    advice = f"Resumed, the run would come to the same; begin another one {start}, with one of: {changes}."
    return DivergedError(what, advice)
