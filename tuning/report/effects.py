"""Main effects: what each level of each factor is worth, all other factors being equal.

The model is additive: the score of a trial, the mean over its seeds, is a constant plus one term for each factor. A
trial counts once however often it was repeated, for what an additive model leaves over (how factors interact) is the
same in all its repeats. Contrasts sum to zero, so that a level's estimated marginal mean is the constant plus its own
term, in unbalanced designs too. A parameter that exists for one option only is a factor nested in that option: its
columns are zero elsewhere.

A number becomes a factor by its values where these are few, else by thirds of the trials: a learning rate is usually at
its best in the middle, which a slope would call no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from tuning.report.statistics import Noise, interval
from tuning.report.wording import apart
from tuning.results import TrialResult
from tuning.space.dimensions import DIGITS, Ancestors, Choice, Range, Space

MOST_VALUES = 5  # of a range that is a factor by its values
FEWEST_TRIALS = 2  # of each level of a parameter that exists for one option only; fewer say nothing of it


class Factor(NamedTuple):
    """A dimension of the space that took several levels."""

    name: str
    levels: tuple[str, ...]  # the options in their order, or the values or thirds of a range, ascending
    codes: np.ndarray  # int (trials,), the level of each trial; -1 where the dimension does not apply
    ancestors: Ancestors

    @property
    def contrasts(self) -> np.ndarray:
        """Array (levels + 1, levels - 1): a level's row in the design, columns that sum to zero, and a row of zeros."""
        width = len(self.levels) - 1
        return np.vstack([np.eye(width), -np.ones(width), np.zeros(width)])


class Level(NamedTuple):
    """What one level of a factor is worth."""

    label: str
    trials: int
    plain: float  # the mean score of its trials, whatever else they are
    mean: float | None = None  # the estimated marginal mean, where the trials separate it from other factors
    low: float | None = None  # ends of its 95 % interval, where the error is known
    high: float | None = None

    @property
    def shown(self) -> float:
        """The estimated marginal mean where there is one, else the plain mean."""
        return self.plain if self.mean is None else self.mean


class Effect(NamedTuple):
    """What a factor is worth."""

    name: str
    levels: tuple[Level, ...]
    p: float | None  # of the F-test that all its levels are worth the same; None where it cannot be made
    share: float | None  # of the variance between trials that no other factor explains; None where it is unknown


class _Fit:
    """A least-squares fit by the pseudo-inverse, which rank deficiency does not disturb."""

    def __init__(self, factors: list[Factor], scores: np.ndarray):
        self.factors, self.scores = factors, scores
        self.design = np.hstack([np.ones((len(scores), 1)), *(factor.contrasts[factor.codes] for factor in factors)])
        self.inverse = np.linalg.pinv(self.design)
        self.rank = int(np.linalg.matrix_rank(self.design))
        self.squares = float(np.sum((scores - self.design @ (self.inverse @ scores)) ** 2))  # the residual ones

    def estimate(self, factor: Factor, level: int) -> tuple[float, float] | None:
        """Give the mean of a level, by its place, and its variance factor; None where the data leave it open."""
        # The coefficients in the mean: the constant, the level's own term, those of the options it is under.
        above = dict(factor.ancestors)
        held = {other.name: other.levels.index(above[other.name]) for other in self.factors if other.name in above}
        held[factor.name] = level
        places = [held.get(other.name, -1) for other in self.factors]
        rows = [other.contrasts[place] for other, place in zip(self.factors, places)]
        combination = np.concatenate([np.ones(1), *rows])
        weights = combination @ self.inverse
        if not np.allclose(weights @ self.design, combination, atol=1e-8):
            return None
        return float(weights @ self.scores), float(weights @ weights)


