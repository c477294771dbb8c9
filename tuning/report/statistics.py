"""What the scores of a study say: how large noise is, which trials it separates, how two choices go together."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from tuning.results import (
    COMPLETED,
    DIVERGED,
    FAILED,
    FAULT,
    KILLED,
    RUNNING,
    STOPPED,
    StudyResults,
    TrialResult,
    deviation,
)
from tuning.space.dimensions import Choice, Space

CONFIDENCE = 0.95
USUAL_PAIR = ("activation", "shortcut")  # of studies that search both; others get the two with the most levels
# A trial's status -> why it cannot stand beside trials that were trained to their end.
LEFT_OUT = {
    STOPPED: "stopped early",
    DIVERGED: "diverged",
    FAILED: "failed",
    FAULT: "met a fault",
    KILLED: "killed",
    RUNNING: "not finished",
}


class Noise(NamedTuple):
    """By how much the score of one and the same point differs from seed to seed."""

    deviation: float  # pooled standard deviation of the objective
    freedom: int  # its degrees of freedom

    def reach(self, *runs: int) -> float:
        """Give the difference of two means of that many runs that equal points exceed once in twenty times."""
        return interval(self.freedom) * self.deviation * math.sqrt(sum(1 / number for number in runs))


class Compared(NamedTuple):
    """The trials that were trained alike and to their end, which alone can be compared."""

    trials: tuple[TrialResult, ...]
    left_out: dict[str, int]  # why trials were left out, and how many


class Cell(NamedTuple):
    """What was found where two choices meet, over all runs."""

    mean: float
    spread: float | None  # standard deviation; None with one run
    runs: int


class PairTable(NamedTuple):
    """Two choices against each other, the levels of each in the order of their cells' median, the best first."""

    rows: str
    columns: str
    row_levels: tuple[str, ...]
    column_levels: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]  # by row and column; combinations that were not tried are missing


def interval(freedom: int) -> float:
    """Give the half width of a two-sided 95 % interval, in standard errors."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))


def compare(results: StudyResults) -> Compared:
    """Pick the trials that can be compared: those that ended as planned, with Hyperband after the most epochs."""
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
    """Pool the deviation of the objective over the seeds within each trial; None where no trial was repeated.

    Source: the within-group mean square of a one-way analysis of variance.
    """
    return pooled(trial.scores for trial in trials)


def pooled(samples: Iterable[Sequence[float]]) -> Noise | None:
    """Pool the deviation of numbers from the mean of their own sample; None where none holds two."""
    groups = [np.asarray(sample) for sample in samples if len(sample) > 1]
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(float(np.sum((group - group.mean()) ** 2)) for group in groups)
    return Noise(math.sqrt(squares / freedom), freedom) if freedom else None


def better_half(trials: Sequence[TrialResult], sign: int) -> list[TrialResult]:
    """Pick the trials that are not worse than the median, because poor networks vary more from seed to seed."""
    median = np.median([sign * trial.score for trial in trials]) if trials else 0.0
    return [trial for trial in trials if sign * trial.score >= median]


def within_noise(a: TrialResult, b: TrialResult, noise: Noise | None) -> bool | None:
    """Tell whether two trials differ by no more than seeds make them differ; None where nothing tells what noise is.

    Source: a two-sided t-test at 95 % with the pooled deviation.
    """
    if noise is None:
        return None
    return abs(a.score - b.score) <= noise.reach(len(a.scores), len(b.scores))


def pair_table(space: Space, trials: Sequence[TrialResult], sign: int) -> PairTable | None:
    """Set two choices against each other; None where fewer than two choices have several levels.

    They are activation and shortcut, else the two with the most levels among the trials. A cell pools all runs of all
    its trials, whatever else differs between them.
    """
    choices = [dimension.name for dimension in space.dimensions if isinstance(dimension, Choice)]
    counts = {name: len({trial.values[name] for trial in trials}) for name in choices}
    several = sorted((name for name in choices if counts[name] > 1), key=lambda name: -counts[name])
    if len(several) < 2:
        return None
    pair = USUAL_PAIR if set(USUAL_PAIR) <= set(several) else several[:2]
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for trial in trials:
        scores[trial.values[pair[0]], trial.values[pair[1]]] += trial.scores
    cells = {place: Cell(float(np.mean(found)), deviation(found), len(found)) for place, found in scores.items()}
    return PairTable(*pair, *(_by_median(cells, side, sign) for side in (0, 1)), cells)


def _by_median(cells: dict[tuple[str, str], Cell], side: int, sign: int) -> tuple[str, ...]:
    """Order the levels of one side by the median of their cells, which one hopeless cell does not move."""
    means: dict[str, list[float]] = defaultdict(list)
    for place, cell in cells.items():
        means[place[side]].append(cell.mean)
    return tuple(sorted(means, key=lambda level: (-sign * float(np.median(means[level])), level)))
