"""The tables of a report, rows of text of which the first names the columns; for the page, a CSV file, the terminal."""

from __future__ import annotations

import csv
import io

import numpy as np

from keras_resnet.text_tables import aligned
from tuning.claims import ENSEMBLE, ERRORS, TESTED, has
from tuning.ensembles import members_of
from tuning.report.effects import Effect
from tuning.report.findings import Findings
from tuning.report.sentences import common_field, early_stopping, missing_text, reason_of
from tuning.report.statistics import noise, within_noise
from tuning.report.verdicts import Verdict
from tuning.report.wording import NONE, VERDICTS, Measure, count_text, left_out_text, listing, point_text, value_text
from tuning.results import COMPLETED, DIVERGED, LOST, STOPPED, StudyResults, TrialResult, deviation
from tuning.study import OBJECTIVES

IN_TERMINAL = 5
COSTS = ("parameters", "multiply-adds", "seconds")  # as TrialResult gives them
Rows = list[list[str]]


def leaderboard_rows(findings: Findings, most: int) -> Rows:
    """Write the best trials, at most that many."""
    head = ["rank", *(dimension.name for dimension in findings.space.searched), findings.measure.title, "runs"]
    rows = [[*head, "epochs", "parameters", "multiply-adds", "seconds", "within noise of the best"]]
    for rank, trial in enumerate(findings.ranked[:most], start=1):
        score, ended = findings.measure.with_spread(trial.score, trial.spread), len(trial.scores)
        runs = str(ended) if ended == len(trial.runs) else f"{ended} of {len(trial.runs)}"
        epochs = f"{trial.epochs_made} (stopped)" if trial.status == STOPPED else str(trial.epochs_made)
        costs = [f"{cost:,.1f}" if name == "seconds" else f"{cost:,}" for name, cost in trial.cost.items()]
        rows.append([str(rank), *_values(findings, trial), score, runs, epochs, *costs, findings.verdict(trial)])
    return rows


def _values(findings: Findings, trial: TrialResult) -> list[str]:
    return [value_text(dimension, trial.values) for dimension in findings.space.searched]


def leaderboard_csv(findings: Findings) -> str:
    """Write all trials that have a score as CSV, for programs.

    Scores and spreads stand as the search saw them, an accuracy from 0 to 1; each dimension has a column, empty where
    it does not apply.
    """
    names = [dimension.name for dimension in findings.space.all_dimensions]
    text = io.StringIO()
    file = csv.writer(text, lineterminator="\n")
    head = ["rank", "trial", "status", *names, findings.measure.name, "spread", "runs", "epochs"]
    file.writerow([*head, "parameters", "multiply_adds", "seconds", "within_noise_of_best"])
    for rank, trial in enumerate(findings.ranked, start=1):
        values = [trial.values.get(name, "") for name in names]
        score = [f"{trial.score:.8g}", "" if trial.spread is None else f"{trial.spread:.8g}"]
        costs = [f"{cost:.10g}" for cost in trial.cost.values()]
        made = [len(trial.scores), trial.epochs_made, *costs, findings.verdict(trial)]
        file.writerow([rank, trial.id, trial.status, *values, *score, *made])
    return text.getvalue()


def found_text(results: StudyResults) -> str:
    """Write for the terminal what a study has found: what became of its claims, or else its best trials."""
    findings = Findings(results)
    lines = []
    for verdict in findings.verdicts:
        missing = missing_text(findings, verdict)
        lines.append(f"{verdict.word}: {verdict.claim.claim}{missing and f' ({missing})'}")
    found = "\n".join(lines) or leaderboard_text(results)
    return "\n".join(filter(None, [found, left_out_text(results)]))


def leaderboard_text(results: StudyResults) -> str:
    """Write the best five trials as a table for the terminal; one sentence where no trial has a score."""
    findings = Findings(results)
    if not findings.ranked:
        return f"None of {len(results.trials)} trials has a score."
    rows = leaderboard_rows(findings, IN_TERMINAL)
    lines, rest = aligned(rows), len(findings.ranked) - IN_TERMINAL
    return "\n".join([*lines, f"... and {rest} more"] if rest > 0 else lines)


def finals_rows(findings: Findings) -> Rows:
    """Write what the best trials reached on the test set; no rows where none was tested."""
    found, measure = findings.finals_by_rank(), findings.measure
    if not found:
        return []
    finals = [final for _, _, final in found]
    noise_of_finals = noise(finals)
    (other,) = (Measure(name) for name in OBJECTIVES if name != measure.name)
    head = ["validation rank", *(dimension.name for dimension in findings.space.searched)]
    head += [measure.label, f"test {measure.title}", f"test {other.title}"]
    rows = [[*head, "runs", "test within noise of the first"]]
    for rank, trial, final in found:
        validated = measure.with_spread(trial.score, trial.spread) if trial else NONE
        results = [outcome.results or {} for outcome in final.outcomes]
        others = [own[other.name] for own in results if other.name in own]  # images of several labels have no accuracy
        tested = [measure.with_spread(final.score, final.spread)]
        tested += [other.with_spread(float(np.mean(others)), deviation(others)) if others else NONE]
        tested += [str(len(final.scores))]
        same = NONE if final is finals[0] else VERDICTS[within_noise(final, finals[0], noise_of_finals)]
        rows.append([str(rank) if trial else NONE, *_values(findings, final), validated, *tested, same])
    return rows


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
    rows = [["trial", "point", "ended", "epochs", "reason"]]
    for part, trials in (("", findings.results.trials), ("final ", findings.results.finals)):
        for trial in trials:
            if trial.status in (*LOST, STOPPED):
                epochs = f"{trial.epochs_made} of {trial.epochs}"
                facts = [point_text(findings.space, trial), trial.status, epochs, reason_of(trial)]
                rows.append([part + trial.id, *facts])
    return rows if len(rows) > 1 else []


