"""Activation factory: whatever names an activation becomes a fresh layer at each site of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_resnet.messages import unknown

Activation = str | Callable | type[keras.layers.Layer] | keras.layers.Layer | Mapping[str, Any]

# Activations that are layers because they learn, by the names that users write; all others are functions.
LAYERS: dict[str, type[keras.layers.Layer]] = {"prelu": keras.layers.PReLU}


def activation_factory(activation: Activation) -> Callable[..., keras.layers.Layer]:
    """Turn any description of an activation into a maker of fresh layers.

    Every call of the maker gives a layer of its own, so that a trainable activation learns at each site.

    Args:
        activation: a name ("relu", "gelu", "prelu", ...), a function, a Layer class, a Layer instance that
            serves as prototype, or a serialised Keras config (dict).

    Returns:
        Function `(name) -> keras.layers.Layer`.

    Raises:
        ValueError: the activation is unknown, or a function without a name, which no saved file could hold.
    """
    if isinstance(activation, Mapping):
        activation = _deserialise(activation)
    if isinstance(activation, str):
        activation = LAYERS.get(activation) or _function_of(activation)
    if isinstance(activation, type) and issubclass(activation, keras.layers.Layer):
        return _from_class(activation)
    if isinstance(activation, keras.layers.Layer):
        return _from_prototype(activation)
    if not callable(activation):
        raise ValueError(
            f"activation={activation!r} is neither a name, a function, a Layer class, a Layer nor a Keras config."
        )
    if getattr(activation, "__name__", "<lambda>") == "<lambda>":
        raise ValueError(
            "activation is a lambda or another function without a name, which no saved model can hold: define a "
            "function and decorate it with @keras.saving.register_keras_serializable()."
        )
    return lambda name: keras.layers.Activation(activation, name=name)


def _function_of(name: str) -> Callable:
    try:
        return keras.activations.get(name)
    except ValueError:
        raise ValueError(unknown("activation", name, sorted({*_keras_names(), *LAYERS}))) from None


def _keras_names() -> list[str]:
    functions = {name: getattr(keras.activations, name) for name in dir(keras.activations)}
    helpers = {"get", "serialize", "deserialize"}
    return [name for name, f in functions.items() if callable(f) and name not in helpers and name.islower()]


def _deserialise(config: Mapping[str, Any]) -> Any:
    try:
        return keras.saving.deserialize_keras_object(dict(config))
    except (TypeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"activation={dict(config)!r} is not a serialised Keras activation: {reason}") from error


def _from_class(layer: type[keras.layers.Layer]) -> Callable[..., keras.layers.Layer]:
    if issubclass(layer, keras.layers.PReLU):
        # One slope a channel, as in arXiv 1502.01852; Keras's default is one a pixel, which needs a fixed size.
        spatial = [1, 2] if keras.config.image_data_format() == "channels_last" else [2, 3]
        return lambda name: layer(shared_axes=spatial, name=name)
    return lambda name: layer(name=name)


def _from_prototype(prototype: keras.layers.Layer) -> Callable[..., keras.layers.Layer]:
    config = prototype.get_config()
    return lambda name: type(prototype).from_config({**config, "name": name})
