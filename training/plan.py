"""The length of a run, and the callbacks that keep to it."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from training import batches, datasets
from training.config import RunConfig


@dataclass(frozen=True)
class Plan:
    """The length of a run.

    Args:
        steps: int, steps in an epoch.
        epochs: int, passes over the training set; the last one may be cut short.
        iterations: int, steps in the whole run.
    """

    steps: int
    epochs: int
    iterations: int

    @classmethod
    def of(cls, source: datasets.Source, config: RunConfig) -> Plan:
        """Work out the length of a run.

        Args:
            source: datasets.Source.
            config: RunConfig, with epochs or iterations.

        Returns:
            Plan.

        Raises:
            ValueError: the training set is smaller than a batch, or steps_per_execution does not fit.
        """
        steps = batches.steps_per_epoch(source, config)
        iterations = config.iterations or config.epochs * steps
        if steps % config.steps_per_execution or iterations % config.steps_per_execution:
            raise ValueError(
                f"steps_per_execution={config.steps_per_execution} must divide the {steps} steps of an epoch and the "
                f"{iterations} of the run."
            )
        return cls(steps, -(-iterations // steps), iterations)


class StopAt(keras.callbacks.Callback):
    """Ends the training within its last epoch, without asking the device at every step how far it is.

    Args:
        plan: Plan.
    """

    def __init__(self, plan: Plan):
        super().__init__()
        self.plan = plan
        self.left = plan.iterations

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Note how many steps of the plan are left."""
        self.left = self.plan.iterations - epoch * self.plan.steps

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        """Stop after the last step."""
        if batch + 1 >= self.left:
            self.model.stop_training = True


class SeedLayers(keras.callbacks.Callback):
    """Puts the layers that draw numbers, such as dropout, to where they stand at the start of each epoch.

    No file of Keras's holds the state of their generators, so a resumed run would draw other numbers.

    Args:
        plan: Plan.
    """

    def __init__(self, plan: Plan):
        super().__init__()
        self.plan = plan

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Count the draws of the epochs before: one a step."""
        for layer in self.model.layers:
            if generator := getattr(layer, "seed_generator", None):
                seed, _ = keras.ops.convert_to_numpy(generator.state)
                generator.state.assign([seed, epoch * self.plan.steps])
