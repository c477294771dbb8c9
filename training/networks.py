"""From a run's configuration to its network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

import keras_resnet
from keras_resnet.build.head import TOP, has_sigmoids, has_top
from keras_resnet.layers.conventions import spatial_axes
from keras_resnet.preprocessing import Preprocessing
from keras_resnet.weights.named import is_collection, is_name, only_network
from keras_resnet.weights.own import load_network, load_weights, written_here
from training.config import Network, Start
from training.config.groups import NAMED
from training.run_folder import RunFolder
from training.tasks import ANY, ONE, Task

DEFAULT_NETWORK = "ResNet20"


def make_architecture(network: Network, start: Start, synchronized: bool = False) -> keras_resnet.Architecture | None:
    """Turn the configuration's choices into an Architecture; None where the weights to start from decide it."""
    choices = choices_of(network, synchronized)
    if network.name is None and start.weights:
        if is_collection(start.weights) and only_network(start.weights) is None:
            raise ValueError(f"weights={start.weights!r} are published of several networks; name one by --network.")
        if choices:
            raise ValueError(
                f"{', '.join(choices)} cannot be chosen for the network that weights={start.weights!r} hold; name the "
                "network too, by --network."
            )
        return None
    try:
        return keras_resnet.get_architecture(network.name or DEFAULT_NETWORK).replace(**choices)
    except TypeError as error:
        raise ValueError(f"network.choices: {error}") from error


def choices_of(network: Network, synchronized: bool) -> dict[str, Any]:
    """Gather the fields of an Architecture that a configuration sets."""
    named = {field: getattr(network, field) for field in NAMED}
    choices = {**network.choices, **{field: value for field, value in named.items() if value is not None}}
    return {**choices, "synchronized": True} if synchronized else choices


def load_start(
    network: Network, start: Start, architecture: keras_resnet.Architecture | None, synchronized: bool = False
) -> keras.Model | None:
    """Load the network that a run starts from; None for a fresh one, or where a file holds the weights alone."""
    if start.weights is None:
        return None
    choices = choices_of(network, synchronized)
    if is_name(start.weights):
        top = {"include_top": False} if start.new_head else {}
        return keras_resnet.network_of(start.weights, network.name, **top, **choices)
    path = Path(start.weights)
    if RunFolder(path).config_file.is_file():
        path = RunFolder(path).model_file
    if not path.exists():
        raise ValueError(f"weights={start.weights!r} is neither a file nor a run folder with a network.")
    kind = written_here(path) if path.is_file() else None  # a folder is one of KerasHub or timm
    if kind == "weights":
        if architecture is None or start.new_head:
            raise ValueError(
                f"weights={start.weights!r} holds weights alone, not their network; give its run folder, its .keras "
                "file, or its network without a new head."
            )
        return None
    if kind == "network":
        return _own_network(path, architecture, network.name)
    return keras_resnet.network_of(path, network.name, **choices)


def _own_network(path: Path, architecture: keras_resnet.Architecture | None, name: str | None) -> keras.Model:
    """Load a network of this package; where an architecture is asked for, as that."""
    loaded = load_network(path)
    if architecture is None:
        return loaded
    top = has_top(loaded)
    model = keras_resnet.ResNet(
        architecture,
        input_shape=loaded.input_shape[1:],
        include_top=top,
        classes=loaded.output_shape[-1] if top else None,
        classifier_activation=loaded.get_layer(TOP).activation if top else None,
        name=name.lower(),
    )
    load_weights(model, path)
    model.preprocessing = loaded.preprocessing
    return model


def image_size(architecture: keras_resnet.Architecture | None, start: keras.Model | None) -> tuple[int, int]:
    """Give the size (height, width) of the images that a network is for, where nothing else decides it."""
    if start is None:
        return (architecture.image_size,) * 2
    contract = start.preprocessing
    size = contract.size if contract else tuple(start.input_shape[axis] for axis in spatial_axes())
    if None in size:
        raise ValueError(f"{start.name!r}, the network to start from, takes images of any size; set image_size.")
    return size


def make_model(
    architecture: keras_resnet.Architecture | None,
    preprocessing: Preprocessing,
    classes: int,
    *,
    task: Task = ONE,
    name: str | None,
    start: Start,
    loaded: keras.Model | None = None,
) -> keras.Model:
    """Build the network for a data set's images and classes, on the one that was loaded to start from, if any."""
    shape = (*preprocessing.size, preprocessing.channels)
    if loaded is None:
        model = keras_resnet.ResNet(
            architecture,
            weights=start.weights,
            input_shape=shape,
            classes=classes,
            classifier_activation=task.activation,
            name=(name or DEFAULT_NETWORK).lower(),
        )
    elif start.new_head:
        model = keras_resnet.transfer(loaded, classes, shape, classifier_activation=task.activation)
    else:
        model = keras_resnet.transfer(loaded, input_shape=shape)
    if model.output_shape != (None, classes):
        raise ValueError(
            f"weights={start.weights!r} are of a network that gives {loaded.output_shape}, and the data set has "
            f"{classes} classes. Set new_head to put a new classifier on it."
        )
    check_task(model, task, f"weights={start.weights!r}", "Set new_head to put a new classifier on it.")
    model.preprocessing = preprocessing
    return model


def check_task(model: keras.Model, task: Task, origin: str, advice: str) -> None:
    """Refuse a network that was trained on images with another number of labels."""
    own = ANY if has_sigmoids(model) else ONE
    if own is not task:
        raise ValueError(
            f"{origin} are of a network for images with {own.labels} of the classes, and the images of the data set "
            f"have {task.labels}. {advice}"
        )
