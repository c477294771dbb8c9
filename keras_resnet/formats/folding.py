"""Batch normalizations folded into the convolutions before them: the same function in fewer layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import keras
import numpy as np

from keras_resnet.architecture import Architecture
from keras_resnet.layers.conventions import channel_axis
from keras_resnet.layers.padding import MaxPoolPadding2D
from keras_resnet.model import ResidualNetwork, carried, deep_recursion, uncompiled
from keras_resnet.weights.matching import site_of

# Layers through which a scale and a shift of each channel go unchanged; through a max pool if no scale is negative.
MAX_POOLS = (keras.layers.MaxPooling2D, MaxPoolPadding2D)
CARRIERS = (keras.layers.Add, keras.layers.Identity, *MAX_POOLS)


class Affine(NamedTuple):
    """What is done to each channel: a scale and then a shift, if any, float64 of shape (channels,)."""

    scale: np.ndarray
    shift: np.ndarray | None


class Folds(NamedTuple):
    """What folding changes: the normalizations that go, and what becomes of the outputs of convolutions, by name."""

    gone: set[str]
    taken: Mapping[str, Affine]


def fold(model: keras.Model) -> keras.Model:
    """Give a network of the same outputs at inference without the batch normalizations that can be folded.

    A normalization goes into the convolution whose output it alone takes, also through a max pool, where it scales no
    channel by a negative number, and through an addition of such convolutions. All others stay, as those that open a
    pre-activation unit whose input the shortcut takes too. The other layers keep their names, and convolutions get a
    bias where they had none.

    Args:
        model: keras.Model on the functional API.

    Returns:
        keras.Model that carries what the model does: input contract, labels, levels; its Architecture, with
        normalization "none", where no normalization is left, and else none. The model is left as it was. A network
        that is to learn further should not be folded: its normalizations would be missing.

    Raises:
        ValueError: the model is not on the functional API.

    Source: arXiv 1502.03167, algorithm 2, steps 8 to 11: at inference normalization is a fixed affine map.
    """
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise ValueError(f"fold takes a keras.Model on the functional API; received {type(model).__name__}.")
    folds = _plan(model)

    def fresh(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        shifted = layer.name in folds.taken and folds.taken[layer.name].shift is not None
        return type(layer).from_config({**config, "use_bias": True} if shifted else config)

    def call(layer: keras.layers.Layer, *args, **kwargs):
        return args[0] if layer.name in folds.gone else layer(*args, **kwargs)

    with deep_recursion():
        copy = keras.models.clone_model(uncompiled(model), clone_function=fresh, call_function=call)
    for layer in (layer for layer in copy.layers if layer.weights):
        layer.set_weights(_weights(model.get_layer(layer.name), folds.taken.get(layer.name)))
    kept = {**carried(model), "architecture": _architecture(model, copy)}
    return ResidualNetwork(copy.input, copy.output, name=model.name, **kept)


class Graph:
    """Who takes whose output in a model, by the names of layers."""

    def __init__(self, model: keras.Model):
        self.layers = {layer.name: layer for layer in model.layers}
        self.sources: dict[str, list[str]] = {}
        self.calls: Counter[str] = Counter()
        # What leaves the model, or is a level of its features, must stay as it is.
        ends = [tensor._keras_history.operation.name for tensor in model.outputs]
        self.users = Counter([*ends, *(level.layer for level in (getattr(model, "levels", None) or {}).values())])
        for node in (node for nodes in model._nodes_by_depth.values() for node in nodes):
            self.calls[node.operation.name] += 1
            self.sources[node.operation.name] = [t._keras_history.operation.name for t in node.input_tensors]
            self.users.update(self.sources[node.operation.name])

    def convolutions_behind(self, name: str, scale: np.ndarray, axis: int) -> list[str]:
        """Find the convolutions that may take a scale on the output of a layer; none where any part of it cannot."""
        layer = self.layers[name]
        if self.users[name] != 1 or self.calls[name] != 1:
            return []
        if type(layer) is keras.layers.Conv2D:
            fits = layer.activation is keras.activations.linear and channel_axis(layer.data_format) == axis
            return [name] if fits else []
        if not isinstance(layer, CARRIERS) or (isinstance(layer, MAX_POOLS) and (scale < 0).any()):
            return []
        found = [self.convolutions_behind(source, scale, axis) for source in self.sources[name]]
        return [conv for convs in found for conv in convs] if all(found) else []


def _plan(model: keras.Model) -> Folds:
    """Decide which normalizations go, and what their convolutions take over."""
    graph, folds = Graph(model), Folds(set(), {})
    for norm in normalizations(model):
        if graph.calls[norm.name] != 1 or len(norm.output.shape) != 4:
            continue
        affine = _affine(norm)
        convs = graph.convolutions_behind(graph.sources[norm.name][0], affine.scale, norm.axis % 4)
        if convs:
            folds.gone.add(norm.name)
            # Of an addition every term is scaled, and the last one, the residual branch, is shifted.
            folds.taken.update({conv: Affine(affine.scale, None) for conv in convs})
            folds.taken[convs[-1]] = affine
    return folds


def normalizations(model: keras.Model) -> Iterator[keras.layers.BatchNormalization]:
    """Go through the batch normalizations of a model."""
    return (layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))


def _affine(norm: keras.layers.BatchNormalization) -> Affine:
    """Compute what a normalization does at inference, in float64."""
    mean, variance = (_double(weight) for weight in (norm.moving_mean, norm.moving_variance))
    scale = (_double(norm.gamma) if norm.scale else 1.0) / np.sqrt(variance + norm.epsilon)
    return Affine(scale, (_double(norm.beta) if norm.center else 0.0) - mean * scale)


def _double(weight: keras.Variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(weight).astype("float64")


def _weights(layer: keras.layers.Layer, taken: Affine | None) -> list[np.ndarray]:
    """Give the weights of a layer, or of a convolution with what it has taken over."""
    if taken is None:
        return layer.get_weights()
    # Kernels end in the axis of the filters, also where these are in groups; a bias is of the same shape as a scale.
    kernel, *bias = (_double(weight) * taken.scale for weight in layer.weights)
    if taken.shift is not None:
        bias = [sum(bias, taken.shift)]
    return [kernel, *bias]


def _architecture(model: keras.Model, copy: keras.Model) -> Architecture | None:
    """Describe a network that is left without normalizations; None where some are left, or biases are not regular."""
    architecture = getattr(model, "architecture", None)
    if architecture is None or any(normalizations(copy)):
        return None
    biased: dict[str, set[bool]] = {}
    for layer in copy.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.name.endswith("_conv"):
            biased.setdefault(site_of(layer.name), set()).add(layer.use_bias)
    if any(len(either) > 1 for either in biased.values()):
        return None
    sites = tuple(site for site, either in biased.items() if True in either)
    return architecture.replace(normalization="none", biased=sites, zero_init_residual=False)
