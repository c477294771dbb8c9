"""The studies that come with the package: what the papers claim, each as a small grid of runs, or in full."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

from keras_resnet.messages import unknown

# The studies in the order in which they tell the story, from the fault to what cured it and where the cure ends.
STUDIES = (
    "degradation",
    "convergence",
    "options",
    "shortcuts",
    "projections",
    "placements",
    "activations",
    "gradients",
    "remedies",
    "depth",
    "regularization",
    "ensembles",
)
# What a study file holds beside its settings: those that options of these names lay over them, each over those before.
SIZES = ("full", "deepest")
ADDED = ("claims", "published")  # settings of which a larger study has more instead of others


def packaged_study(name: str, size: str | None = None) -> dict[str, Any]:
    """Read a study that comes with the package.

    Args:
        name: str, one of `STUDIES`.
        size: str, "full" for data and epochs as in the paper; "deepest" for its deepest network too; None for small.

    Returns:
        Dict of settings, as a study file holds them.

    Raises:
        ValueError: there is no such study, or not of that size.
    """
    if name not in STUDIES:
        raise ValueError(unknown("study", name, STUDIES))
    text = resources.files("tuning").joinpath("studies", f"{name}.yaml").read_text(encoding="utf-8")
    settings = yaml.safe_load(text)
    larger = {own: settings.pop(own) for own in SIZES if own in settings}
    if size is None:
        return settings
    if size not in larger:
        options = " or ".join(f"--{own}" for own in larger)
        raise ValueError(f"The study {name!r} has no --{size}; give {options}, or neither for its small form.")
    for own in SIZES[: SIZES.index(size) + 1]:
        settings = enlarged(settings, larger.get(own, {}))
    return settings


def enlarged(settings: Mapping[str, Any], larger: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the settings of a larger study over those of a smaller one, and add what it claims beside that."""
    added = {name: [*settings.get(name, ()), *larger[name]] for name in ADDED if name in larger}
    return {**settings, **larger, **added}
