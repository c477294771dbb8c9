"""The named networks, as a table of architectures."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from keras_resnet.architecture.value import Architecture
from keras_resnet.choices.units import UNITS
from keras_resnet.messages import unknown

PREACTIVATION = "full_preactivation"

# arXiv 1512.03385, Table 1; 200 layers: arXiv 1603.05027, section 5. Unit and units in each stage.
IMAGENET_DEPTHS: dict[int, tuple[str, tuple[int, ...]]] = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
    200: ("bottleneck", (3, 24, 36, 3)),
}

# arXiv 1512.03385, section 4.2 (6n+2 layers) and arXiv 1603.05027, appendix (9n+2 layers).
CIFAR_DEPTHS: dict[int, str] = {
    20: "basic",
    32: "basic",
    44: "basic",
    56: "basic",
    110: "basic",
    1202: "basic",
    164: "bottleneck",
    1001: "bottleneck",
}

# arXiv 1409.1556, Table 1, D and E. Convolutions in each stage.
VGG_DEPTHS: dict[int, tuple[int, ...]] = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}

# arXiv 1812.01187, Figure 2: "B" moves the stride, "C" deepens the stem, "D" pools before projections.
D: dict[str, str] = {"stride_on": "3x3", "stem": "deep", "projection": "average_pool"}


def imagenet(depth: int, **choices) -> Architecture:
    """Describe a network of the ImageNet family.

    Args:
        depth: int, a key of `IMAGENET_DEPTHS`.
        **choices: fields of `Architecture`.

    Returns:
        Architecture, with option B shortcuts unless chosen otherwise.

    Raises:
        ValueError: the papers have no network of this depth.

    Source: arXiv 1512.03385, Table 1.
    """
    if depth not in IMAGENET_DEPTHS:
        raise ValueError(f"No ImageNet network has {depth!r} layers; the depths are {list(IMAGENET_DEPTHS)}.")
    unit, blocks = IMAGENET_DEPTHS[depth]
    family = {"blocks": blocks, "widths": (64, 128, 256, 512), "unit": unit, "stem": "imagenet"}
    return Architecture(**(family | choices))


def cifar(depth: int, unit: str | None = None, **choices) -> Architecture:
    """Describe a network of the CIFAR family, of any valid depth.

    Args:
        depth: int, 6n+2 with basic units, 9n+2 with bottleneck units, 3n+2 with single convolutions.
        unit: "basic", "bottleneck" or "single"; default the papers' for their depths, "basic" for others.
        **choices: fields of `Architecture`.

    Returns:
        Architecture, with shortcuts of option B for bottlenecks and A for other units unless chosen otherwise.

    Raises:
        ValueError: the depth is not of that form.

    Source: arXiv 1512.03385, section 4.2; arXiv 1603.05027, appendix.
    """
    unit = unit or CIFAR_DEPTHS.get(depth, "basic")
    if unit not in UNITS:
        raise ValueError(unknown("unit", unit, UNITS))
    n = _units_in_a_stage(depth, unit)
    if n is None:
        raise ValueError(_no_such_depth(depth, unit))
    shortcut = "B" if unit == "bottleneck" else "A"
    family = {"blocks": (n,) * 3, "widths": (16, 32, 64), "unit": unit, "stem": "cifar", "shortcut": shortcut}
    return Architecture(**(family | choices))


def wide(depth: int, factor: int, **choices) -> Architecture:
    """Describe a Wide ResNet of the CIFAR family.

    Args:
        depth: int, 6n+4: unlike He et al., the authors count the three projections, and our `depth` is two less.
        factor: int, how much wider than a ResNet of the family it is.
        **choices: fields of `Architecture`.

    Returns:
        Architecture, with the stem of 16 filters and option B shortcuts.

    Raises:
        ValueError: the depth is not of that form, or the factor below 2.

    Source: arXiv 1605.07146, Table 1.
    """
    if factor < 2 or depth < 10 or (depth - 4) % 6:
        raise ValueError(f"A Wide ResNet has 6n+4 layers and a factor of at least 2; received {depth} and {factor}.")
    widths = tuple(width * factor for width in (16, 32, 64))
    family = {"widths": widths, "stem_width": 16, "shortcut": "B", "placement": PREACTIVATION}
    return cifar(depth - 2, "basic", **(family | choices))


def highway(depth: int, **choices) -> Architecture:
    """Describe a Highway network of the CIFAR family: single convolutions with ReLU, gated exclusively.

    Args:
        depth: int, 3n+2.
        **choices: fields of `Architecture`.

    Returns:
        Architecture.

    Raises:
        ValueError: the depth is not of that form.

    Source: arXiv 1505.00387, equation 3, with the 1x1 gates of arXiv 1603.05027, section 3.1, in the widths of
        arXiv 1512.03385, section 4.2.
    """
    family = {"shortcut": "exclusive_gating", "placement": "relu_before_addition"}
    return cifar(depth, "single", **(family | choices))


def vgg(depth: int, **choices) -> Architecture:
    """Describe a VGG network: a plain network of single convolutions, pools and fully connected layers.

    Args:
        depth: int, 16 or 19.
        **choices: fields of `Architecture`; normalization="batch" for batch normalization.

    Returns:
        Architecture.

    Raises:
        ValueError: there is no such network.

    Source: arXiv 1409.1556, Table 1, configurations D and E, and section 3.1 for dropout.
    """
    if depth not in VGG_DEPTHS:
        raise ValueError(f"No VGG network has {depth!r} layers; the depths are {list(VGG_DEPTHS)}.")
    family = {
        "blocks": VGG_DEPTHS[depth],
        "widths": (64, 128, 256, 512, 512),
        "unit": "single",
        "stem": "none",
        "shortcut": "none",
        "downsampling": "max_pool",
        "normalization": "none",
        "biased": ("1",),
        "hidden": (4096, 4096),
        "classifier_dropout": 0.5,
    }
    return Architecture(**(family | choices))


def _units_in_a_stage(depth: int, unit: str) -> int | None:
    n, rest = divmod(depth - 2, 3 * len(UNITS[unit].kernels))
    return n if n >= 1 and not rest else None


def _no_such_depth(depth: int, unit: str) -> str:
    step = 3 * len(UNITS[unit].kernels)
    n = max((depth - 2) // step, 1)
    others = (other for other in UNITS if other != unit and _units_in_a_stage(depth, other))
    hint = "".join(f" With {other} units there is one: cifar({depth}, {other!r})." for other in others)
    return (
        f"A CIFAR network of {unit} units has {step}n+2 layers; received {depth}. The nearest are {step * n + 2} and "
        f"{step * n + step + 2}.{hint}"
    )


CATALOGUE: dict[str, Architecture] = {
    **{f"ResNet{depth}": imagenet(depth) for depth in IMAGENET_DEPTHS},
    **{f"ResNet{depth}V2": imagenet(depth, placement=PREACTIVATION) for depth in IMAGENET_DEPTHS},
    **{f"Plain{depth}": imagenet(depth, shortcut="none") for depth in (18, 34)},
    **{f"ResNet{depth}": cifar(depth) for depth in CIFAR_DEPTHS},
    **{f"ResNet{depth}V2": cifar(depth, placement=PREACTIVATION) for depth in CIFAR_DEPTHS},
    **{f"Plain{depth}": cifar(depth, shortcut="none") for depth in (20, 32, 44, 56, 110)},
    **{f"ResNet{depth}D": imagenet(depth, **D) for depth in IMAGENET_DEPTHS},
    **{f"SEResNet{depth}": imagenet(depth, squeeze_excitation=16) for depth in (50, 101, 152)},
    "ResNeXt50_32x4d": imagenet(50, groups=32, width_per_group=4, stride_on="3x3"),
    "ResNeXt101_32x8d": imagenet(101, groups=32, width_per_group=8, stride_on="3x3"),
    "ResNeXt101_64x4d": imagenet(101, groups=64, width_per_group=4, stride_on="3x3"),
    "WideResNet50_2": imagenet(50, width_per_group=128, stride_on="3x3"),
    "WideResNet101_2": imagenet(101, width_per_group=128, stride_on="3x3"),
    **{f"VGG{depth}": vgg(depth) for depth in VGG_DEPTHS},
    **{f"VGG{depth}BN": vgg(depth, normalization="batch") for depth in VGG_DEPTHS},
    "ResNeXt29_8x64d": cifar(29, "bottleneck", widths=(64, 128, 256), groups=8, stride_on="3x3"),
    **{f"WideResNet{depth}_{factor}": wide(depth, factor) for depth, factor in ((16, 8), (28, 10), (40, 4))},
    **{f"Highway{depth}": highway(depth) for depth in (20, 32)},
}

# The names, by how they are looked up: in any case.
NAMES: dict[str, str] = {name.lower(): name for name in CATALOGUE}
# Families whose networks have a name at every valid depth.
FAMILIES: dict[str, Callable[..., Architecture]] = {
    "resnet": cifar,
    "plain": functools.partial(cifar, shortcut="none"),
    "highway": highway,
}


def get_architecture(name: str) -> Architecture:
    """Look up a network by name.

    Args:
        name: str, a name in the catalogue in any case; or "ResNet", "Plain" or "Highway" followed by any valid CIFAR
            depth and, for pre-activation, "V2"; or "WideResNet" followed by any valid depth and factor.

    Returns:
        Architecture.

    Raises:
        ValueError: there is no such network.
    """
    if name.lower() in NAMES:
        return CATALOGUE[NAMES[name.lower()]]
    by_depth = re.fullmatch(rf"({'|'.join(FAMILIES)})(\d+)(v2)?", name.lower())
    by_factor = re.fullmatch(r"wideresnet(\d+)_(\d+)", name.lower())
    try:
        if by_depth:
            family, depth, version = by_depth.groups()
            return FAMILIES[family](int(depth), **({"placement": PREACTIVATION} if version else {}))
        if by_factor:
            return wide(*map(int, by_factor.groups()))
    except ValueError as error:
        raise ValueError(f"Unknown network {name!r}. {error} All names: python -m keras_resnet list.") from error
    raise ValueError(unknown("network", name, CATALOGUE))
