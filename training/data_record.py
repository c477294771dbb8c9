"""What the data of a run are: a record in its folder, without which it would go on with others unnoticed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from keras_resnet.files import write_atomically, write_text
from keras_resnet.labels import write_labels
from training.data.facts import data_facts, fact_differences, read_facts
from training.data.image_files import shortened
from training.plan import Plan
from training.run_folder import RunFolder
from training.skipped import check_skipped, write_skipped

if TYPE_CHECKING:
    from training.data.datasets import Source


def write_data(folder: RunFolder, source: Source) -> None:
    """Write what the data of a run are: the names of the classes, the files that are left out, and the record."""
    write_atomically(folder.labels_file, lambda part: write_labels(part, source.classes))
    write_skipped(folder, source)
    write_text(folder.data_file, json.dumps(data_facts(source), indent=0))


def check_classes(folder: RunFolder, source: Source) -> None:
    """Refuse data of other classes than the network of a run tells apart, or of the same in another order."""
    labels = folder.read_labels()
    if list(source.classes) == labels:
        return
    parts = {"new": set(source.classes) - set(labels), "missing": set(labels) - set(source.classes)}
    told = [f"{kind} {shortened(sorted(names))}" for kind, names in parts.items() if names]
    raise ValueError(
        f"{source.name!r} has other classes than the network of {folder.path} was trained on: "
        f"{'; '.join(told) or 'they are in another order'}. Put back its data, or name others with its classes."
    )


def check_data(folder: RunFolder, source: Source) -> None:
    """Refuse to go on with a run on other data than it began with, wherever they lie."""
    check_skipped(folder, source)
    check_classes(folder, source)
    if changed := fact_differences(read_facts(folder.data_file) or {}, data_facts(source)):
        raise ValueError(
            f"{folder.path} cannot be resumed: its data are not those that it began with: {changed}. Put "
            "them back, give their place by --data-dir, or start it anew with --overwrite."
        )


def check_steps(folder: RunFolder, plan: Plan, done: int) -> None:
    """Refuse to go on with a run without a record where an epoch has another number of steps than those it made."""
    rows = folder.read_metrics()
    if not rows or folder.data_file.is_file():
        return
    last = int(rows[-1]["epoch"])
    # A run that was killed before its last checkpoint has a row more.
    if done not in {min(epoch * plan.steps, plan.iterations) for epoch in (last - 1, last)}:
        raise ValueError(
            f"{folder.path} cannot be resumed: its data are not those that it began with: an epoch has {plan.steps} "
            f"steps now, and it made {done} in {last}. Put them back, give their place by --data-dir, or start it anew "
            "with --overwrite."
        )
