"""The folder of a run: what lies in it, and how it is written so that nothing that existed is lost."""

from __future__ import annotations

import csv
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras

from keras_resnet.files import write_atomically
from keras_resnet.preprocessing import Preprocessing
from training.config import RunConfig, make_config, read_fields


@dataclass(frozen=True)
class RunFolder:
    """Names and contents of a run's files.

    Args:
        path: Path of the folder.
    """

    path: Path

    @property
    def config_file(self) -> Path:
        """The complete configuration, as YAML."""
        return self.path / "config.yaml"

    @property
    def metrics_file(self) -> Path:
        """One line an epoch, as CSV."""
        return self.path / "metrics.csv"

    @property
    def model_file(self) -> Path:
        """The network after the last complete epoch."""
        return self.path / "model.keras"

    @property
    def checkpoint_file(self) -> Path:
        """Weights and optimizer state after the last complete epoch, for `--resume`."""
        return self.path / "checkpoint.weights.h5"

    @property
    def preprocessing_file(self) -> Path:
        """The input contract of the network."""
        return self.path / "preprocessing.json"

    @property
    def labels_file(self) -> Path:
        """The names of the classes, one a line."""
        return self.path / "labels.txt"

    @property
    def savedmodel(self) -> Path:
        """The exported SavedModel."""
        return self.path / "savedmodel"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's logs."""
        return self.path / "tensorboard"

    def check_free(self, overwrite: bool) -> None:
        """Make sure that nothing is lost by writing here.

        Args:
            overwrite: bool, whether an earlier run that lies here may go.

        Raises:
            ValueError: something lies here, and it is not to be, or is no run that could be, overwritten.
        """
        if not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir())):
            return
        if not overwrite:
            raise ValueError(
                f"{self.path} exists. Pass --resume to go on with it, --overwrite to start it anew, or another "
                "--run-dir."
            )
        if not self.config_file.is_file():
            raise ValueError(f"{self.path} is no run folder (it has no config.yaml), so it is not overwritten.")

    def create(self, overwrite: bool) -> None:
        """Make the folder.

        Args:
            overwrite: bool, whether to remove an earlier run that lies there.

        Raises:
            ValueError: as of `check_free`.
        """
        self.check_free(overwrite)
        if self.path.exists():
            shutil.rmtree(self.path)
        self.path.mkdir(parents=True)

    def read_config(self) -> RunConfig:
        """Read the configuration of the run.

        Returns:
            RunConfig.

        Raises:
            ValueError: the folder is not one of a run.
        """
        if not self.config_file.is_file():
            raise ValueError(f"{self.path} is no run folder: it has no config.yaml. `python -m training` makes one.")
        return make_config(read_fields(self.config_file), str(self.config_file))

    def read_preprocessing(self) -> Preprocessing:
        """Read the input contract of the run's network.

        Returns:
            Preprocessing.

        Raises:
            ValueError: the folder holds none.
        """
        self.read_config()
        if not self.preprocessing_file.is_file():
            raise ValueError(f"{self.path} holds no preprocessing.json, which says what its network expects.")
        return Preprocessing.load(self.preprocessing_file)

    def read_labels(self) -> list[str]:
        """Read the names of the classes."""
        return self.labels_file.read_text(encoding="utf-8").splitlines()

    def load_model(self) -> keras.Model:
        """Load the network of the last complete epoch.

        Returns:
            keras.Model, for inference.

        Raises:
            ValueError: there is none, or the file is damaged.
        """
        self.read_config()
        if not self.model_file.is_file():
            raise ValueError(f"{self.path} holds no model.keras yet: its training did not begin.")
        return load_network(self.model_file)

    def read_metrics(self) -> list[dict[str, float]]:
        """Read the metrics of all complete epochs.

        Returns:
            List of dicts, one an epoch.
        """
        if not self.metrics_file.is_file():
            return []
        with open(self.metrics_file, encoding="utf-8", newline="") as file:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def load_network(path: Path) -> keras.Model:
    """Load a `.keras` file for inference.

    Args:
        path: Path of the file.

    Returns:
        keras.Model, not compiled.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:
        raise ValueError(f"{path} cannot be loaded: {str(error).splitlines()[0]}") from error


class SaveRun(keras.callbacks.Callback):
    """Writes model, checkpoint and metrics after every epoch, each of them whole or not at all.

    Args:
        folder: RunFolder.
    """

    def __init__(self, folder: RunFolder):
        super().__init__()
        self.folder = folder

    def on_train_begin(self, logs=None) -> None:
        """Save before the first epoch, so that a full disk shows at once."""
        self.save()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Save the epoch's model, checkpoint and metrics; end a run whose loss is no longer a number."""
        if not math.isfinite(logs["loss"]):
            raise ValueError(
                f"The loss became {logs['loss']} in epoch {epoch + 1}; what was saved before it is untouched. "
                "Try a lower learning_rate, or a longer warmup."
            )
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        rows = [*self.folder.read_metrics()[:epoch], {"epoch": epoch + 1, **logs, "learning_rate": rate}]
        self.save()
        write_atomically(self.folder.metrics_file, lambda part: _write_rows(part, rows))

    def save(self) -> None:
        """Save model and checkpoint."""
        write_atomically(self.folder.model_file, lambda part: self.model.save(part, include_optimizer=False))
        write_atomically(self.folder.checkpoint_file, self.model.save_weights)


def _write_rows(path: Path, rows: list[dict]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[-1]))
        writer.writeheader()
        writer.writerows({**row, "epoch": int(row["epoch"])} for row in rows)
