"""Which image folders and tables hold the same images, wherever they lie: told by what runs have written of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from keras_resnet.preprocessing import Preprocessing
from training.data.facts import read_facts
from training.run_folder import RunFolder

DATA_DIR = "data.data_dir"
# Fields that decide which images of its data a run reads.
SPLITTING = (
    "data.train_split",
    "data.test_split",
    "data.validation",
    "data.validation_seed",
    "data.on_bad_image",
)
# These, and those that decide what the labels are.
PARTING = ("data.label_separator", "data.display_names", *SPLITTING)


class Images(NamedTuple):
    """The images of runs."""

    place: str | None  # the image folder or the CSV file; None of a data set that its name tells
    noted: frozenset[str]  # what runs have noted of them; empty where none has been tested yet
    recorded: Mapping[str, str] = {}  # records of them, by the fields that decide which of the images are read


def note_of(folder: RunFolder, tested: Mapping[str, Any]) -> frozenset[str]:
    """Give the record of a run's data, or else its classes, the number of tested images, and their standardization."""
    try:
        if record := read_facts(folder.data_file):
            return frozenset([json.dumps(record, sort_keys=True)])
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


def images_of(folder: RunFolder, fields: Mapping[str, Any]) -> Images:
    """Give the images of a run, of which the fields are known."""
    if not (place := fields.get(DATA_DIR)):
        return Images(None, frozenset())
    noted = note_of(folder, read_tested(folder))
    if not (noted and folder.data_file.is_file()):
        return Images(place, noted)
    parted = json.dumps([fields.get(path) for path in PARTING])
    return Images(place, noted, {parted: next(iter(noted))})


def name_images(all_images: Sequence[Images]) -> list[str | None]:
    """Name images by their place; those that were moved by the first place, those that changed with a number too."""
    names: list[str | None] = []
    known: dict[str | None, list[Images]] = {}
    for own in all_images:
        name = own.place and next((name for name, others in known.items() if _are_same(own, others)), None)
        if own.place and not name:
            numbered = (f"{own.place} ({number})" for number in itertools.count(2))
            name = next(new for new in itertools.chain([own.place], numbered) if new not in known)
        known.setdefault(name, []).append(own)
        names.append(name)
    return names


def _are_same(own: Images, others: Sequence[Images]) -> bool:
    """Tell whether images are those of others: by records of the same parts of them, else by place and notes."""
    compared = [
        own.recorded[parted] == other.recorded[parted]
        for other in others
        for parted in own.recorded.keys() & other.recorded.keys()
    ]
    if compared:
        return all(compared)
    return any(other.place == own.place or other.noted & own.noted for other in others)
