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

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tuning.report.statistics import Noise, interval
from tuning.results import TrialResult
from tuning.space.dimensions import Ancestors, Choice, Dimension, Space

MOST_VALUES = 5  # of a range that is a factor by its values
FEWEST_TRIALS = 2  # of each level of a parameter that exists for one option only; fewer say nothing of it


@dataclass(frozen=True)
class Factor:
    """A dimension of the space that took several levels."""

    name: str
    levels: tuple[str, ...]  # the options in their order, or the values or thirds of a range, ascending
    codes: np.ndarray  # int (trials,), the level of each trial; -1 where the dimension does not apply
    ancestors: Ancestors

    @property
    def contrasts(self) -> np.ndarray:
        """Array (levels, levels - 1): a level's row in the design, columns that sum to zero."""
        return np.vstack([np.eye(len(self.levels) - 1), -np.ones(len(self.levels) - 1)])

    @property
    def columns(self) -> np.ndarray:
        """Array (trials, levels - 1): the factor's part of the design."""
        return np.where(self.codes[:, None] < 0, 0.0, self.contrasts[self.codes])


@dataclass(frozen=True)
class Level:
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


@dataclass(frozen=True)
class Effect:
    """What a factor is worth."""

    name: str
    levels: tuple[Level, ...]
    p: float | None  # of the F-test that all its levels are worth the same; None where it cannot be made
    share: float | None  # of the variance between trials that no other factor explains; None where it is unknown


@dataclass(frozen=True)
class _Fit:
    """A least-squares fit by the pseudo-inverse, which rank deficiency does not disturb."""

    factors: list[Factor]
    scores: np.ndarray

    @cached_property
    def design(self) -> np.ndarray:
        return np.hstack([np.ones((len(self.scores), 1)), *(factor.columns for factor in self.factors)])

    @cached_property
    def inverse(self) -> np.ndarray:
        return np.linalg.pinv(self.design)

    @cached_property
    def rank(self) -> int:
        return int(np.linalg.matrix_rank(self.design))

    @cached_property
    def squares(self) -> float:
        """The residual sum of squares."""
        return float(np.sum((self.scores - self.design @ (self.inverse @ self.scores)) ** 2))

    def estimate(self, factor: Factor, label: str) -> tuple[float, float] | None:
        """Give the mean of a level and its variance factor; None where the data leave it open."""
        combination = self._combination(factor, label)
        rows = combination @ self.inverse
        if not np.allclose(rows @ self.design, combination, atol=1e-8):
            return None
        return float(rows @ self.scores), float(rows @ rows)

    def _combination(self, factor: Factor, label: str) -> np.ndarray:
        """Weigh the coefficients in a level's mean: the constant, its own term, those of the options it is under."""
        held = {factor.name: label, **dict(factor.ancestors)}
        parts = [np.ones(1)]
        for other in self.factors:
            level = other.levels.index(held[other.name]) if other.name in held else None
            parts.append(np.zeros(len(other.levels) - 1) if level is None else other.contrasts[level])
        return np.concatenate(parts)


def main_effects(space: Space, trials: tuple[TrialResult, ...], noise: Noise | None) -> list[Effect]:
    """Estimate what each level of each factor is worth, in the order of the space.

    The error is what the model leaves over between trials; where it leaves no freedom, as with one factor, it is the
    noise between seeds.

    Source: Searle, Speed and Milliken 1980 (estimated marginal means); partial F-tests of the general linear model.
    """
    factors = find_factors(space, trials)
    if not factors:
        return []
    fit = _Fit(factors, np.array([trial.score for trial in trials]))
    error = _error(fit, trials, noise)
    return [_effect(factor, fit, error) for factor in factors]


