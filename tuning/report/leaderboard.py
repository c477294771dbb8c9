"""The leaderboard: one set of rows for the page, the CSV file and the terminal."""

from __future__ import annotations

import csv
import io

from tuning.report.findings import Findings, find
from tuning.report.wording import value_text
from tuning.results import STOPPED, StudyResults

IN_TERMINAL = 5


def leaderboard_rows(findings: Findings, most: int) -> list[list[str]]:
    """Write the best trials for people: the names of the columns, and at most that many rows."""
    dimensions = findings.results.study.parsed_space.searched
    head = ["rank", *(dimension.name for dimension in dimensions), findings.measure.title, "runs", "epochs"]
    rows = [[*head, "parameters", "multiply-adds", "seconds", "within noise of the best"]]
    for rank, trial in enumerate(findings.ranked[:most], start=1):
        cost, ended = trial.cost, len(trial.scores)
        rows.append(
            [
                str(rank),
                *(value_text(dimension, trial.values) for dimension in dimensions),
                findings.measure.with_spread(trial.score, trial.spread),
                str(ended) if ended == len(trial.runs) else f"{ended} of {len(trial.runs)}",
                f"{trial.epochs_made} (stopped)" if trial.status == STOPPED else str(trial.epochs_made),
                *(f"{cost['parameters']:,}", f"{cost['multiply_adds']:,}", f"{cost['seconds']:.1f}"),
                findings.verdict(trial),
            ]
        )
    return rows


def leaderboard_csv(findings: Findings) -> str:
    """Write all trials that have a score as CSV, for programs.

    Scores and spreads stand as the search saw them, an accuracy from 0 to 1; each dimension has a column, empty where
    it does not apply.
    """
    names = [dimension.name for dimension in findings.results.study.parsed_space.all_dimensions]
    costs = ["parameters", "multiply_adds", "seconds"]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    head = ["rank", "trial", "status", *names, findings.measure.name, "spread", "runs", "epochs"]
    rows.writerow([*head, *costs, "within_noise_of_best"])
    for rank, trial in enumerate(findings.ranked, start=1):
        spread = "" if trial.spread is None else f"{trial.spread:.8g}"
        rows.writerow(
            [rank, trial.id, trial.status, *(trial.values.get(name, "") for name in names)]
            + [f"{trial.score:.8g}", spread, len(trial.scores), trial.epochs_made]
            + [f"{trial.cost[name]:.10g}" for name in costs]
            + [findings.verdict(trial)]
        )
    return text.getvalue()


def leaderboard_text(results: StudyResults) -> str:
    """Write the best trials as a table for the terminal; one sentence where no trial has a score.

    Args:
        results: StudyResults.

    Returns:
        str, a line a trial, the best five.
    """
    findings = find(results)
    if not findings.ranked:
        return f"None of {len(results.trials)} trials has a score."
    rows = leaderboard_rows(findings, IN_TERMINAL)
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    rest = len(findings.ranked) - IN_TERMINAL
    return "\n".join([*lines, f"... and {rest} more"] if rest > 0 else lines)
