"""Activations: the factory that puts a fresh layer at each site of a network, and those that learn.

An activation that learns, or that changes the number of channels, is a function `(name, **parameters) -> layer` in a
registry. Its keyword-only parameters are what a user may set: `activation={"name": "maxout", "pieces": 3}`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import keras

from keras_resnet.activation_layers import Maxout, PiecewiseLinear, Rational, TrainableSwish
from keras_resnet.layers import spatial_axes
from keras_resnet.messages import unknown
from keras_resnet.parameters import Range, parse_choice, registering

Activation = str | Callable | type[keras.layers.Layer] | keras.layers.Layer | Mapping[str, Any]

# The activations that are layers, by the names that users write; all others are functions.
LAYERS: dict[str, Callable[..., keras.layers.Layer]] = {}
activation = registering(LAYERS)


@activation("prelu")
def prelu(name: str, *, slope: Annotated[float, Range(-10, 10)] = 0.25) -> keras.layers.Layer:
    """Give ReLU a slope for the negative part that is learned, one a channel.

    Args:
        name: str, the layer's.
        slope: float, at the start.

    Returns:
        keras.layers.PReLU.

    Source: arXiv 1502.01852, section 2.1, "channel-wise".
    """
    # Keras's default is a slope for each pixel, which needs a fixed image size.
    return keras.layers.PReLU(keras.initializers.Constant(slope), shared_axes=spatial_axes(), name=name)


@activation("trainable_swish")
def trainable_swish(name: str, *, beta: Annotated[float, Range(-10, 10)] = 1.0) -> keras.layers.Layer:
    """Learn the beta of Swish, one a channel.

    Args:
        name: str, the layer's.
        beta: float, at the start; 1 is SiLU.

    Returns:
        TrainableSwish.

    Source: arXiv 1710.05941, section 4.
    """
    return TrainableSwish(beta, name=name)


@activation("piecewise_linear")
def piecewise_linear(name: str, *, hinges: Annotated[int, Range(1, 17)] = 2) -> keras.layers.Layer:
    """Learn a piecewise linear function for each channel, which starts as ReLU.

    Args:
        name: str, the layer's.
        hinges: int, pieces beside those of ReLU.

    Returns:
        PiecewiseLinear.

    Source: arXiv 1412.6830, equation 1.
    """
    return PiecewiseLinear(hinges, name=name)


@activation("rational")
def rational(name: str) -> keras.layers.Layer:
    """Learn a rational function at each site, which starts near ReLU.

    Args:
        name: str, the layer's.

    Returns:
        Rational.

    Source: arXiv 1907.06732, equation 2, "safe PAU".
    """
    return Rational(name=name)


@activation("maxout")
def maxout(name: str, *, pieces: Annotated[int, Range(2, 65)] = 2) -> keras.layers.Layer:
    """Take the greatest of several linear maps; the convolution before gives so many times the channels.

    Args:
        name: str, the layer's.
        pieces: int, linear maps to a channel.

    Returns:
        Maxout.

    Source: arXiv 1302.4389, section 3.
    """
    return Maxout(pieces, name=name)


def activation_factory(activation: Activation) -> Callable[..., keras.layers.Layer]:
    """Turn any description of an activation into a maker of fresh layers.

    Every call of the maker gives a layer of its own, so that a trainable activation learns at each site.

    Args:
        activation: a name ("relu", "gelu", "prelu", ...), a mapping of `name` and parameters, a function, a Layer
            class, a Layer instance that serves as prototype, or a serialised Keras config (dict).

    Returns:
        Function `(name) -> keras.layers.Layer`.

    Raises:
        ValueError: the activation is unknown; or a function without a name, which no saved file could hold; or a
            layer with weights, which sites cannot share.
    """
    if _is_named(activation):
        name, parameters = parse_choice("activation", activation, LAYERS)
        return functools.partial(LAYERS[name], **parameters)
    if isinstance(activation, str):
        activation = _function_of(activation)
    if isinstance(activation, Mapping):
        activation = _deserialise(activation)
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


def channels_taken(activation: Activation) -> int:
    """Tell how many channels an activation takes for each that it gives.

    Args:
        activation: as of `activation_factory`.

    Returns:
        int; 1 but for maxout.
    """
    return getattr(activation_factory(activation)(name="probe"), "pieces", 1)


def _is_named(activation: Activation) -> bool:
    """Tell whether a value is a name in the registry, alone or in a mapping of `name` and parameters."""
    if isinstance(activation, Mapping):
        return "name" in activation
    return isinstance(activation, str) and activation in LAYERS


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
        return functools.partial(layer, shared_axes=spatial_axes())
    return layer


def _from_prototype(prototype: keras.layers.Layer) -> Callable[..., keras.layers.Layer]:
    if prototype.weights:
        raise ValueError(
            f"activation is a layer with weights of its own, {prototype.name!r}, and the sites of a network cannot "
            f"share it: pass a fresh {type(prototype).__name__}(...), which each site copies."
        )
    config = prototype.get_config()
    return lambda name: type(prototype).from_config({**config, "name": name})