def find_factors(space: Space, trials: tuple[TrialResult, ...]) -> list[Factor]:
    """Find the dimensions that took several levels, in the order of the space.

    Of parameters that exist for one option only, those of whose levels each has FEWEST_TRIALS.
    """
    seen: dict[str, tuple[Dimension, Ancestors, dict[int, Any]]] = {}
    for index, trial in enumerate(trials):
        for dimension, value, ancestors in space.walk(trial.values):
            seen.setdefault(dimension.name, (dimension, ancestors, {}))[2][index] = value
    found = [_factor(*seen[part.name], len(trials)) for part in space.all_dimensions if part.name in seen]
    factors = [factor for factor in found if factor]
    names = {factor.name for factor in factors}
    return [
        replace(factor, ancestors=tuple(pair for pair in factor.ancestors if pair[0] in names)) for factor in factors
    ]


def _factor(dimension: Dimension, ancestors: Ancestors, values: Mapping[int, Any], count: int) -> Factor | None:
    labels, own = _choice_levels(dimension, values) if isinstance(dimension, Choice) else _range_levels(values)
    sizes = np.bincount(own, minlength=len(labels))
    if len(labels) < 2 or (ancestors and sizes.min() < FEWEST_TRIALS):
        return None
    codes = np.full(count, -1)
    codes[list(values)] = own
    return Factor(dimension.name, tuple(labels), codes, ancestors)


def _choice_levels(choice: Choice, values: Mapping[int, str]) -> tuple[list[str], list[int]]:
    labels = [option.label for option in choice.options if option.label in values.values()]
    return labels, [labels.index(value) for value in values.values()]


def _range_levels(values: Mapping[int, float]) -> tuple[list[str], list[int]]:
    numbers = np.array(list(values.values()), float)
    distinct = np.unique(numbers)
    if len(distinct) <= max(3, min(MOST_VALUES, len(numbers) // 2)):
        return [f"{number:.4g}" for number in distinct], list(np.searchsorted(distinct, numbers))
    thirds = np.searchsorted(np.quantile(numbers, [1 / 3, 2 / 3]), numbers)
    parts = [numbers[thirds == third] for third in np.unique(thirds)]
    return [f"{part.min():.3g} to {part.max():.3g}" for part in parts], list(np.unique(thirds, return_inverse=True)[1])


def _error(fit: _Fit, trials: tuple[TrialResult, ...], noise: Noise | None) -> Noise | None:
    """Give the deviation of a trial's score around the model; None where nothing tells it."""
    freedom = len(trials) - fit.rank
    if freedom:
        return Noise((fit.squares / freedom) ** 0.5, freedom)
    # The variance of a mean over seeds; unequal numbers of seeds count by their harmonic mean.
    shrink = float(np.mean([1 / len(trial.scores) for trial in trials]))
    return noise and Noise(noise.deviation * shrink**0.5, noise.freedom)


def _effect(factor: Factor, fit: _Fit, error: Noise | None) -> Effect:
    levels = tuple(_level(factor, label, fit, error) for label in factor.levels)
    rest = _Fit([other for other in fit.factors if other is not factor], fit.scores)
    freedom, squares = fit.rank - rest.rank, max(0.0, rest.squares - fit.squares)
    total = float(np.sum((fit.scores - fit.scores.mean()) ** 2))
    if not freedom or not total:
        return Effect(factor.name, levels, None, None)
    share = squares / total if fit.rank < len(fit.scores) else None
    return Effect(factor.name, levels, _p(squares / freedom, freedom, error), share)


def _p(square: float, freedom: int, error: Noise | None) -> float | None:
    from scipy.stats import f

    return float(f.sf(square / error.deviation**2, freedom, error.freedom)) if error and error.deviation else None


def _level(factor: Factor, label: str, fit: _Fit, error: Noise | None) -> Level:
    has = factor.codes == factor.levels.index(label)
    level = Level(label, int(has.sum()), float(fit.scores[has].mean()))
    estimate = fit.estimate(factor, label)
    if estimate is None:
        return level
    mean, inflation = estimate
    if error is None:
        return replace(level, mean=mean)
    reach = interval(error.freedom) * inflation**0.5 * error.deviation
    return replace(level, mean=mean, low=mean - reach, high=mean + reach)