def _choosing_rows(findings: Findings) -> Rows:
    study = findings.study
    return [
        ["validation split", f"{100 * study.validation:g} % of the training set, drawn by class"],
        ["finalists", str(study.finalists)],
        ["early stopping", early_stopping(findings)],
    ]


def claim_rows(findings: Findings) -> Rows:
    """Set beside each claim what was found: the means of both sides, their difference, the verdict."""
    rows = [["claim", "source", "published", "here", "difference, with its 95 % interval", "verdict"]]
    for verdict in findings.verdicts:
        claim = verdict.claim
        published = claim.published and " against ".join(f"{number:g}{verdict.unit}" for number in claim.published)
        facts = [claim.claim, claim.source, published or NONE, *_found(findings, verdict), verdict.word]
        rows.append(facts)
    return rows


def _found(findings: Findings, verdict: Verdict) -> tuple[str, str]:
    """Write what was measured and by how much both sides differ, or what is missing."""
    if verdict.sides is None:
        return missing_text(findings, verdict) or NONE, NONE
    when = "" if verdict.claim.at == 1 else f" after {verdict.claim.at:.0%} of the epochs"
    here = f"{verdict.claim.measure}{when} {' against '.join(map(verdict.number, verdict.sides))}"
    reach = "" if verdict.reach is None else f" ± {verdict.number(verdict.reach)}"
    return here, f"{verdict.number(verdict.difference)}{reach}"


def run_rows(findings: Findings) -> Rows:
    """Write what each point has come to, in the order of the grid, beside what is published of it."""
    study = findings.study
    columns = [dimension.name for dimension in findings.space.searched]
    published = ["published error, %"] if study.published else []
    rows = [[*columns, *(f"{name}, %" for name in ERRORS), *published, "runs", "epochs", *COSTS]]
    for trial in findings.results.trials:
        errors = [_error_text(trial, name) for name in ERRORS]
        said = next((row.error for row in study.published if has(trial.values, row.where)), NONE)
        costs = [f"{cost:,.1f}" if name == "seconds" else f"{cost:,}" for name, cost in trial.cost.items()]
        ended = [str(len(trial.outcomes)), str(trial.epochs_made), *costs]
        rows.append([*_values(findings, trial), *errors, *([said] if published else []), *ended])
    return rows


def _error_text(trial: TrialResult, name: str) -> str:
    """Write the error of a point, or that runs diverged."""
    if trial.status == DIVERGED:
        count = sum(outcome.status == DIVERGED for outcome in trial.outcomes)
        return f"{DIVERGED} ({count} of {len(trial.runs)})"
    if trial.status != COMPLETED:
        return NONE
    last = [run.history[-1] for run in trial.runs if run.history]
    errors = [100 * (1 - row[ERRORS[name]]) for row in last if ERRORS[name] in row]
    spread = deviation(errors)
    return f"{np.mean(errors):.2f}" + ("" if spread is None else f" ± {spread:.2f}") if errors else NONE


def ensemble_rows(findings: Findings) -> Rows:
    """Set the error of each ensemble beside those of its networks; no rows where none was tested."""
    described = {ensemble.name: ensemble for ensemble in findings.study.ensembles}
    rows = [["ensemble", "network", "test error alone, %", "together, %", "runs"]]
    for ensemble in findings.results.ensembles:
        name = ensemble.values[ENSEMBLE]
        if name not in described:
            continue
        for trial in members_of(described[name], findings.points):
            alone, together = (_error_text(result, TESTED[0]) for result in (trial, ensemble))
            rows.append([name, point_text(findings.space, trial), alone, together, str(len(ensemble.outcomes))])
    return rows if len(rows) > 1 else []


def method_rows(findings: Findings) -> Rows:
    """Say how the study was made."""
    study = findings.study
    limits = {"trials at most": study.trials, "epochs in all": study.total_epochs, "hours": study.hours}
    budget = listing([f"{limit:g} {what}" for what, limit in limits.items() if limit])
    better = "higher" if study.sign > 0 else "lower"
    return [
        ["", ""],
        ["trials", f"{len(findings.results.trials)}, by {study.tuner} search"],
        ["objective", f"{study.objective} {findings.measure.place}, the {better} the better"],
        ["budget", budget or "all points of the grid"],
        ["repeats", f"{count_text(study.repeats, 'run')} of each trial, each with a seed of its own"],
        *(_choosing_rows(findings) if study.validation else []),
        ["seed", str(study.seed)],
        ["data set", common_field(findings, "dataset")],
        ["network", common_field(findings, "network")],
    ]
