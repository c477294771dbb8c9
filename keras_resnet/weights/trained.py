"""The weights that come with the package: NETWORK_DATASET.safetensors in the folder `trained`, each with its card."""

from __future__ import annotations

import json
from pathlib import Path

from keras_resnet.architecture import Architecture
from keras_resnet.architecture.catalogue import NAMES

FOLDER = Path(__file__).with_name("trained")


def files(folder: Path = FOLDER) -> dict[str, dict[str, Path]]:
    """Find the files of weights, by data set and by the network's name in the catalogue."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob("*_*.safetensors")):
        network, _, dataset = path.stem.rpartition("_")
        found.setdefault(dataset, {})[NAMES[network]] = path
    return found


def architecture(path: Path) -> Architecture:
    """Read from the card of weights in which architecture they were trained."""
    return Architecture.from_dict(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["architecture"])
