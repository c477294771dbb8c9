"""The graph of a residual unit as data: its layers with their labels, and what feeds what, read off a Keras model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras

from keras_resnet.messages import unknown


class Cell(NamedTuple):
    """One thing that a layer does, as it is written in a box; `kind` decides its color."""

    text: str
    kind: str


class Node(NamedTuple):
    """One layer. A convolution with an activation of its own has two cells, every other layer one."""

    name: str
    cells: tuple[Cell, ...]
    shape: str


class UnitGraph(NamedTuple):
    """The layers of a unit, every one behind those that feed it, and the edges as pairs of names.

    The layers that feed the unit come first, of the kind "tensor"; the last one gives the unit's output.
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]


def unit_graph(model: keras.Model, unit: str) -> UnitGraph:
    """Read the graph of one residual unit, from the output of the unit before it to its own.

    Args:
        model: keras.Model on the functional API, whose layers are named as in this package.
        unit: str, prefix of the unit's layers, as in "conv3_block1".

    Returns:
        UnitGraph.

    Raises:
        ValueError: the model has no such unit.
    """
    units = [layer.name.removesuffix("_out") for layer in model.layers if layer.name.endswith("_out")]
    if unit not in units:
        raise ValueError(unknown(f"unit of {model.name}:", unit, units or ["(none)"]))
    return _graph(model.get_layer(f"{unit}_out"), lambda name: name.startswith(f"{unit}_"))


def graph_between(model: keras.Model, inputs: Sequence[str], output: str) -> UnitGraph:
    """Read the graph of any part of a model.

    Args:
        model: keras.Model on the functional API.
        inputs: names of the layers whose outputs enter the part.
        output: str, name of the layer whose output leaves it.

    Returns:
        UnitGraph.

    Raises:
        ValueError: the model has no such layer.
    """
    names = [layer.name for layer in model.layers]
    for name in (*inputs, output):
        if name not in names:
            raise ValueError(unknown(f"layer of {model.name}:", name, names))
    return _graph(model.get_layer(output), lambda name: name not in inputs)


def _graph(output: keras.layers.Layer, inside: Callable[[str], bool]) -> UnitGraph:
    inputs, layers, edges = {}, {}, []

    def visit(layer) -> None:
        if layer.name in inputs or layer.name in layers:
            return
        feeding = sources(layer) if inside(layer.name) else []
        for source in feeding:
            visit(source)
            edges.append((source.name, layer.name))
        (layers if feeding else inputs)[layer.name] = layer

    visit(output)
    ends = (
        Node(name, (Cell(name, "tensor"), Cell(_shape(end), "tensor")), _shape(end)) for name, end in inputs.items()
    )
    nodes = (Node(name, cells(layer), _shape(layer)) for name, layer in layers.items())
    return UnitGraph((*ends, *nodes), tuple(edges))


def sources(layer) -> list:
    """List what feeds a layer, in the order of its arguments; of a layer that is called twice, the first call."""
    return [tensor._keras_history.operation for tensor in layer._inbound_nodes[0].input_tensors]


def _shape(layer) -> str:
    return _sides(layer._inbound_nodes[0].output_tensors[0].shape[1:])


def cells(layer: keras.layers.Layer) -> tuple[Cell, ...]:
    """Write what a layer does, from its own configuration; the activation inside a layer has a cell of its own."""
    kind, label = LABELS.get(type(layer).__name__, (None, None))
    if kind is None:
        # The layers of this package that end in `_relu` are activations, whatever their class.
        return (Cell(type(layer).__name__, "activation" if layer.name.endswith("_relu") else "other"),)
    first = Cell(label(layer) if callable(label) else label, kind)
    inner = getattr(layer, "activation", None)
    if kind == "activation" or inner in (None, keras.activations.linear):
        return (first,)
    return first, Cell(_name(inner), "activation")


def _sides(sizes: Sequence[int | None]) -> str:
    return "×".join("?" if size is None else str(size) for size in sizes)


def _stride(strides: Sequence[int]) -> list[str]:
    sides = strides[:1] if len(set(strides)) == 1 else strides
    return [] if set(strides) == {1} else [f"/{_sides(sides)}"]


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _convolution(layer) -> str:
    groups = [f"{layer.groups} groups"] if layer.groups > 1 else []
    dilation = [] if set(layer.dilation_rate) == {1} else [f"dilated {_sides(layer.dilation_rate)}"]
    words = [f"{_sides(layer.kernel_size)} conv", str(layer.filters), *groups, *dilation, *_stride(layer.strides)]
    return ", ".join(words)


def _pool(word: str) -> Callable[[Any], str]:
    return lambda layer: ", ".join([f"{word} pool {_sides(layer.pool_size)}", *_stride(layer.strides)])


def _zero_padding(layer) -> str:
    sizes = {size for pair in layer.padding for size in pair}
    return f"zero pad {sizes.pop()}" if len(sizes) == 1 else f"zero pad {layer.padding}"


def _zero_channels(layer) -> str:
    return f"{'+'.join(str(size) for size in layer.padding if size)} zero channels"


def _rescaling(layer) -> str:
    if (layer.scale, layer.offset) == (-1, 1):
        return "1 − g"  # what closes where a gate g opens: arXiv 1603.05027, section 3.1
    return f"× {layer.scale}" if layer.offset == 0 else f"× {layer.scale} + {layer.offset}"


def _dropout(layer) -> str:
    whole = layer.noise_shape is not None and set(layer.noise_shape[1:]) == {1}
    return f"{'drop path' if whole else 'dropout'} {layer.rate:g}"


# Class of a layer -> the kind of its box, and its text or how to write it. "operator" is a circle.
LABELS: dict[str, tuple[str, str | Callable[[Any], str]]] = {
    "Conv2D": ("convolution", _convolution),
    "Dense": ("convolution", lambda layer: f"dense, {layer.units}"),
    "BatchNormalization": ("norm", "batch norm"),
    "Activation": ("activation", lambda layer: _name(layer.activation)),
    **{name: ("activation", name) for name in ("ReLU", "PReLU", "LeakyReLU", "ELU", "Softmax")},
    "TrainableSwish": ("activation", "trainable swish"),
    "PiecewiseLinear": ("activation", "piecewise linear"),
    "Rational": ("activation", "rational"),
    "Maxout": ("activation", lambda layer: f"maxout of {layer.pieces}"),
    "MaxPooling2D": ("other", _pool("max")),
    "AveragePooling2D": ("other", _pool("avg")),
    "GlobalAveragePooling2D": ("other", "global avg pool"),
    "GlobalMaxPooling2D": ("other", "global max pool"),
    "ZeroPadding2D": ("other", _zero_padding),
    "ZeroPadChannels": ("other", _zero_channels),
    "Rescaling": ("other", _rescaling),
    "Dropout": ("other", _dropout),
    "Identity": ("other", "identity"),
    "Add": ("operator", "+"),
    "Multiply": ("operator", "×"),
}
