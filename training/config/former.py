"""The flat configurations of version 0.1.0: where each of their fields stands now, and how they are translated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from keras_resnet.choices.registry import complete
from training.config.text import read_inline, write_inline
from training.data.augmentation import AUGMENTATIONS

# Every field of version 0.1.0, and where it stands now. Of an augmentation, its name and parameter.
PATHS: dict[str, str] = {
    "network": "network.name",
    "shortcut": "network.shortcut",
    "placement": "network.placement",
    "activation": "network.activation",
    "choices": "network.choices",
    "weights": "start.weights",
    "new_head": "start.new_head",
    "freeze": "start.freeze",
    "head_epochs": "start.head_epochs",
    "stage_decay": "start.stage_decay",
    "dataset": "data.dataset",
    "data_dir": "data.data_dir",
    "download": "data.download",
    "train_split": "data.train_split",
    "test_split": "data.test_split",
    "validation": "data.validation",
    "validation_seed": "data.validation_seed",
    "image_size": "data.image_size",
    "cache": "data.cache",
    "shuffle_buffer": "data.shuffle_buffer",
    "standardize": "data.standardize",
    "test_crop": "evaluation.test_crop",
    "random_area": "augmentation.random_resized_crop.area",
    "pad_crop": "augmentation.pad_crop.pixels",
    "border": "augmentation.pad_crop.border",
    "flip": "augmentation.flip.alternating",
    "batch_size": "batch_size",
    "epochs": "epochs",
    "iterations": "iterations",
    "optimizer": "optimizer.name",
    "learning_rate": "optimizer.learning_rate",
    "kernel_rate": "optimizer.kernel_rate",
    "momentum": "optimizer.momentum",
    "nesterov": "optimizer.nesterov",
    "weight_decay": "optimizer.weight_decay",
    "decayed": "optimizer.decayed",
    "label_smoothing": "loss.label_smoothing",
    "schedule": "schedule.name",
    "milestones": "schedule.milestones",
    "warmup": "schedule.warmup",
    "dtype": "hardware.dtype",
    "seed": "seed",
    "deterministic": "deterministic",
    "devices": "hardware.devices",
    "synchronized": "hardware.synchronized",
    "jit_compile": "hardware.jit_compile",
    "steps_per_execution": "hardware.steps_per_execution",
}
_AUGMENTATIONS = {path.rpartition(".")[0] for path in PATHS.values() if path.startswith("augmentation.")}
# The parameters that version 0.1.0 read for these choices, by their defaults then; it passed over all others.
_SGD = {"learning_rate": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 1e-4, "decayed": "all"}
READ: dict[str, dict[str, Any]] = {
    "sgd": _SGD,
    "muon": {**_SGD, "kernel_rate": 0.015},
    "adamw": {name: _SGD[name] for name in ("learning_rate", "weight_decay", "decayed")},
    "constant": {},
    "steps": {"milestones": ()},
    "one_cycle": {"warmup": 0.0},
    "cosine": {"warmup": 0.0},
}


def is_complete(fields: Mapping[str, Any]) -> bool:
    """Tell whether fields are all those of version 0.1.0, as a run of it wrote them."""
    return set(fields) == set(PATHS)


def translate(fields: Mapping[str, Any], base: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """Turn fields of version 0.1.0 into paths of today; other fields stay as they are.

    Args:
        fields: mapping of names of fields to values.
        base: mapping of paths to values, such as a recipe's, that the fields lie over. What became part of a choice,
            as `momentum` of the optimizer, overrides that part alone.

    Returns:
        Dict of paths to values.
    """
    moved = {PATHS.get(name, name): _value(name, value) for name, value in fields.items() if not _augments(name)}
    for choice in ("optimizer", "schedule"):
        read = READ.get(moved.get(f"{choice}.name"))
        if read is not None:
            moved = {path: value for path, value in moved.items() if not path.startswith(f"{choice}.")}
            below = {name: base.get(f"{choice}.{name}", value) for name, value in read.items()}
            moved[choice] = {"name": fields[choice], **{name: fields.get(name, value) for name, value in below.items()}}
    if any(map(_augments, fields)):
        below = [complete("augmentation", one, AUGMENTATIONS) for one in base.get("augmentation", ())]
        others = [one for one in below if f"augmentation.{one['name']}" not in _AUGMENTATIONS]
        moved["augmentation"] = [*_augmentation({**_flat(below), **fields}), *others]
    return moved


def _flat(augmentation: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Write augmentations as the fields of version 0.1.0; the reverse of `_augmentation`."""
    paths = {f"augmentation.{one['name']}.{key}": value for one in augmentation for key, value in one.items()}
    flat = {name: paths[path] for name, path in PATHS.items() if path in paths}
    if "flip" in flat:
        flat["flip"] = "alternating" if flat["flip"] else "random"
    return flat


def moved_to(name: str, value: Any) -> tuple[str, str] | None:
    """Tell where a field of version 0.1.0 stands today: its path, and what is written there; None for any other."""
    if name not in PATHS:
        return None
    if _augments(name):
        return "augmentation", write_inline(
            _augmentation({"pad_crop": 4, name: value} if name == "border" else {name: value})
        )
    return PATHS[name], write_inline(_value(name, value))


def _augments(name: str) -> bool:
    return PATHS.get(name, "").startswith("augmentation.")


def _augmentation(fields: Mapping[str, Any]) -> list[str | dict[str, Any]]:
    """List the augmentations that fields of version 0.1.0 ask for, in the order in which it applied them."""
    choices, border = [], fields.get("border")
    if area := fields.get("random_area"):
        choices.append({"name": "random_resized_crop", "area": area})
    if pixels := fields.get("pad_crop"):
        choices.append({"name": "pad_crop", "pixels": pixels, **({"border": border} if border else {})})
    if (kind := fields.get("flip", "none")) != "none":
        choices.append({"name": "flip", "alternating": True} if kind == "alternating" else "flip")
    return choices


def _value(name: str, value: Any) -> Any:
    """Read a mapping that version 0.1.0 kept as text."""
    if name == "choices" and value is None:
        return {}
    if name in ("shortcut", "activation", "choices") and isinstance(value, str) and value.strip().startswith("{"):
        return read_inline(name, value)
    return value
