"""What the papers publish of a run's network, beside what the run has reached."""

from __future__ import annotations

from typing import Any

from keras_resnet.architecture.catalogue import CATALOGUE, NAMES
from keras_resnet.architecture.figures import FIGURES
from training.config import RunConfig, load_recipe, make_config
from training.config.fields import changes, shown_name
from training.config.text import write_inline
from training.networks import make_architecture

# The data set of the published errors of a family, and the recipe of the paper, where there is one.
DATASETS: dict[str, str] = {"CIFAR": "cifar10", "ImageNet": "imagenet2012"}
RECIPES: dict[str, str] = {"CIFAR": "cifar10"}
# What the table of figures says of the test: the views, and the side of the images where it is not the network's own.
PROTOCOLS: dict[str, tuple[str, int | None]] = {"10-crop": ("ten_crop", None), "320 crop": ("single", 320)}
# What may differ from the recipe: data set and network, the views, of which is told apart, and the warm-up, which the
# papers give to deep networks only.
LEFT_OUT = ("data.dataset", "network.", "evaluation.views.", "schedule.warmup")
MOST = 6  # differences that are named


def published_rows(config: RunConfig) -> dict[str, str]:
    """Say what is published of the network and data set of a run, and where its protocol is another.

    Args:
        config: RunConfig.

    Returns:
        Dict of headings to texts, for the report; empty where nothing is published of this network on these data.

    Source: `keras_resnet.architecture.figures`.
    """
    name = NAMES.get((config.network.name or "").lower())
    if name is None or config.start.weights or make_architecture(config.network, config.start) != CATALOGUE[name]:
        return {}
    error, family, side = FIGURES[name].error, CATALOGUE[name].family, CATALOGUE[name].image_size
    if not error or config.data.dataset.partition(":")[0] != DATASETS[family]:
        return {}
    apart = [*_other_views(config, error, config.data.image_size or side), *_other_training(config, family)]
    said = f"otherwise: {'; '.join(apart)}" if apart else "the same"
    return {"published error, %": error, "protocol of this run": said}


def _other_views(config: RunConfig, error: str, size: int) -> list[str]:
    """Say how the network is tested, where that is not how the published error came about."""
    wanted, side = next((own for words, own in PROTOCOLS.items() if words in error), ("single", None))
    views = config.evaluation.views["name"]
    found = [] if views == wanted else [f"tested in the views {views} instead of {wanted}"]
    return found if side in (None, size) else [*found, f"tested on images of {size} instead of {side} pixels"]


def _other_training(config: RunConfig, family: str) -> list[str]:
    """Say how the training differs from the recipe of the paper."""
    if family not in RECIPES:
        return []
    recipe = RECIPES[family]
    found: dict[str, Any] = {
        path: value
        for path, value in changes(make_config({}, recipe, load_recipe(recipe)), config).items()
        if value is not None and not path.startswith(LEFT_OUT)
    }
    named = [f"{shown_name(path)} {write_inline(value)}" for path, value in list(found.items())[:MOST]]
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    return [f"trained with {', '.join(named)}{more} instead of the recipe {recipe}"] if found else []
