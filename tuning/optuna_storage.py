"""A study as a storage of Optuna's, a file of SQLite: for its dashboard, and for all else that reads such."""

from __future__ import annotations

import datetime
import math
import os
import sqlite3
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_resnet.files import write_atomically
from tuning.engine.tpe import distribution
from tuning.results import (
    COMPLETED,
    LOST,
    OUTCOME_FILE,
    RUNNING,
    STOPPED,
    TRIAL_FILE,
    TRIALS,
    StudyResults,
    TrialResult,
)
from tuning.space.dimensions import Dimension, Range
from tuning.study import Study

if TYPE_CHECKING:
    import optuna

# What Optuna calls the ends of trials.
STATES = {COMPLETED: "COMPLETE", STOPPED: "PRUNED", RUNNING: "RUNNING", **dict.fromkeys(LOST, "FAIL")}
BESIDE = ("-journal", "-wal")  # what SQLite keeps beside a file while something is written to it


def write_storage(results: StudyResults, to: Path) -> None:
    """Write a study as a storage of Optuna.

    A trial has its point as parameters, those that apply; its score as value; the objective after each epoch, the mean
    over its runs, as intermediate values; and as attributes what its runs were and cost, and the scores of the finalist
    that came of it. When it began and ended is told by its files.

    Args:
        results: StudyResults.
        to: Path of the file, which is replaced.

    Raises:
        ImportError: Optuna is not installed.
        ValueError: something writes to the file.
        OSError: the file cannot be written; what was there before is unchanged.
    """
    if not find_spec("optuna"):
        raise ImportError(
            "A storage of Optuna needs Optuna. Install it with: pip install 'keras-resnet-suite[tpe]'; or export to a "
            "file that ends in .csv."
        )
    for left in (Path(os.path.realpath(to) + ending) for ending in BESIDE):
        if left.exists():
            raise ValueError(f"{to} is in use: {left.name} lies there. End what writes to it, or give another --to.")
    finals = {final.id: final for final in results.finals}
    frozen = [frozen_trial(results, trial, finals.get(trial.id)) for trial in results.trials]
    write_atomically(to, lambda part: _write(results, frozen, part))


def _write(results: StudyResults, trials: list[optuna.trial.FrozenTrial], part: Path) -> None:
    """Write a storage of one study."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    # By connections instead of a URL, in which not every path can be written; none of them stays open.
    connecting = {"creator": lambda: sqlite3.connect(part), "poolclass": NullPool}
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it greets every study
    try:
        storage = optuna.storages.RDBStorage("sqlite://", engine_kwargs=connecting)
        direction = "maximize" if results.study.sign > 0 else "minimize"
        folder = results.folder.resolve()
        study = optuna.create_study(storage=storage, study_name=folder.name, direction=direction)
        study.set_user_attr("folder", str(folder))
        study.set_user_attr("definition", results.study.to_yaml())
        study.add_trials(trials)
        storage.remove_session()
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:  # neither says it in a sentence
        cause = error.__cause__ or error
        raise OSError(str(getattr(cause, "orig", cause))) from error
    finally:
        optuna.logging.set_verbosity(verbosity)


def frozen_trial(results: StudyResults, trial: TrialResult, final: TrialResult | None) -> optuna.trial.FrozenTrial:
    """Describe a trial, and the finalist that came of it, to Optuna."""
    import optuna

    study, folder = results.study, results.folder / TRIALS / trial.id
    state = optuna.trial.TrialState[STATES[trial.status]]
    searched = [one for one in study.parsed_space.all_dimensions if one.is_open and one.name in trial.values]
    made = optuna.trial.create_trial(
        state=state,
        value=trial.score,
        params={one.name: within(one, trial.values[one.name]) for one in searched},
        distributions={one.name: distribution(one) for one in searched},
        user_attrs=attributes(trial, final, folder),
        intermediate_values=by_epoch(study, trial),
    )
    made.datetime_start = written(folder / TRIAL_FILE)
    if state.is_finished():
        ends = [written(run.folder / OUTCOME_FILE) for run in trial.runs]
        made.datetime_complete = max([made.datetime_start, *ends])
    return made


def within(dimension: Dimension, value: Any) -> Any:
    """Keep a number that was drawn on a logarithmic scale from lying beyond an end by its last digit."""
    return min(max(value, dimension.low), dimension.high) if isinstance(dimension, Range) else value


def attributes(trial: TrialResult, final: TrialResult | None, folder: Path) -> dict[str, Any]:
    """List what is known of a trial beside its point and its score."""
    known = {
        "trial": trial.id,
        "status": trial.status,
        "reason": " ".join(trial.reason.split()),
        "seeds": [run.seed for run in trial.runs],
        "scores": trial.scores,
        "spread": trial.spread,
        "test_scores": final.scores if final else [],
        "epochs": trial.epochs_made,
        **{name: cost for name, cost in trial.cost.items() if cost},  # 0 is unknown
        "folder": str(folder.resolve()),
    }
    return {name: value for name, value in known.items() if value not in (None, "", [])}


def by_epoch(study: Study, trial: TrialResult) -> dict[int, float]:
    """Give the objective after each epoch, the mean over the runs, where it is a number."""
    curve = trial.curve(f"val_{study.objective}")
    return {int(epoch): float(value) for epoch, value in curve if math.isfinite(value)}


def written(file: Path) -> datetime.datetime:
    """Tell when a file was written, in local time; now for one that is not there, as in a study that goes on."""
    try:
        seconds = file.stat().st_mtime
    except OSError:
        seconds = time.time()
    return datetime.datetime.fromtimestamp(seconds)
