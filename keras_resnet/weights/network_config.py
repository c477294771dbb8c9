"""The configuration in a `.keras` file of this package, checked before Keras builds anything of it.

Keras makes whatever a configuration names, and allocates its weights, before it looks at the weights in the file. So
the layers are counted here, only those that networks of this package have are accepted, and the shapes of their outputs
and weights are worked out from the configuration alone. Classes that the user has registered are trusted.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.choices.activations import KERAS_FUNCTIONS
from keras_resnet.preprocessing import Preprocessing
from keras_resnet.weights.files.budget import Budget
from keras_resnet.weights.files.hdf5 import layers_of
from keras_resnet.weights.files.raw import UnreadableError, damaged, shortened

NETWORK, PACKAGE = "ResidualNetwork", "keras_resnet"
# Values of a map of one image: of a network for 4096 x 4096 pixels, whose stem halves them, 2**28.
_MAX_MAP = 2**30
_MAX_NUMBER = 2**40
# What may stand in the configuration of a layer, of Keras's own objects.
_MODULES = tuple(f"keras.{part}" for part in ("initializers", "regularizers", "constraints", "activations"))
_PLAIN = ("__keras_tensor__", "__tuple__", "__numpy__")
# The class of a serialized function, and where those of Keras that a network may have are said to be.
_FUNCTION, _FUNCTION_MODULES = "function", (None, "builtins", "keras.activations")
# The class of a reference to the output of a layer, and that of an input.
_TENSOR, INPUT = "__keras_tensor__", "keras.layers>InputLayer"

Config = dict[str, Any]
Shape = list[int]  # without the batch; an open side counts as one pixel, which nothing here makes larger
Rule = Callable[[Config, Shape, int, Budget], tuple[Shape, int]]


def is_network(config: Config) -> bool:
    """Tell whether a configuration is of a network of this package."""
    return config.get("class_name") == NETWORK


def check_network(config: Config, budget: Budget) -> int:
    """Check that a network can be built of a configuration within the budget of its file."""
    if not is_network(config) or config.get("registered_name") != f"{PACKAGE}>{NETWORK}":
        found = f"is a .keras file of a {shortened(config.get('class_name'), 60)}, which this package did not write"
        raise UnreadableError(found, "read its weights with network_of or load_weights_from")
    layers = layers_of(config.get("config"), budget)
    check_contract(config["config"].get("preprocessing"))
    check_class_names(config["config"].get("labels"))
    if (architecture := config["config"].get("architecture")) is not None:
        sound_architecture(architecture, budget)
    others = {key: value for key, value in config["config"].items() if key not in ("layers", "architecture")}
    _check_objects(others, budget)
    shapes: dict[str, Shape] = {}
    weighted = 0
    for layer in layers:
        name, kind = _name_and_kind(layer)
        _check_objects({**layer, "class_name": None}, budget)
        shape, weights = _extent(kind, layer, _inputs(layer, shapes, budget), budget)
        budget.take(4 * weights, "bytes")
        if math.prod(shape) > _MAX_MAP:
            raise UnreadableError(
                f"has a layer {shortened(name, 60)!r} that gives {math.prod(shape):,} values for an image, and that of "
                f"a network gives {_MAX_MAP:,} at most",
                "get it from another source",
            )
        shapes[name] = shape
        weighted += weights > 0
    return weighted


def sound_architecture(values: Any, budget: Budget) -> Architecture:
    """Make the Architecture that a file describes, if its activation is of a class that is accepted as a layer."""
    activation = values.get("activation") if isinstance(values, dict) else None
    if isinstance(activation, dict) and _kind(activation) is not None:
        _check_objects({**values, "activation": {**activation, "class_name": None}}, budget)
    else:
        _check_objects({"architecture": values}, budget)
    try:
        architecture = Architecture.from_dict(values)
    except (TypeError, ValueError) as error:
        raise damaged(f"it has no sound architecture: {error}") from error
    budget.take(sum(architecture.blocks), "layers")
    return architecture


def check_contract(fields: Any) -> None:
    """Refuse an input contract that makes no sense, or is for images without a limit to their size."""
    if fields is None:
        return
    try:
        Preprocessing(**fields)
    except (TypeError, ValueError) as error:
        raise damaged(f"it has no sound input contract: {error}") from error


def check_class_names(labels: Any) -> None:
    """Refuse names of classes that are none."""
    if labels is not None and not (isinstance(labels, list) and all(isinstance(label, str) for label in labels)):
        raise damaged("it has no sound names of classes: they are not a list of text")


def _name_and_kind(layer: Config) -> tuple[str, str]:
    """Give the name of a layer, and its class as `LAYERS` has it or as the user has registered it."""
    name, kind = layer.get("name"), _kind(layer)
    if not isinstance(name, str) or layer["config"].get("name") != name:
        raise damaged("its config.json has a layer without a name")
    if kind is not None:
        return name, kind
    found = f"has a layer {shortened(name, 60)!r} of a class {shortened(layer['class_name'], 60)!r}"
    raise UnreadableError(
        f"{found}, which no network of this package has",
        "register the class if it is yours; or load the file with keras.saving.load_model if you trust its source",
    )


def _kind(layer: Config) -> str | None:
    """Name the class of a serialized layer as `LAYERS` or the user's registration has it; None for any other."""
    kind, registered = layer.get("class_name"), layer.get("registered_name")
    key = f"{layer.get('module')}>{kind}" if registered is None else str(registered)
    if key in LAYERS and key.endswith(f">{kind}"):
        return key
    own = isinstance(registered, str) and kind != _FUNCTION and not registered.startswith(f"{PACKAGE}>")
    return registered if own and _is_registered(registered) else None


