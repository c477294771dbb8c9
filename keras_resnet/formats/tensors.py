"""safetensors: the weights alone, under our names with a card, or under those of timm and torchvision."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import safetensors.numpy

from keras_resnet.formats.network import Exported
from keras_resnet.weights import card
from keras_resnet.weights.renaming import timm_config, under_names_of_timm

NAME = f"model{card.WEIGHTS}"
CONFIG = "config.json"


def prepare(exported: Exported) -> Callable[[Path], None]:
    """Name the tensors, and give the function that writes their folder."""
    model = exported.model
    if getattr(model, "architecture", None) is None:
        raise ValueError(
            f"{model.name!r} does not carry its Architecture, which tells what its weights are of: it is folded in "
            "part, or comes from a file of version 0.1.0. Export it unfolded, or as keras."
        )
    return _of_timm(exported) if exported.layout == "timm" else _own(exported)


def _own(exported: Exported) -> Callable[[Path], None]:
    network = exported.carrying

    def write(part: Path) -> None:
        part.mkdir()
        card.write(part / NAME, network, exported.about)

    return write


def _of_timm(exported: Exported) -> Callable[[Path], None]:
    arrays = under_names_of_timm(exported.model)
    config = timm_config(exported.model, exported.contract, exported.labels)
    written = safetensors.numpy.save(arrays, {"format": "pt", **exported.metadata()})

    def write(part: Path) -> None:
        part.mkdir()
        (part / NAME).write_bytes(written)
        if config is not None:
            (part / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")

    return write
