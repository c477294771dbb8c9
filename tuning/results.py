"""What a study has found so far, read from its folder."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydantic

from keras_resnet import files
from tuning.space.dimensions import signature
from tuning.study import OBJECTIVES, STUDY_FILE, Study, read_study

TRIALS, FINALS, ENSEMBLES, ORACLE_FOLDER = "trials", "finals", "ensembles", "oracle"
TRIAL_FILE, OUTCOME_FILE = "trial.json", "outcome.json"
BEST_FILE = "best.yaml"  # a run of the best point, written when the search has ended
# How a run ended: complete; early, by the median stopping rule; with numbers that are not finite; with another error of
# its own; killed; with an error from outside, such as a full disk.
COMPLETED, STOPPED, DIVERGED, FAILED, KILLED, FAULT = "completed", "stopped", "diverged", "failed", "killed", "fault"
RUNNING = "running"
LOST = (FAULT, FAILED, KILLED, DIVERGED)  # without a score, the worst first


@dataclass(frozen=True)
class Outcome:
    """How one run of a trial, or of a finalist, ended."""

    __pydantic_config__ = pydantic.ConfigDict(extra="forbid")

    status: str
    score: float | None = None  # the objective: on the validation split, of a finalist on the test set
    results: Mapping[str, Any] | None = None  # as of `training.evaluation.testing.evaluate`
    epochs: int = 0  # passes over the training set that were made
    seconds: float = 0.0
    parameters: int = 0  # of the network; 0 where it was not built, as below
    multiply_adds: int = 0  # for one image
    reason: str = ""  # why it failed or was stopped


WRITTEN = pydantic.TypeAdapter(Outcome)


class Facts(pydantic.BaseModel):
    """What the file of a trial says of it; see `TrialResult`."""

    model_config = pydantic.ConfigDict(extra="forbid")

    values: dict[str, str | int | float]
    fields: dict[str, Any]
    epochs: int
    seeds: list[int]


class Run(NamedTuple):
    """One run of a trial or of a finalist; its outcome is None while it runs."""

    folder: Path
    seed: int
    outcome: Outcome | None
    history: list[dict[str, float]]  # a row an epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate


@dataclass(frozen=True)
class TrialResult:
    """A point of the space, and the runs that were made of it, one a seed."""

    id: str
    values: dict[str, Any]  # names of dimensions ("activation", "shortcut/exclusive_gating/bias") to labels and numbers
    fields: dict[str, Any]  # fields of RunConfig that the point sets
    epochs: int  # passes over the training set that its runs were to make
    runs: tuple[Run, ...]

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes of the runs that have ended."""
        return [run.outcome for run in self.runs if run.outcome]

    @property
    def scores(self) -> list[float]:
        """The objective of each run that has one."""
        return [outcome.score for outcome in self.outcomes if outcome.score is not None]

    @property
    def score(self) -> float | None:
        """The mean of the objective over the runs; None until all have ended, and where one failed."""
        return float(np.mean(self.scores)) if self.status in (COMPLETED, STOPPED) else None

    @property
    def spread(self) -> float | None:
        """The standard deviation of the objective over the runs; None with fewer than two."""
        return deviation(self.scores)

    @property
    def status(self) -> str:
        """How the trial ended: as the worst of its runs."""
        found = [run.outcome.status if run.outcome else RUNNING for run in self.runs] or [RUNNING]
        return next(status for status in (*LOST, RUNNING, STOPPED, COMPLETED) if status in found)

    @property
    def reason(self) -> str:
        """Why it failed or was stopped; empty otherwise."""
        return next((outcome.reason for outcome in self.outcomes if outcome.reason), "")

    @property
    def epochs_made(self) -> int:
        """The epochs that its longest run made."""
        return max((outcome.epochs for outcome in self.outcomes), default=0)

    def curve(self, name: str) -> np.ndarray:
        """Average a metric of each epoch over the runs, as far as all that have begun have come.

        Array (epochs, 2): the epoch and the metric; none of a metric that the data do not have.
        """
        runs = [[(row["epoch"], row[name]) for row in run.history if name in row] for run in self.runs if run.history]
        epochs = list(zip(*runs))
        return np.mean(epochs, axis=1) if epochs else np.empty((0, 2))

    @property
    def cost(self) -> dict[str, float]:
        """Parameters and multiply-adds of the network, mean seconds of a run; 0 where unknown."""
        outcomes = self.outcomes or [Outcome(RUNNING)]
        return {
            "parameters": max(outcome.parameters for outcome in outcomes),
            "multiply_adds": max(outcome.multiply_adds for outcome in outcomes),
            "seconds": float(np.mean([outcome.seconds for outcome in outcomes])),
        }


