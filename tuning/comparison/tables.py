"""The tables and sentences of a comparison of studies, for the page, the terminal and programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from training.comparison.seeds import write_value
from training.config import SHORT
from training.config.fields import name_of
from training.progress import duration
from tuning.comparison.shared import Difference, Point, in_common, noise_between
from tuning.comparison.sides import Side, differences, of_other_images
from tuning.report.findings import Findings
from tuning.report.statistics import within_noise
from tuning.report.tables import Rows
from tuning.report.wording import NONE, VERDICTS, Measure, count_text, listing, point_text
from tuning.results import LOST, RUNNING, StudyResults, TrialResult, spent

# The best score of a study beside that of the best one, by whether it is within noise of it.
BESIDE = {
    None: "is no better, and whether by more than noise is unknown",
    True: "is within noise of it",
    False: "is worse by more than noise",
}
FIRST_COUNT = 5  # trials after which the best so far is told at first, and then after twice as many, and so on


def study_rows(sides: Sequence[Side]) -> Rows:
    """Set beside each other what studies are, what they came to, and at what cost."""
    facts = [facts_of(side.findings) for side in sides]
    return [["", *(side.letter for side in sides)], *([name, *(own[name] for own in facts)] for name in facts[0])]


def facts_of(findings: Findings) -> dict[str, str]:
    """Write what a study is, what it came to, and what its trials took together."""
    results, study, measure = findings.results, findings.study, findings.measure
    costs, best = spent(results), findings.best
    test = next((final for rank, _, final in findings.finals_by_rank() if rank == 1), None)
    found = {
        "best trial": best.id if best else NONE,
        "best point": point_text(findings.space, best) if best else NONE,
        f"its {measure.label}": score_of(best, measure),
        f"its test {measure.title}": score_of(test, measure),
    }
    return {
        "folder": str(results.folder),
        "search": f"{study.tuner}, of {listing(list(study.space))}",
        "trials": trials_text(results),
        **(found if study.validation else {}),
        f"noise between seeds, {measure.title}": measure.number(findings.noise and findings.noise.deviation),
        "epochs of training": f"{sum(cost.epochs for cost in costs):,}",
        "time of training": duration(sum(cost.seconds for cost in costs)),
    }


def trials_text(results: StudyResults) -> str:
    """Count the trials of a study by how they stand."""
    states = [trial.status for trial in results.trials]
    counts = {"failed": sum(state in LOST for state in states), "running": states.count(RUNNING)}
    counts["left out, for their files cannot be used"] = len(results.unread)
    ended = f"{len(states) - counts['running']} ended"
    return ", ".join([ended, *(f"{number} {what}" for what, number in counts.items() if number)])


def headline(sides: Sequence[Side]) -> str:
    """Say which study has the best score, and whether those of the others are worse by more than noise."""
    findings, sign = sides[0].findings, sides[0].findings.study.sign
    if other := of_other_images(sides):
        return f"Their scores are of other images and say nothing beside each other: they differ in {listing(other)}."
    scored = [side for side in sides if side.findings.best]
    if not scored or not findings.study.validation:
        return ""
    first = max(scored, key=lambda side: sign * side.findings.best.score)
    best, measure = first.findings.best, findings.measure
    text = f"The best {measure.name} is that of {first.letter}: {score_of(best, measure)}{measure.unit}"
    parts = [f"{text} {measure.place}, {point_text(first.findings.space, best)}."]
    for side in scored:
        if side is not first:
            within = within_noise(side.findings.best, best, noise_between(first, side))
            parts.append(f"That of {side.letter} {BESIDE[within]}.")
    return " ".join(parts)


def difference_rows(sides: Sequence[Side]) -> Rows:
    """Write what differs in the definitions of studies; no rows where nothing does."""
    rows = [[name, *(side.definition.get(name, write_value(None)) for side in sides)] for name in differences(sides)]
    return [["", *(side.letter for side in sides)], *rows] if rows else []


def course_rows(sides: Sequence[Side]) -> Rows:
    """Write the best score after so many trials of each study, as far as these go."""
    most, measure = max(len(side.course) for side in sides), sides[0].findings.measure
    counts = [FIRST_COUNT]
    while 2 * counts[-1] < most:
        counts.append(2 * counts[-1])
    rows = [["trials ended", *(side.letter for side in sides)]]
    for count in [*(count for count in counts if count < most), most]:
        known = [side.course[count - 1, 2] if 0 < count <= len(side.course) else np.nan for side in sides]
        rows.append([str(count), *(measure.number(None if np.isnan(best) else best) for best in known)])
    return rows


def shared_rows(sides: Sequence[Side], points: Sequence[Point]) -> Rows:
    """Set the scores of points beside each other that the first study and another one have."""
    first, *others = sides
    measure, noises = first.findings.measure, [noise_between(first, other) for other in others]
    rows = [["point", *(f"{side.letter}, {measure.title}" for side in sides)]]
    for other in others:
        rows[0] += [f"{other.letter} − {first.letter}", f"{other.letter} within noise of {first.letter}"]
    for own, *trials in in_common(points):
        row = [point_text(first.findings.space, own), *(score_of(trial, measure) for trial in (own, *trials))]
        for trial, noise in zip(trials, noises):
            row.append(signed(trial.score - own.score, measure) if trial else NONE)
            row.append(VERDICTS[within_noise(own, trial, noise)] if trial else NONE)
        rows.append(row)
    return rows


def score_of(trial: TrialResult | None, measure: Measure) -> str:
    """Write the score of a trial, if there is one."""
    return measure.with_spread(trial.score, trial.spread) if trial else NONE


def signed(difference: float, measure: Measure) -> str:
    """Write by how much scores differ, with the sign."""
    return f"{measure.factor * difference:+.{measure.digits}f}".replace("-", "−")


def shared_sentence(difference: Difference, first: Side) -> str:
    """Say how a study differs from the first in the points that both have."""
    letter, measure, mean, reach = difference.side.letter, first.findings.measure, difference.mean, difference.reach
    if not difference.points:
        return f"{letter} has no point in common with {first.letter}."
    text = f"{letter} has {count_text(difference.points, 'point')} in common with {first.letter}. There its "
    text += f"{measure.name} differs by {signed(mean, measure)}{measure.unit} in the mean"
    if reach is not None:
        text += f" (95 % interval {signed(mean - reach, measure)} to {signed(mean + reach, measure)})"
    text += f" and is better in {difference.better}"
    if difference.beyond_noise is None:
        return f"{text}; what of that is noise is unknown, because no trial was repeated."
    more, less = difference.beyond_noise
    return f"{text}; by more than noise it is better in {more} and worse in {less}."


def column_of(dimension: str) -> str:
    """Name a dimension by the short name of its field, as "activation/prelu/slope" whichever name a study uses."""
    field, slash, rest = dimension.partition("/")
    return name_of(SHORT.get(field, field)) + slash + rest


def points_csv(sides: Sequence[Side], points: Sequence[Point]) -> str:
    """Write the points of all studies as CSV, for programs, with score, spread and number of runs in each study.

    Scores stand as the searches saw them, an accuracy from 0 to 1; what a study has not is empty. A field has one
    column, by whichever of its names studies search it.
    """
    names = dict.fromkeys(column_of(part.name) for side in sides for part in side.findings.space.all_dimensions)
    text = io.StringIO()
    file = csv.writer(text, lineterminator="\n")
    figures = ("trial", "score", "spread", "runs")
    file.writerow([*names, *(f"{side.letter}_{name}" for side in sides for name in figures)])
    for point in points:
        trial = next(trial for trial in point if trial)
        values = {column_of(name): value for name, value in trial.values.items()}
        cells = [[t.id, t.score, "" if t.spread is None else t.spread, len(t.scores)] if t else [""] * 4 for t in point]
        file.writerow([*(values.get(name, "") for name in names), *(cell for own in cells for cell in own)])
    return text.getvalue()
