"""The folders of the attempts at a run: a worker that was taken for lost cannot write into that of the next one.

An attempt writes into a folder of its own, `attempt-2-seed-0` beside the `seed-0` that the run is to be. The next one
renames that folder to its own, so that the process that still writes there, on whatever machine, finds nothing to write
into; and a run that has ended is renamed to its place, which fails for all but the one that has the folder.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from training.run_folder import LOCK
from tuning.engine.access import LostLeaseError
from tuning.results import KILLED, Outcome, attempts_at, place_of, read_trial, write_outcome


def attempt_folder(ended: Path, attempt: int) -> Path:
    """Name the folder of an attempt at a run; 0 is a run without attempts, in its place from the start."""
    return ended.with_name(f"attempt-{attempt}-{ended.name}") if attempt else ended


def take_over(ended: Path, attempt: int) -> Path:
    """Give the folder of an attempt, with what the one before it has left, if anything."""
    place = attempt_folder(ended, attempt)
    before = place_of(ended)  # in its place lies a run that has to go on where a file of it was damaged
    if attempt and before != place:
        with contextlib.suppress(FileNotFoundError):
            before.rename(place)
            (place / LOCK).unlink(missing_ok=True)  # held by a process that writes there no more
    return place


def check_own(place: Path, ended: Path) -> None:
    """Raise a LostLeaseError where another attempt has taken a run over, or has ended it."""
    if place_of(ended) != place and (ended.is_dir() or attempts_at(ended)):
        raise LostLeaseError(f"{place} was taken over")


def keep(place: Path, ended: Path) -> None:
    """Put a run that has ended in its place; a LostLeaseError says that another attempt has taken it over."""
    if place == ended:
        return
    try:
        place.rename(ended)
    except OSError:
        check_own(place, ended)
        raise
    for left in attempts_at(ended):
        shutil.rmtree(left, ignore_errors=True)


def settle_ended(trial: Path, outcome: Outcome) -> None:
    """Let the runs of a trial that have not ended end with an outcome, in their place, where no attempt goes on."""
    try:
        runs = read_trial(trial).runs
    except (ValueError, OSError):  # it was lost before it began, or is removed
        return
    for run in runs:
        if run.outcome is None or run.outcome.status == KILLED:
            ended = trial / f"seed-{run.seed}"
            if run.folder != ended:
                keep(run.folder, ended)
            write_outcome(ended, outcome)
