"""What is evaluated: the network of a run or of a file of weights, on the data that it is to be tested on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras

from keras_resnet.preprocessing import Preprocessing, contract_of
from keras_resnet.weights.loading import network_of
from training.config import FIELDS, RunConfig, make_config
from training.config.fields import flat_config, is_of_files
from training.data import datasets
from training.data_record import check_classes
from training.distribution import devices_here, distribution_of
from training.evaluation.testing import evaluate
from training.named import names_run
from training.networks import check_task
from training.run_folder import RunFolder

# What only image files have, as it stands for all other data.
OF_FILES = {path: FIELDS[path].default for path in ("data.on_bad_image", "data.label_separator")}


class Protocol(NamedTuple):
    """What a network is tested on, so that it can be compared with another.

    Args:
        name: str, of the network.
        dataset: str.
        data_dir: str, of image files; None of another data set, which its name tells.
        split: str.
        held_out: tuple of the share and the seed of a validation split that is parted from the training split; None of
            another split.
        classes: tuple of str.
        views: dict of name and parameters.
    """

    name: str
    dataset: str
    data_dir: str | None
    split: str
    held_out: tuple[float, int] | None
    classes: tuple[str, ...]
    views: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A trained network, and what it is tested on.

    Args:
        name: str, as the user named it.
        model: keras.Model.
        source: Source.
        preprocessing: Preprocessing, the network's input contract.
        config: RunConfig.
    """

    name: str
    model: keras.Model
    source: datasets.Source
    preprocessing: Preprocessing
    config: RunConfig

    @property
    def protocol(self) -> Protocol:
        """What the network is tested on."""
        data, source = self.config.data, self.source
        return Protocol(
            name=self.name,
            dataset=data.dataset,
            data_dir=str(data.data_dir) if is_of_files(data.dataset) else None,
            split=source.test_split,
            held_out=(data.validation, data.validation_seed) if source.test_split in source.parts else None,
            classes=tuple(source.classes),
            views=self.config.evaluation.views,
        )

    def evaluate(self, progress: bool = False) -> dict[str, Any]:
        """Evaluate the network.

        Args:
            progress: bool, whether to show how far it is.

        Returns:
            Dict of the results, as of `training.evaluation.testing.evaluate`.

        Raises:
            ValueError: as there.
        """
        return evaluate(self.model, self.source, self.preprocessing, self.config, progress)


def open_named(name: str, network: str | None, changes: dict[str, Any], best: bool = False) -> Candidate:
    """Load what a user names, a run folder or weights, and open the data set that it is tested on.

    Args:
        name: str, what `training.named.names_run` takes.
        network: str, name of the network of weights, or None.
        changes: dict of fields of the configuration to set otherwise.
        best: bool, whether to take the network of a run's best epoch.

    Returns:
        Candidate.

    Raises:
        ValueError: as of `names_run`, `evaluate_run` and `evaluate_file`.
    """
    if names_run(name, network, best):
        return open_run(RunFolder(Path(name)), changes, best)
    return open_file(name, network, changes)


def open_run(folder: RunFolder, changes: Mapping[str, Any], best: bool = False, *, only_test: bool = True) -> Candidate:
    """Load the network of a run folder, and open its data set or another with the same classes.

    Of that, nothing is read but the split to test on, if it is `only_test`.
    """
    before = flat_config(folder.read_config())
    if not is_of_files(changes.get("dataset", before["data.dataset"])):
        before |= OF_FILES
    config = make_config(changes, "evaluate", before)
    if config.hardware.devices == before["hardware.devices"]:  # which decide nothing of what is measured
        devices = devices_here(config.hardware.devices, str(folder.path))
        config = config.model_copy(update={"hardware": config.hardware.model_copy(update={"devices": devices})})
    distribution = distribution_of(config.hardware)  # before TensorFlow, which reads, takes them
    source = datasets.open_source(config.data, only_test=only_test)
    check_classes(folder, source)
    with distribution.scope():
        model = folder.load_model(best)
    check_task(model, source.task, f"The weights of {folder.path}", "Name other data.")
    return Candidate(str(folder.path), model, source, folder.read_preprocessing(), config)


def open_file(path: str | os.PathLike, network: str | None, changes: dict[str, Any]) -> Candidate:
    """Load the network of weights, and open a data set with as many classes."""
    if "dataset" not in changes:
        raise ValueError(f"{path} names weights, which do not say what to test them on: give --dataset.")
    config = make_config({"epochs": 1, **changes}, "evaluate")
    distribution = distribution_of(config.hardware)  # before TensorFlow, which reads, takes them
    source = datasets.open_source(config.data, only_test=True)
    with distribution.scope():
        model = network_of(path, network)
    classes = model.output_shape[-1]
    if classes != len(source.classes):
        raise ValueError(
            f"{config.data.dataset!r} has {len(source.classes)} classes, and the network of {path} {classes}."
        )
    check_task(model, source.task, f"The weights of {os.fspath(path)}", "Name other data.")
    return Candidate(os.fspath(path), model, source, contract_of(model), config)


def evaluate_run(folder: RunFolder, changes: dict[str, Any], progress: bool = False) -> dict[str, Any]:
    """Evaluate the network of a run folder on its data set, or on another with the same classes.

    Args:
        folder: RunFolder.
        changes: fields of the configuration to set otherwise, by name, such as data_dir or evaluation.views.
        progress: bool, whether to show how far it is.

    Returns:
        Dict of the results, as of `training.run.train`.

    Raises:
        ValueError: the folder is not one of a run, its data set has other classes, or the network cannot take the
            views.
    """
    return open_run(folder, changes).evaluate(progress)


def evaluate_file(
    path: str | os.PathLike, network: str | None, changes: dict[str, Any], progress: bool = False
) -> dict[str, Any]:
    """Evaluate a `.keras` file, or weights that other code wrote, as their input contract says.

    Args:
        path: file, or a name, as `keras_resnet.network_of` takes it.
        network: str, name of the network, or None for what the weights tell.
        changes: fields of the configuration: dataset, and such as data_dir or evaluation.views.
        progress: bool, whether to show how far it is.

    Returns:
        Dict of the results, as of `training.run.train`.

    Raises:
        ValueError: the file cannot be read, holds another network, carries no contract, the data set has another
            number of classes, or the network cannot take the views.
    """
    return open_file(path, network, changes).evaluate(progress)
