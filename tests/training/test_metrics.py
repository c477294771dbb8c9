"""Accuracies of labels that are integers, or shares of classes."""

import keras
import numpy as np
import pytest

from training.metrics import Accuracy, TopAccuracy

LABELS = np.array([2, 0, 3, 1, 3])
OUTPUTS = np.array(
    [(0.1, 0.2, 0.4, 0.3), (0.1, 0.5, 0.2, 0.2), (0, 0.2, 0.5, 0.3), (0.3, 0.4, 0.2, 0.1), (1, 0, 0, 0)], "float32"
)


@pytest.mark.parametrize(
    ("metric", "known"),
    [
        (Accuracy(), keras.metrics.SparseCategoricalAccuracy()),
        (TopAccuracy(2), keras.metrics.SparseTopKCategoricalAccuracy(2)),
    ],
)
def test_labels_of_both_kinds_are_counted_as_keras_counts_integers(metric, known):
    weights = np.array([1, 2, 3, 1, 0])
    expected = float(known(LABELS, OUTPUTS, weights))
    assert 0 < expected < 1 and float(metric(LABELS, OUTPUTS, weights)) == expected
    metric.reset_state()
    shares = 0.6 * np.eye(4)[LABELS] + 0.4 * np.eye(4)[LABELS[::-1]]
    assert float(metric(shares, OUTPUTS, weights)) == expected
