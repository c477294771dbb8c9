"""The architecture of a file of weights, as far as names and shapes tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from keras_resnet.architecture import Architecture
from keras_resnet.choices.units import UNITS
from keras_resnet.weights.naming import Arrays, Source, is_preactivated

Shapes = Mapping[str, tuple[int, ...]]


def infer_architecture(tensors: Arrays, source: Source, projection: str | None = None) -> Architecture:
    """Work out the architecture of tensors under the names of this package.

    Where the names of a file do not tell how projections carry their stride, that of the published networks with such
    a stem is taken.
    """
    shapes = _Shapes((name, tuple(array.shape)) for name, array in tensors.items())
    blocks = _blocks(shapes)
    unit = "bottleneck" if "conv2_block1_3_conv/kernel" in shapes else "basic"
    last = len(UNITS[unit].kernels)
    outputs = [shapes[f"conv{stage}_block1_{last}_conv/kernel"][-1] for stage in range(2, len(blocks) + 2)]
    widths = tuple(channels // UNITS[unit].expansion for channels in outputs)
    stem = _stem(shapes, widths)
    fields = {
        "blocks": blocks,
        "widths": widths,
        "unit": unit,
        "placement": "full_preactivation" if is_preactivated(tensors) else "original",
        "shortcut": _shortcut(shapes, blocks),
        "biased": _biased(shapes),
        "projection": projection or ("average_pool" if stem["stem"] == "deep" else "convolution"),
        **stem,
        **(_groups(shapes, widths) if unit == "bottleneck" else {}),
        **_squeeze(shapes),
        **source.choices_of(tensors),
    }
    if refusal := source.refused_stems.get(fields["stem"]):
        raise ValueError(refusal)
    return Architecture(**fields)


class _Shapes(dict):
    """Shapes by name; one that is missing is a fault of the file."""

    def __missing__(self, name: str):
        raise ValueError(f"the file lacks {name}, which every such network has.")


def _blocks(shapes: Shapes) -> tuple[int, ...]:
    units = {tuple(map(int, match.groups())) for name in shapes if (match := re.match(r"conv(\d+)_block(\d+)_", name))}
    stages = sorted({stage for stage, _ in units})
    if not stages or stages != list(range(2, len(stages) + 2)):
        raise ValueError("its tensors are not those of a residual network.")
    return tuple(max(block for other, block in units if other == stage) for stage in stages)


def _shortcut(shapes: Shapes, blocks: tuple[int, ...]) -> str:
    projections = [name for name in shapes if re.fullmatch(r"conv\d+_block\d+_0_conv/kernel", name)]
    if len(projections) == sum(blocks):
        return "C"
    for name in projections:
        *_, inputs, filters = shapes[name]
        if inputs == filters:
            raise ValueError(
                f"it has {name}, a projection where the width stays, which no shortcut here has in one unit alone."
            )
    return "B" if projections else "A"


def _stem(shapes: Shapes, widths: tuple[int, ...]) -> dict[str, Any]:
    deep = "conv1_3_conv/kernel" in shapes
    names = [f"conv1_{place}_conv/kernel" for place in (1, 2, 3)] if deep else ["conv1_conv/kernel"]
    kernels = [shapes[name] for name in names]
    filters = [kernel[-1] for kernel in kernels]
    stem = "deep" if deep else {7: "imagenet", 3: "cifar"}.get(kernels[0][0])
    if stem is None:
        raise ValueError(f"its first convolution is {kernels[0][0]}x{kernels[0][1]}; stems here begin with 7x7 or 3x3.")
    if deep and filters != [filters[2] // 2, filters[2] // 2, filters[2]]:
        raise ValueError(
            f"the convolutions of its stem have {filters[0]}, {filters[1]} and {filters[2]} filters; the first two "
            "must have half as many as the third."
        )
    return {"stem": stem, **({} if filters[-1] == widths[0] else {"stem_width": filters[-1]})}


def _groups(shapes: Shapes, widths: tuple[int, ...]) -> dict[str, int]:
    *_, inputs, filters = shapes["conv2_block1_2_conv/kernel"]
    groups = filters // inputs
    each = filters * 64 // (groups * widths[0])
    return {"groups": groups, "width_per_group": each}


def _squeeze(shapes: Shapes) -> dict[str, int]:
    kernel = shapes.get("conv2_block1_se_reduce/kernel")
    return {"squeeze_excitation": kernel[-2] // kernel[-1]} if kernel else {}


def _biased(shapes: Shapes) -> tuple[str, ...]:
    """Name the convolutions whose bias no normalization directly behind could absorb."""
    sites = {
        "stem": ("conv1_conv", "conv1_bn"),
        "shortcut": ("conv2_block1_0_conv", "conv2_block1_0_bn"),
        **{site: (f"conv2_block1_{site}_conv", f"conv2_block1_{site}_bn") for site in "123"},
    }
    return tuple(
        site for site, (conv, norm) in sites.items() if f"{conv}/bias" in shapes and f"{norm}/gamma" not in shapes
    )
