"""Metrics of one class an image, given as integers or shares, and of any number of classes, given as 0 and 1."""

from __future__ import annotations

import keras
from keras import ops

from training.tasks import ANY

MOST, LEAST = 4096, 256  # levels of the logit, into which scores are sorted
CELLS = 2**18  # of levels and classes together, which every step goes through; beyond, levels are fewer
LARGEST = 12.0  # logit that is told from smaller ones


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


def as_marks(labels):
    """Give labels as 0 and 1: of shares (batch, classes), those that are at least one half."""
    return ops.cast(labels >= 0.5, "float32")


class Precision(keras.metrics.Precision):
    """Share of right ones among the labels whose probability is over 1/2, of all classes together."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch."""
        return super().update_state(as_marks(y_true), y_pred, sample_weight)


class Recall(keras.metrics.Recall):
    """Share of the labels whose probability is over 1/2, of all classes together."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch."""
        return super().update_state(as_marks(y_true), y_pred, sample_weight)


@keras.saving.register_keras_serializable("training")
class MeanAveragePrecision(keras.metrics.Metric):
    """Mean over classes of the average precision, of scores sorted into levels of equal width of their logit.

    So what is kept of an epoch does not grow with it, and adds up over devices. Scores of one level count as equal; a
    class without an image is left out.

    Source: the average precision as scikit-learn defines it, the sum over recalls of precision times gained recall.
    """

    def __init__(self, classes: int, name: str = ANY.measure, **kwargs):
        super().__init__(name=name, **kwargs)
        self.classes, self.levels = classes, max(min(CELLS // classes, MOST), LEAST)
        self.counts = self.add_variable((2, classes, self.levels), "zeros", name="counts")  # without and with the class

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch."""
        scores = ops.cast(y_pred, "float32")
        logits = ops.nan_to_num(ops.log(scores) - ops.log1p(-scores))  # of a network that diverges
        # The highest score comes first.
        levels = ops.cast((1 - ops.clip(logits / LARGEST, -1.0, 1.0)) / 2 * (self.levels - 1), "int32")
        marks = ops.cast(as_marks(y_true), "int32")
        places = (marks * self.classes + ops.arange(self.classes, dtype="int32")) * self.levels + levels
        weights = ops.ones_like(scores)
        if sample_weight is not None:
            weights = weights * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))
        sums = ops.segment_sum(ops.reshape(weights, (-1,)), ops.reshape(places, (-1,)), 2 * self.levels * self.classes)
        self.counts.assign_add(ops.reshape(sums, self.counts.shape))

    def result(self):
        """Give the mean over the classes that have an image; 0 where none has."""
        positives, (wrong, found) = self.counts[1], ops.unstack(ops.cumsum(self.counts, axis=2), 2)
        precisions = found / ops.maximum(found + wrong, keras.config.epsilon())
        totals = found[:, -1]
        present = ops.cast(totals > 0, "float32")
        averages = ops.sum(positives * precisions, axis=1) / ops.maximum(totals, keras.config.epsilon())
        return ops.sum(averages * present) / ops.maximum(ops.sum(present), 1.0)

    def get_config(self) -> dict:
        """Return the metric's configuration."""
        return {**super().get_config(), "classes": self.classes}
