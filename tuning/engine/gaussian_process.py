"""A Gaussian process over points some of whose dimensions have no order, with a noise of its own for each score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize

JITTER = 1e-6
STEPS = 30  # of the fit at most
# Priors of the logarithms of the hyperparameters: mean and standard deviation. Scores have variance 1.
LENGTH, SUM, PRODUCT, NOISE = (np.log(0.7), 0.8), (np.log(0.5), 1.0), (np.log(0.5), 1.0), (np.log(0.01), 1.5)
BOUND = 4.0  # standard deviations from the mean of its prior in which a hyperparameter is sought


class Data(NamedTuple):
    """What is known: a row a point, as of `tuning.space.coding`."""

    rows: np.ndarray
    scores: np.ndarray  # with mean 0 and variance 1
    variances: np.ndarray  # of each score, as far as it was measured; 0 elsewhere


class GaussianProcess:
    """Scores as a sum of functions of one dimension each, and a function of all together.

    The kernel is s mean_d(k_d) + p prod_d(k_d): with few points, the sum tells what an option does whatever the others
    are; the product tells how they act together. An ordered dimension has a Matern kernel of smoothness 5/2, any other
    exp(-1 / length) between two options. Lengths, s, p and a noise beside the measured one are those of the highest
    posterior density.

    Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, algorithms 2.1 and 5.1; for sum and
    product, Ru et al., "Bayesian Optimisation over Multiple Continuous and Categorical Inputs", 2020, equation 3.
    """

    def __init__(self, unordered: np.ndarray, alike: Sequence[int] | None = None, applying: float | None = None):
        """Take which dimensions are unordered, which have one length together, and how many apply at a time."""
        self.unordered = unordered
        self.alike = np.arange(len(unordered)) if alike is None else np.asarray(alike)
        # As many dimensions apply, as much farther apart are points.
        length = (LENGTH[0] + 0.5 * np.log(applying or len(unordered)), LENGTH[1])
        self.prior = np.array([*[length] * (self.alike.max() + 1), SUM, PRODUCT, NOISE])
        self.parameters = self.prior[:, 0]

    def fit(self, data: Data) -> GaussianProcess:
        """Find the hyperparameters, from the same start always."""
        distances = self._distances(data.rows, data.rows)
        means, deviations = self.prior.T
        found = optimize.minimize(
            self._loss,
            means,
            (data, distances),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(means - BOUND * deviations, means + BOUND * deviations)),
            options={"maxiter": STEPS},
        )
        self.parameters = found.x
        return self

    def condition(self, data: Data) -> GaussianProcess:
        """Take in what is known, under the hyperparameters as they are."""
        self.data = data
        kernel = self._kernel(self.parameters, self._distances(data.rows, data.rows))
        noise = self.noise + data.variances + JITTER
        self.factor = linalg.cholesky(kernel + np.diag(noise), lower=True)
        self.weights = linalg.cho_solve((self.factor, True), data.scores)
        return self

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give mean and standard deviation of the scores at points, the noise left out."""
        across = self._kernel(self.parameters, self._distances(rows, self.data.rows))
        solved = linalg.solve_triangular(self.factor, across.T, lower=True)
        variance = np.exp(self.parameters[-3]) + np.exp(self.parameters[-2]) - np.einsum("ij,ij->j", solved, solved)
        return across @ self.weights, np.sqrt(np.maximum(variance, 1e-12))

    def imagine(self, rows: np.ndarray) -> GaussianProcess:
        """Take in points whose scores are not known yet, as if they were just what is expected of them."""
        if not len(rows):
            return self
        known, (expected, _) = self.data, self.predict(rows)
        exact = np.full(len(rows), -self.noise)
        more = np.vstack([known.rows, rows]), np.append(known.scores, expected)
        return self.condition(Data(*more, np.append(known.variances, exact)))

    @property
    def noise(self) -> float:
        """The variance of a score beside what was measured of it."""
        return float(np.exp(self.parameters[-1]))

    def _distances(self, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Give the distances in each dimension: 0 or 1 in one without order."""
        distances = np.abs(rows.T[:, :, None] - others.T[:, None, :])
        distances[self.unordered] = distances[self.unordered] > 0
        return distances

    def _each(self, parameters: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the distances in each dimension in terms of its length, and its kernel."""
        scaled = distances / np.exp(parameters[:-3])[self.alike][:, None, None]
        scaled[~self.unordered] *= np.sqrt(5)
        each, steep = np.exp(-scaled), scaled[~self.unordered]
        each[~self.unordered] *= 1 + steep + steep**2 / 3
        return scaled, each

    def _kernel(self, parameters: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """Give the kernel between points."""
        _, each = self._each(parameters, distances)
        total, product = np.exp(parameters[-3:-1])
        return total * each.mean(axis=0) + product * each.prod(axis=0)

    def _slopes(self, parameters: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the kernel, and its gradient by the logarithm of each parameter but the noise, a matrix each."""
        scaled, each = self._each(parameters, distances)
        total, product = np.exp(parameters[-3:-1])
        mean, joint = total * each.mean(axis=0), product * each.prod(axis=0)
        steep = scaled[~self.unordered]
        slope = scaled * each
        slope[~self.unordered] = steep**2 / 3 * (1 + steep) * np.exp(-steep)
        slopes = (total / len(each) + joint / each) * slope
        together = np.array([slopes[self.alike == group].sum(axis=0) for group in range(self.alike.max() + 1)])
        return mean + joint, np.concatenate([together, mean[None], joint[None]])

    def _loss(self, parameters: np.ndarray, data: Data, distances: np.ndarray) -> tuple[float, np.ndarray]:
        """Give the negative logarithm of the posterior density, and its gradient."""
        kernel, slopes = self._slopes(parameters, distances)
        noise = np.exp(parameters[-1])
        factor = linalg.cholesky(kernel + np.diag(noise + data.variances + JITTER), lower=True)
        inverse = linalg.cho_solve((factor, True), np.eye(len(kernel)))
        weights = inverse @ data.scores
        likelihood = 0.5 * data.scores @ weights + np.log(np.diag(factor)).sum()
        pull = inverse - np.outer(weights, weights)
        gradient = 0.5 * np.append(np.einsum("kij,ij->k", slopes, pull), noise * np.trace(pull))
        means, deviations = self.prior.T
        off = (parameters - means) / deviations
        return likelihood + 0.5 * off @ off, gradient + off / deviations
