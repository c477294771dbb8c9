"""Choices of a network from a `.keras` file of version 0.1.0, which does not carry its Architecture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import keras

Layers = Mapping[str, keras.layers.Layer]

# Which placement a layer of such a name and class gives away, in this order.
PLACEMENTS = (
    (r".*(_preact|post)_bn", keras.layers.BatchNormalization, "full_preactivation"),
    (r".*(_preact|post)_relu", keras.layers.Layer, "relu_only_preactivation"),
    (r".*_add_bn", keras.layers.BatchNormalization, "bn_after_addition"),
    (r".*_out", keras.layers.Add, "relu_before_addition"),
)


def choices_of_layers(model: keras.Model) -> dict[str, Any]:
    """Read the choices that names and shapes of weights do not tell off the layers, as far as these do."""
    layers = {layer.name: layer for layer in model.layers}
    pooled = layers.get("pool1_pad")
    return {
        "padding": "symmetric" if any(name.endswith("_pad") for name in layers) else "same",
        "pool_padding": "zeros" if isinstance(pooled, keras.layers.ZeroPadding2D) else "lowest",
        "projection": "average_pool" if _has(layers, r".*_0_pool", keras.layers.AveragePooling2D) else "convolution",
        "downsampling": "max_pool" if _has(layers, r"conv\d+_pool") else "stride",
        "stem_activation": _has(layers, r"conv1(_3)?_relu"),
        "placement": next((name for pattern, kind, name in PLACEMENTS if _has(layers, pattern, kind)), "original"),
        **_strides(layers),
        **_activation(layers),
        **_shortcut(layers),
    }


def _has(layers: Layers, pattern: str, kind: type = keras.layers.Layer) -> bool:
    """Tell whether there is a layer of such a name and class."""
    return any(re.fullmatch(pattern, name) and isinstance(layer, kind) for name, layer in layers.items())


def _strides(layers: Layers) -> dict[str, str]:
    """Tell which unit strides, and where in it; nothing of a dilated network, which strides less."""
    convolutions = {name: layer for name, layer in layers.items() if isinstance(layer, keras.layers.Conv2D)}
    strided = [
        match
        for name, layer in convolutions.items()
        if max(layer.strides) > 1 and (match := re.fullmatch(r"conv(\d+)_block\d+_([1-9])_conv", name))
    ]
    if not strided or any(max(layer.dilation_rate) > 1 for layer in convolutions.values()):
        return {}
    stage, place = strided[0].groups()
    return {"stride_unit": "last" if stage == "2" else "first", "stride_on": "first" if place == "1" else "3x3"}


def _activation(layers: Layers) -> dict[str, Any]:
    """Tell the activation by the first of its layers, if it has no weights; they are all alike."""
    first = next((layer for name, layer in layers.items() if name.endswith("_relu")), None)
    if isinstance(first, keras.layers.Activation):
        return {"activation": keras.activations.serialize(first.activation)}
    return {} if first is None or first.weights else {"activation": type(first).from_config(first.get_config())}


def _shortcut(layers: Layers) -> dict[str, Any]:
    """Tell the shortcuts that have no weights, about which names and shapes say nothing."""
    if _has(layers, r".*_0_gate"):
        return {}
    if not any(isinstance(layer, keras.layers.Add) for layer in layers.values()):
        return {"shortcut": "none"}
    if _has(layers, r".*_0_scale"):
        return {"shortcut": "constant_scaling"}
    zeros = [layer.padding for name, layer in layers.items() if name.endswith("_0_zeros")]
    if zeros:
        return {"shortcut": {"name": "A", "zeros": "both" if zeros[0][0] else "end"}}
    return {}
