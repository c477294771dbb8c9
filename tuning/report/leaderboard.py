"""The leaderboard: one set of rows for the page, the CSV file and the terminal."""

from __future__ import annotations

import csv
import io

from tuning.report.cost import cost_of
from tuning.report.findings import Findings, find
from tuning.report.statistics import dimension_names
from tuning.report.wording import searched, value_text
from tuning.results import STOPPED, StudyResults, TrialResult

IN_TERMINAL = 5


def leaderboard_columns(findings: Findings) -> list[str]:
    """Name the columns of the leaderboard."""
    return [
        "rank",
        *(dimension.name for dimension in searched(findings.results.study.parsed_space)),
        findings.measure.title,
        "runs",
        "epochs",
        "parameters",
        "multiply-adds",
        "seconds",
        "within noise of the best",
    ]


def leaderboard_row(findings: Findings, rank: int) -> list[str]:
    """Write a row of the leaderboard for people.

    Args:
        findings: Findings.
        rank: int, from 1.

    Returns:
        List of str, as many as there are columns.
    """
    trial = findings.ranked[rank - 1]
    cost = cost_of(trial)
    ended = len(trial.scores)
    return [
        str(rank),
        *(value_text(dimension, trial.values) for dimension in searched(findings.results.study.parsed_space)),
        findings.measure.with_spread(trial.score, trial.spread),
        str(ended) if ended == len(trial.runs) else f"{ended} of {len(trial.runs)}",
        f"{epochs_of(trial)} (stopped)" if trial.status == STOPPED else str(epochs_of(trial)),
        f"{cost['parameters']:,}",
        f"{cost['multiply_adds']:,}",
        f"{cost['seconds']:.1f}",
        findings.verdict(trial),
    ]


def epochs_of(trial: TrialResult) -> int:
    """Give the epochs that the longest run of a trial made."""
    return max((run.outcome.epochs for run in trial.runs if run.outcome), default=0)


def leaderboard_csv(findings: Findings) -> str:
    """Write all trials that have a score as CSV, for programs.

    Args:
        findings: Findings.

    Returns:
        str; scores and spreads as the search saw them, an accuracy from 0 to 1; a column for each dimension, empty
        where it does not apply.
    """
    names = dimension_names(findings.results.study.parsed_space.dimensions)
    costs = ["parameters", "multiply_adds", "seconds"]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    head = ["rank", "trial", "status", *names, findings.measure.name, "spread", "runs", "epochs"]
    rows.writerow([*head, *costs, "within_noise_of_best"])
    for rank, trial in enumerate(findings.ranked, start=1):
        spread = "" if trial.spread is None else f"{trial.spread:.8g}"
        cost = cost_of(trial)
        rows.writerow(
            [rank, trial.id, trial.status, *(trial.values.get(name, "") for name in names)]
            + [f"{trial.score:.8g}", spread, len(trial.scores), epochs_of(trial)]
            + [f"{cost[name]:.10g}" for name in costs]
            + [findings.verdict(trial)]
        )
    return text.getvalue()


def leaderboard_text(results: StudyResults) -> str:
    """Write the best trials as a table for the terminal.

    Args:
        results: StudyResults.

    Returns:
        str, a line a trial, the best five; one sentence where no trial has a score.
    """
    findings = find(results)
    if not findings.ranked:
        return f"None of {len(results.trials)} trials has a score."
    count = min(IN_TERMINAL, len(findings.ranked))
    rows = [leaderboard_columns(findings), *(leaderboard_row(findings, rank) for rank in range(1, count + 1))]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    rest = len(findings.ranked) - count
    return "\n".join([*lines, f"... and {rest} more"] if rest else lines)
