"""What a network decides of an image: which one of the classes it shows, or which of them, any number or none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A kind of classification, and what follows from it for network, loss and figures.

    Args:
        labels: str, how many an image has.
        activation: str, of the classifier.
        loss: str, name of the loss that a test tells.
        measure: str, name of the metric that networks are compared by; more of it is better.
        figure: str, what tables and curves show of the measure, in %.
        is_error: bool, whether that is what the measure lacks to 1.
    """

    labels: str
    activation: str
    loss: str
    measure: str
    figure: str
    is_error: bool

    def shown(self, measured):
        """Give what tables and curves show of measured values, in %."""
        return 100 * (1 - measured) if self.is_error else 100 * measured


ONE = Task(
    labels="one",
    activation="softmax",
    loss="cross-entropy",
    measure="accuracy",
    figure="error",
    is_error=True,
)
ANY = Task(
    labels="any number",
    activation="sigmoid",
    loss="binary cross-entropy",
    measure="mean_average_precision",
    figure="mAP",
    is_error=False,
)


def task_of(metrics: Iterable[str]) -> Task:
    """Tell the task of a run by the names of its metrics."""
    return ANY if ANY.measure in metrics else ONE
