"""Whether a network computes what weights were trained for, where names and shapes do not tell."""

from __future__ import annotations

import re
from typing import Any

import keras

# What makes the function of a layer beside its weights, by class.
FACTS: dict[str, tuple[str, ...]] = {
    "Conv2D": ("strides", "padding", "groups"),
    "ZeroPadding2D": ("padding",),
    "MaxPoolPadding2D": ("padding",),
    "ZeroPadChannels": ("padding",),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "AveragePooling2D": ("pool_size", "strides", "padding"),
    "Activation": ("activation",),
    "Add": (),
    "Multiply": (),
    "Rescaling": ("scale", "offset"),
}
# Dilation takes the place of these on the same weights.
STRIDING = ("Conv2D", "ZeroPadding2D", "MaxPooling2D", "AveragePooling2D")
# The activation between stem and pool, where there is one.
STEM_ACTIVATION = r"conv1(_3)?_relu"


def differences(model: keras.Model, expected: keras.Model) -> list[str]:
    """Compare the layers of two networks without regard to their weights."""
    dilated = any(max(layer.dilation_rate) > 1 for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    kinds = [kind for kind in FACTS if not (dilated and kind in STRIDING)]
    here, there = facts(model, kinds), facts(expected, kinds)
    return [
        f"{name} {_words(here.get(name))} here and {_words(there.get(name))} there"
        for name in sorted({*here, *there})
        if here.get(name) != there.get(name)
    ]


def facts(model: keras.Model, kinds: list[str]) -> dict[str, dict[str, Any]]:
    """Read what the layers of a network compute, off their configurations."""
    found = {}
    signed = not any(re.fullmatch(STEM_ACTIVATION, layer.name) for layer in model.layers)
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in kinds:
            config = layer.get_config()
            found[layer.name] = {fact: _plain(config[fact]) for fact in FACTS[kind]}
            if kind == "MaxPoolPadding2D" and signed:
                found[layer.name]["value"] = "lowest"
    return found


def _plain(value: Any) -> Any:
    """Write a padding by its size where it is the same on all sides."""
    flat = keras.tree.flatten(value)
    return flat[0] if len(set(map(str, flat))) == 1 else value


def _words(layer: dict[str, Any] | None) -> str:
    if layer is None:
        return "is missing"
    return "has " + (", ".join(f"{fact}={value}" for fact, value in layer.items()) or "a place")
