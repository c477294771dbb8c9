"""What the validation split of a run chooses: its best epoch, and when it no longer improves.

Both follow from the metrics of the epochs that are complete, so that a run that is resumed chooses as one that was not.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras

from training.run_folder import RunFolder

Rows = Sequence[dict[str, float]]
MEASURE = "val_accuracy"


def best_epoch(rows: Rows) -> int:
    """Give the number of the epoch of the highest validation accuracy, the first of equals; 0 where there is none."""
    return int(max(rows, key=lambda row: row[MEASURE])["epoch"]) if rows else 0


def is_stalled(rows: Rows, patience: int | None) -> bool:
    """Tell whether so many epochs have passed since the best one."""
    return bool(patience and rows) and int(rows[-1]["epoch"]) - best_epoch(rows) >= patience


class StopEarly(keras.callbacks.Callback):
    """Ends a run when so many epochs brought no better validation accuracy."""

    def __init__(self, folder: RunFolder, patience: int):
        super().__init__()
        self.folder, self.patience = folder, patience

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        """Stop where the rows that are saved say so."""
        if is_stalled(self.folder.read_metrics(), self.patience):
            self.model.stop_training = True
