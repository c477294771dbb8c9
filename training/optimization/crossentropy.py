"""Losses of a classification between labels, of one class, a mixture or any number, and the network's logits."""

from __future__ import annotations

import keras
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

SMALLEST = 1e-7  # what is computed of a probability never sees a smaller one


class ClassificationLoss(keras.losses.Loss):
    """A loss between labels and logits, or the probabilities that a softmax or sigmoids made of them.

    Labels are integers (batch,), or soft labels (batch, classes), as images that were mixed have them. With
    `multi_label` an image may have any number of classes, and every class is a decision of its own.
    """

    def __init__(self, label_smoothing: float = 0.0, from_logits: bool = False, *, multi_label: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.label_smoothing, self.from_logits, self.multi_label = label_smoothing, from_logits, multi_label

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Return the mean over examples. The logits are taken here, for a cast loses what a tensor was made of."""
        return super().__call__(y_true, self.logits_of(y_pred), sample_weight)

    def logits_of(self, outputs):
        """Give the logits behind a network's outputs; without any, log-probabilities, which are logits as well."""
        if self.from_logits:
            return outputs
        logits = logits_behind(outputs)
        return keras.ops.log(keras.ops.clip(outputs, SMALLEST, 1.0)) if logits is None else logits

    def targets(self, labels, classes: int):
        """Turn labels into the probability (batch, classes) that each class should have."""
        targets = labels if is_soft(labels, classes) else keras.ops.one_hot(keras.ops.cast(labels, "int32"), classes)
        if not self.label_smoothing:
            return targets
        outcomes = 2 if self.multi_label else classes  # among which what is taken off a label is shared out
        share = self.label_smoothing / keras.ops.cast(outcomes, targets.dtype)
        return targets * (1.0 - self.label_smoothing) + share

    def get_config(self) -> dict:
        """Return the loss's configuration."""
        own = {name: getattr(self, name) for name in ("label_smoothing", "from_logits", "multi_label")}
        return {**super().get_config(), **own}


def logits_behind(outputs):
    """Give the logits that a softmax or a sigmoid of Keras made its outputs of; None where they do not carry them."""
    return getattr(outputs, "_keras_logits", None)


def is_soft(labels, classes: int) -> bool:
    """Tell soft labels from integers; anything else raises an error."""
    if len(labels.shape) == 1:
        return False
    if len(labels.shape) == 2 and labels.shape[-1] == classes:
        return True
    raise ValueError(
        f"labels must be integers of the shape (batch,) or soft labels of the shape (batch, {classes}); received the "
        f"shape {tuple(labels.shape)}."
    )


@keras.saving.register_keras_serializable("training")
class CrossEntropy(ClassificationLoss):
    """Cross-entropy with softmax.

    Source: arXiv 1512.00567, section 7, for smoothed labels.
    """

    def call(self, y_true, logits):
        """Return the loss of each example."""
        if not self.label_smoothing and not is_soft(y_true, logits.shape[-1]):
            return keras.losses.sparse_categorical_crossentropy(y_true, logits, from_logits=True)
        targets = self.targets(y_true, logits.shape[-1])
        return keras.ops.categorical_crossentropy(targets, logits, from_logits=True)


class SigmoidLoss(ClassificationLoss):
    """A loss of sigmoids of the logits."""

    def logits_of(self, outputs):
        """Give the logits behind a network's outputs; the sigmoids of log-probabilities would be others."""
        # Keras first asks for the shapes alone, of outputs that nothing has computed.
        if not self.from_logits and logits_behind(outputs) is None and not in_symbolic_scope():
            raise ValueError(
                "This loss takes sigmoids of the logits, and these probabilities do not carry theirs. Give what a "
                "softmax or a sigmoid of Keras returns on TensorFlow, or logits with from_logits=True."
            )
        return super().logits_of(outputs)


@keras.saving.register_keras_serializable("training")
class BinaryCrossEntropy(SigmoidLoss):
    """Cross-entropy of each class against all others with sigmoids of the logits, as the mean over classes.

    Targets above `threshold` count as 1 and all others as 0; a threshold of 0 leaves them as they are.

    Source: arXiv 2110.00476.
    """

    def __init__(self, label_smoothing: float = 0.0, threshold: float = 0.0, from_logits: bool = False, **kwargs):
        super().__init__(label_smoothing, from_logits, **kwargs)
        self.threshold = threshold

    def targets(self, labels, classes: int):
        """Turn labels into the probability (batch, classes) that each class should have."""
        targets = super().targets(labels, classes)
        return keras.ops.cast(targets > self.threshold, targets.dtype) if self.threshold else targets

    def call(self, y_true, logits):
        """Return the loss of each example."""
        targets = self.targets(y_true, logits.shape[-1])
        return keras.ops.mean(keras.ops.binary_crossentropy(targets, logits, from_logits=True), axis=-1)

    def get_config(self) -> dict:
        """Return the loss's configuration."""
        return {**super().get_config(), "threshold": self.threshold}


class Focal(ClassificationLoss):
    """A mixin before a loss: each class weighted by a power `gamma` of what its probability lacks to 1.

    Source: arXiv 1708.02002, equation 4.
    """

    def __init__(self, gamma: float = 2.0, label_smoothing: float = 0.0, from_logits: bool = False, **kwargs):
        super().__init__(label_smoothing, from_logits, **kwargs)
        self.gamma = gamma

    def get_config(self) -> dict:
        """Return the loss's configuration."""
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable("training")
class FocalLoss(Focal):
    """Cross-entropy with softmax, each class weighted by (1 - p) ** gamma of its probability p.

    Source: arXiv 1708.02002, equation 4, with softmax instead of sigmoids.
    """

    def call(self, y_true, logits):
        """Return the loss of each example."""
        logarithms = keras.ops.log_softmax(logits, axis=-1)
        # The slope of a power at zero may be infinite.
        others = keras.ops.maximum(-keras.ops.expm1(logarithms), SMALLEST)
        weighted = self.targets(y_true, logits.shape[-1]) * others**self.gamma * logarithms
        return -keras.ops.sum(weighted, axis=-1)


@keras.saving.register_keras_serializable("training")
class SigmoidFocalLoss(Focal, SigmoidLoss):
    """Binary cross-entropy, each class weighted by (1 - p) ** gamma of the probability p of its label; the mean.

    Source: arXiv 1708.02002, equation 4, without its weight of positives.
    """

    def call(self, y_true, logits):
        """Return the loss of each example."""
        targets = self.targets(y_true, logits.shape[-1])
        weighted = targets * self._entropy(logits) + (1 - targets) * self._entropy(-logits)
        return keras.ops.mean(weighted, axis=-1)

    def _entropy(self, logits):
        """Give -(1 - p) ** gamma log p of sigmoids; the slope of a power at zero may be infinite."""
        others = keras.ops.maximum(keras.ops.sigmoid(-logits), SMALLEST)
        return others**self.gamma * keras.ops.softplus(-logits)