def _is_registered(name: str) -> bool:
    return name in keras.saving.get_custom_objects() or keras.saving.get_registered_object(name) is not None


def _walk(thing: Any) -> Iterator[Config]:
    """Go through all objects in a configuration, however deep."""
    pending = [thing]
    while pending:
        thing = pending.pop()
        if isinstance(thing, dict):
            yield thing
            pending += thing.values()
        elif isinstance(thing, list):
            pending += thing


def _check_objects(config: Config, budget: Budget) -> None:
    """Refuse what Keras would make of other kinds than initializers, penalties, activations and policies of types."""
    for thing in _walk(config):
        budget.take(1 + len(thing), "operations")
        if any(isinstance(value, float) and not math.isfinite(value) for value in thing.values()):
            raise damaged("its config.json has a number that is not finite")
        kind, module, registered = (thing.get(key) for key in ("class_name", "module", "registered_name"))
        if kind == _FUNCTION:
            _check_function(thing.get("config"), module)
            continue
        if kind is None or kind in _PLAIN or module in _MODULES:
            continue
        if module == "keras" and isinstance(kind, str) and kind.endswith(("DTypePolicy", "DTypePolicyMap")):
            continue
        if not (isinstance(registered, str) and _is_registered(registered)):
            raise UnreadableError(
                f"names an object {shortened(f'{module}.{kind}', 80)!r}, which no network of this package has",
                "register the class if it is yours; or load the file with keras.saving.load_model if you trust its "
                "source",
            )


def _check_function(name: Any, module: Any) -> None:
    """Refuse a function that is neither one of Keras's activations nor registered: it would be called on a tensor."""
    if isinstance(name, str) and (_is_registered(name) or (name in KERAS_FUNCTIONS and module in _FUNCTION_MODULES)):
        return
    found = name if module in _FUNCTION_MODULES else f"{module}.{name}"
    raise UnreadableError(
        f"names a function {shortened(found, 80)!r}, which is none of Keras's activations, and none that is registered "
        "here",
        "decorate it with @keras.saving.register_keras_serializable() before loading if it is yours; or load the file "
        "with keras.saving.load_model if you trust its source",
    )


def _inputs(layer: Config, shapes: dict[str, Shape], budget: Budget) -> list[Shape]:
    """Give the shapes of what a layer is given; each of its nodes is a layer once more."""
    nodes = layer.get("inbound_nodes")
    if not isinstance(nodes, list):
        raise damaged(f"its config.json does not say what goes into the layer {shortened(layer['name'], 60)!r}")
    budget.take(max(0, len(nodes) - 1), "layers")
    tensors = [thing for thing in _walk(nodes) if thing.get("class_name") == _TENSOR]
    histories = [tensor["config"].get("keras_history") for tensor in tensors if isinstance(tensor.get("config"), dict)]
    names = [history[0] for history in histories if isinstance(history, list) and history]
    if len(names) != len(tensors) or not all(isinstance(name, str) and name in shapes for name in names):
        raise damaged(f"its config.json gives the layer {shortened(layer['name'], 60)!r} what no layer before it makes")
    if bool(names) == (layer["class_name"] == "InputLayer"):
        raise damaged(f"its config.json does not say what goes into the layer {shortened(layer['name'], 60)!r}")
    return [shapes[name] for name in names]


def _extent(kind: str, layer: Config, inputs: list[Shape], budget: Budget) -> tuple[Shape, int]:
    """Work out the shape that a layer gives, at most, and the number of its weights."""
    config = layer["config"]
    if kind == INPUT:
        sides = config.get("batch_shape")
        if not isinstance(sides, list) or not 2 <= len(sides) <= 5:
            raise damaged("its config.json has an input without a shape")
        return [1 if side is None else _number(side, least=1) for side in sides[1:]], 0
    if len(set(map(len, inputs))) != 1:
        raise damaged(f"its config.json joins maps and vectors in {shortened(layer['name'], 60)!r}")
    shape = [max(sides) for sides in zip(*inputs)]
    axis = 0 if config.get("data_format") == "channels_first" else len(shape) - 1
    return LAYERS.get(kind, _same)(config, shape, axis, budget)


def _number(value: Any, least: int = 0) -> int:
    if type(value) is not int or not least <= value < _MAX_NUMBER:
        raise damaged(f"its config.json has {shortened(repr(value), 40)} where a number from {least} on is needed")
    return value


