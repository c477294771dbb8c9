"""What the papers publish of a run's network, beside what the run has reached."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras_resnet.architecture.catalogue import CATALOGUE, NAMES
from keras_resnet.architecture.figures import FIGURES
from training.config import RunConfig, load_recipe, make_config
from training.config.fields import changes, shown_name
from training.config.text import write_inline
from training.networks import make_architecture


class Protocol(NamedTuple):
    """How a published error came about.

    Args:
        views: str, what the network was shown of a test image.
        side: int, pixels along a side of that; None for those that the network is trained on.
        recipe: str, that of its training.
    """

    views: str
    side: int | None
    recipe: str


# By what the table of figures says of the test; without a word it is the first one.
PROTOCOLS: dict[str, Protocol] = {
    "": Protocol("single", None, "cifar10"),
    "10-crop": Protocol("ten_crop", None, "he2015-imagenet"),
    "320 crop": Protocol("single", 320, "he2016-imagenet"),
}
# The data set of the published errors of a family.
DATASETS: dict[str, str] = {"CIFAR": "cifar10", "ImageNet": "imagenet2012"}
# Networks that their authors have trained by no recipe that is here, and where it is told how.
TRAINED_ELSEWHERE: dict[str, str] = {"VGG16": "arXiv 1409.1556, section 3"}
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
    protocol = next(own for words, own in reversed(PROTOCOLS.items()) if words in error)
    apart = [*_other_views(config, protocol, config.data.image_size or side), *_other_training(config, name, protocol)]
    said = f"otherwise: {'; '.join(apart)}" if apart else "the same"
    return {"published error, %": error, "protocol of this run": said}


def _other_views(config: RunConfig, protocol: Protocol, size: int) -> list[str]:
    """Say how the network is tested, where that is not how the published error came about."""
    views, side = config.evaluation.views["name"], protocol.side
    found = [] if views == protocol.views else [f"tested in the views {views} instead of {protocol.views}"]
    return found if side in (None, size) else [*found, f"tested on images of {size} instead of {side} pixels"]


def _other_training(config: RunConfig, name: str, protocol: Protocol) -> list[str]:
    """Say how the training differs from that of the paper."""
    if name in TRAINED_ELSEWHERE:
        return [f"trained otherwise than in {TRAINED_ELSEWHERE[name]}"]
    recipe = protocol.recipe
    found: dict[str, Any] = {
        path: value
        for path, value in changes(make_config({}, recipe, load_recipe(recipe)), config).items()
        if value is not None and not path.startswith(LEFT_OUT)
    }
    named = [f"{shown_name(path)} {write_inline(value)}" for path, value in list(found.items())[:MOST]]
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    return [f"trained with {', '.join(named)}{more} instead of the recipe {recipe}"] if found else []
