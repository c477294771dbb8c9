"""Main effects: what each level of each factor is worth, all other factors being equal.

The model is additive: the score of a trial, the mean over its seeds, is a constant plus one term for each factor. A
trial counts once however often it was repeated, for what an additive model leaves over (how factors interact) is the
same in all its repeats. Contrasts sum to zero, so that a level's estimated marginal mean is the constant plus its own
term, in unbalanced designs too. A parameter that exists for one option only is a factor nested in that option: its
columns are zero elsewhere.

A number becomes a factor by its values where these are few, else by thirds of the trials: a learning rate is at its
best in the middle as a rule, which a slope would call no effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuning.report.statistics import CONFIDENCE, Ancestors, Noise, dimension_names, walk
from tuning.results import TrialResult
from tuning.space.dimensions import Choice, Range, Space

MOST_VALUES = 5  # of a range that is a factor by its values
FEWEST_TRIALS = 2  # of each level of a parameter that exists for one option only; fewer say nothing of it


@dataclass(frozen=True)
class Factor:
    """A dimension of the space that took several levels.

    Args:
        name: str, of the dimension.
        levels: tuple of str: the options in their order, or the values or thirds of a range, ascending.
        codes: int array (trials,), the level of each trial; -1 where the dimension does not apply.
        ancestors: tuple of (name, label) pairs under which alone it applies.
    """

    name: str
    levels: tuple[str, ...]
    codes: np.ndarray
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
    """What one level of a factor is worth.

    Args:
        label: str.
        trials: int, that have it.
        plain: float, the mean score of these trials, whatever else they are.
        mean: float, the estimated marginal mean; None where the trials do not separate it from other factors.
        low: float, lower end of its 95 % interval; None where nothing tells the error.
        high: float, upper end.
    """

    label: str
    trials: int
    plain: float
    mean: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Effect:
    """What a factor is worth.

    Args:
        name: str, of the dimension.
        levels: tuple of Levels.
        p: float, of the F-test that all its levels are worth the same; None where it cannot be made.
        share: float, of the variance between trials that no other factor explains; None where it cannot be told, or
            where there are no more trials than terms.
    """

    name: str
    levels: tuple[Level, ...]
    p: float | None
    share: float | None


@dataclass(frozen=True)
class _Error:
    """The variance of a trial's score around the model; nothing is known of it without freedom."""

    variance: float
    freedom: int


@dataclass(frozen=True)
class _Fit:
    """A least-squares fit by the pseudo-inverse, which rank deficiency does not disturb."""

    design: np.ndarray
    scores: np.ndarray

    def __post_init__(self):
        object.__setattr__(self, "inverse", np.linalg.pinv(self.design))
        object.__setattr__(self, "rank", int(np.linalg.matrix_rank(self.design)))

    @property
    def squares(self) -> float:
        """The residual sum of squares."""
        return float(np.sum((self.scores - self.design @ (self.inverse @ self.scores)) ** 2))

    def estimate(self, combination: np.ndarray) -> tuple[float, float] | None:
        """Give a combination of the coefficients and its variance factor; None where the data leave it open."""
        rows = combination @ self.inverse
        if not np.allclose(rows @ self.design, combination, atol=1e-8):
            return None
        return float(rows @ self.scores), float(rows @ rows)


def main_effects(space: Space, trials: tuple[TrialResult, ...], noise: Noise | None) -> list[Effect]:
    """Estimate what each level of each factor is worth.

    The error is what the model leaves over between trials; where it leaves no freedom, as with one factor, it is the
    noise between seeds.

    Args:
        space: Space.
        trials: tuple of TrialResults with scores that can be compared.
        noise: Noise between seeds; None where it is not known.

    Returns:
        List of Effects in the order of the space; empty where no dimension took several levels.

    Source:
        Searle, Speed and Milliken 1980 (estimated marginal means); partial F-tests of the general linear model.
    """
    factors = find_factors(space, trials)
    if not factors:
        return []
    scores = np.array([trial.score for trial in trials])
    fit = _fit(factors, scores)
    error = _error(fit, trials, noise)
    return [_effect(factor, factors, fit, error) for factor in factors]


