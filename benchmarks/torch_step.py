"""The training step of the same network in PyTorch, where that is installed: channels last, bfloat16 by autocast."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from keras_resnet import Architecture

MISSING = "PyTorch is not installed: no rows of it. pip install torch adds them."


def is_installed() -> bool:
    """Tell whether PyTorch can be imported, without doing so."""
    return importlib.util.find_spec("torch") is not None


def build(architecture: Architecture, classes: int) -> nn.Module:
    """Build a network of plain residual units, with shortcuts A or B and strides where the architecture has them.

    Args:
        architecture: Architecture; its `blocks`, `widths`, `unit`, `stem`, `stride_on` and `shortcut` are read.
        classes: int.

    Returns:
        torch.nn.Module from images to logits, with weights drawn as He et al. have it.
    """
    from torch import nn

    is_imagenet, expansion = architecture.stem == "imagenet", 4 if architecture.unit == "bottleneck" else 1
    channels = 64 if is_imagenet else architecture.widths[0]
    size, stride = (7, 2) if is_imagenet else (3, 1)
    layers = [*_convolution(3, channels, size, stride), nn.ReLU(inplace=True)]
    layers += [nn.MaxPool2d(3, 2, 1)] if is_imagenet else []
    for stage, (blocks, width) in enumerate(zip(architecture.blocks, architecture.widths)):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            layers.append(_unit_class()(architecture, channels, width, stride))
            channels = expansion * width
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model


def _convolution(given: int, channels: int, size: int, stride: int) -> list[nn.Module]:
    """Give a convolution without bias and its batch normalization."""
    from torch import nn

    return [nn.Conv2d(given, channels, size, stride, size // 2, bias=False), nn.BatchNorm2d(channels)]


def _unit_class() -> type[nn.Module]:
    """Give the class of residual units; PyTorch is imported here."""
    import torch
    from torch import nn

    class Unit(nn.Module):
        """A residual unit in the original order, with an activation after the sum."""

        def __init__(self, architecture: Architecture, given: int, width: int, stride: int):
            super().__init__()
            first, second = (stride, 1) if architecture.stride_on == "first" else (1, stride)
            if architecture.unit == "bottleneck":
                sizes, channels, strides = (1, 3, 1), (width, width, 4 * width), (first, second, 1)
            else:
                sizes, channels, strides = (3, 3), (width, width), (stride, 1)
            trunk: list[nn.Module] = []
            for size, before, after, step in zip(sizes, (given, *channels), channels, strides):
                trunk += [*_convolution(before, after, size, step), nn.ReLU(inplace=True)]
            self.trunk = nn.Sequential(*trunk[:-1])
            self.stride, self.added = stride, channels[-1] - given
            changes = stride > 1 or self.added
            projects = changes and architecture.shortcut != "A"
            self.projection = nn.Sequential(*_convolution(given, channels[-1], 1, stride)) if projects else None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Give the features of the next unit."""
            shortcut = x
            if self.projection is not None:
                shortcut = self.projection(x)
            elif self.stride > 1 or self.added:
                shortcut = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))
            return torch.relu(self.trunk(x) + shortcut)

    return Unit


def prepare(model: nn.Module, policy: str, shape: tuple[int, int], classes: int) -> Callable[[int], float]:
    """Give a model one fixed random batch, on the GPU where there is one.

    Args:
        model: torch.nn.Module from images to logits.
        policy: "float32" or "mixed_bfloat16", which is autocast here.
        shape: tuple (images in a step, pixels along a side).
        classes: int.

    Returns:
        Function that trains for a number of steps and gives the last loss.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator().manual_seed(0)
    batch, side = shape
    x = torch.randn((batch, 3, side, side), generator=generator)
    x = x.to(device, memory_format=torch.channels_last)
    y = torch.randint(classes, (batch,), generator=generator).to(device)
    model = model.to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)

    def step(steps: int) -> float:
        for _ in range(steps):
            optimizer.zero_grad()
            with torch.autocast(device, torch.bfloat16, enabled=policy != "float32"):
                loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        return loss.item()

    return step
