"""The sections of a report, a function each."""

from __future__ import annotations

import shlex

import numpy as np
import yaml

from training.config import RunConfig
from tuning.report.findings import Findings, reason_of
from tuning.report.leaderboard import epochs_of, leaderboard_columns, leaderboard_row
from tuning.report.page import Block, Code, Heading, Paragraph, Picture, Table
from tuning.report.statistics import noise, within_noise
from tuning.report.wording import NONE, Measure, count_text, listing, point_text, searched, value_text
from tuning.results import FAILED, KILLED, STOPPED, TrialResult

LEADERBOARD = 20  # rows on the page


def finals_section(findings: Findings) -> list[Block]:
    """Say what the best trials reached on the test set."""
    heading = Heading("Test results")
    finals = sorted(findings.results.finals, key=lambda final: _validated(findings, final)[0])
    scored = [final for final in finals if final.score is not None]
    if not scored:
        return [heading, Paragraph("No finalist has been tested.")]
    measure, space = findings.measure, findings.results.study.parsed_space
    others = _other_figures(scored, measure.name)
    columns = ["validation rank", *(dimension.name for dimension in searched(space)), f"validation {measure.title}"]
    columns += [f"test {measure.title}", *(f"test {Measure(name).title}" for name in others), "runs"]
    columns += ["test within noise of the first"]
    noise_of_finals, rows = noise(scored), []
    for final in scored:
        rank, trial = _validated(findings, final)
        validated = measure.with_spread(trial.score, trial.spread) if trial else NONE
        same = {None: "unknown", True: "yes", False: "no"}[within_noise(final, scored[0], noise_of_finals)]
        rows.append(
            [str(rank) if trial else NONE, *(value_text(dimension, final.values) for dimension in searched(space))]
            + [validated, measure.with_spread(final.score, final.spread)]
            + [_figure(final, name) for name in others]
            + [str(len(final.scores)), NONE if final is scored[0] else same]
        )
    text = (
        f"The best {count_text(len(scored), 'trial')} again, trained on the whole training set. The test set was used "
        "once, for these only, and decided nothing. Mean ± standard deviation over the seeds."
    )
    return [heading, Paragraph(text), Table(columns, rows)]


def _validated(findings: Findings, final: TrialResult) -> tuple[int, TrialResult | None]:
    """Find the rank that a finalist had in the search."""
    for rank, trial in enumerate(findings.ranked, start=1):
        if findings.final_of(trial) == final:
            return rank, trial
    return len(findings.ranked) + 1, None


def _other_figures(finals: list[TrialResult], objective: str) -> list[str]:
    """Name the test results beside the objective that all runs have."""
    runs = [run.outcome.results or {} for final in finals for run in final.runs if run.outcome]
    return [name for name in ("accuracy", "loss") if name != objective and all(name in results for results in runs)]


def _figure(final: TrialResult, name: str) -> str:
    values = [run.outcome.results[name] for run in final.runs if run.outcome]
    return Measure(name).with_spread(float(np.mean(values)), float(np.std(values, ddof=1)) if values[1:] else None)


def leaderboard_section(findings: Findings) -> list[Block]:
    """Show the best trials."""
    count = min(LEADERBOARD, len(findings.ranked))
    rows = [leaderboard_row(findings, rank) for rank in range(1, count + 1)]
    whole = count_text(len(findings.ranked), "trial")
    which = f"The best {count} of {whole}" if count < len(findings.ranked) else f"The {whole}"
    text = (
        f"{which} with a score on the validation split, mean ± standard deviation over the seeds. Multiply-adds are "
        "those of one image, seconds those of one run. leaderboard.csv holds all trials."
    )
    return [Heading("Leaderboard"), Paragraph(text), Table(leaderboard_columns(findings), rows)]


