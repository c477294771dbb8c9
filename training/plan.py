"""The length of a run, and the callbacks that keep to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import keras

from keras_resnet.transfer import BACKBONE
from training import batches, datasets
from training.config import RunConfig


class Phase(NamedTuple):
    """Epochs in which the same stages learn.

    Args:
        first: int, first epoch, from 0.
        last: int, first epoch after it.
        frozen: tuple of the stages that do not learn, as of `keras_resnet.freeze`.
    """

    first: int
    last: int
    frozen: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The length of a run.

    Args:
        steps: int, steps in an epoch.
        epochs: int, passes over the training set; the last one may be cut short.
        iterations: int, steps in the whole run.
        phases: tuple of Phase, in their order; they share out the epochs.
    """

    steps: int
    epochs: int
    iterations: int
    phases: tuple[Phase, ...]

    @classmethod
    def of(cls, source: datasets.Source, config: RunConfig) -> Plan:
        """Work out the length of a run.

        Args:
            source: datasets.Source.
            config: RunConfig, with epochs or iterations.

        Returns:
            Plan.

        Raises:
            ValueError: the training set is smaller than a batch, steps_per_execution does not fit, or only the head
                would ever learn.
        """
        steps = batches.steps_per_epoch(source, config)
        iterations = config.iterations or config.epochs * steps
        if steps % config.steps_per_execution or iterations % config.steps_per_execution:
            raise ValueError(
                f"steps_per_execution={config.steps_per_execution} must divide the {steps} steps of an epoch and the "
                f"{iterations} of the run."
            )
        epochs = -(-iterations // steps)
        if config.head_epochs >= epochs:
            raise ValueError(
                f"head_epochs={config.head_epochs} leaves none of the run's {epochs} epochs for the rest of the "
                "network. Give more epochs; or freeze backbone, to train nothing but the head."
            )
        phases = Phase(0, config.head_epochs, (BACKBONE,)), Phase(config.head_epochs, epochs, config.freeze)
        return cls(steps, epochs, iterations, tuple(phase for phase in phases if phase.last > phase.first))

    @property
    def head_steps(self) -> int:
        """Steps at the start in which only the head learns."""
        return self.phases[-1].first * self.steps


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
        seed: int, of the run.
    """

    def __init__(self, plan: Plan, seed: int):
        super().__init__()
        self.plan, self.seed = plan, seed

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Count the draws of the epochs before: one a step."""
        drawing = [layer for layer in self.model.layers if hasattr(layer, "seed_generator")]
        for place, layer in enumerate(drawing):
            layer.seed_generator.state.assign([self.seed * 10_007 + place, epoch * self.plan.steps])
