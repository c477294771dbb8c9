"""Training, fine-tuning and prediction as one call each, as from the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.config import load_recipe, make_config

if TYPE_CHECKING:
    from training.data.arrays import Examples


def train(
    run_dir: str | os.PathLike,
    recipe: str = "digits",
    *,
    train: Examples | None = None,
    test: Examples | None = None,
    classes: Sequence[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    export: bool = False,
    **fields: Any,
) -> dict[str, Any]:
    """Train a network on a data set, image files or arrays, and leave a run folder.

    The same as `python -m training --recipe RECIPE --run-dir RUN_DIR`, with fields as options. Seeds, dtype policy and
    determinism of the process are after it as they were before.

    Args:
        run_dir: folder to make for the run.
        recipe: str, name of the recipe that gives all other fields.
        train: tuple (images, labels) of arrays to train on instead of a data set: values 0 to 255 of shape (count,
            height, width, channels), or (count, height, width) for grey images, and integers (count,) from 0; or
            integers 0 and 1 of shape (count, classes), where an image may have any number of classes.
        test: tuple of the same kind to test on; without it set `validation`, a share of `train`.
        classes: sequence of str, the names of the classes of arrays; default their numbers.
        resume: bool, whether to go on with an interrupted run in that folder; with the same arrays.
        overwrite: bool, whether to replace a run in that folder.
        export: bool, whether to write a SavedModel too.
        **fields: fields of `RunConfig` to set otherwise, by short name or in groups, as in `data_dir="flowers"`,
            `epochs=20`, `optimizer={"name": "sgd", "learning_rate": 0.01}`.

    Returns:
        Dict of the test results: split, examples, loss and accuracy; or what else
        `training.evaluation.testing.evaluate` gives of images of any number of classes.

    Raises:
        ValueError: something in the fields, the data or the folder does not work.
        OSError: a file cannot be written.
    """
    from training import run  # imports TensorFlow
    from training.data.arrays import make_arrays
    from training.run_folder import RunFolder

    arrays = None
    if train is not None:
        arrays = make_arrays(train, test, classes)
        fields = {**fields, "dataset": "arrays", "data.arrays": arrays.digest, "data_dir": None}
    elif test is not None or classes is not None:
        raise ValueError("test and classes are those of arrays; give arrays to train on too, by train.")
    config = make_config(fields, "training", load_recipe(recipe))
    return run.train(config, RunFolder(Path(run_dir)), resume, overwrite, export, arrays=arrays)


def fine_tune(
    weights: str | os.PathLike, run_dir: str | os.PathLike, recipe: str = "fine-tune", **options: Any
) -> dict[str, Any]:
    """Put a new classifier on a trained network and train both on another data set, the head first.

    The same as `python -m training --recipe fine-tune --weights WEIGHTS --run-dir RUN_DIR`, with fields as options.

    Args:
        weights: run folder, file of this package, checkpoint of others, "hf://owner/name", or "imagenet" or "cifar10"
            with `network`.
        run_dir: folder to make for the run.
        recipe: str, name of the recipe that gives all other fields.
        **options: those of `train`, arrays among them, and fields such as `freeze=("conv1", "conv2")`,
            `start={"head_epochs": 2}`.

    Returns:
        Dict of the test results: split, examples, loss and accuracy.

    Raises:
        ValueError: something in the fields, the data, the weights or the folder does not work.
        OSError: a file cannot be written.
    """
    return train(run_dir, recipe, weights=os.fspath(weights), **options)


def predict(
    what: str | os.PathLike,
    images: str | os.PathLike | Sequence[str | os.PathLike],
    *,
    network: str | None = None,
    labels: str | os.PathLike | None = None,
    best: bool = False,
    top: int | None = None,
    threshold: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Classify image files with a trained network, a batch at a time; for arrays there is `keras_resnet.classify`.

    The same as `python -m training predict RUN IMAGE ...`.

    Args:
        what: run folder, `.keras` file, file or folder of weights that other code wrote, "hf://owner/name", or the name
            of a collection of weights, as "cifar10" or "imagenet".
        images: a path or a sequence of them: files, folders of image files at any depth, patterns as in "photos/*.jpg".
        network: str, name of the network of weights; a collection of several needs it, of others the file tells.
        labels: file of the names of the classes, one a line; default those that `what` tells, or else numbers.
        best: bool, whether to take the network of a run's best epoch.
        top: int, how many of the most probable classes to give at most.
        threshold: float, probability over which a class is given. Without both, three are given; of a network for
            images of any number of classes, those over 1/2.

    Returns:
        Iterator of dicts, one an image: image, threshold where one decides, and classes, a list of {label,
        probability}, most probable first; or image, and error, a sentence, where the image cannot be read.

    Raises:
        ValueError: there is no such network or image, or an argument is not allowed or for another kind of network.
        OSError: a folder cannot be read.
    """
    from training.prediction.classifiers import open_classifier  # imports TensorFlow
    from training.prediction.finding import find_images
    from training.prediction.predicting import predict_files

    found = find_images([images] if isinstance(images, (str, os.PathLike)) else images)
    classifier = open_classifier(what, network, best=best, labels=labels)
    return predict_files(classifier, found.paths, top, threshold)
