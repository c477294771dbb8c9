"""Weights of a finished run as a file to publish, with a card that says how they came about."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras

import keras_resnet
from keras_resnet.weights import card
from training.config import RunConfig, load_recipe, make_config, recipe_names
from training.config.fields import changes
from training.run_folder import RunFolder
from training.selection import best_epoch, is_stalled, measured
from training.tasks import task_of

LICENSE = "Apache-2.0"  # of the package, and of weights that come with it


def publish(folder: RunFolder, path: Path, best: bool = False, license: str | None = None) -> Path:
    """Write the network of a finished run as a safetensors file with a card, whose figures are those of the run.

    Args:
        folder: RunFolder.
        path: Path of the safetensors file; the card lies beside it.
        best: bool, whether to take the network of the best epoch.
        license: str, of the weights; default that of this package.

    Returns:
        Path of the card.

    Raises:
        ValueError: the folder is not one of a run that is finished, or holds no such network.
        OSError: a file cannot be written.
    """
    config, rows = folder.read_config(), folder.read_metrics()
    done = int(rows[-1]["epoch"]) if rows else 0
    is_complete = done == (config.epochs or done) or is_stalled(rows, config.evaluation.patience)
    if not folder.report_file.is_file() or not done or not is_complete:
        raise ValueError(f"{folder.path} is a run that has made {done} epochs and is not finished; go on by --resume.")
    model, epoch = folder.load_saved(best)
    model.preprocessing, model.labels = folder.read_preprocessing(), tuple(folder.read_labels())
    row, made = figures_of(folder, epoch, best)
    if row is None or made != done:
        raise ValueError(f"{folder.path} has made {done} epochs, and its network is of epoch {epoch}; put back a copy.")
    known = about(config, row, model.name, done)
    return card.write(path, model, {**known, "license": license or known["license"]})


def known_about(folder: RunFolder, model: keras.Model, epoch: int | None, best: bool = False) -> dict[str, Any]:
    """Say what is known of the training of a run, finished or not, for a card; but for the license.

    `model` and `epoch` are what `RunFolder.load_saved` gives. The run may go on meanwhile.
    """
    config, (row, made) = folder.read_config(), figures_of(folder, epoch, best)
    if row is None:
        return {"dataset": config.data.dataset}
    known = about(config, row, model.name, made)
    return {name: value for name, value in known.items() if name not in ("license", "version")}


def figures_of(folder: RunFolder, epoch: int | None, best: bool) -> tuple[dict[str, float] | None, int]:
    """Find the metrics of the epoch of a network, the last one or the best, if any, and count the epochs made by then.

    While a run saves an epoch, and where it was killed then, its networks and its last row are of different epochs.
    """
    rows = folder.read_metrics()
    last = int(rows[-1]["epoch"]) if rows else 0
    if epoch is None:  # in runs of earlier versions, whose networks do not tell
        epoch = best_epoch(rows) if best else last
    if 0 < last < epoch:
        raise ValueError(
            f"{folder.path} holds a network of epoch {epoch} and no figures of it yet. Wait until that epoch is saved; "
            "or, where the run was killed, go on with it by --resume."
        )
    row = next((row for row in rows if row["epoch"] == epoch), None)
    if best and row is not None:  # a better one may have come since the network was read
        better = (int(later["epoch"]) for later in rows if later["epoch"] > epoch and measured(later) > measured(row))
        return row, next(better, last + 1) - 1
    return row, epoch


def about(config: RunConfig, row: dict[str, float], network: str, epochs: int) -> dict[str, Any]:
    """Say what was trained, how, and what came of it, by a run's configuration and the metrics of an epoch of it."""
    recipe, changed = nearest_recipe(config)
    return {
        "network": config.network.name or network,
        "dataset": config.data.dataset,
        **test_of(config, row, epochs),
        "recipe": recipe,
        "changes": changed,
        "seed": config.seed,
        "version": keras_resnet.__version__,
        "license": LICENSE,
    }


def test_of(config: RunConfig, row: dict[str, float], epochs: int) -> dict[str, Any]:
    """Give the test figures of an epoch, and say how they came about; none of a run that tests its last epoch only."""
    epoch, task = int(row["epoch"]), task_of(row)
    if not math.isfinite(row["val_loss"]):
        return {"protocol": f"after epoch {epoch}, not tested yet"}
    after = f"after the last of {epochs} epochs"
    if epoch < epochs:
        after = f"after epoch {epoch} of {epochs}, the best by these images"
    return {
        task.measure.replace("_", " "): round(row[f"val_{task.measure}"], 6),
        task.loss: round(row["val_loss"], 6),
        "protocol": f"{tested_on(config)}, every image once in a single view, {after}",
    }


def tested_on(config: RunConfig) -> str:
    """Name the images that a run was tested on."""
    data = config.data
    if data.validation:
        return f"{100 * data.validation:g} % of the split {data.train_split!r}"
    return f"split {data.test_split!r}" if data.test_split else "test split"


def nearest_recipe(config: RunConfig) -> tuple[str, dict[str, Any]]:
    """Name the recipe that a configuration differs least from, and the fields in which it differs."""
    found = {name: changes(make_config({}, name, load_recipe(name)), config) for name in recipe_names()}
    return min(found.items(), key=lambda entry: len(entry[1]))
