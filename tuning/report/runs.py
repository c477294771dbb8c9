"""All runs of a study as a table for other programs, one row each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from tuning.results import RUNNING, Outcome, StudyResults, TrialResult

FIGURES = ("score", "epochs", "seconds", "parameters", "multiply_adds", "reason")  # of an outcome


def runs_csv(results: StudyResults) -> str:
    """Write the runs of all trials and finalists as CSV.

    A row says part (trial or final), trial, seed, status, score, and what it cost; then the value of each dimension of
    the space, empty where it does not apply. Scores are as the search saw them: an accuracy from 0 to 1.
    """
    names = [dimension.name for dimension in results.study.parsed_space.all_dimensions]
    text = io.StringIO()
    file = csv.writer(text, lineterminator="\n")
    file.writerow(["part", "trial", "seed", "status", "split", *FIGURES, *names])
    for part, trials in (("trial", results.trials), ("final", results.finals)):
        for trial in trials:
            file.writerows([part, *row, *(trial.values.get(name, "") for name in names)] for row in rows_of(trial))
    return text.getvalue()


def rows_of(trial: TrialResult) -> Iterator[list[Any]]:
    """Give what is known of each run of a trial."""
    for run in trial.runs:
        outcome = run.outcome or Outcome(RUNNING, epochs=len(run.history))
        split = (outcome.results or {}).get("split", "")
        figures = (getattr(outcome, name) for name in FIGURES)
        yield [trial.id, run.seed, outcome.status, split, *("" if value is None else value for value in figures)]
