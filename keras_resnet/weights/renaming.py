"""Weights under the names that timm and torchvision give them, so that PyTorch's users can take a network back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_resnet.architecture import Architecture
from keras_resnet.architecture.catalogue import CATALOGUE
from keras_resnet.preprocessing import Preprocessing
from keras_resnet.weights.comparison import differences
from keras_resnet.weights.inference import infer_architecture
from keras_resnet.weights.names import known_as
from keras_resnet.weights.naming import TORCH_NORM, TORCH_OTHER, Source, projection_of, translate
from keras_resnet.weights.sources import SOURCES, timm

# Pre-activation networks that timm has too, in lower case; each also with a deep stem and pooled projections, as "d".
V2 = r"resnet(18|34|50|101|152)v2"
ACTIVATIONS = {ours: theirs for theirs, ours in reversed(timm.FIELDS["act_layer"][1].items())}


def under_names_of_timm(model: keras.Model) -> dict[str, np.ndarray]:
    """Give the weights of a network the names and the order of axes that they have in timm.

    Those of networks that torchvision has are torchvision's too.

    Args:
        model: keras.Model that carries its Architecture.

    Returns:
        Dict of names to arrays, in the order of the layers.

    Raises:
        ValueError: timm has no such network: what it would build of these weights computes something else.
    """
    architecture = model.architecture
    if architecture.normalization != "batch":
        raise ValueError("timm's networks have batch normalizations; export this one unfolded, or in our own layout.")
    source = _source_of(architecture)
    arrays = {
        _name(source, architecture, layer.name, weight.name): _turned(source, layer, weight)
        for layer in model.layers
        for weight in layer.weights
    }
    # What our own reader makes of the names is what decides.
    read = infer_architecture(translate(source, arrays), source, projection_of(source, arrays))
    if isinstance(architecture.activation, str) and architecture.activation in ACTIVATIONS:
        read = read.replace(activation=architecture.activation)  # is told by the configuration
    if found := differences(architecture, read):
        raise ValueError(f"{source.title} has no such network: {'; '.join(found[:3])}. Our own layout keeps it.")
    return arrays


def timm_config(model: keras.Model, contract: Preprocessing, labels: Sequence[str]) -> dict[str, Any] | None:
    """Give what timm writes beside weights: network, what it expects of images, and classes.

    None where timm has no name for the network, as for those of CIFAR-10, or cannot prepare images so.
    """
    name = _timm_name(model.architecture)
    if name is None or contract.order != "RGB" or not contract.mean.ndim == contract.std.ndim == 1:
        return None
    activation = ACTIVATIONS.get(model.architecture.activation)
    return {
        "architecture": name,
        "num_classes": len(labels),
        "model_args": {} if activation in ("relu", None) else {"act_layer": activation},
        "pretrained_cfg": {
            "input_size": [contract.channels, *contract.size],
            "mean": (contract.mean / 255).tolist(),
            "std": (contract.std / 255).tolist(),
            "crop_pct": float(contract.crop),
            "crop_mode": "center",
            "interpolation": contract.interpolation,
            "label_names": list(labels),
        },
    }


def _source_of(architecture: Architecture) -> Source:
    return SOURCES["timm_v2" if architecture.is_preactivation else "torchvision"]


def _timm_name(architecture: Architecture) -> str | None:
    """Name a network as timm does; None where it has none of the kind."""
    deep = architecture.is_preactivation and (architecture.stem, architecture.projection) == ("deep", "average_pool")
    known = known_as(architecture.replace(stem="imagenet", projection="convolution") if deep else architecture)
    if known not in CATALOGUE or differences(architecture, CATALOGUE[known], ("shortcut", "biased")):
        return None
    name = known.lower().replace("wideresnet", "wide_resnet")
    if match := re.fullmatch(V2, name):
        name = f"resnetv2_{match[1]}{'d' if deep else ''}"
    return name if timm.KNOWN.fullmatch(name) and architecture.family == "ImageNet" else None


def _name(source: Source, architecture: Architecture, layer: str, part: str) -> str:
    """Name a tensor."""
    for pattern, theirs in source.written.items():
        if match := re.fullmatch(pattern, layer):
            groups = match.groupdict()
            if "stage" in groups:
                groups |= {"stage": int(groups["stage"]) - 2 + source.first_stage, "block": int(groups["block"]) - 1}
            pool = int(architecture.projection == "average_pool")
            parts = TORCH_NORM if layer.endswith("_bn") else TORCH_OTHER
            named = {ours: torch for torch, ours in parts.items()}
            if part in named:
                return f"{theirs.format(**groups, pool=pool, after=pool + 1)}.{named[part]}"
    raise ValueError(f"{source.title} has no place for {layer}/{part}. Our own layout keeps it.")


def _turned(source: Source, layer: keras.layers.Layer, weight: keras.Variable) -> np.ndarray:
    """Bring a kernel to PyTorch's order of axes, filters or outputs first."""
    array = keras.ops.convert_to_numpy(weight)
    if weight.name != "kernel":
        return array
    if array.ndim == 4:
        return np.ascontiguousarray(array.transpose(3, 2, 0, 1))
    turned = np.ascontiguousarray(array.T)
    return turned[:, :, np.newaxis, np.newaxis] if source.has_convolved_head else turned
