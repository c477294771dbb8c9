"""Weights of this package as a safetensors file and a card, a JSON file beside it that says what they are.

The card holds the network's Architecture, its input contract, the names of the classes, and how it was trained.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.build.head import POOLING, TOP, has_top, pooling_of
from keras_resnet.choices.activations import KERAS_FUNCTIONS
from keras_resnet.files import write_atomically, write_text
from keras_resnet.labels import check_labels
from keras_resnet.preprocessing import Preprocessing
from keras_resnet.weights.description import Description
from keras_resnet.weights.files.budget import Budget
from keras_resnet.weights.files.json_text import object_beside
from keras_resnet.weights.files.raw import UnreadableError, damaged, is_file, shortened
from keras_resnet.weights.network_config import check_class_names, check_contract, sound_architecture

WEIGHTS, CARD = ".safetensors", ".json"


@dataclass(frozen=True)
class Card(Description):
    """What a card says."""

    scheme = "keras_applications"  # as layers are named here
    tells_all = True

    fields: Mapping[str, Any]
    network: Architecture

    def architecture(self) -> Architecture:
        """Give the architecture that the weights are of."""
        return self.network

    def arguments(self) -> dict[str, Any]:
        """Give the network's name, the classifier's activation, and the pool that ends a network without one."""
        told = {name: self.fields.get(name) for name in ("classifier_activation", "pooling")}
        if isinstance(name := self.fields.get("network"), str):
            told["name"] = name.lower()
        return told

    def image_shape(self) -> tuple[int, int, int] | None:
        """Give height, width and channels of the images that the network was trained for."""
        contract = self.contract(0)
        return contract and (*contract.size, contract.channels)

    def contract(self, channels: int) -> Preprocessing | None:
        """Give what the weights expect of images."""
        contract = self.fields.get("preprocessing")
        return None if contract is None else Preprocessing(**contract)

    def labels(self) -> list[str] | None:
        """Name the classes."""
        return self.fields.get("labels")


def is_carded(path: str | os.PathLike | None) -> bool:
    """Tell whether a path is of weights beside which a card lies."""
    stem, ending = os.path.splitext(path or "")
    return ending == WEIGHTS and is_file(stem + CARD)


def describe(path: str) -> Card | None:
    """Read the card beside a safetensors file, if this package wrote one; whatever is in it is checked."""
    if not is_carded(path):
        return None
    try:
        fields = object_beside(*os.path.split(os.path.splitext(path)[0] + CARD))
        if not isinstance(fields.get("architecture"), dict):
            return None
        check_contract(fields.get("preprocessing"))
        check_class_names(fields.get("labels"))
        _check_arguments(fields)
        return Card(fields, sound_architecture(fields["architecture"], Budget(os.path.getsize(path))))
    except UnreadableError as error:
        raise ValueError(f"{path!r} has a card that cannot be read: it {error}") from error


def _check_arguments(fields: Mapping[str, Any]) -> None:
    """Refuse arguments of which Keras would make something else than an activation and a name."""
    activation, name = fields.get("classifier_activation"), fields.get("network")
    if not (activation is None or (isinstance(activation, str) and activation in KERAS_FUNCTIONS)):
        found = shortened(repr(activation), 80)
        raise damaged(f"its classifier ends in {found}, which is no name of an activation of Keras")
    if (pooling := fields.get("pooling")) not in (None, *POOLING):
        raise damaged(f"it pools by {shortened(repr(pooling), 80)}, and networks here pool by {' or '.join(POOLING)}")
    if isinstance(name, str) and "/" in name:
        raise damaged(f"its network is called {shortened(repr(name), 80)}, and no name has a '/' in it")


def write(path: str | os.PathLike, model: keras.Model, about: Mapping[str, Any]) -> Path:
    """Write the weights of a network, and a card with what it carries and what else is known about it.

    Args:
        path: safetensors file to write; the card lies beside it.
        model: keras.Model that carries its Architecture.
        about: further entries of the card.

    Returns:
        Path of the card.

    Raises:
        ValueError: the file has another ending, the network does not know what it is, or its classifier ends in an
            activation that is not Keras's.
        OSError: a file cannot be written; what stood there stays.
    """
    import safetensors.numpy

    path = Path(path)
    beside = path.with_suffix(CARD)
    if path.suffix != WEIGHTS:
        raise ValueError(f"Weights are written to a {WEIGHTS} file; received {str(path)!r}.")
    if model.architecture is None:
        raise ValueError(f"{model.name!r} does not carry its Architecture: it comes from a file of version 0.1.0.")
    check_labels(model.labels or ())
    carried = {
        "architecture": model.architecture.to_dict(),
        "preprocessing": model.preprocessing and model.preprocessing.to_dict(),
        "labels": model.labels and list(model.labels),
        "classifier_activation": _activation(model),
        "pooling": pooling_of(model),
    }
    arrays = {
        f"{layer.name}/{weight.name}": keras.ops.convert_to_numpy(weight)
        for layer in model.layers
        for weight in layer.weights
    }
    text = json.dumps({**about, **carried}, indent=1, allow_nan=False) + "\n"
    written = safetensors.numpy.save(arrays)  # its `save_file` makes files that only their owner may read
    write_atomically(path, lambda part: part.write_bytes(written))
    write_text(beside, text)
    return beside


def _activation(model: keras.Model) -> str | None:
    """Name the activation of a network's classifier; None for logits."""
    activation = model.get_layer(TOP).activation if has_top(model) else keras.activations.linear
    name = next((name for name in KERAS_FUNCTIONS if getattr(keras.activations, name) is activation), None)
    if name is None:
        raise ValueError(
            f"The classifier of {model.name!r} ends in an activation that is not Keras's, {activation!r}, which a card "
            "cannot name; save the network as a .keras file."
        )
    return None if name == "linear" else name
