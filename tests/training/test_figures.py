"""Figures of a test against plain loops and cases computed by hand."""

import keras
import numpy as np
import pytest

from training.evaluation.ensembles import average
from training.evaluation.figures import (
    calibrate,
    confusion,
    cross_entropy,
    summarize,
    summarize_all,
    top_accuracy,
    worst_mistakes,
)
from training.evaluation.scores import Scores


def random_scores(images: int = 500, classes: int = 7, sharpness: float = 3) -> Scores:
    generator = np.random.default_rng(0)
    logits = sharpness * generator.normal(size=(images, classes))
    labels = np.where(generator.uniform(size=images) < 0.6, logits.argmax(1), generator.integers(0, classes, images))
    exponentials = np.exp(logits)
    return Scores(labels, (exponentials / exponentials.sum(1, keepdims=True)).astype("float32"))


SCORES = random_scores()
# Four images of three classes. The answers are 0, 1, 1, 2, of which the second and the third are wrong.
BY_HAND = Scores(
    np.array([0, 0, 2, 2]),
    np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.05, 0.9, 0.05], [0.0, 0.0, 1.0]], "float32"),
)


def test_loss_and_accuracy_are_those_of_keras():
    loss = keras.losses.SparseCategoricalCrossentropy()(SCORES.labels, SCORES.probabilities)
    assert cross_entropy(SCORES) == pytest.approx(float(loss), rel=1e-6)
    for top in (1, 5):
        metric = keras.metrics.SparseTopKCategoricalAccuracy(top)
        metric.update_state(SCORES.labels, SCORES.probabilities)
        assert top_accuracy(SCORES, top) == pytest.approx(float(metric.result()), rel=1e-6)


def test_impossible_class_costs_what_keras_says():
    scores = Scores(np.array([1, 0]), np.array([[1, 0], [1, 0]], "float32"))
    loss = keras.losses.SparseCategoricalCrossentropy()(scores.labels, scores.probabilities)
    assert cross_entropy(scores) == pytest.approx(float(loss), rel=1e-4)


@pytest.mark.parametrize("bins", [15, 4])
def test_calibration_is_that_of_a_plain_loop(bins):
    # arXiv 1706.04599, equation 3: bin m holds the confidences in ((m - 1) / M, m / M].
    error = 0.0
    for m in range(1, bins + 1):
        rights, confidences = [], []
        for row, label in zip(SCORES.probabilities.tolist(), SCORES.labels):
            if (m - 1) / bins < max(row) <= m / bins:
                rights.append(row.index(max(row)) == label)
                confidences.append(max(row))
        if rights:
            error += len(rights) / 500 * abs(np.mean(rights) - np.mean(confidences))
    assert calibrate(SCORES, bins).error == pytest.approx(error, rel=1e-9)
    assert calibrate(SCORES, bins).counts.sum() == 500


def test_calibration_by_hand():
    found = calibrate(BY_HAND, bins=2)  # a confidence of exactly a half belongs to the lower bin
    np.testing.assert_array_equal(found.counts, [1, 3])
    np.testing.assert_allclose(found.accuracies, [0, 2 / 3])
    np.testing.assert_allclose(found.confidences, [0.5, 2.6 / 3], rtol=1e-6)
    assert found.error == pytest.approx(1 / 4 * 0.5 + 3 / 4 * (2.6 - 2) / 3)


def test_bins_without_an_image_have_no_figures():
    found = calibrate(BY_HAND, bins=10)
    assert np.isnan(found.accuracies[0]) and found.counts[0] == 0
    assert found.error == pytest.approx((0.3 + 0.5 + 0.9 + 0) / 4)


def test_confusion_and_mistakes_by_hand():
    np.testing.assert_array_equal(confusion(BY_HAND), [[1, 1, 0], [0, 0, 0], [0, 1, 1]])
    assert list(worst_mistakes(BY_HAND, 5)) == [2, 1]
    assert list(worst_mistakes(BY_HAND, 1)) == [2]


def test_top_5_accuracy_is_told_from_as_many_classes_on_as_asked():
    assert set(summarize(SCORES, top_5_from=100)) == {"loss", "accuracy"}
    assert set(summarize_all(SCORES)) == {"loss", "accuracy", "top_5_accuracy", "calibration_error"}
    assert set(summarize_all(BY_HAND)) == {"loss", "accuracy", "calibration_error"}
    assert summarize_all(SCORES)["accuracy"] == np.mean(SCORES.probabilities.argmax(1) == SCORES.labels)


def test_ensemble_is_the_mean_of_probabilities():
    other = Scores(BY_HAND.labels, BY_HAND.probabilities[::-1])
    together = average([BY_HAND, other])
    np.testing.assert_allclose(together.probabilities[0], [0.35, 0.1, 0.55], rtol=1e-6)
    assert together.labels is BY_HAND.labels
