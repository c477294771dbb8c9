"""The model beside scikit-learn's, its gradient beside differences, and what it makes of noise and running trials."""

import numpy as np
import pytest
from scipy import optimize
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from tuning.engine.gaussian_process import JITTER, Data, GaussianProcess


@pytest.fixture
def data():
    """Make scores over two ordered dimensions and two unordered ones."""
    generator = np.random.default_rng(0)
    rows = np.column_stack([generator.random((40, 2)), generator.integers(0, 5, 40), generator.integers(0, 3, 40)])
    scores = np.sin(4 * rows[:, 0]) + (rows[:, 2] == 2) + 0.1 * generator.normal(size=40)
    return Data(rows.astype(float), (scores - scores.mean()) / scores.std(), np.full(40, 0.01))


@pytest.fixture
def model():
    return GaussianProcess(np.array([False, False, True, True]))


def test_posterior_is_that_of_scikit_learn(data):
    one = GaussianProcess(np.array([False]))
    one.parameters = np.log([0.3, 0.4, 0.8, 0.05])
    rows, variances = data.rows[:, :1], np.linspace(0.01, 0.5, 40)
    one.condition(Data(rows, data.scores, variances))
    kernel = ConstantKernel(1.2) * Matern(0.3, nu=2.5)
    alpha = 0.05 + variances + JITTER
    theirs = GaussianProcessRegressor(kernel, alpha=alpha, optimizer=None).fit(rows, data.scores)
    places = np.linspace(0, 1, 17)[:, None]
    for own, other in zip(one.predict(places), theirs.predict(places, return_std=True)):
        assert own == pytest.approx(other, abs=1e-9)


def test_kernel_of_unordered_dimensions_is_that_of_their_one_hot_vectors(data, model):
    model.parameters = np.log([0.5, 0.6, 2.0, 1.5, 0.7, 0.4, 0.1])
    kernel = model._kernel(model.parameters, model._distances(data.rows, data.rows))
    hot = [np.eye(5)[data.rows[:, 2].astype(int)], np.eye(3)[data.rows[:, 3].astype(int)]]
    parts = [Matern(length, nu=2.5)(data.rows[:, [column]]) for column, length in ((0, 0.5), (1, 0.6))]
    for vectors, length in zip(hot, (2.0, 1.5)):
        parts.append(np.exp(-((vectors[:, None] - vectors[None]) ** 2).sum(axis=2) / 2 / length))
    assert kernel == pytest.approx(0.7 * np.mean(parts, axis=0) + 0.4 * np.prod(parts, axis=0))
    assert np.linalg.eigvalsh(kernel).min() > -1e-9


@pytest.mark.parametrize("alike", [None, [0, 0, 1, 2]])
def test_gradient_of_the_fit_is_that_of_differences(data, alike):
    model = GaussianProcess(np.array([False, False, True, True]), alike)
    distances = model._distances(data.rows, data.rows)
    start = model.parameters + 0.3 * np.random.default_rng(1).normal(size=len(model.parameters))
    expected = optimize.approx_fprime(start, lambda at: model._loss(at, data, distances)[0], 1e-6)
    assert model._loss(start, data, distances)[1] == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_fit_finds_which_dimensions_matter(data, model):
    lengths = np.exp(model.fit(data).parameters[:4])
    assert lengths[0] < lengths[1] and lengths[2] < lengths[3]
    mean, _ = model.condition(data).predict(data.rows)
    assert np.corrcoef(mean, data.scores)[0, 1] > 0.95


def test_what_is_imagined_changes_no_expectation_but_leaves_less_to_find(data, model):
    model.fit(data).condition(data)
    places = np.array([[0.5, 0.5, 1, 1], [0.9, 0.1, 4, 2]])
    mean, deviation = model.predict(places)
    after, less = model.imagine(places[:1]).predict(places)
    assert after == pytest.approx(mean, abs=1e-8)
    assert less[0] < 2 * JITTER**0.5 < 0.1 * deviation[0]  # as if its score were known without noise
    assert less[1] < deviation[1]


def test_score_of_much_noise_is_believed_less():
    one = GaussianProcess(np.array([True]))
    scores = np.array([1.0, 1.0, -2.0])
    one.condition(Data(np.array([[0.0], [1.0], [2.0]]), scores, np.array([0.0, 2.0, 0.0])))
    mean, _ = one.predict(np.array([[0.0], [1.0]]))
    assert mean[1] < 0.5 * mean[0]
