"""What the validation split of a run chooses: its best epoch, when it no longer improves, when the rate falls.

All follow from the metrics of the epochs that are complete, so that a run that is resumed chooses as one that was not.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras

from training.config import RunConfig
from training.optimization.curves import Plateau, plateau_of
from training.optimization.schedules import full_rate_from
from training.plan import Plan
from training.run_folder import RunFolder
from training.tasks import task_of

Rows = Sequence[dict[str, float]]


def measured(row: dict[str, float]) -> float:
    """Give the validation accuracy of an epoch; where images may have any number of classes, the mAP."""
    return row[f"val_{task_of(row).measure}"]


def best_epoch(rows: Rows) -> int:
    """Give the number of the epoch of the highest measure, the first of equals; 0 where there is none."""
    return int(max(rows, key=measured)["epoch"]) if rows else 0


def is_stalled(rows: Rows, patience: int | None, early: int = 0) -> bool:
    """Tell whether so many epochs have passed since the best one, and since the first ones that come too early."""
    return bool(patience and rows) and int(rows[-1]["epoch"]) - max(best_epoch(rows), early) >= patience


def early_epochs(config: RunConfig, plan: Plan) -> int:
    """Count the first epochs, which say nothing of the rest: those of a warm-up, and in which only the head learns."""
    return -(-full_rate_from(config.schedule, plan.iterations, plan.head_steps) // plan.steps)


class StopEarly(keras.callbacks.Callback):
    """Ends a run when so many epochs, after those that come too early, brought no better validation accuracy."""

    def __init__(self, folder: RunFolder, patience: int, early: int):
        super().__init__()
        self.folder, self.patience, self.early = folder, patience, early

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        """Stop where the rows that are saved say so."""
        if is_stalled(self.folder.read_metrics(), self.patience, self.early):
            self.model.stop_training = True


class FollowPlateau(keras.callbacks.Callback):
    """Sets the rate of each epoch by those before it: the error of the validation split, or else the training loss.

    A test set decides nothing, so that its figures, which the rows hold where there is no validation split, are not
    looked at. The first `early` epochs are not counted.
    """

    def __init__(self, folder: RunFolder, schedule: Plateau, validated: bool, early: int):
        super().__init__()
        self.folder, self.schedule, self.validated, self.early = folder, schedule, validated, early

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Set the rate; a run that was killed before its last checkpoint has a row more, of the epoch that begins."""
        rows = [row for row in self.folder.read_metrics() if self.early < row["epoch"] <= epoch]
        self.schedule.follow([1 - measured(row) if self.validated else row["loss"] for row in rows])


def following(
    optimizer: keras.optimizers.Optimizer, folder: RunFolder, config: RunConfig, plan: Plan
) -> list[FollowPlateau]:
    """Let a rate that falls at plateaus follow the rows of its run; no callback for any other rate."""
    if (plateau := plateau_of(optimizer)) is None:
        return []
    is_validated = bool(config.data.validation and config.evaluation.each_epoch)
    return [FollowPlateau(folder, plateau, is_validated, early_epochs(config, plan))]
