"""The length of a run, and its phases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from keras_resnet.adaptation import BACKBONE
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
