"""What the data of a study are: a record in its folder, without which it would go on with others unnoticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_resnet.files import write_text
from training.data.facts import data_facts, fact_differences, read_facts

if TYPE_CHECKING:
    from training.data.datasets import Source

DATA_FILE = "data.json"


def check_data(folder: Path, source: Source) -> dict[str, Any]:
    """Refuse to go on with a study on other data than it began with, wherever they lie; give their facts."""
    facts = data_facts(source)
    if changed := fact_differences(read_facts(folder / DATA_FILE) or {}, facts):
        raise ValueError(
            f"The data of the study {folder} are not those that it began with: {changed}. Put them back, give their "
            "place by --data-dir, or give another --study-dir."
        )
    return facts


def write_data(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write what the data of a study are."""
    write_text(folder / DATA_FILE, json.dumps(facts, indent=0))