def main_effects(space: Space, trials: Sequence[TrialResult], noise: Noise | None) -> list[Effect]:
    """Estimate what each level of each factor is worth, in the order of the space.

    The error is what the model leaves over between trials; where it leaves no freedom, as with one factor, it is the
    noise between seeds.

    Source: Searle, Speed and Milliken 1980 (estimated marginal means); partial F-tests of the general linear model.
    """
    factors = find_factors(space, trials)
    if not factors:
        return []
    fit = _Fit(factors, np.array([trial.score for trial in trials]))
    if freedom := len(trials) - fit.rank:
        error = Noise((fit.squares / freedom) ** 0.5, freedom)
    else:  # the variance of a mean over seeds; unequal numbers of seeds count by their harmonic mean
        shrink = float(np.mean([1 / len(trial.scores) for trial in trials]))
        error = noise and noise._replace(deviation=noise.deviation * shrink**0.5)
    return [_effect(factor, fit, error) for factor in factors]


def find_factors(space: Space, trials: Sequence[TrialResult]) -> list[Factor]:
    """Find the dimensions that took several levels, in the order of the space.

    Of parameters that exist for one option only, those of whose levels each has FEWEST_TRIALS.
    """
    factors = []
    for dimension in space.all_dimensions:
        applies = [dimension.name in trial.values for trial in trials]
        values = [trial.values[dimension.name] for trial in trials if dimension.name in trial.values]
        if isinstance(dimension, Choice):
            labels = [option.label for option in dimension.options if option.label in values]
            own = [labels.index(value) for value in values]
        else:
            labels, own = _range_levels(dimension, values)
        codes = np.full(len(trials), -1)
        codes[applies] = own
        if len(labels) > 1 and (not dimension.ancestors or np.bincount(own).min() >= FEWEST_TRIALS):
            factors.append(Factor(dimension.name, tuple(labels), codes, dimension.ancestors))
    return factors


def _range_levels(dimension: Range, values: Sequence[float]) -> tuple[list[str], np.ndarray]:
    """Give the labels of the levels of a range, each its own, and the place of the level of each value."""
    numbers = np.array(values if dimension.is_whole else [float(f"{value:.{DIGITS}g}") for value in values])
    distinct, own = np.unique(numbers, return_inverse=True)
    if len(distinct) <= max(3, min(MOST_VALUES, len(numbers) // 2)):
        return apart(distinct.tolist(), 4), own
    thirds = np.searchsorted(np.quantile(numbers, [1 / 3, 2 / 3]), numbers)
    distinct, own = np.unique(thirds, return_inverse=True)
    parts = [numbers[thirds == third] for third in distinct]
    ends = apart([end.item() for part in parts for end in (part.min(), part.max())], 3)
    return [f"{low} to {high}" for low, high in zip(ends[::2], ends[1::2])], own


def _effect(factor: Factor, fit: _Fit, error: Noise | None) -> Effect:
    levels = tuple(_level(factor, place, fit, error) for place in range(len(factor.levels)))
    rest = _Fit([other for other in fit.factors if other is not factor], fit.scores)
    freedom, squares = fit.rank - rest.rank, max(0.0, rest.squares - fit.squares)
    total = float(np.sum((fit.scores - fit.scores.mean()) ** 2))
    if not freedom or not total:
        return Effect(factor.name, levels, None, None)
    share = squares / total if fit.rank < len(fit.scores) else None
    known = error and error.deviation
    p = float(stats.f.sf(squares / freedom / error.deviation**2, freedom, error.freedom)) if known else None
    return Effect(factor.name, levels, p, share)


def _level(factor: Factor, place: int, fit: _Fit, error: Noise | None) -> Level:
    has = factor.codes == place
    mean, inflation = fit.estimate(factor, place) or (None, None)
    level = Level(factor.levels[place], int(has.sum()), float(fit.scores[has].mean()), mean)
    if mean is None or error is None:
        return level
    reach = interval(error.freedom) * inflation**0.5 * error.deviation
    return level._replace(low=mean - reach, high=mean + reach)
