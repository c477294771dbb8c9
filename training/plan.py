"""The length of a run, and its phases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from keras_resnet.adaptation import BACKBONE
from training.config import RunConfig

if TYPE_CHECKING:
    from training.data.datasets import Source


class Phase(NamedTuple):
    """Epochs in which the same stages learn."""

    first: int
    last: int
    frozen: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The length of a run."""

    steps: int
    epochs: int
    iterations: int
    phases: tuple[Phase, ...]

    @classmethod
    def of(cls, source: Source, config: RunConfig) -> Plan:
        """Work out the length of a run."""
        steps = steps_per_epoch(source, config.batch_size)
        iterations, execution = config.iterations or config.epochs * steps, config.hardware.steps_per_execution
        if steps % execution or iterations % execution:
            raise ValueError(
                f"steps_per_execution={execution} must divide the {steps} steps of an epoch and the {iterations} of "
                "the run."
            )
        epochs, head = -(-iterations // steps), config.start.head_epochs
        if head >= epochs:
            raise ValueError(
                f"head_epochs={head} leaves none of the run's {epochs} epochs for the rest of the network. Give more "
                "epochs; or freeze backbone, to train nothing but the head."
            )
        phases = Phase(0, head, (BACKBONE,)), Phase(head, epochs, config.start.freeze)
        return cls(steps, epochs, iterations, tuple(phase for phase in phases if phase.last > phase.first))

    @property
    def head_steps(self) -> int:
        """Steps at the start in which only the head learns."""
        return self.phases[-1].first * self.steps


def steps_per_epoch(source: Source, batch_size: int) -> int:
    """Count the full batches in a pass over the training set, of which there must be one."""
    count = source.count(source.train_split)
    if count < batch_size:
        raise ValueError(
            f"The training split {source.train_split!r} has {count} examples, fewer than batch_size="
            f"{batch_size}. Choose a batch_size of at most {count}."
        )
    return count // batch_size