def pair_section(findings: Findings) -> list[Block]:
    """Set two choices against each other."""
    table, measure = findings.pair, findings.measure
    if table is None:
        return []
    rows = []
    for row in table.row_levels:
        cells = [table.cells.get((row, column)) for column in table.column_levels]
        rows.append([row, *(f"{measure.with_spread(c.mean, c.spread)} ({c.runs})" if c else NONE for c in cells)])
    text = (
        f"Mean validation {measure.title} ± standard deviation (number of runs), from {findings.basis}. A cell holds "
        "all runs that have these two choices, whatever else differs between them: where other choices were searched "
        "too, its deviation is more than noise, and the main effects below are the fairer comparison. The best come "
        "first."
    )
    return [
        Heading(f"{table.rows} × {table.columns}"),
        Paragraph(text),
        Table([table.rows, *table.column_levels], rows),
        Picture("heat_map", f"heat map of {table.rows} against {table.columns}"),
    ]


def curves_section(pictures: dict[str, bytes]) -> list[Block]:
    """Show the learning curves."""
    if "curves" not in pictures:
        return []
    text = "On the validation split, the mean over the seeds; the five leaders before all other trials."
    return [Heading("Learning curves"), Paragraph(text), Picture("curves", "learning curves of all trials")]


def parallel_section(pictures: dict[str, bytes]) -> list[Block]:
    """Show all trials in one picture."""
    if "parallel_coordinates" not in pictures:
        return []
    text = (
        "A line is a trial that ended as planned, coloured by its score; the best one is thick. Parameters of one name "
        "share an axis, and those that apply to less than a quarter of the trials have none."
    )
    return [
        Heading("All trials"),
        Paragraph(text),
        Picture("parallel_coordinates", "parallel coordinates of all trials"),
    ]


def cost_section(pictures: dict[str, bytes]) -> list[Block]:
    """Set the score against what it costs."""
    if "cost" not in pictures:
        return []
    text = (
        "Each trial that ended as planned against what a run of it costs. The line joins those that no other trial is "
        "both better and cheaper than. Seconds are those of the machine that ran the trial."
    )
    return [Heading("Cost"), Paragraph(text), Picture("cost", "score against parameters, multiply-adds and seconds")]


def losses_section(findings: Findings) -> list[Block]:
    """List what failed or was stopped, and why."""
    parts = (("", findings.results.trials), ("final ", findings.results.finals))
    lost = [(part, trial) for part, trials in parts for trial in trials if trial.status in (FAILED, KILLED, STOPPED)]
    heading = Heading("Failed and stopped trials")
    if not lost:
        return [heading, Paragraph("None.")]
    space = findings.results.study.parsed_space
    rows = [
        [part + trial.id, point_text(space, trial), trial.status, _progress(trial), reason_of(trial)]
        for part, trial in lost
    ]
    return [heading, Table(["trial", "point", "ended", "epochs", "reason"], rows)]


def _progress(trial: TrialResult) -> str:
    return f"{epochs_of(trial)} of {trial.epochs}"


def method_section(findings: Findings) -> list[Block]:
    """Say how the study was made, and how to repeat it."""
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
    folder = results.folder.resolve().name
    return [
        Heading("How it was done"),
        Table(["", ""], [[name, fact] for name, fact in facts.items()]),
        Paragraph("The space that was searched; study.yaml holds all settings:"),
        Code(yaml.safe_dump(study.model_dump(mode="json")["space"], sort_keys=False, default_flow_style=None).rstrip()),
        Paragraph("To train the winner on the whole training set:"),
        Code(f"python -m training --config {shlex.quote(f'{folder}/best.yaml')}"),
        Paragraph("To repeat the study:"),
        Code(f"python -m tuning --config {shlex.quote(f'{folder}/study.yaml')}"),
    ]


def common_field(findings: Findings, name: str) -> str:
    """Write a field of RunConfig that all trials have in common; "searched" where it is not."""
    study = findings.results.study
    if name in study.space:
        return "searched"
    value = study.fields.get(name, RunConfig.model_fields[name].default)
    return "the default" if value is None else str(value)
