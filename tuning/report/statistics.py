"""What the scores of a study say: how large noise is, which trials it separates, what a pair of choices gives."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuning.results import COMPLETED, FAILED, KILLED, STOPPED, StudyResults, TrialResult
from tuning.space.dimensions import Choice, Range, Space

CONFIDENCE = 0.95
# The pair of choices that the project asks about; any other study gets the two with the most levels.
USUAL_PAIR = ("activation", "shortcut")
# A trial's status -> why it cannot stand beside trials that were trained to their end.
LEFT_OUT = {STOPPED: "stopped early", FAILED: "failed", KILLED: "killed", "running": "not finished"}


@dataclass(frozen=True)
class Noise:
    """By how much the score of one and the same point differs from seed to seed.

    Args:
        deviation: float, pooled standard deviation of the objective.
        freedom: int, its degrees of freedom.
    """

    deviation: float
    freedom: int


@dataclass(frozen=True)
class Compared:
    """The trials that were trained alike and to their end, which alone can be compared.

    Args:
        trials: tuple of TrialResults, all with a score.
        left_out: dict of reasons to the number of trials that were left out for them.
    """

    trials: tuple[TrialResult, ...]
    left_out: dict[str, int]


@dataclass(frozen=True)
class Cell:
    """What was found where two choices meet.

    Args:
        mean: float, of the objective over all runs.
        spread: float, standard deviation over all runs; None of one run.
        runs: int.
    """

    mean: float
    spread: float | None
    runs: int


@dataclass(frozen=True)
class PairTable:
    """Two choices against each other, the levels of each in the order of their cells' median, the best first.

    Args:
        rows: str, the choice whose levels are the rows.
        columns: str, the choice whose levels are the columns.
        row_levels: tuple of str.
        column_levels: tuple of str.
        cells: dict of (row level, column level) to Cells; combinations that were not tried are missing.
    """

    rows: str
    columns: str
    row_levels: tuple[str, ...]
    column_levels: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]


def compare(results: StudyResults) -> Compared:
    """Pick the trials that can be compared.

    Args:
        results: StudyResults.

    Returns:
        Compared: without trials that failed, were stopped early or have not ended, and without those to which
        Hyperband gave fewer epochs than the most.
    """
    scored = [trial for trial in results.trials if trial.status == COMPLETED and trial.score is not None]
    most = max((trial.epochs for trial in scored), default=0)
    # Elsewhere the epochs differ only where they are searched, and then they are a factor like any other.
    by_length = results.study.tuner == "hyperband"
    full = tuple(trial for trial in scored if not by_length or trial.epochs == most)
    left_out = Counter(LEFT_OUT.get(trial.status, "without a score") for trial in results.trials if trial not in scored)
    if len(full) < len(scored):
        left_out[f"given fewer than {most} epochs"] = len(scored) - len(full)
    return Compared(full, dict(sorted(left_out.items())))


def noise(trials: Iterable[TrialResult]) -> Noise | None:
    """Pool the deviation of the objective over the seeds within each trial.

    Args:
        trials: TrialResults.

    Returns:
        Noise; None where no trial was repeated.

    Source:
        The within-group mean square of a one-way analysis of variance.
    """
    groups = [np.asarray(trial.scores) for trial in trials if len(trial.scores) > 1]
    freedom = sum(len(group) - 1 for group in groups)
    if not freedom:
        return None
    squares = sum(float(np.sum((group - group.mean()) ** 2)) for group in groups)
    return Noise(math.sqrt(squares / freedom), freedom)


def better_half(trials: Sequence[TrialResult], direction: str) -> list[TrialResult]:
    """Pick the trials that are not worse than the median: a poor network varies more from seed to seed than a good one.

    Args:
        trials: sequence of TrialResults with scores.
        direction: "max" or "min".

    Returns:
        List of TrialResults.
    """
    if not trials:
        return []
    median = float(np.median([trial.score for trial in trials]))
    return [trial for trial in trials if (trial.score >= median if direction == "max" else trial.score <= median)]


def within_noise(a: TrialResult, b: TrialResult, noise: Noise | None) -> bool | None:
    """Tell whether two trials differ by no more than seeds make them differ.

    Args:
        a: TrialResult with a score.
        b: TrialResult with a score.
        noise: Noise, pooled over trials that are about as good.

    Returns:
        bool, by a two-sided t-test at 95 % with the pooled deviation; None where nothing tells what noise is.
    """
    if noise is None:
        return None
    from scipy.stats import t

    error = noise.deviation * math.sqrt(1 / len(a.scores) + 1 / len(b.scores))
    return bool(abs(a.score - b.score) <= t.ppf((1 + CONFIDENCE) / 2, noise.freedom) * error)


Ancestors = tuple[tuple[str, str], ...]


def walk(
    dimensions: Iterable[Choice | Range], values: Mapping[str, Any], ancestors: Ancestors = ()
) -> Iterator[tuple[Choice | Range, Any, Ancestors]]:
    """Go through the dimensions that apply at a point.

    Args:
        dimensions: Choices and Ranges.
        values: mapping of names of dimensions to labels and numbers.
        ancestors: choices, with the label of their option, under which the dimensions stand.

    Yields:
        The dimension, its value, and the (name, label) pairs under which alone it applies, outermost first.
    """
    for dimension in dimensions:
        value = values[dimension.name]
        yield dimension, value, ancestors
        if isinstance(dimension, Choice):
            inner = (*ancestors, (dimension.name, value))
            yield from walk(dimension.option(value).parameters, values, inner)


def dimension_names(dimensions: Iterable[Choice | Range]) -> list[str]:
    """Name dimensions, each before the parameters of its options.

    Args:
        dimensions: Choices and Ranges.

    Returns:
        List of str.
    """
    names = []
    for dimension in dimensions:
        names.append(dimension.name)
        for option in dimension.options if isinstance(dimension, Choice) else ():
            names.extend(dimension_names(option.parameters))
    return names


def pair_table(space: Space, trials: tuple[TrialResult, ...], direction: str) -> PairTable | None:
    """Set two choices against each other.

    Args:
        space: Space.
        trials: tuple of TrialResults with scores.
        direction: str, "max" or "min", which mean is the best.

    Returns:
        PairTable of activation and shortcut, else of the two choices with the most levels among the trials; None
        where fewer than two choices have several levels. A cell pools all runs of all its trials, whatever else
        differs between them.
    """
    pair = _pair(space, trials)
    if pair is None:
        return None
    scores: dict[tuple[str, str], list[float]] = {}
    for trial in trials:
        scores.setdefault((trial.values[pair[0]], trial.values[pair[1]]), []).extend(trial.scores)
    cells = {place: _cell(found) for place, found in sorted(scores.items())}
    levels = [_by_mean(cells, side, direction) for side in (0, 1)]
    return PairTable(*pair, *levels, cells)


def _pair(space: Space, trials: tuple[TrialResult, ...]) -> tuple[str, str] | None:
    names = [dimension.name for dimension in space.dimensions if isinstance(dimension, Choice)]
    counts = {name: len({trial.values[name] for trial in trials}) for name in names}
    several = sorted((name for name in names if counts[name] > 1), key=lambda name: -counts[name])
    if len(several) < 2:
        return None
    return USUAL_PAIR if set(USUAL_PAIR) <= set(several) else (several[0], several[1])


def _cell(scores: list[float]) -> Cell:
    spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else None
    return Cell(float(np.mean(scores)), spread, len(scores))


def _by_mean(cells: Mapping[tuple[str, str], Cell], side: int, direction: str) -> tuple[str, ...]:
    """Order the levels of one side by the median of their cells, which one hopeless cell does not move."""
    means: dict[str, list[float]] = {}
    for place, cell in cells.items():
        means.setdefault(place[side], []).append(cell.mean)
    sign = -1 if direction == "max" else 1
    return tuple(sorted(means, key=lambda level: (sign * float(np.median(means[level])), level)))
