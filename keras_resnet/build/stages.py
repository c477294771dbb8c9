"""The stages of a network: its units, where they stride, and the levels of features that they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.build.operations import normalize_and_activate
from keras_resnet.build.unit import Unit, residual_unit

# What the names of the layers of the stem, of the pool behind it, and of what ends the last stage begin with.
STEM, POOL, END = "conv1", "pool1", "post"


class Level(NamedTuple):
    """One scale of a network's features.

    Args:
        layer: str, the layer whose output it is.
        stride: int, input pixels, along one side, behind one pixel of it.
    """

    layer: str
    stride: int


def build_stages(architecture: Architecture, x):
    """Lay out all residual units, and the activation that ends a pre-activation network.

    Source: arXiv 1512.03385, Table 1; arXiv 1603.05027, appendix, for the first and the last unit; arXiv 1409.1556,
        Table 1, for the pools of VGG.
    """
    activated = architecture.stem != "none" and architecture.stem_activation
    for stage in units_of(architecture):
        for unit in stage:
            x = residual_unit(unit, x, activated)
            activated = False
        if architecture.downsampling == "max_pool":
            x = keras.layers.MaxPooling2D(2, name=f"{unit.name.split('_')[0]}_pool")(x)
    return normalize_and_activate(architecture, x, architecture.entry.prefix, END)


def units_of(architecture: Architecture) -> list[list[Unit]]:
    """Describe every unit of a network, stage by stage.

    Source: arXiv 1603.09382, section 3, for the linear rule of stochastic depth; arXiv 1606.00915, section 3.1, for
        dilation in place of strides.
    """
    first = 1 if architecture.stem == "none" else 2
    total, place = sum(architecture.blocks), 0
    reached, dilation = architecture.stem_stride, 1
    stages: list[list[Unit]] = []
    for stage, (blocks, width) in enumerate(zip(architecture.blocks, architecture.widths)):
        stages.append([])
        for block in range(blocks):
            place += 1
            stride = unit_stride(architecture, stage, block)
            dilates = architecture.output_stride is not None and reached * stride > architecture.output_stride
            unit = Unit(
                architecture=architecture,
                name=f"conv{stage + first}_block{block + 1}",
                width=width,
                stride=1 if dilates else stride,
                drop_rate=architecture.stochastic_depth * place / total,
                dilation=dilation,
                dilates=dilates,
            )
            stages[-1].append(unit)
            reached, dilation = (reached, dilation * stride) if dilates else (reached * stride, dilation)
    return stages


def stage_names(architecture: Architecture) -> list[str]:
    """Name stem and stages in their order, by what the names of their layers begin with."""
    stem = [] if architecture.stem == "none" else [STEM]
    return [*stem, *(stage[0].name.partition("_")[0] for stage in units_of(architecture))]


def stage_of(layer: str, stages: Sequence[str]) -> str | None:
    """Tell to which of the stages, stem included, a layer belongs by its name; None for the image and the head.

    Source: arXiv 1512.03385, Table 1, which counts the max pool behind the stem to the first stage.
    """
    prefix = layer.partition("_")[0]
    stage = {END: stages[-1], POOL: stages[min(1, len(stages) - 1)]}.get(prefix, prefix)
    return stage if stage in stages else None


def unit_stride(architecture: Architecture, stage: int, block: int) -> int:
    """Tell the stride of a unit: each stage but the first has half the size of the one before, unless pools see to it.

    Stages and their blocks are counted from 0.

    Source: arXiv 1512.03385, Table 1.
    """
    if architecture.downsampling == "max_pool":
        return 1
    if architecture.stride_unit == "first":
        strided = stage > 0 and block == 0
    else:
        strided = stage < len(architecture.blocks) - 1 and block == architecture.blocks[stage] - 1
    return 2 if strided else 1


def levels_of(architecture: Architecture) -> dict[str, Level]:
    """Find the last map of each scale: before the unit that strides or dilates, or before the pool, or at the end.

    They are named "C2", for the first scale after the stem, and so on. In a pre-activation network the map is taken
    behind the normalization and activation that open the next unit.
    """
    stages = units_of(architecture)
    ends = {stage[-1].name for stage in stages}
    units = [unit for stage in stages for unit in stage]
    stride, levels = architecture.stem_stride, {}
    first = 1 if architecture.stem == "none" else 2
    pools = architecture.downsampling == "max_pool"
    for unit, following in zip(units, [*units[1:], None]):
        stride *= unit.stride
        steps = following is None or following.stride > 1 or following.dilates
        if steps or (pools and unit.name in ends):
            levels[f"C{first + len(levels)}"] = Level(_tap(architecture, unit, following), stride)
            stride *= 2 if pools else 1
    return levels


def _tap(architecture: Architecture, unit: Unit, following: Unit | None) -> str:
    """Name the layer whose output is the last map of a scale."""
    if not architecture.is_preactivation:
        return f"{unit.name}_out"
    return "post_relu" if following is None else f"{following.name}_preact_relu"