def find_factors(space: Space, trials: tuple[TrialResult, ...]) -> list[Factor]:
    """Find the dimensions that took several levels.

    Args:
        space: Space.
        trials: tuple of TrialResults.

    Returns:
        List of Factors in the order of the space; without parameters of one option of whose levels one has fewer than
        two trials.
    """
    seen: dict[str, tuple[Choice | Range, Ancestors, dict[int, Any]]] = {}
    for index, trial in enumerate(trials):
        for dimension, value, ancestors in walk(space.dimensions, trial.values):
            seen.setdefault(dimension.name, (dimension, ancestors, {}))[2][index] = value
    order = dimension_names(space.dimensions)
    found = [_factor(*seen[name], len(trials)) for name in order if name in seen]
    names = {factor.name for factor in found if factor}
    return [
        Factor(factor.name, factor.levels, factor.codes, tuple(pair for pair in factor.ancestors if pair[0] in names))
        for factor in found
        if factor
    ]


def _factor(dimension: Choice | Range, ancestors: Ancestors, values: Mapping[int, Any], count: int) -> Factor | None:
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


def _fit(factors: list[Factor], scores: np.ndarray) -> _Fit:
    return _Fit(np.hstack([np.ones((len(scores), 1)), *(factor.columns for factor in factors)]), scores)


def _error(fit: _Fit, trials: tuple[TrialResult, ...], noise: Noise | None) -> _Error:
    freedom = len(trials) - fit.rank
    if freedom:
        return _Error(fit.squares / freedom, freedom)
    if noise is None:
        return _Error(0.0, 0)
    # The variance of a mean over seeds; unequal numbers of seeds count by their harmonic mean.
    shrink = float(np.mean([1 / len(trial.scores) for trial in trials]))
    return _Error(noise.deviation**2 * shrink, noise.freedom)


def _effect(factor: Factor, factors: list[Factor], fit: _Fit, error: _Error) -> Effect:
    levels = tuple(_level(factor, index, factors, fit, error) for index in range(len(factor.levels)))
    rest = _fit([other for other in factors if other is not factor], fit.scores)
    freedom, squares = fit.rank - rest.rank, max(0.0, rest.squares - fit.squares)
    total = float(np.sum((fit.scores - fit.scores.mean()) ** 2))
    if not freedom or not total:
        return Effect(factor.name, levels, None, None)
    share = squares / total if fit.rank < len(fit.scores) else None
    return Effect(factor.name, levels, _p(squares / freedom, freedom, error), share)


def _p(square: float, freedom: int, error: _Error) -> float | None:
    from scipy.stats import f

    return float(f.sf(square / error.variance, freedom, error.freedom)) if error.freedom and error.variance else None


def _level(factor: Factor, index: int, factors: list[Factor], fit: _Fit, error: _Error) -> Level:
    has = factor.codes == index
    label, plain = factor.levels[index], float(fit.scores[has].mean())
    estimate = fit.estimate(_combination(factor, index, factors))
    if estimate is None:
        return Level(label, int(has.sum()), plain)
    mean, inflation = estimate
    if not error.freedom:
        return Level(label, int(has.sum()), plain, mean)
    from scipy.stats import t

    reach = float(t.ppf((1 + CONFIDENCE) / 2, error.freedom) * np.sqrt(inflation * error.variance))
    return Level(label, int(has.sum()), plain, mean, mean - reach, mean + reach)


def _combination(factor: Factor, index: int, factors: list[Factor]) -> np.ndarray:
    """Weigh the coefficients in a level's mean: the constant, its own term, those of the options it is under."""
    held = {factor.name: factor.levels[index], **dict(factor.ancestors)}
    parts = [np.ones(1)]
    for other in factors:
        level = other.levels.index(held[other.name]) if other.name in held else None
        parts.append(np.zeros(len(other.levels) - 1) if level is None else other.contrasts[level])
    return np.concatenate(parts)
