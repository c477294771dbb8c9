"""From a run's configuration to its network."""

from __future__ import annotations

import contextlib
from typing import Any

import keras
import yaml

import keras_resnet
from keras_resnet.preprocessing import Preprocessing
from training import datasets
from training.config import RunConfig


def make_architecture(config: RunConfig) -> keras_resnet.Architecture:
    """Turn the configuration's choices into an Architecture.

    Args:
        config: RunConfig.

    Returns:
        keras_resnet.Architecture.

    Raises:
        ValueError: the network or a choice is unknown or impossible.
    """
    choices = _mapping(config.choices, "choices") if config.choices else {}
    for field in ("shortcut", "placement", "activation"):
        if text := (getattr(config, field) or "").strip():
            choices[field] = _mapping(text, field) if text.startswith("{") else text
    if config.synchronized:
        choices["synchronized"] = True
    try:
        return keras_resnet.get_architecture(config.network).replace(**choices)
    except TypeError as error:
        raise ValueError(f"choices: {error}") from error


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


def make_model(
    architecture: keras_resnet.Architecture, config: RunConfig, source: datasets.Source, preprocessing: Preprocessing
) -> keras.Model:
    """Build the network for the data set's images and classes.

    Args:
        architecture: keras_resnet.Architecture.
        config: RunConfig.
        source: datasets.Source.
        preprocessing: Preprocessing.

    Returns:
        keras.Model that gives probabilities, and carries its input contract.
    """
    model = keras_resnet.ResNet(
        architecture,
        weights=config.weights,
        input_shape=(*preprocessing.size, preprocessing.channels),
        classes=len(source.classes),
        name=config.network.lower(),
    )
    model.preprocessing = preprocessing
    return model