def deviation(numbers: list[float]) -> float | None:
    """Give the sample standard deviation; None of fewer than two numbers."""
    return float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None


class StudyResults(NamedTuple):
    """All trials of a study."""

    folder: Path
    study: Study
    trials: tuple[TrialResult, ...]  # by number: the runs on the training set without its validation split
    finals: tuple[TrialResult, ...]  # the best points again, on the whole training set, scored on the test set
    unread: tuple[str, ...] = ()  # why trials are left out whose files are damaged, or are of another space
    ensembles: tuple[TrialResult, ...] = ()  # of networks of the trials, each a point of its own by its name

    def ranked(self) -> list[TrialResult]:
        """Sort the trials that have a score, the best first; with Hyperband, those given more epochs come first."""
        sign, halving = self.study.sign, self.study.tuner == "hyperband"
        scored = [trial for trial in self.trials if trial.score is not None]

        def place(trial: TrialResult) -> tuple:
            longest = -trial.epochs if halving else 0
            return longest, trial.status == STOPPED, -sign * trial.score, by_number(trial.id)

        return sorted(scored, key=place)

    def finalists(self, count: int) -> list[TrialResult]:
        """Give the best trials, at most that many; of several trials of one point, as Hyperband makes, the best."""
        points: dict[str, TrialResult] = {}
        for trial in self.ranked():
            points.setdefault(signature(trial.fields), trial)
        return list(points.values())[:count]

    def tested(self) -> tuple[int, int]:
        """Count the finalists whose runs have ended, and all that are to be; others may have been, of fewer trials."""
        ended = {signature(final.fields) for final in self.finals if final.status != RUNNING}
        wanted = self.finalists(self.study.finalists)
        return sum(signature(trial.fields) in ended for trial in wanted), len(wanted)


def with_untried(results: StudyResults) -> list[TrialResult]:
    """Give all trials, and as trials without a run the points of a grid of which none has begun, or can be read."""
    study, space = results.study, results.study.parsed_space
    if study.tuner != "grid":
        return [*results.trials]
    left = [TrialResult("", values, space.fields(values), 0, runs=()) for values in space.points()]
    tried = {signature(trial.fields) for trial in results.trials}
    untried = (one for one in left if signature(one.fields) not in tried)
    return [*results.trials, *(one for one in untried if study.problem(one.fields) is None)]


def by_number(trial_id: str) -> tuple[int, str]:
    """Give what the ids of trials are sorted by: the number that each is, whatever zeros stand before it."""
    digits = trial_id.lstrip("0")
    return len(digits), digits


class Spent(NamedTuple):
    """What the runs of a trial took together."""

    epochs: int
    seconds: float  # of those that have ended


def spent(results: StudyResults) -> list[Spent]:
    """Tell what each trial of a study took, without what it took over from the checkpoint of a shorter one."""
    before = {trial.id: {run.seed: run for run in trial.runs} for trial in results.trials}
    found = []
    for trial in results.trials:
        past = before.get(taken_over(results, trial), {})
        costs = [(cost_of(run), cost_of(past.get(run.seed))) for run in trial.runs]
        epochs, seconds = (sum(max(own[i] - part[i], 0) for own, part in costs) for i in range(2))
        found.append(Spent(epochs, seconds))
    return found


def cost_of(run: Run | None) -> Spent:
    """Tell what a run has made so far, what it took over included."""
    if run is None:
        return Spent(0, 0.0)
    outcome = run.outcome or Outcome(RUNNING)
    return Spent(max(outcome.epochs, len(run.history)), outcome.seconds)  # one that failed counted none


def taken_over(results: StudyResults, trial: TrialResult) -> str | None:
    """Name the shorter trial from whose checkpoint a trial of a Hyperband search went on; None where it began anew."""
    file = results.folder / ORACLE_FOLDER / f"trial_{trial.id}" / TRIAL_FILE
    if results.study.tuner != "hyperband":
        return None
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):  # it may be damaged
        values = json.loads(file.read_text(encoding="utf-8"))["hyperparameters"]["values"]
        return values["tuner/trial_id"] if values["tuner/initial_epoch"] else None
    return None


