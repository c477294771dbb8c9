"""Whether two architectures compute the same function of the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from keras_resnet.architecture import FIELDS, Architecture
from keras_resnet.architecture.table import TABLE
from keras_resnet.choices import activations
from keras_resnet.choices.registry import complete
from keras_resnet.choices.shortcuts import SHORTCUTS
from keras_resnet.choices.stems import STEMS
from keras_resnet.choices.units import UNITS

# Choices that change the function, though neither the names nor the shapes of weights may tell them.
SILENT = (
    "placement",
    "shortcut",
    "activation",
    "stride_on",
    "stride_unit",
    "downsampling",
    "output_stride",
    "padding",
    "pool_padding",
    "projection",
    "stem_activation",
)
# Parameters of shortcuts and activations that only say where weights start, or what is dropped while training.
INITIAL = ("bias", "slope", "beta", "rate")


def differences(here: Architecture, there: Architecture, fields: Iterable[str] | None = None) -> list[str]:
    """Compare two architectures in all fields that decide the function, or in some; a phrase for each that differs."""
    ours, theirs = function_of(here), function_of(there)
    # A field that has an effect in one of them alone goes with another that differs.
    return [
        f"{field} is {getattr(here, field)!r} here and {getattr(there, field)!r} there"
        for field in (FIELDS if fields is None else fields)
        if field in ours and field in theirs and ours[field] != theirs[field]
    ]


def function_of(architecture: Architecture) -> dict[str, Any]:
    """Give the serialized choices that decide the function of given weights, without those that have no effect."""
    fields = {name: value for name, value in architecture.to_dict().items() if not TABLE[name].is_harmless}
    fields["stem_width"] = architecture.stem_filters
    if architecture.squeeze_excitation is not None:
        fields["output_stride"] = architecture.stride  # decides over which pixels the means are
    fields["shortcut"] = _shortcut(architecture)
    fields["activation"] = _activation(fields["activation"])
    if architecture.stem_activation and fields["activation"] == "relu":
        fields["pool_padding"] = "lowest"  # zeros are never picked either, where no value is below zero
    return {name: value for name, value in fields.items() if name not in NO_EFFECT or not NO_EFFECT[name](architecture)}


def _shortcut(architecture: Architecture) -> dict[str, Any]:
    """Write out a shortcut with all its parameters, under one name where several give the same function."""
    shortcut = _with_defaults("shortcut", architecture.shortcut, SHORTCUTS)
    if shortcut["name"] == "dropout":  # at inference the shortcut that it drops
        shortcut = _with_defaults("shortcut", shortcut["change"], SHORTCUTS)
    if shortcut["name"] == "convolution":
        shortcut["name"] = "C"
    normalized = "norm" in architecture.entry.suffix and architecture.normalization != "none"  # as projections of B are
    if shortcut["name"] == "C":
        shortcut["norm"] = shortcut["norm"] and normalized
    if architecture.pieces > 1:
        return shortcut
    changes = _changes_of_channels(architecture)
    if shortcut["name"] == "A" and not any(changes):
        return {"name": "B"}
    if shortcut == {"name": "C", "norm": normalized} and set(architecture.blocks) == {1} and all(changes):
        return {"name": "B"}
    return shortcut


def _activation(choice: Any) -> Any:
    """Write out an activation that has parameters; of a serialized layer leave out the type it computes in."""
    if isinstance(choice, Mapping) and isinstance(choice.get("config"), Mapping):
        return {**choice, "config": {key: value for key, value in choice["config"].items() if key != "dtype"}}
    if "name" in choice if isinstance(choice, Mapping) else choice in activations.LAYERS:
        return _with_defaults("activation", choice, activations.LAYERS)
    return choice


def _with_defaults(kind: str, choice: str | Mapping[str, Any], registry: Mapping[str, Callable]) -> dict[str, Any]:
    return {key: value for key, value in complete(kind, choice, registry).items() if key not in INITIAL}


def _changes_of_channels(architecture: Architecture) -> list[bool]:
    """Tell for the first unit of each stage whether it gives another number of channels than enters it."""
    given = [width * UNITS[architecture.unit].expansion for width in architecture.widths]
    entering = [None if architecture.stem == "none" else architecture.stem_filters, *given]
    return [before != after for before, after in zip(entering, given)]


def _strides(architecture: Architecture) -> bool:
    """Tell whether units stride."""
    return architecture.downsampling == "stride" and len(architecture.blocks) > 1


def _pads(architecture: Architecture) -> bool:
    """Tell whether anything strides whose kernel spans more than a pixel, and so is padded on two sides or on one."""
    stem, kernels = STEMS[architecture.stem], UNITS[architecture.unit].kernels
    strided = 3 if architecture.stride_on == "3x3" else kernels[0]
    return stem.pool or stem.stride > 1 or (_strides(architecture) and strided > 1)


def _projects_with_stride(architecture: Architecture) -> bool:
    """Tell whether some projection carries a stride."""
    shortcut = _with_defaults("shortcut", architecture.shortcut, SHORTCUTS)
    kind = shortcut.get("change", shortcut["name"])
    if not _strides(architecture) or kind not in ("B", "C", "convolution"):
        return False
    changes = _changes_of_channels(architecture)
    if architecture.stride_unit == "first":
        striding = changes[1:]
    else:  # the last unit of a stage projects only where it is the first one too
        striding = [change and blocks == 1 for change, blocks in zip(changes[:-1], architecture.blocks)]
    return kind != "B" or architecture.pieces > 1 or any(striding)


# Fields that leave the function as it is in some architectures, and in which.
NO_EFFECT: dict[str, Callable[[Architecture], bool]] = {
    "stride_on": lambda architecture: UNITS[architecture.unit].kernels[0] == 3 or not _strides(architecture),
    "stride_unit": lambda architecture: not _strides(architecture),
    "padding": lambda architecture: not _pads(architecture),
    "pool_padding": lambda architecture: not STEMS[architecture.stem].pool or architecture.padding == "same",
    "projection": lambda architecture: not _projects_with_stride(architecture),
    "stem_activation": lambda architecture: architecture.stem == "none",
    "norm_epsilon": lambda architecture: architecture.normalization == "none",
}
