"""Going on from a run that was made shorter: when that is the run that would have been made, and how."""

from __future__ import annotations

import shutil
from pathlib import Path

from keras_resnet.files import write_text
from training.config import RunConfig
from training.run_folder import LOCK, RunFolder
from tuning.results import OUTCOME_FILE

TO_THE_END = ("one_cycle", "cosine", "polynomial")  # schedules whose course ends with the run
AMOUNTS = ("warmup", "milestones", "every")  # parameters of the others: steps, or below 1 a share of the run
REPORTS = ("report.md", "curves.png", "test.json")  # of the shorter run, which the longer one writes anew


def length_matters(config: RunConfig) -> str | None:
    """Say what in a run's first epochs depends on how many it makes; None where nothing does."""
    name = config.schedule["name"]
    if name in TO_THE_END:
        return f"the schedule {name} ends with the run"
    for amount in AMOUNTS:
        value = config.schedule.get(amount, ())
        if any(0 < one < 1 for one in (value if isinstance(value, (list, tuple)) else [value])):
            return f"{amount} of the schedule is a share of the run"
    if config.averaging["name"] == "swa":
        return "averaging begins at a share of the run"
    if config.data.sizes["name"] == "progressive":
        return "the images grow with the share of the run"
    return None


def carry_over(past: Path, place: Path, config: RunConfig) -> bool:
    """Copy a finished run as the first epochs of a longer one; tell whether there is one that can be gone on with.

    The copy comes to its place whole or not at all.
    """
    run = RunFolder(past)
    if length_matters(config) or not (run.checkpoint_file.is_file() and run.config_file.is_file()):
        return False
    copy = place.with_name(f".copy-of-{place.name}")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(past, copy, ignore=shutil.ignore_patterns(OUTCOME_FILE, LOCK, *REPORTS))
    write_text(RunFolder(copy).config_file, config.to_yaml())
    copy.rename(place)
    return True