def read_results(folder: Path) -> StudyResults:
    """Read what a study has found so far; a ValueError says that the folder does not hold one."""
    study = read_study(folder)
    found, unread = {TRIALS: [], FINALS: [], ENSEMBLES: []}, []
    for part, trials in found.items():
        for file in sorted((folder / part).glob(f"*/{TRIAL_FILE}"), key=lambda file: by_number(file.parent.name)):
            try:
                trial = read_trial(file.parent)
                if part != ENSEMBLES:
                    check_point(study, trial, file)
                trials.append(trial)
            except (ValueError, OSError) as error:
                unread.append(str(error))
    ensembles = tuple(map(with_test, found[ENSEMBLES]))
    return StudyResults(
        folder, study, tuple(found[TRIALS]), tuple(found[FINALS]), unread=tuple(unread), ensembles=ensembles
    )


def check_point(study: Study, trial: TrialResult, file: Path) -> None:
    """Refuse a trial that is no point of the space, as of a study whose description was changed after it."""
    if reason := study.parsed_space.misfit(trial.values):
        raise ValueError(
            f"{file} is no point of the space ({reason}). Put back the {STUDY_FILE} that the trial was made by, or "
            "change it as the trial says."
        )


def with_test(ensemble: TrialResult) -> TrialResult:
    """Give the runs of an ensemble, which have no epochs, their test as the only row."""
    runs = []
    for run in ensemble.runs:
        tested = (run.outcome and run.outcome.results) or {}
        row = {f"val_{name}": tested[name] for name in OBJECTIVES if name in tested}
        runs.append(run._replace(history=[row] if row else []))
    return replace(ensemble, runs=tuple(runs))


def read_trial(folder: Path) -> TrialResult:
    """Read a trial and its runs; a ValueError says which file is damaged, an OSError which is not there."""
    from training.run_folder import RunFolder  # imports Keras

    file = folder / TRIAL_FILE
    try:
        facts = Facts.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({reason_of(error)}).") from error
    places = {seed: place_of(folder / f"seed-{seed}") for seed in facts.seeds}
    runs = [Run(path, seed, read_outcome(path), RunFolder(path).read_metrics()) for seed, path in places.items()]
    return TrialResult(folder.name, facts.values, facts.fields, facts.epochs, runs=tuple(runs))


def reason_of(error: ValueError) -> str:
    """Say why a file is damaged: it is no JSON, or something in it is not what is written there."""
    if not isinstance(error, pydantic.ValidationError):
        return str(error)
    first = error.errors()[0]
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))


def attempts_at(ended: Path) -> list[Path]:
    """List the folders of the attempts at a run, the newest last; see `tuning.engine.attempts`."""
    found = [path for path in ended.parent.glob(f"attempt-*-{ended.name}") if path.name.split("-")[1].isdecimal()]
    return sorted(found, key=lambda path: int(path.name.split("-")[1]))


def place_of(ended: Path) -> Path:
    """Find a run: in its place where it has ended, else in the folder of its newest attempt."""
    return ended if ended.is_dir() else (attempts_at(ended) or [ended])[-1]


def write_trial(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write what a trial is: its values, fields, epochs and seeds."""
    write_text(folder / TRIAL_FILE, json.dumps(facts))


def read_outcome(folder: Path) -> Outcome | None:
    """Read how the run in a folder ended; None where it has not, FAULT where nobody can tell."""
    file = folder / OUTCOME_FILE
    try:
        outcome = WRITTEN.validate_python(json.loads(file.read_text(encoding="utf-8")))
        if outcome.status not in (COMPLETED, STOPPED, *LOST):
            raise ValueError(f"no run ends as {outcome.status!r}")
        if outcome.status not in LOST and (outcome.score is None or not math.isfinite(outcome.score)):
            raise ValueError(f"it is {outcome.status} with the score {outcome.score}")
    except FileNotFoundError:
        return None
    except ValueError as error:
        return Outcome(FAULT, reason=f"{file} is damaged ({reason_of(error)})")
    return outcome


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write how the run in a folder ended."""
    write_text(folder / OUTCOME_FILE, json.dumps(vars(outcome)))


def write_text(file: Path, text: str) -> None:
    """Write a file, whole or not at all, in a folder that is made if needed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(file, text)
