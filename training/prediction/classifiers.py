"""What classifies images: the network of a run, of a file or of a name, and the names of its classes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import keras

from keras_resnet import imagenet_classes
from keras_resnet.build.head import TOP, has_top
from keras_resnet.classification import labels_for
from keras_resnet.labels import read_labels
from keras_resnet.preprocessing import Preprocessing, contract_of
from keras_resnet.weights.loading import network_of
from training.named import names_run
from training.run_folder import RunFolder

IMAGENET = "imagenet"  # the collection whose weights carry no names of classes, which are published apart


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained network, what it expects of images, and the names of its classes.

    Args:
        model: keras.Model.
        preprocessing: Preprocessing, its input contract.
        labels: sequence of str, in the order of its outputs.
    """

    model: keras.Model
    preprocessing: Preprocessing
    labels: tuple[str, ...]


def open_classifier(
    what: str | os.PathLike, network: str | None = None, *, best: bool = False, labels: str | os.PathLike | None = None
) -> Classifier:
    """Load what a user names.

    Args:
        what: what `training.named.names_run` takes.
        network: str, name of the network of weights; a collection of several needs it, of others the file tells.
        best: bool, whether to take the network of a run's best epoch.
        labels: file of the names of the classes, one a line. Default those that a run, a file or a collection tells, or
            else the numbers of the classes.

    Returns:
        Classifier.

    Raises:
        ValueError: there is no such thing, it holds no classifier or does not say what it expects of images, or the
            names are not as many as its classes; or an argument is for another kind of thing.
    """
    if names_run(what, network, best):
        return _of_run(RunFolder(Path(what)), best, labels)
    return _of_weights(what, network, labels)


def _of_run(folder: RunFolder, best: bool, labels: str | os.PathLike | None) -> Classifier:
    model, preprocessing = folder.load_model(best), folder.read_preprocessing()
    file = folder.labels_file if labels is None else Path(labels)
    return Classifier(model, preprocessing, _named(model, file))


def _of_weights(what: str | os.PathLike, network: str | None, labels: str | os.PathLike | None) -> Classifier:
    model = network_of(what, network)
    if not has_top(model):
        raise ValueError(f"{os.fspath(what)!r} holds a network without its classifier {TOP!r}.")
    if labels is not None:
        names = _named(model, Path(labels))
    elif what == IMAGENET:
        names = labels_for(model, imagenet_classes.labels())
    else:
        names = labels_for(model, model.labels or [str(number) for number in range(model.output_shape[-1])])
    return Classifier(model, contract_of(model), tuple(names))


def _named(model: keras.Model, file: Path) -> tuple[str, ...]:
    """Read the names of a network's classes."""
    names, outputs = read_labels(file), model.output_shape[-1]
    if len(names) != outputs:
        raise ValueError(f"{file} names {len(names)} classes, and the network has {outputs}; put back a copy.")
    return tuple(names)
