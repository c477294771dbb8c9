"""The points that studies have in common, and how much better they are in one than in another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from training.config import SHORT
from tuning.comparison.sides import Side
from tuning.report.statistics import Noise, better_half, interval, noise, within_noise
from tuning.results import TrialResult
from tuning.space.dimensions import signature

Point = tuple[TrialResult | None, ...]  # its trial in each of the studies


class Difference(NamedTuple):
    """How a study differs from the first in the points that both have."""

    side: Side
    points: int
    mean: float | None  # of its scores less those of the first; None without points
    reach: float | None  # half the width of its 95 % interval; None with fewer than two
    better: int  # points
    beyond_noise: tuple[int, int] | None  # of these, and of those that are worse; None where noise is unknown


def points_of(sides: Sequence[Side]) -> list[Point]:
    """List the points of all studies, the best of the first study first, each with its trials that can be compared."""
    found = [{key_of(trial): trial for trial in reversed(side.findings.comparable)} for side in sides]
    keys = dict.fromkeys(key_of(trial) for side in sides for trial in side.findings.comparable)
    return [tuple(own.get(key) for own in found) for key in keys]


def key_of(trial: TrialResult) -> str:
    """Give the text that tells points apart, whatever names their fields have."""
    return signature({SHORT.get(name, name): value for name, value in trial.fields.items()})


def in_common(points: Iterable[Point]) -> list[Point]:
    """Pick the points that the first study and another one have."""
    return [point for point in points if point[0] and any(point[1:])]


def noise_between(first: Side, other: Side) -> Noise | None:
    """Pool the noise of two studies, of the better half of each."""
    halves = [better_half(side.findings.comparable, side.findings.study.sign) for side in (first, other)]
    return noise([*halves[0], *halves[1]])


def compare_to_first(sides: Sequence[Side], points: Sequence[Point]) -> list[Difference]:
    """Compare each study with the first, in the points that both have.

    Source: the interval of a paired t-test, a pair a point.
    """
    found = []
    for place, side in enumerate(sides[1:], start=1):
        pairs = [(point[0], point[place]) for point in points if point[0] and point[place]]
        differences = np.array([other.score - first.score for first, other in pairs])
        gains, count = side.findings.study.sign * differences, len(pairs)
        known = noise_between(sides[0], side)
        outside = np.array([not within_noise(*pair, known) for pair in pairs], bool)
        beyond = (int((outside & (gains > 0)).sum()), int((outside & (gains < 0)).sum())) if known else None
        mean = float(differences.mean()) if count else None
        reach = interval(count - 1) * float(differences.std(ddof=1)) / math.sqrt(count) if count > 1 else None
        better = int((gains > 0).sum())
        found.append(Difference(side, count, mean=mean, reach=reach, better=better, beyond_noise=beyond))
    return found
