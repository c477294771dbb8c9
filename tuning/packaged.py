"""The studies that come with the package: what the papers claim, each as a small grid of runs, or in full."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml

from keras_resnet.messages import unknown

FULL = "full"  # what a study file holds beside its settings: those that `--full` changes


def study_names() -> list[str]:
    """List the studies, in the order in which they tell the story."""
    files = (file.name for file in resources.files("tuning").joinpath("studies").iterdir())
    return [name.removesuffix(".yaml") for name in sorted(files) if name.endswith(".yaml")]


def packaged_study(name: str, full: bool = False) -> dict[str, Any]:
    """Read a study that comes with the package.

    Args:
        name: str.
        full: bool, whether as in the paper, with data and epochs to match, instead of small.

    Returns:
        Dict of settings, as a study file holds them.

    Raises:
        ValueError: there is no such study.
    """
    if name not in study_names():
        raise ValueError(unknown("study", name, study_names()))
    text = resources.files("tuning").joinpath("studies", f"{name}.yaml").read_text(encoding="utf-8")
    settings = yaml.safe_load(text)
    larger = settings.pop(FULL, {})
    return {**settings, **larger} if full else settings
