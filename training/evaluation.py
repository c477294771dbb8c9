"""Evaluation of a trained network on a data set."""

from __future__ import annotations

import os
from typing import Any

import keras
import tensorflow as tf

from keras_resnet.preprocessing import Preprocessing, contract_of
from keras_resnet.weights.loading import network_of
from training.config import RunConfig, make_config
from training.config.fields import flat_config
from training.data import datasets
from training.data.batches import blanks, test_batches
from training.distribution import strategy_of
from training.metrics import Accuracy, TopAccuracy
from training.run_folder import RunFolder


def metrics_for(classes: int) -> list[keras.metrics.Metric]:
    """Choose the metrics of a classification."""
    metrics = [Accuracy(name="accuracy")]
    if classes >= 100:
        metrics.append(TopAccuracy(5, name="top_5_accuracy"))
    return metrics


class CheckCount(keras.callbacks.Callback):
    """Ends a run or an evaluation in which not every image of the test split was counted."""

    def __init__(self, source: datasets.Source, replicas: int):
        super().__init__()
        self.source, self.replicas = source, replicas

    def on_test_end(self, logs=None) -> None:
        """Compare the number of examples behind the loss with the size of the split."""
        (loss,) = (metric for metric in self.model.metrics if metric.name == "loss")
        count = self.source.count(self.source.test_split)
        counted = int(keras.ops.convert_to_numpy(loss.count)) - blanks(count, self.replicas)
        if counted != count:
            raise ValueError(
                f"The evaluation counted {counted} images of {self.source.test_split!r}, which has {count}; its "
                f"figures are not kept. The data of {self.source.name!r} are incomplete: prepare them anew."
            )


def evaluate(
    model: keras.Model,
    source: datasets.Source,
    preprocessing: Preprocessing,
    config: RunConfig,
    progress: bool = False,
) -> dict[str, Any]:
    """Evaluate a network on the test split, every image once and in a single view."""
    strategy = strategy_of(config.hardware)
    replicas = strategy.num_replicas_in_sync
    data = test_batches(source, source.test_split, preprocessing, config.batch_size, replicas)
    with strategy.scope():
        metrics = metrics_for(len(source.classes))
        model.compile(loss=keras.losses.SparseCategoricalCrossentropy(), weighted_metrics=metrics)
    checks = [CheckCount(source, replicas)]
    try:
        results = model.evaluate(data, verbose=int(progress), return_dict=True, callbacks=checks)
    except tf.errors.OpError:
        datasets.check_images(source, source.test_split)  # names the files that are no images, where that is the cause
        raise
    figures = {name: float(value) for name, value in results.items()}
    return {"split": source.test_split, "examples": source.count(source.test_split), **figures}


def evaluate_run(folder: RunFolder, changes: dict[str, Any], progress: bool = False) -> dict[str, Any]:
    """Evaluate the network of a run folder on its data set, or on another with the same classes.

    Args:
        folder: RunFolder.
        changes: fields of the configuration to set otherwise, by name, such as data_dir or test_split.
        progress: bool, whether to show how far it is.

    Returns:
        Dict of the results, as of `training.run.train`.

    Raises:
        ValueError: the folder is not one of a run, or its data set has other classes.
    """
    config = make_config(changes, "evaluate", flat_config(folder.read_config()))
    source = datasets.open_source(config.data)
    labels = folder.read_labels()
    if list(source.classes) != labels:
        raise ValueError(f"{config.data.dataset!r} has other classes than the network was trained on: {labels}.")
    with strategy_of(config.hardware).scope():
        model = folder.load_model()
    return evaluate(model, source, folder.read_preprocessing(), config, progress)


def evaluate_file(
    path: str | os.PathLike, network: str | None, changes: dict[str, Any], progress: bool = False
) -> dict[str, Any]:
    """Evaluate a `.keras` file, or weights that other code wrote, as their input contract says.

    Args:
        path: file, or a name, as `keras_resnet.network_of` takes it.
        network: str, name of the network, or None for what the weights tell.
        changes: fields of the configuration: dataset, and such as data_dir or test_split.
        progress: bool, whether to show how far it is.

    Returns:
        Dict of the results, as of `training.run.train`.

    Raises:
        ValueError: the file cannot be read, holds another network, carries no contract, or the data set has another
            number of classes.
    """
    if "dataset" not in changes:
        raise ValueError(f"{path} names weights, which do not say what to test them on: give --dataset.")
    config = make_config({"epochs": 1, **changes}, "evaluate")
    source = datasets.open_source(config.data)
    with strategy_of(config.hardware).scope():
        model = network_of(path, network)
    classes = model.output_shape[-1]
    if classes != len(source.classes):
        raise ValueError(
            f"{config.data.dataset!r} has {len(source.classes)} classes, and the network of {path} {classes}."
        )
    return evaluate(model, source, contract_of(model), config, progress)
