"""From a run's configuration to its network."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import keras
import yaml

import keras_resnet
from keras_resnet.build.head import has_top
from keras_resnet.layers.conventions import spatial_axes
from keras_resnet.preprocessing import Preprocessing
from keras_resnet.weights.own import load_network, load_weights, written_here
from training import datasets
from training.config import RunConfig
from training.run_folder import RunFolder

DEFAULT_NETWORK = "ResNet20"


def make_architecture(config: RunConfig) -> keras_resnet.Architecture | None:
    """Turn the configuration's choices into an Architecture.

    Args:
        config: RunConfig.

    Returns:
        keras_resnet.Architecture; None where the weights to start from decide it.

    Raises:
        ValueError: the network or a choice is unknown or impossible, a choice is made for a network without a name, or
            a field needs weights and there are none.
    """
    choices = choices_of(config)
    for field in ("new_head", "standardize"):
        if not config.weights and getattr(config, field) in (True, "weights"):
            raise ValueError(f"{field}={getattr(config, field)} needs weights, the network to start from.")
    if config.network is None and config.weights:
        if config.weights == "imagenet":
            raise ValueError("weights='imagenet' are published of several networks; name one by --network.")
        if choices:
            raise ValueError(
                f"{', '.join(choices)} cannot be chosen for the network that weights={config.weights!r} hold; name the "
                "network too, by --network."
            )
        return None
    try:
        return keras_resnet.get_architecture(config.network or DEFAULT_NETWORK).replace(**choices)
    except TypeError as error:
        raise ValueError(f"choices: {error}") from error


def choices_of(config: RunConfig) -> dict[str, Any]:
    """Gather the fields of an Architecture that a configuration sets.

    Args:
        config: RunConfig.

    Returns:
        Dict of fields to values.

    Raises:
        ValueError: a field is not written as a mapping.
    """
    choices = _mapping(config.choices, "choices") if config.choices else {}
    for field in ("shortcut", "placement", "activation"):
        if text := (getattr(config, field) or "").strip():
            choices[field] = _mapping(text, field) if text.startswith("{") else text
    if config.synchronized:
        choices["synchronized"] = True
    return choices


def _mapping(text: str, field: str) -> dict[str, Any]:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"{field}={text!r} is not a mapping, such as '{{name: A, zeros: both}}'.")
    return _plain(value)


def _plain(item: Any) -> Any:
    """Make a tuple of a list, and a number of what YAML leaves a text, as in 1e-4."""
    if isinstance(item, dict):
        return {key: _plain(value) for key, value in item.items()}
    if isinstance(item, str):
        with contextlib.suppress(ValueError):
            return float(item)
    return tuple(item) if isinstance(item, list) else item


def start_of(config: RunConfig, architecture: keras_resnet.Architecture | None) -> keras.Model | None:
    """Load the network that a run starts from, as it was trained.

    Args:
        config: RunConfig.
        architecture: keras_resnet.Architecture that the configuration asks for, or None for that of the weights.

    Returns:
        keras.Model; None for a fresh network, or one whose weights file says nothing but the weights.

    Raises:
        ValueError: there is no such file, or it is of another network.
    """
    if config.weights is None:
        return None
    if config.weights == "imagenet":
        return keras_resnet.ResNet(
            config.network, weights="imagenet", include_top=not config.new_head, **choices_of(config)
        )
    path = Path(config.weights)
    if RunFolder(path).config_file.is_file():
        path = RunFolder(path).model_file
    if not path.exists():
        raise ValueError(f"weights={config.weights!r} is neither a file nor a run folder with a network.")
    kind = written_here(path) if path.is_file() else None  # a folder of KerasHub is none of ours
    if kind == "weights":
        if architecture is None or config.new_head:
            raise ValueError(
                f"weights={config.weights!r} holds weights alone, not their network; give its run folder, its .keras "
                "file, or its network without a new head."
            )
        return None
    if kind == "network":
        return _own_network(path, architecture, config.network)
    return keras_resnet.network_of(path, config.network, **choices_of(config))


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
        name=name.lower(),
    )
    load_weights(model, path)
    model.preprocessing = loaded.preprocessing
    return model


def image_size(architecture: keras_resnet.Architecture | None, start: keras.Model | None) -> tuple[int, int]:
    """Give the size of the images that a network is for, where nothing else decides it.

    Args:
        architecture: keras_resnet.Architecture, or None where there is a network to start from.
        start: keras.Model to start from, or None.

    Returns:
        Tuple (height, width), in pixels.

    Raises:
        ValueError: the network to start from takes any size.
    """
    if start is None:
        return (architecture.image_size,) * 2
    contract = start.preprocessing
    size = contract.size if contract else tuple(start.input_shape[axis] for axis in spatial_axes())
    if None in size:
        raise ValueError(f"{start.name!r}, the network to start from, takes images of any size; set image_size.")
    return size


def make_model(
    architecture: keras_resnet.Architecture | None,
    config: RunConfig,
    source: datasets.Source,
    preprocessing: Preprocessing,
    start: keras.Model | None = None,
) -> keras.Model:
    """Build the network for the data set's images and classes.

    Args:
        architecture: keras_resnet.Architecture; None where there is a network to start from.
        config: RunConfig.
        source: datasets.Source.
        preprocessing: Preprocessing.
        start: keras.Model to start from, as of `start_of`, or None.

    Returns:
        keras.Model that gives probabilities, and carries its input contract.

    Raises:
        ValueError: the network to start from has other classes, or cannot take such images.
    """
    classes, shape = len(source.classes), (*preprocessing.size, preprocessing.channels)
    if start is None:
        name = (config.network or DEFAULT_NETWORK).lower()
        model = keras_resnet.ResNet(architecture, weights=config.weights, input_shape=shape, classes=classes, name=name)
    else:
        model = keras_resnet.transfer(start, classes if config.new_head else None, shape)
    if model.output_shape != (None, classes):
        raise ValueError(
            f"weights={config.weights!r} are of a network that gives {start.output_shape}, and {source.name!r} has "
            f"{classes} classes. Set new_head to put a new classifier on it."
        )
    model.preprocessing = preprocessing
    return model
