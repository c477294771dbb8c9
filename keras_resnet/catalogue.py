"""The named networks, as a table of architectures."""

from __future__ import annotations

import re

from keras_resnet.architecture import Architecture
from keras_resnet.messages import unknown
from keras_resnet.units import UNITS

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
    return Architecture(blocks=blocks, widths=(64, 128, 256, 512), unit=unit, stem="imagenet", **choices)


def cifar(depth: int, unit: str | None = None, **choices) -> Architecture:
    """Describe a network of the CIFAR family, of any valid depth.

    Args:
        depth: int, 6n+2 with basic units, 9n+2 with bottleneck units.
        unit: "basic" or "bottleneck"; default the papers' for their depths, "basic" for others.
        **choices: fields of `Architecture`.

    Returns:
        Architecture, with shortcuts of option A for basic units and B for bottlenecks unless chosen otherwise.

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
    choices.setdefault("shortcut", "A" if unit == "basic" else "B")
    return Architecture(blocks=(n,) * 3, widths=(16, 32, 64), unit=unit, stem="cifar", **choices)


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
}


def get_architecture(name: str) -> Architecture:
    """Look up a network by name.

    Args:
        name: str, a name in the catalogue in any case, or "ResNet", "Plain" followed by any valid CIFAR depth
            and, for pre-activation, "V2".

    Returns:
        Architecture.

    Raises:
        ValueError: there is no such network.
    """
    by_lower_case = {known.lower(): architecture for known, architecture in CATALOGUE.items()}
    if name.lower() in by_lower_case:
        return by_lower_case[name.lower()]
    match = re.fullmatch(r"(resnet|plain)(\d+)(v2)?", name.lower())
    if not match:
        raise ValueError(unknown("network", name, CATALOGUE))
    family, depth, version = match.groups()
    choices = {"placement": PREACTIVATION} if version else {}
    if family == "plain":
        choices["shortcut"] = "none"
    try:
        return cifar(int(depth), **choices)
    except ValueError as error:
        raise ValueError(f"Unknown network {name!r}. {error} All names: python -m keras_resnet list.") from error
