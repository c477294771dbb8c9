"""The folder of a run: what lies in it, and how it is written so that nothing that existed is lost."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras

from keras_resnet.files import PART, make_folder, remove_left, remove_part
from keras_resnet.labels import read_labels
from keras_resnet.preprocessing import Preprocessing
from keras_resnet.weights.own import load_noted, load_weights
from training.config import RunConfig, make_config, read_fields
from training.config.files import is_former, is_of_run, read_mapping
from training.locks import alone
from training.rows import read_rows

# What a run writes into its folder, all else being the user's. The configuration, by which a run is known, comes last:
# where one is put aside and the process killed, what is left is a run that can be put aside.
RUN_FILES = (
    "metrics.csv",
    "times.csv",
    "model.keras",
    "best.keras",
    "checkpoint.weights.h5",
    "preprocessing.json",
    "labels.txt",
    "skipped.json",
    "data.json",
    "curves.png",
    "test.json",
    "report.md",
    "config.yaml",
)
RUN_FOLDERS = ("savedmodel", "exports", "tensorboard", "inspection")
LOCK = "run.lock"
EPOCH = "epoch"  # as files of networks note of which one they are
# Where the files of a run go that is overwritten, until they are removed.
REPLACED = ".replaced-"


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
    def times_file(self) -> Path:
        """How long each epoch took, and its images a second, as CSV; apart from metrics, which repeat bit for bit."""
        return self.path / "times.csv"

    @property
    def model_file(self) -> Path:
        """The network after the last complete epoch."""
        return self.path / "model.keras"

    @property
    def best_file(self) -> Path:
        """The network after the epoch of the highest validation accuracy, where a run keeps it."""
        return self.path / "best.keras"

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
    def skipped_file(self) -> Path:
        """The image files that a run leaves out as it cannot read them, where it may leave any out."""
        return self.path / "skipped.json"

    @property
    def data_file(self) -> Path:
        """What its data are, as JSON, by which other data are told from them."""
        return self.path / "data.json"

    @property
    def test_file(self) -> Path:
        """The figures of its last test, in the views that it chose, as JSON."""
        return self.path / "test.json"

    @property
    def report_file(self) -> Path:
        """The page that a run writes when it is finished."""
        return self.path / "report.md"

    @property
    def savedmodel(self) -> Path:
        """The exported SavedModel."""
        return self.path / "savedmodel"

    @property
    def exports(self) -> Path:
        """Exports in other formats, a folder each."""
        return self.path / "exports"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's logs."""
        return self.path / "tensorboard"

    @property
    def inspection(self) -> Path:
        """What a look into the network left."""
        return self.path / "inspection"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for one process. It is made if needed, and goes again, parents too, if nothing was written.

        Yields:
            None.

        Raises:
            ValueError: another process writes there.
            OSError: the folder cannot be made.
        """
        lock = self.path / LOCK
        made = [folder for folder in self.path.parents if not folder.exists()]
        make_folder(self.path, "run folder")
        with alone(lock, f"{self.path} is being written by another process; wait for it, end it, or name another."):
            self._sweep()
            try:
                yield
            finally:
                if [path.name for path in self.path.iterdir()] == [LOCK]:
                    lock.unlink()
                    with contextlib.suppress(OSError):  # another process waits there, or has begun a run beside it
                        for folder in (self.path, *made):
                            folder.rmdir()

    def check_free(self, overwrite: bool) -> None:
        """Make sure that nothing is lost by writing here.

        Args:
            overwrite: bool, whether an earlier run that lies here may go.

        Raises:
            ValueError: something lies here, and it is not to be, or is no run that could be, overwritten.
        """
        if not self.path.exists() or (self.path.is_dir() and all(map(_is_trace, self.path.iterdir()))):
            return
        if not overwrite:
            raise ValueError(
                f"{self.path} exists. Pass --resume to go on with it, --overwrite to start it anew, or another "
                "--run-dir."
            )
        if not self.is_run():
            raise ValueError(
                f"{self.path} is no run folder (it has no config.yaml that a run wrote), so it is not overwritten."
            )

    def is_run(self) -> bool:
        """Tell whether a run lies here: its configuration names version and groups, as nobody writes them by hand."""
        try:
            return is_of_run(read_mapping(self.config_file))
        except ValueError:
            return False

    def is_former(self) -> bool:
        """Tell whether version 0.1.0 wrote the run."""
        return is_former(read_mapping(self.config_file))

    def create(self, overwrite: bool) -> None:
        """Make the folder; of an earlier run go its own files, and nothing else that lies there.

        Args:
            overwrite: bool, whether to remove an earlier run that lies there.

        Raises:
            ValueError: as of `check_free`.
            OSError: a file of the earlier run cannot be moved; it is whole.
        """
        self.check_free(overwrite)
        self.path.mkdir(parents=True, exist_ok=True)
        present = {path.name for path in self.path.iterdir()}
        self._put_aside([name for name in (*RUN_FOLDERS, *RUN_FILES) if name in present])
        self._sweep()

    def _sweep(self) -> None:
        """Remove what killed processes left, and what was put aside; another process may write an export here."""
        remove_left(self.path, alone=True)
        for path in self.path.glob(f"{REPLACED}*"):
            remove_part(path)

    def _put_aside(self, names: list[str]) -> None:
        """Move files out of the way, all or none: each could turn out to be one that cannot be moved."""
        if not names:
            return
        aside, moved = self.path / f"{REPLACED}{uuid.uuid4().hex[:8]}", []
        try:
            aside.mkdir()
            for name in names:
                (self.path / name).rename(aside / name)
                moved.append(name)
        except OSError as error:
            for name in moved:
                (aside / name).rename(self.path / name)
            raise OSError(f"Cannot overwrite {error.filename}: {error.strerror}. The run there is whole.") from error

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
        return read_labels(self.labels_file)

    def load_model(self, best: bool = False) -> keras.Model:
        """Load the network of the last complete epoch, or of the best one.

        Args:
            best: bool, whether to take the epoch of the highest validation accuracy, which not every run keeps.

        Returns:
            keras.Model, for inference.

        Raises:
            ValueError: there is none, or the file is damaged.
        """
        return self.load_saved(best)[0]

    def load_saved(self, best: bool = False) -> tuple[keras.Model, int | None]:
        """Load a network as `load_model` does, and the number of its epoch; None where an earlier version wrote it."""
        config, file = self.read_config(), self.best_file if best else self.model_file
        if best and not file.is_file():
            raise ValueError(f"{self.path} holds no best.keras: {_why_none(config)}; leave out --best.")
        if not file.is_file():
            raise ValueError(f"{self.path} holds no model.keras yet: its training did not begin.")
        model, note = load_noted(file)
        epoch = note.get(EPOCH)
        return model, epoch if isinstance(epoch, int) else None

    def load_checkpoint(self, model: keras.Model) -> None:
        """Bring a network and its optimizer to where the last complete epoch left them.

        Args:
            model: keras.Model, compiled, the optimizer with its state.

        Raises:
            ValueError: the file is damaged, or of another network, or holds another state of an optimizer.
        """
        try:
            load_weights(model, self.checkpoint_file)
        except ValueError as error:
            raise ValueError(f"{error} Put back a copy, or start the run anew with --overwrite.") from error
        # Keras passes over a state of another size with a warning, and the run would begin at its first step again.
        with h5py.File(self.checkpoint_file) as file:
            saved, own = len(file.get("optimizer/vars", ())), len(model.optimizer.variables)
        if saved != own:
            raise ValueError(
                f"{self.checkpoint_file} holds {saved} variables of the optimizer, and the run has {own}: it is "
                "damaged, or another version of this package wrote it. Go on with that version, put back a copy, or "
                "start the run anew with --overwrite."
            )

    def read_metrics(self) -> list[dict[str, float]]:
        """Read the metrics of all complete epochs.

        Returns:
            List of dicts, one an epoch.

        Raises:
            ValueError: the file is damaged.
        """
        return read_rows(self.metrics_file)

    def read_times(self) -> list[dict[str, float]]:
        """Read how long all complete epochs took.

        Returns:
            List of dicts of epoch, seconds and images_per_second.

        Raises:
            ValueError: the file is damaged.
        """
        return read_rows(self.times_file)


def _why_none(config: RunConfig) -> str:
    """Say why a run holds no network of its best epoch."""
    return "no epoch is complete" if config.evaluation.keep_best else "it was not trained with --evaluation.keep-best"


def _is_trace(path: Path) -> bool:
    """Tell whether something in a run folder is no more than what a killed process left."""
    return path.name == LOCK or path.name.startswith((PART, REPLACED))
