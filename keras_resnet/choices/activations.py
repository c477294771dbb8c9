"""Activations: the factory that puts a fresh layer at each site of a network, and those that learn.

An activation that learns, or that changes the number of channels, is a function `(name, **parameters) -> layer` in a
registry. Its keyword-only parameters are what a user may set: `activation={"name": "maxout", "pieces": 3}`. One that
takes several channels for each that it gives has a parameter `pieces`, the number of them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from keras_resnet.choices.registry import Range, parse_choice, registering
from keras_resnet.messages import unknown

if TYPE_CHECKING:
    import keras

Activation: TypeAlias = str | Callable | Mapping[str, Any]  # layers and their classes are called too

# The activations that are layers, by the names that users write; all others are functions.
LAYERS: dict[str, Callable[..., keras.layers.Layer]] = {}
activation = registering(LAYERS)

# The names of Keras's own activation functions, by which a choice is checked without importing Keras.
KERAS_FUNCTIONS = (
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
)
# Those of Keras that no network can have, and why.
UNFIT = {
    "glu": "takes two channels for one, which no convolution before it allows for; take 'maxout', for which they do",
    "threshold": "needs two more arguments; register a function of your own that gives it these",
}


@activation("prelu")
def prelu(name: str, *, slope: Annotated[float, Range(-10, 10)] = 0.25) -> keras.layers.Layer:
    """Give ReLU a slope for the negative part that is learned, one a channel.

    Source: arXiv 1502.01852, section 2.1, "channel-wise".
    """
    import keras

    from keras_resnet.layers.conventions import spatial_axes

    # Keras's default is a slope for each pixel, which needs a fixed image size.
    return keras.layers.PReLU(keras.initializers.Constant(slope), shared_axes=spatial_axes(), name=name)


@activation("trainable_swish")
def trainable_swish(name: str, *, beta: Annotated[float, Range(-10, 10)] = 1.0) -> keras.layers.Layer:
    """Learn the beta of Swish, one a channel; 1 at the start is SiLU.

    Source: arXiv 1710.05941, section 4.
    """
    from keras_resnet.layers.activations import TrainableSwish

    return TrainableSwish(beta, name=name)


@activation("piecewise_linear")
def piecewise_linear(name: str, *, hinges: Annotated[int, Range(1, 17)] = 2) -> keras.layers.Layer:
    """Learn a piecewise linear function for each channel, which starts as ReLU; `hinges` are pieces beside its two.

    Source: arXiv 1412.6830, equation 1.
    """
    from keras_resnet.layers.activations import PiecewiseLinear

    return PiecewiseLinear(hinges, name=name)


@activation("rational")
def rational(name: str) -> keras.layers.Layer:
    """Learn a rational function at each site, which starts near ReLU.

    Source: arXiv 1907.06732, equation 2, "safe PAU".
    """
    from keras_resnet.layers.activations import Rational

    return Rational(name=name)


@activation("maxout")
def maxout(name: str, *, pieces: Annotated[int, Range(2, 65)] = 2) -> keras.layers.Layer:
    """Take the greatest of several linear maps; the convolution before gives so many times the channels.

    Source: arXiv 1302.4389, section 3.
    """
    from keras_resnet.layers.activations import Maxout

    return Maxout(pieces, name=name)


def activation_factory(activation: Activation) -> Callable[..., keras.layers.Layer]:
    """Turn any description of an activation into a maker of fresh layers.

    Every call of the maker gives a layer of its own, so that a trainable activation learns at each site.

    Args:
        activation: a name ("relu", "gelu", "prelu", ...), a mapping of `name` and parameters, a function, a Layer
            class, a Layer instance that serves as prototype, or a serialized Keras config (dict).

    Returns:
        Function `(name) -> keras.layers.Layer`.

    Raises:
        ValueError: the activation is unknown, or one of Keras's that no network can have; or a function without a name,
            which no saved file could hold; or a layer with weights, which sites cannot share.
    """
    import keras

    if _is_named(activation):
        name, parameters = parse_choice("activation", activation, LAYERS)
        return functools.partial(LAYERS[name], **parameters)
    if isinstance(activation, str):
        activation = _function_of(activation)
    if isinstance(activation, Mapping):
        activation = _deserialized(activation)
    _check_fits(activation)
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


def check_activation(activation: Activation) -> None:
    """Refuse anything but an activation; names that are known here are checked without importing Keras."""
    if _is_named(activation):
        parse_choice("activation", activation, LAYERS)
    elif not (isinstance(activation, str) and activation in KERAS_FUNCTIONS):
        activation_factory(activation)


def channels_taken(activation: Activation) -> int:
    """Tell how many channels an activation takes for each that it gives; 1 but for maxout."""
    if _is_named(activation):
        name, parameters = parse_choice("activation", activation, LAYERS)
        return parameters.get("pieces") or _default_pieces(LAYERS[name])
    if isinstance(activation, Mapping):
        config = activation.get("config")  # a function's is its name
        return config.get("pieces", 1) if isinstance(config, Mapping) else 1
    if isinstance(activation, type):
        return _default_pieces(activation)
    return getattr(activation, "pieces", 1)


def _default_pieces(maker: Callable) -> int:
    pieces = inspect.signature(maker).parameters.get("pieces")
    return 1 if pieces is None else pieces.default


def _is_named(activation: Activation) -> bool:
    """Tell whether a value is a name in the registry, alone or in a mapping of `name` and parameters."""
    if isinstance(activation, Mapping):
        return "name" in activation
    return isinstance(activation, str) and activation in LAYERS


def _function_of(name: str) -> Callable:
    import keras

    try:
        return keras.activations.get(name)
    except ValueError:
        raise ValueError(unknown("activation", name, sorted({*KERAS_FUNCTIONS, *LAYERS}))) from None


def _check_fits(activation: Any) -> None:
    """Refuse a function of Keras that no network can have, by itself or in a layer."""
    function = getattr(activation, "activation", activation)
    name, module = (getattr(function, key, None) or "" for key in ("__name__", "__module__"))
    if name in UNFIT and module.startswith("keras."):
        raise ValueError(f"activation {name!r} of Keras {UNFIT[name]}.")


def _deserialized(config: Mapping[str, Any]) -> Any:
    """Make the prototype that a configuration describes, without the weights of the layer that it was taken from."""
    import keras

    try:
        return keras.saving.deserialize_keras_object({k: v for k, v in config.items() if k != "build_config"})
    except (TypeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"activation={dict(config)!r} is not a serialized Keras activation: {reason}") from error


def _from_class(layer: type[keras.layers.Layer]) -> Callable[..., keras.layers.Layer]:
    import keras

    from keras_resnet.layers.conventions import spatial_axes

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
