"""An architecture as plain values, as they stand in files, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_resnet.architecture.fields import Fields
from keras_resnet.architecture.table import FIELDS, TABLE
from keras_resnet.choices.activations import KERAS_FUNCTIONS, Activation, activation_factory
from keras_resnet.messages import shortened

# Entries of a serialized prototype that each site sets anew, or that belong to the file it stood in.
INCIDENTAL = ("name", "trainable", "build_config", "shared_object_id")


def plain(architecture: Fields) -> dict[str, Any]:
    """Write an architecture as values that JSON can hold."""
    values = {name: getattr(architecture, name) for name in FIELDS}
    values["activation"] = plain_activation(architecture.activation)
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def plain_activation(activation: Activation) -> str | dict[str, Any]:
    """Write an activation by its name, as a mapping of `name` and parameters, or as Keras's configuration."""
    if isinstance(activation, str):
        return activation
    if isinstance(activation, Mapping):
        return _stripped(activation) if "class_name" in activation else dict(activation)
    import keras

    name = getattr(activation, "__name__", None)
    if name in KERAS_FUNCTIONS and activation is getattr(keras.activations, name):
        return name
    if isinstance(activation, type):
        activation = activation_factory(activation)(name="prototype")
    return _stripped(keras.saving.serialize_keras_object(activation))


def _stripped(config: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a serialized layer what belongs to one site, or is the present dtype policy."""
    outer = {key: value for key, value in config.items() if key not in INCIDENTAL}
    if not isinstance(outer.get("config"), Mapping):
        return outer
    import keras

    inner = {key: value for key, value in outer["config"].items() if key not in INCIDENTAL}
    if inner.get("dtype") == keras.saving.serialize_keras_object(keras.config.dtype_policy()):
        del inner["dtype"]
    return {**outer, "config": inner}


def checked_fields(values: object) -> dict[str, Any]:
    """Take the fields of an architecture from plain values of a file, which may be from anybody."""
    if not isinstance(values, Mapping):
        raise ValueError(f"an architecture is a mapping of fields to values; received {shortened(values)}.")
    for name in values:
        if name not in FIELDS:
            raise ValueError(
                f"an architecture has no field {shortened(name)}; if a later version of keras_resnet wrote it, update."
            )
    for name, field in TABLE.items():
        if field.is_required and name not in values:
            raise ValueError(f"an architecture needs the field {name!r}, which is missing.")
    return dict(values)
