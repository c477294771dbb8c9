"""Points at which a model of the scores expects the most."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from keras_tuner.engine.trial import Trial
from scipy import stats

from tuning.engine.gaussian_process import Data, GaussianProcess
from tuning.engine.oracles import SPREAD, Proposals, random_trials
from tuning.space.coding import Coding
from tuning.study import Study

FITTED = 100  # trials at most from which hyperparameters are found: the time grows with the third power
CANDIDATES = 1000  # points that are weighed at first
BEST, CHANGES, ROUNDS = 10, 20, 3  # of which these are changed, so many times each, in so many rounds
TRIES = 100  # new candidates, the most promising first, of which one may be a network
OUTLIER = 2.0  # a score farther below the median than so many times the way from there to the best counts as so far
PRIOR_RUNS = 4  # degrees of freedom with which the noise of all trials counts in that of each


class BayesianOracle(Proposals):
    """Points of which a Gaussian process expects the most improvement.

    Source: Jones et al., "Efficient Global Optimization of Expensive Black-Box Functions", 1998, equation 15, over the
    best expected score instead of the best one seen; of trials that run, Ginsbourger et al., "Kriging Is Well-Suited to
    Parallelize Optimization", 2010, section 4.2, the Kriging believer.
    """

    def __init__(self, study: Study, planned: int):
        super().__init__(study, planned)
        self.coding = Coding(self.space)

    def propose(self) -> dict[str, Any] | None:
        """Propose a point; the same one whenever as much is known."""
        if len(self.trials) < random_trials(self.study) or len(self.scores()) < 2 or not self.coding.dimensions:
            return self._random_values()
        generator = np.random.default_rng([self.seed, len(self.trials)])
        model = self._model(generator)
        points = map(self.coding.values, self._candidates(model, generator))
        fresh = itertools.islice((values for values in points if not self._duplicate(values)), TRIES)
        return next(filter(self._is_network, fresh), None) or self._random_values()

    def _model(self, generator: np.random.Generator) -> GaussianProcess:
        """Fit the model to the trials that have ended, and let it imagine those that run."""
        data = self._known()
        best, rest = np.split(np.argsort(-data.scores, kind="stable"), [FITTED // 2])
        chosen = np.append(best, generator.permutation(rest)[: FITTED - len(best)])
        model = GaussianProcess(self.coding.unordered, self.coding.alike, self.coding.applying)
        model.fit(Data(*(column[chosen] for column in data))).condition(data)
        return model.imagine(self.coding.rows(trial.hyperparameters.values for trial in self.running()))

    def _known(self) -> Data:
        """Give the trials that have ended; what is far below the median would hide what differs among the good."""
        trials, scores = zip(*self.scores())
        scores = np.array(scores)
        best, median = scores.max(), np.median(scores)
        if best > median:
            scores = np.maximum(scores, median - OUTLIER * (best - median))
        scale = scores.std() or 1.0
        variances = noise_of_means([spread_of(trial) for trial in trials], self.study.repeats) / scale**2
        rows = self.coding.rows(trial.hyperparameters.values for trial in trials)
        return Data(rows, (scores - scores.mean()) / scale, variances)

    def _candidates(self, model: GaussianProcess, generator: np.random.Generator) -> np.ndarray:
        """Give points, those of which the model expects the most improvement first."""
        known = model.data.rows
        expected, _ = model.predict(known)
        noise = model.noise + np.median(model.data.variances)

        def gain(rows: np.ndarray) -> np.ndarray:
            return improvement(*model.predict(rows), expected.max(), noise)

        if self.listed is not None and len(self.listed) <= CANDIDATES:
            return best_of(rows := self.coding.rows(self.listed), gain(rows))
        rows, start = self.coding.draw(generator, CANDIDATES), best_of(known, expected)
        gains = gain(rows)
        for _ in range(ROUNDS):
            near = self.coding.changed(generator, np.repeat(start[:BEST], CHANGES, axis=0))
            rows, gains = np.vstack([rows, near]), np.append(gains, gain(near))
            start = best_of(rows, gains)
        return start


def best_of(rows: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Order rows, those of the most gain first."""
    return rows[np.argsort(-gains, kind="stable")]


def spread_of(trial: Trial) -> float:
    """Give the standard deviation of the scores of a trial's runs; NaN where it is not known."""
    return trial.metrics.get_best_value(SPREAD) if trial.metrics.exists(SPREAD) else np.nan


def noise_of_means(spreads: list[float], repeats: int) -> np.ndarray:
    """Estimate the variance of each trial's mean score from the standard deviations of its few runs; 0 where unknown.

    Each is drawn towards that of all trials, as if `PRIOR_RUNS` more runs had it.

    Source: Smyth, "Linear Models and Empirical Bayes Methods", 2004, section 3, the posterior variance.
    """
    variances = np.square(spreads)
    known = ~np.isnan(variances)
    if repeats < 2 or not known.any():
        return np.zeros(len(variances))
    common, own = variances[known].mean(), np.where(known, variances, 0.0)
    freedom = np.where(known, repeats - 1, 0)
    return (PRIOR_RUNS * common + freedom * own) / (PRIOR_RUNS + freedom) / repeats


def improvement(mean: np.ndarray, deviation: np.ndarray, best: float, noise: float) -> np.ndarray:
    """Give the logarithm of the expected improvement over a score, less where one more score would tell little.

    `noise` is the variance of a score; all are arrays of a number a point, or numbers.

    Source: Huang et al., "Global Optimization of Stochastic Black-Box Systems via Sequential Kriging Meta-Models",
    2006, equation 12.
    """
    away = (mean - best) / deviation
    gain = away * stats.norm.cdf(away) + stats.norm.pdf(away)
    news = 1 - np.sqrt(noise / (deviation**2 + noise))
    return np.log(deviation) + np.log(np.maximum(gain, 1e-300)) + np.log(np.maximum(news, 1e-300))
