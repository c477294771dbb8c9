"""Metrics that take labels as integers and, where images are mixed, as shares of all classes."""

from __future__ import annotations

import keras
from keras import ops


def as_integers(labels, outputs):
    """Give labels as integers: of shares (batch, classes), the class that has the largest."""
    return ops.argmax(labels, axis=-1) if len(labels.shape) == len(outputs.shape) else labels


class Accuracy(keras.metrics.SparseCategoricalAccuracy):
    """Accuracy for labels of both kinds."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch."""
        return super().update_state(as_integers(y_true, y_pred), y_pred, sample_weight)


class TopAccuracy(keras.metrics.SparseTopKCategoricalAccuracy):
    """Share of labels of both kinds among the most probable classes."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch."""
        return super().update_state(as_integers(y_true, y_pred), y_pred, sample_weight)