def _numbers(value: Any) -> list[int]:
    """Give the numbers of a side, a pair of sides, or a pair of pairs."""
    if isinstance(value, list):
        return list(itertools.chain.from_iterable(map(_numbers, value[:4])))
    return [_number(value)]


def _strided(config: Config, shape: Shape, axis: int, strides: Any) -> Shape:
    step = max(1, min(_numbers(strides)))
    return [size if place == axis else -(-size // step) for place, size in enumerate(shape)]


def _convolution(config: Config, shape: Shape, axis: int, budget: Budget) -> tuple[Shape, int]:
    filters, groups = _number(config.get("filters"), 1), _number(config.get("groups", 1), 1)
    sides = _numbers(config.get("kernel_size"))
    area = math.prod(sides) if len(sides) > 1 else max(sides) ** 2
    weights = area * -(-shape[axis] // groups) * filters + filters
    given = _strided(config, shape, axis, config.get("strides", 1))
    return [filters if place == axis else size for place, size in enumerate(given)], weights


def _dense(config: Config, shape: Shape, axis: int, budget: Budget) -> tuple[Shape, int]:
    units = _number(config.get("units"), 1)
    return [*shape[:-1], units], units * (shape[-1] + 1)


def _pool(config: Config, shape: Shape, axis: int, budget: Budget) -> tuple[Shape, int]:
    return _strided(config, shape, axis, config.get("strides") or config.get("pool_size", 2)), 0


def _mean(config: Config, shape: Shape, axis: int, budget: Budget) -> tuple[Shape, int]:
    sides = [1 if place != axis else size for place, size in enumerate(shape)]
    return (sides if config.get("keepdims") else [shape[axis]]), 0


def _padded(config: Config, shape: Shape, axis: int, budget: Budget) -> tuple[Shape, int]:
    more = 2 * max(_numbers(config.get("padding", 1)))
    return [size if place == axis else size + more for place, size in enumerate(shape)], 0


def _more_channels(config: Config, shape: Shape, axis: int, budget: Budget) -> tuple[Shape, int]:
    more = sum(_numbers(config.get("padding")))
    return [size + more if place == axis else size for place, size in enumerate(shape)], 0


def _weights_for_each(count: Callable[[Config], int]) -> Rule:
    """Make the rule of a layer that keeps the shape and has some weights for each channel, or each row of pixels."""

    def rule(config: Config, shape: Shape, axis: int, budget: Budget) -> tuple[Shape, int]:
        number = count(config)
        budget.take(number // 4, "layers")
        return shape, number * max(shape)

    return rule


def _slopes(config: Config, shape: Shape, axis: int, budget: Budget) -> tuple[Shape, int]:
    shared = config.get("shared_axes") or []
    return shape, math.prod(size for place, size in enumerate(shape, start=1) if place not in _numbers(shared))


def _pieces(config: Config, shape: Shape, axis: int, budget: Budget) -> tuple[Shape, int]:
    pieces = _number(config.get("pieces"), 1)
    budget.take(pieces // 4, "layers")
    return [-(-size // pieces) if place == axis else size for place, size in enumerate(shape)], 0


def _same(config: Config, shape: Shape, axis: int, budget: Budget) -> tuple[Shape, int]:
    return shape, 0


# The layers that a network of this package may have, activations of the user's choice among them, by the name of their
# class: what each gives out and how many weights it has, of its configuration, the shape and the channels' axis.
LAYERS: dict[str, Rule] = {
    INPUT: _same,
    "keras.layers>Conv2D": _convolution,
    "keras.layers>Dense": _dense,
    "keras.layers>BatchNormalization": _weights_for_each(lambda config: 4),
    "keras.layers>PReLU": _slopes,
    "keras.layers>MaxPooling2D": _pool,
    "keras.layers>AveragePooling2D": _pool,
    "keras.layers>GlobalAveragePooling2D": _mean,
    "keras.layers>GlobalMaxPooling2D": _mean,
    "keras.layers>ZeroPadding2D": _padded,
    **{f"keras.layers>{kind}": _same for kind in ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax")},
    **{f"keras.layers>{kind}": _same for kind in ("Add", "Multiply", "Rescaling", "Identity")},
    **{f"keras.layers>{kind}": _same for kind in ("Dropout", "SpatialDropout2D")},
    f"{PACKAGE}>BatchNormalization": _weights_for_each(lambda config: 4),
    f"{PACKAGE}>ZeroPadChannels": _more_channels,
    f"{PACKAGE}>MaxPoolPadding2D": _padded,
    f"{PACKAGE}>TrainableSwish": _weights_for_each(lambda config: 1),
    f"{PACKAGE}>PiecewiseLinear": _weights_for_each(lambda config: 2 * _number(config.get("hinges", 2))),
    f"{PACKAGE}>Rational": _weights_for_each(lambda config: 10),
    f"{PACKAGE}>Maxout": _pieces,
    f"{PACKAGE}>Preprocess": _same,
}
