"""How a study stands: what has ended, what runs and where, what is best so far, and how long it still takes."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import NamedTuple

import pydantic

from training.progress import duration
from tuning.report.wording import Measure, count_text, left_out_text, point_text
from tuning.results import (
    BEST_FILE,
    KILLED,
    LOST,
    ORACLE_FOLDER,
    RUNNING,
    Run,
    StudyResults,
    TrialResult,
    by_number,
    read_results,
    spent,
    taken_over,
)
from tuning.space.dimensions import signature
from tuning.study import Study


class Running(NamedTuple):
    """A trial in the hands of a worker."""

    trial: TrialResult | None  # None where its worker has not begun it
    id: str
    worker: str
    attempt: int


class State(pydantic.BaseModel):
    """What of the oracle's state tells how a study stands."""

    end_order: list[str] = []
    seconds: float | None = pydantic.Field(None, ge=0, allow_inf_nan=False)


class Held(pydantic.BaseModel):
    """What of a lease does."""

    trial: str
    attempt: int


class Holders(pydantic.BaseModel):
    """What of all leases does: those of the workers, by name."""

    held: dict[str, Held] = {}


STATE_FILE = "oracle.json"
NOTES: dict[str, type[pydantic.BaseModel]] = {STATE_FILE: State, "leases.json": Holders}  # of the chief


class Status(NamedTuple):
    """How a study stands."""

    results: StudyResults
    running: tuple[Running, ...]
    ended: int  # trials
    failed: int  # of them
    total: int | None  # trials that the budget or the grid allows; None where other limits decide
    seconds_left: float | None  # None where nothing tells, or nothing is left


def read_status(folder: Path, total: int | None = None) -> Status:
    """Read how a study stands from its folder; a ValueError says that it does not hold one.

    `total` are the trials to make, where they are known.
    """
    results = read_results(folder)
    state, leases = (_read(folder / ORACLE_FOLDER / name, kind) for name, kind in NOTES.items())
    trials = {trial.id: trial for trial in results.trials}
    held = leases.held.items()
    running = [Running(trials.get(one.trial), one.trial, worker, one.attempt) for worker, one in held]
    ended = set(state.end_order)
    failed = sum(trial.status in LOST for trial in results.trials if trial.id in ended)
    total = total if total is not None else total_of(results.study)
    is_over = not running and has_ended(folder)
    left = None if is_over else seconds_left(results, len(ended), total, state.seconds)
    return Status(
        results,
        running=tuple(sorted(running, key=lambda one: by_number(one.id))),
        ended=len(ended),
        failed=failed,
        total=total,
        seconds_left=left,
    )


def _read(file: Path, kind: type[pydantic.BaseModel]) -> pydantic.BaseModel:
    """Read what the chief has written; nothing where it has not begun, or the file is damaged."""
    with contextlib.suppress(OSError, ValueError):
        return kind.model_validate(json.loads(file.read_text(encoding="utf-8")))
    return kind()


def total_of(study: Study) -> int | None:
    """Count the trials of a study, no more than points where each has one; None where other limits decide."""
    space = study.parsed_space
    if study.tuner != "grid" and (study.tuner == "hyperband" or not space.is_listable):
        return study.trials
    found = set()
    for values in space.points():
        if len(found) == study.trials:
            break
        fields = space.fields(values)
        if study.problem(fields) is None:
            found.add(signature(fields))
    return len(found)


def has_ended(folder: Path) -> bool:
    """Tell whether a search has made all of its trials: its best is written after all that its chief has to note."""
    files = (folder / BEST_FILE, folder / ORACLE_FOLDER / STATE_FILE)
    with contextlib.suppress(OSError):
        best, note = (file.stat().st_mtime_ns for file in files)
        return best >= note
    return False


def booked(results: StudyResults) -> int:
    """Count the epochs of the budget that are gone: of trials that ended those that they were to make.

    So the search counts, also where a rule ends runs early. What a trial took over from a shorter one is not counted
    again.
    """
    lengths = {trial.id: trial.epochs for trial in results.trials}
    epochs = 0
    for trial, cost in zip(results.trials, spent(results)):
        own = trial.epochs - lengths.get(taken_over(results, trial), 0)
        epochs += cost.epochs if trial.status == RUNNING else own * len(trial.runs)
    return epochs


def seconds_left(results: StudyResults, ended: int, total: int | None, seconds: float | None) -> float | None:
    """Estimate how long the search still takes, as long for each share of the budget as for those spent."""
    study = results.study
    epochs = booked(results) if study.total_epochs else 0
    parts = [(ended, total), (epochs, study.total_epochs), ((seconds or 0) / 3600, study.hours)]
    share = max(done / limit if limit else 0.0 for done, limit in parts)
    return seconds * max(1 / share - 1, 0.0) if share and seconds else None


def best_text(status: Status) -> str:
    """Name the best trial so far; empty where none has a score, or the study chooses none."""
    ranked = status.results.ranked()
    if not ranked or not status.results.study.validation:
        return ""
    measure, best = Measure(status.results.study.objective), ranked[0]
    return f"best {measure.name} {measure.with_spread(best.score, best.spread)}{measure.unit} (trial {best.id})"


def counts_text(status: Status) -> str:
    """Say in a line how far a study is."""
    total = "" if status.total is None else f" of {status.total}"
    parts = [f"{status.ended}{total} trials ended"]
    parts += [f"{status.failed} failed"] if status.failed else []
    parts += [f"{len(status.running)} running"] if status.running else []
    parts += [best_text(status)] if status.ended else []
    if status.seconds_left:
        parts.append(f"about {duration(status.seconds_left)} left")
    return ", ".join(filter(None, parts))


def status_text(status: Status) -> str:
    """Say how a study stands, a line for each trial that runs."""
    results = status.results
    lines = [f"study {results.folder}: {results.study.tuner} search of {', '.join(results.study.space)}"]
    lines.append(counts_text(status))
    if (ranked := results.ranked()) and status.ended and results.study.validation:
        lines.append(f"best point: {point_text(results.study.parsed_space, ranked[0])}")
    lines += [running_text(one, results) for one in status.running]
    done, wanted = results.tested()
    if results.finals and wanted:
        lines.append(f"finals: {done} of {count_text(wanted, 'finalist')} tested")
    return "\n".join(filter(None, [*lines, left_out_text(results)]))


def running_text(one: Running, results: StudyResults) -> str:
    """Say where a trial runs and how far it is."""
    again = f", attempt {one.attempt}" if one.attempt > 1 else ""
    head = f"trial {one.id} at {one.worker}{again}"
    if one.trial is None:
        return f"{head}: about to begin"
    point = point_text(results.study.parsed_space, one.trial)
    run = next((run for run in one.trial.runs if run.outcome is None or run.outcome.status == KILLED), None)
    return f"{head} ({point}): {'about to end' if run is None else epoch_text(run, one.trial)}"


def epoch_text(run: Run, trial: TrialResult) -> str:
    """Say how many epochs a run has made, and when the last of them ended."""
    several = f"seed {run.seed}, " if len(trial.runs) > 1 else ""
    text = f"{several}{len(run.history)} of {trial.epochs} epochs"
    with contextlib.suppress(OSError):
        text += f", the last {duration(max(time.time() - (run.folder / 'metrics.csv').stat().st_mtime, 0))} ago"
    return text
