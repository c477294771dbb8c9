"""What a study has found so far, read from its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tuning.study import Study, read_study

TRIALS, FINALS = "trials", "finals"
TRIAL_FILE, OUTCOME_FILE = "trial.json", "outcome.json"
# How a run ended: to its end; early, for it was hopeless; with an error of its own; its process was killed; with an
# error that is not its own, such as a full disk.
COMPLETED, STOPPED, FAILED, KILLED, FAULT = "completed", "stopped", "failed", "killed", "fault"


@dataclass(frozen=True)
class Outcome:
    """How one run of a trial, or of a finalist, ended.

    Args:
        status: str, COMPLETED, STOPPED, FAILED, KILLED or FAULT.
        score: float, the objective: on the validation split, of a finalist on the test set. None without one.
        results: dict as of `training.evaluation.evaluate`; empty without them.
        epochs: int, passes over the training set that were made.
        seconds: float.
        parameters: int, of the network; 0 where it was not built.
        multiply_adds: int, for one image; 0 where it was not built.
        reason: str, why it failed; empty otherwise.
    """

    status: str
    score: float | None = None
    results: Mapping[str, Any] | None = None
    epochs: int = 0
    seconds: float = 0.0
    parameters: int = 0
    multiply_adds: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Run:
    """One run of a trial or of a finalist.

    Args:
        folder: Path of its run folder.
        seed: int.
        outcome: Outcome; None while it runs.
        history: list of dicts, a row an epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate.
    """

    folder: Path
    seed: int
    outcome: Outcome | None
    history: list[dict[str, float]]


@dataclass(frozen=True)
class TrialResult:
    """A point of the space, and the runs that were made of it.

    Args:
        id: str.
        values: dict of names of dimensions ("activation", "shortcut/exclusive_gating/bias") to labels and numbers.
        fields: dict of fields of RunConfig that it sets.
        epochs: int, passes over the training set that its runs were to make.
        runs: tuple of Runs, one a seed.
    """

    id: str
    values: dict[str, Any]
    fields: dict[str, Any]
    epochs: int
    runs: tuple[Run, ...]

    @property
    def scores(self) -> list[float]:
        """The objective of each run that has one."""
        return [run.outcome.score for run in self.runs if run.outcome and run.outcome.score is not None]

    @property
    def score(self) -> float | None:
        """The mean of the objective over the runs; None until all have ended, and where one failed."""
        return float(np.mean(self.scores)) if self.status in (COMPLETED, STOPPED) else None

    @property
    def spread(self) -> float | None:
        """The standard deviation of the objective over the runs; None of fewer than two."""
        return float(np.std(self.scores, ddof=1)) if len(self.scores) > 1 else None

    @property
    def status(self) -> str:
        """How the trial ended: as the worst of its runs; "running" before."""
        found = [run.outcome.status if run.outcome else "running" for run in self.runs] or ["running"]
        return next(status for status in (FAULT, FAILED, KILLED, "running", STOPPED, COMPLETED) if status in found)

    @property
    def reason(self) -> str:
        """Why it failed; empty otherwise."""
        return next((run.outcome.reason for run in self.runs if run.outcome and run.outcome.reason), "")


@dataclass(frozen=True)
class StudyResults:
    """All trials of a study.

    Args:
        folder: Path.
        study: Study.
        trials: tuple of TrialResults by id: the runs on the training set without its validation split.
        finals: tuple of TrialResults: the best points again, on the whole training set, scored on the test set.
    """

    folder: Path
    study: Study
    trials: tuple[TrialResult, ...]
    finals: tuple[TrialResult, ...]

    def ranked(self, trials: tuple[TrialResult, ...] | None = None) -> list[TrialResult]:
        """Sort the trials that have a score, the best first; of Hyperband those that were given more epochs.

        Args:
            trials: tuple of TrialResults; default all of the search.

        Returns:
            List of TrialResults.
        """
        sign = -1 if self.study.direction == "max" else 1
        halving = self.study.tuner == "hyperband"
        scored = [trial for trial in (self.trials if trials is None else trials) if trial.score is not None]
        return sorted(scored, key=lambda t: (-t.epochs if halving else 0, t.status == STOPPED, sign * t.score, t.id))


def read_results(folder: Path) -> StudyResults:
    """Read what a study has found so far.

    Args:
        folder: Path of the study.

    Returns:
        StudyResults.

    Raises:
        ValueError: the folder is not one of a study.
    """
    study = read_study(folder)
    return StudyResults(folder, study, *(_read_trials(folder / part) for part in (TRIALS, FINALS)))


def _read_trials(folder: Path) -> tuple[TrialResult, ...]:
    return tuple(read_trial(file.parent) for file in sorted(folder.glob(f"*/{TRIAL_FILE}")))


def read_trial(folder: Path) -> TrialResult:
    """Read a trial and its runs.

    Args:
        folder: Path of the trial.

    Returns:
        TrialResult.
    """
    facts = json.loads((folder / TRIAL_FILE).read_text(encoding="utf-8"))
    runs = tuple(_read_run(folder / f"seed-{seed}", seed) for seed in facts["seeds"])
    return TrialResult(folder.name, facts["values"], facts["fields"], facts["epochs"], runs)


def _read_run(folder: Path, seed: int) -> Run:
    from training.run_folder import RunFolder  # imports Keras

    history = RunFolder(folder).read_metrics()
    return Run(folder, seed, read_outcome(folder / OUTCOME_FILE), history)


def read_outcome(file: Path) -> Outcome | None:
    """Read how a run ended.

    Args:
        file: Path.

    Returns:
        Outcome; None where it has not.
    """
    return Outcome(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None
