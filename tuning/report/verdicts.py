"""Whether the runs of a study bear out what is claimed, with the uncertainty of so few seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tuning.claims import ERRORS, MEASURES, Claim, Where, has
from tuning.report.statistics import interval, pooled
from tuning.results import COMPLETED, DIVERGED, Run, TrialResult

HOLDS, OPPOSITE, OPEN = "holds", "the opposite holds", "undecided"
ONE_SEED, NOT_RUN, MISSING = "one seed decides nothing", "not run", "not judged"
ENDED = (COMPLETED, DIVERGED)  # the trials that can be measured
SAME = 1e-4  # percent, by which errors of equally many images may differ through rounding


class Verdict(NamedTuple):
    """What became of a claim; numbers are of its measure, errors in percent."""

    claim: Claim
    word: str
    sides: tuple[float, float] | None = None  # means over the seeds
    difference: float | None = None
    reach: float | None = None  # half the width of its 95 % interval
    missing: tuple[TrialResult, ...] = ()  # points of either side that have not ended, without which none is judged

    @property
    def unit(self) -> str:
        """What stands behind a number."""
        return " %" if self.claim.measure in ERRORS else ""

    def number(self, value: float) -> str:
        """Write a number of its measure."""
        return f"{value:.2f}{self.unit}" if self.unit else f"{value:.3g}"


def judge(claim: Claim, trials: Sequence[TrialResult]) -> Verdict:
    """Compare both sides of a claim by the runs of a study.

    It holds, or its opposite does, where the 95 % interval of the difference of the means does not hold zero. Errors
    are whole numbers of images, so that the few seeds of both sides may agree by chance: then the spread between seeds
    at all points takes the place of theirs, and where that is none either nothing is decided.

    `trials` are those of all points, also of such as have not begun. A claim is judged when all points of both sides
    have ended: the mean of those that have may be that of the easier ones.

    Source: Welch 1947, the t-test of two means whose variances are not equal.
    """
    higher, lower = (side_by_seed(claim, wheres, trials) for wheres in claim.sides)
    missing = tuple(trial for trial in trials if trial.status not in ENDED and is_of(claim, trial))
    if not (len(higher) and len(lower)):
        return Verdict(claim, NOT_RUN, missing=missing)
    if missing:
        return Verdict(claim, MISSING, missing=missing)
    sides = float(higher.mean()), float(lower.mean())
    difference = sides[0] - sides[1]
    if min(len(higher), len(lower)) < 2:
        return Verdict(claim, ONE_SEED, sides, difference)
    if not math.isfinite(difference):
        return Verdict(claim, OPEN, sides, difference)
    if max(np.ptp(higher), np.ptp(lower)) > (SAME if claim.measure in ERRORS else 0):
        reach = welch_reach(higher, lower)
    elif not (reach := pooled_reach(claim, trials, len(higher), len(lower))):
        return Verdict(claim, OPEN, sides, difference)
    word = OPEN if abs(difference) <= reach else HOLDS if difference > 0 else OPPOSITE
    return Verdict(claim, word, sides, difference, reach)


def side_by_seed(claim: Claim, wheres: tuple[Where, ...], trials: Sequence[TrialResult]) -> np.ndarray:
    """Measure a side, a number for each seed that all of its trials have; of several trials the mean."""
    parts = []
    for where in wheres:
        found = [by_seed(claim, trial) for trial in judged(where, trials)]
        if not found:
            return np.empty(0)
        common = set.intersection(*(set(numbers) for numbers in found))
        parts.append({seed: float(np.mean([numbers[seed] for numbers in found])) for seed in common})
    seeds = sorted(set.intersection(*(set(part) for part in parts)))
    first, *taken_off = parts
    return np.array([first[seed] - sum(part[seed] for part in taken_off) for seed in seeds])


def is_of(claim: Claim, trial: TrialResult) -> bool:
    """Tell whether a trial is of either side of a claim."""
    return any(has(trial.values, where) for side in claim.sides for where in side)


def judged(where: Where, trials: Sequence[TrialResult]) -> list[TrialResult]:
    """Pick the trials of a side that have ended, or diverged."""
    return [trial for trial in trials if trial.status in ENDED and has(trial.values, where)]


def by_seed(claim: Claim, trial: TrialResult) -> dict[int, float]:
    """Measure each run of a trial that has ended, by seed; none of data that do not have the measure."""
    column = MEASURES[claim.measure]
    known = [run for run in trial.runs if is_lost(run) or (run.history and column in run.history[-1])]
    return {run.seed: measured(claim, run) for run in known if run.outcome}


def is_lost(run: Run) -> bool:
    """Tell whether a run diverged, of which the papers say that it failed."""
    return run.outcome is not None and run.outcome.status == DIVERGED


def measured(claim: Claim, run: Run) -> float:
    """Measure a run at the epoch of a claim; one that diverged answers nothing right, at any epoch."""
    if is_lost(run):
        return 100.0 if claim.measure in ERRORS else math.inf
    epoch = max(round(claim.at * len(run.history)), 1)
    value = run.history[epoch - 1][MEASURES[claim.measure]]
    return 100 * (1 - value) if claim.measure in ERRORS else value


def welch_reach(a: np.ndarray, b: np.ndarray) -> float:
    """Give half the width of the 95 % interval of the difference of two means, of sides of which one has a spread."""
    parts = np.array([np.var(side, ddof=1) / len(side) for side in (a, b)])
    freedom = parts.sum() ** 2 / np.sum(parts**2 / [len(a) - 1, len(b) - 1])
    return interval(freedom) * math.sqrt(parts.sum())


def pooled_reach(claim: Claim, trials: Sequence[TrialResult], *seeds: int) -> float | None:
    """Give the same by the spread between seeds at all points that ended; None where no seed differs from another.

    `seeds` are the numbers of seeds of both sides, whose parts may be means over several trials.
    """
    noise = pooled([*by_seed(claim, trial).values()] for trial in trials if trial.status == COMPLETED)
    if noise is None or noise.deviation < SAME:
        return None
    parts = [(count, where) for count, side in zip(seeds, claim.sides) for where in side]
    return noise.reach(*(count * len(judged(where, trials)) for count, where in parts))
