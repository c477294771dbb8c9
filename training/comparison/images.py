"""Which image folders and tables hold the same images, wherever they lie: told by what runs have noted of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from keras_resnet.preprocessing import Preprocessing
from training.run_folder import RunFolder

DATA_DIR = "data.data_dir"


class Images(NamedTuple):
    """The images of runs."""

    place: str | None  # the image folder or the CSV file; None of a data set that its name tells
    noted: frozenset[str]  # what runs have noted of them; empty where none has been tested yet


def note_of(folder: RunFolder, tested: Mapping[str, Any]) -> frozenset[str]:
    """Note the classes of a run's images, how many it was tested on, and the standardization that came of them."""
    try:
        contract = json.dumps(Preprocessing.load(folder.preprocessing_file).to_dict())
        # Not to the last bit: another machine may add up, or resize, in another order.
        rounded = json.loads(contract, parse_float=lambda number: f"{float(number):.5g}")
        return frozenset([json.dumps([folder.read_labels(), tested["split"], tested["examples"], rounded])])
    except (ValueError, KeyError):  # one is damaged, or not there
        return frozenset()


def read_tested(folder: RunFolder) -> Mapping[str, Any]:
    """Read the figures of a run's last test; none where it was not tested, or its file is damaged."""
    try:
        figures = json.loads(folder.test_file.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return {}
    return figures if isinstance(figures, Mapping) else {}


def name_images(all_images: Sequence[Images]) -> list[str | None]:
    """Name images by their place, and those that were moved by the first place that is known to hold the same."""
    names: list[str | None] = []
    for own in all_images:
        same = (name for name, other in zip(names, all_images) if other.place == own.place or other.noted & own.noted)
        names.append(own.place and next(same, own.place))
    return names
