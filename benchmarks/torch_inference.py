"""Inference of the same network in PyTorch, where that is installed: channels last, with the weights of ours."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch_step

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from keras_resnet import Architecture

BUILT = ("blocks", "widths", "unit", "stem", "stride_on", "shortcut")  # the fields that `torch_step.build` reads


def prepare(
    architecture: Architecture, arrays: Mapping[str, np.ndarray], images: np.ndarray, precision: str, is_compiled: bool
) -> Callable[[], np.ndarray]:
    """Give the function that computes the probabilities of images.

    Args:
        architecture: Architecture.
        arrays: mapping of names such as "conv1_conv/kernel" to the weights of ours.
        images: float32 array (batch, height, width, channels), prepared.
        precision: "float32" or "bfloat16", of weights and features.
        is_compiled: bool, whether `torch.compile` compiles the network, with its weights as constants.

    Raises:
        ImportError: PyTorch is not installed.
        NotImplementedError: `torch_step.build` does not build such a network.
    """
    if not torch_step.is_installed():
        raise ImportError(torch_step.MISSING)
    check_is_built(architecture)
    import torch

    model = torch_step.build(architecture, len(arrays["predictions/bias"])).eval()
    take_weights(model, arrays)
    dtype = getattr(torch, precision)
    model = model.to(dtype=dtype, memory_format=torch.channels_last)
    if is_compiled:
        import torch._inductor.config

        torch._inductor.config.freezing = True  # what PyTorch has for inference: it folds normalizations too
        model = torch.compile(model)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)  # channels stay last in memory

    def answer() -> np.ndarray:
        with torch.inference_mode():
            return torch.softmax(model(pixels.to(dtype)).float(), 1).numpy()

    return answer


def check_is_built(architecture: Architecture) -> None:
    """Refuse a network that `torch_step.build` would make another of."""
    from keras_resnet import Architecture
    from keras_resnet.weights.comparison import differences

    built = Architecture(**{field: getattr(architecture, field) for field in BUILT})
    if architecture.shortcut not in ("A", "B") or differences(architecture, built):
        raise NotImplementedError("In PyTorch there are plain residual networks in the original order only.")


def take_weights(model: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Give a network of `torch_step.build` the weights of ours, whose layers have the same order."""
    from torch import nn

    from keras_resnet.weights.naming import TORCH_NORM, TORCH_OTHER

    modules = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.Linear))
    ]
    layers = sorted({name.rpartition("/")[0] for name in arrays}, key=place_of)
    state = {}
    for (name, module), layer in zip(modules, layers, strict=True):
        parts = TORCH_NORM if isinstance(module, nn.BatchNorm2d) else TORCH_OTHER
        for theirs, ours in parts.items():
            if f"{layer}/{ours}" in arrays:
                state[f"{name}.{theirs}"] = in_order_of_torch(arrays[f"{layer}/{ours}"])
    model.load_state_dict(state, strict=False)  # which holds no counts of batches, as PyTorch's has


def place_of(layer: str) -> tuple[float, ...]:
    """Give the place of a layer among those that `torch_step.build` makes: the shortcut follows its unit's trunk."""
    site, _, kind = layer.rpartition("_")
    numbers = [int(number) for number in re.findall(r"\d+", site)] or [math.inf]  # none in "predictions"
    stage, block, place = [*numbers, 0, 0][:3]
    return stage, block, place or math.inf, kind == "bn"


def in_order_of_torch(array: np.ndarray) -> torch.Tensor:
    """Bring a kernel to PyTorch's order of axes, filters or outputs first."""
    import torch

    axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(array.ndim, (0,))
    return torch.from_numpy(array.transpose(axes).copy())
