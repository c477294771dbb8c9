"""A network stage by stage: what stands there, what it costs and what it sees, in the manner of Table 1."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import keras

from keras_resnet.adaptation import HEAD, names_of_stages
from keras_resnet.analysis.complexity import check_fixed_size, multiply_adds_of, parameters_of
from keras_resnet.analysis.receptive import POOLS, WHOLE, ReceptiveField, receptive_fields
from keras_resnet.build.stages import stage_of
from keras_resnet.layers.conventions import spatial_axes

# A convolution of a unit; those of shortcuts have the number 0, and Table 1 leaves them out.
IN_UNIT = re.compile(r"(conv\d+_block\d+)_[1-9]_conv")


@dataclass(frozen=True)
class Stage:
    """What stands in a stage of a network, what it costs and what it sees.

    Args:
        name: str, as in "conv3", or "head".
        output: tuple (height, width) of the map that its last unit gives, in pixels; (1, 1) of a head.
        contents: tuple of str, as Table 1 writes them, as in "[3×3, 128; 3×3, 128] × 4".
        parameters: int, those that training can set.
        multiply_adds: int, for one image.
        field: ReceptiveField of its last layer.
    """

    name: str
    output: tuple[int, int]
    contents: tuple[str, ...]
    parameters: int
    multiply_adds: int
    field: ReceptiveField


@dataclass(frozen=True)
class Summary:
    """A network stage by stage.

    Args:
        name: str.
        depth: int, weighted layers as the papers count them; None of a network that does not know its architecture.
        stages: tuple of Stages, from the stem to the head.
    """

    name: str
    depth: int | None
    stages: tuple[Stage, ...]

    @property
    def parameters(self) -> int:
        """Parameters of the whole network."""
        return sum(stage.parameters for stage in self.stages)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the whole network for one image."""
        return sum(stage.multiply_adds for stage in self.stages)

    @property
    def field(self) -> ReceptiveField:
        """The receptive field of the last map."""
        return next(stage.field for stage in reversed(self.stages) if stage.name != HEAD)


def summarize(model: keras.Model, name: str | None = None) -> Summary:
    """Sum a network up stage by stage: output size, contents, parameters, multiply-adds, receptive field.

    Args:
        model: keras.Model of this package, with a fixed image size.
        name: str, what to call it; default the model's name.

    Returns:
        Summary.

    Raises:
        ValueError: the image size is not fixed.

    Source: arXiv 1512.03385, Table 1.
    """
    check_fixed_size(model)
    names, fields = names_of_stages(model), receptive_fields(model)
    members: dict[str, list[keras.layers.Layer]] = {stage: [] for stage in (*names, HEAD)}
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            members[stage_of(layer.name, names) or HEAD].append(layer)
    stages = tuple(_stage(stage, layers, fields) for stage, layers in members.items() if layers)
    architecture = getattr(model, "architecture", None)
    return Summary(name or model.name, architecture and architecture.depth, stages)


def _stage(name: str, layers: Sequence[keras.layers.Layer], fields: dict[str, ReceptiveField]) -> Stage:
    # A pool that ends a stage, as in VGG, leads to the next map, as the one behind the stem does.
    last = next((layer for layer in reversed(layers) if not isinstance(layer, POOLS)), layers[-1])
    shape = last.output.shape
    return Stage(
        name=name,
        output=tuple(shape[axis] for axis in spatial_axes()) if len(shape) == 4 else (1, 1),
        contents=tuple(_contents(layers)),
        parameters=sum(map(parameters_of, layers)),
        multiply_adds=sum(map(multiply_adds_of, layers)),
        field=fields[last.name],
    )


def _contents(layers: Iterable[keras.layers.Layer]) -> list[str]:
    """Write what a stage is made of, equal units that follow each other once with their number."""
    parts: dict[str, list[str]] = {}
    for layer in layers:
        in_unit = IN_UNIT.fullmatch(layer.name)
        if in_unit:
            parts.setdefault(in_unit[1], []).append(_kernel(layer))
        elif "_block" not in layer.name and (text := _alone(layer)):
            parts[layer.name] = [text]
    written = ("; ".join(texts) if "_block" not in name else f"[{'; '.join(texts)}]" for name, texts in parts.items())
    return [_times(text, len(list(same))) for text, same in itertools.groupby(written)]


def _times(text: str, count: int) -> str:
    return f"{text} × {count}" if text.startswith("[") else text


def _kernel(layer: keras.layers.Conv2D) -> str:
    groups = f", {layer.groups} groups" if layer.groups > 1 else ""
    return f"{layer.kernel_size[0]}×{layer.kernel_size[1]}, {layer.filters}{groups}"


def _alone(layer: keras.layers.Layer) -> str | None:
    """Write a layer that stands outside units; nothing of normalizations, activations and the like."""
    if isinstance(layer, keras.layers.Dense):
        return f"{layer.units}-way fully connected"
    if isinstance(layer, WHOLE):
        return "global average pool" if isinstance(layer, WHOLE[0]) else "global max pool"
    if isinstance(layer, keras.layers.Conv2D):
        return f"{_kernel(layer)}{_stride(layer)}"
    if isinstance(layer, POOLS):
        kind = "max" if isinstance(layer, POOLS[0]) else "average"
        return f"{layer.pool_size[0]}×{layer.pool_size[1]} {kind} pool{_stride(layer)}"
    return None


def _stride(layer: keras.layers.Layer) -> str:
    return f", stride {layer.strides[0]}" if layer.strides[0] > 1 else ""
