"""The tables of a report: rows of text, the first of them the names of the columns."""

from __future__ import annotations

import numpy as np

from tuning.report.effects import Effect
from tuning.report.findings import Findings
from tuning.report.sentences import common_field, reason_of
from tuning.report.statistics import noise, within_noise
from tuning.report.wording import NONE, VERDICTS, Measure, count_text, listing, point_text, value_text
from tuning.results import FAILED, KILLED, STOPPED, TrialResult, deviation

Rows = list[list[str]]


def finals_rows(findings: Findings) -> Rows:
    """Write what the best trials reached on the test set; no rows where none was tested."""
    found = findings.finals_by_rank()
    if not found:
        return []
    finals = [final for _, _, final in found]
    measure, dimensions = findings.measure, findings.results.study.parsed_space.searched
    others, noise_of_finals = _other_figures(finals, measure.name), noise(finals)
    head = ["validation rank", *(dimension.name for dimension in dimensions), f"validation {measure.title}"]
    head += [f"test {Measure(name).title}" for name in (measure.name, *others)]
    rows = [[*head, "runs", "test within noise of the first"]]
    for rank, trial, final in found:
        validated = measure.with_spread(trial.score, trial.spread) if trial else NONE
        same = NONE if final is finals[0] else VERDICTS[within_noise(final, finals[0], noise_of_finals)]
        rows.append(
            [str(rank) if trial else NONE, *(value_text(dimension, final.values) for dimension in dimensions)]
            + [validated, measure.with_spread(final.score, final.spread)]
            + [_figure(final, name) for name in others]
            + [str(len(final.scores)), same]
        )
    return rows


def _other_figures(finals: list[TrialResult], objective: str) -> list[str]:
    """Name the test results beside the objective that all runs have."""
    runs = [outcome.results or {} for final in finals for outcome in final.outcomes]
    return [name for name in ("accuracy", "loss") if name != objective and all(name in results for results in runs)]


def _figure(final: TrialResult, name: str) -> str:
    values = [outcome.results[name] for outcome in final.outcomes]
    return Measure(name).with_spread(float(np.mean(values)), deviation(values))


def pair_rows(findings: Findings) -> Rows:
    """Set two choices against each other."""
    table, measure = findings.pair, findings.measure
    rows = [[table.rows, *table.column_levels]]
    for row in table.row_levels:
        cells = [table.cells.get((row, column)) for column in table.column_levels]
        rows.append([row, *(f"{measure.with_spread(c.mean, c.spread)} ({c.runs})" if c else NONE for c in cells)])
    return rows


def effect_rows(effects: list[Effect]) -> Rows:
    """Write which factors matter."""
    rows = [["factor", "levels", "p", "share of variance, %"]]
    for effect in effects:
        p = NONE if effect.p is None else "< 0.001" if effect.p < 0.001 else f"{effect.p:.3f}"
        share = NONE if effect.share is None else f"{100 * effect.share:.1f}"
        rows.append([effect.name, str(len(effect.levels)), p, share])
    return rows


def level_rows(findings: Findings) -> Rows:
    """Write what each level of each factor is worth."""
    number = findings.measure.number
    rows = [["factor", "level", "trials", "plain mean", "mean, all else equal", "95 % interval"]]
    for effect in findings.effects:
        for level in effect.levels:
            interval = NONE if level.low is None else f"{number(level.low)} to {number(level.high)}"
            means = [number(level.plain), number(level.mean)]
            rows.append([effect.name, level.label, str(level.trials), *means, interval])
    return rows


def lost_rows(findings: Findings) -> Rows:
    """List what failed or was stopped, and why; no rows where nothing was."""
    parts = (("", findings.results.trials), ("final ", findings.results.finals))
    space = findings.results.study.parsed_space
    rows = [
        [part + trial.id, point_text(space, trial), trial.status, _progress(trial), reason_of(trial)]
        for part, trials in parts
        for trial in trials
        if trial.status in (FAILED, KILLED, STOPPED)
    ]
    return [["trial", "point", "ended", "epochs", "reason"], *rows] if rows else []


def _progress(trial: TrialResult) -> str:
    return f"{trial.epochs_made} of {trial.epochs}"


def method_rows(findings: Findings) -> Rows:
    """Say how the study was made."""
    results, study = findings.results, findings.results.study
    limits = [
        f"{study.trials} trials at most" if study.trials else "",
        f"{study.total_epochs} epochs in all" if study.total_epochs else "",
        f"{study.hours:g} hours" if study.hours else "",
    ]
    better = "higher" if study.direction == "max" else "lower"
    facts = {
        "trials": f"{len(results.trials)}, by {study.tuner} search",
        "objective": f"{study.objective} on the validation split, the {better} the better",
        "budget": listing(list(filter(None, limits))) or "all points of the grid",
        "repeats": f"{count_text(study.repeats, 'run')} of each trial, each with a seed of its own",
        "validation split": f"{100 * study.validation:g} % of the training set, drawn by class",
        "finalists": str(study.finalists),
        "early stopping": "none" if study.stop == "none" else f"{study.stop}, not before epoch {study.grace}",
        "seed": str(study.seed),
        "data set": common_field(findings, "dataset"),
        "network": common_field(findings, "network"),
    }
    return [["", ""], *([name, fact] for name, fact in facts.items())]
