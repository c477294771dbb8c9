"""Optimizers and the loss of a run."""

from __future__ import annotations

import keras

from training.config import RunConfig
from training.schedules import learning_rate


@keras.saving.register_keras_serializable("training")
class L2SGD(keras.optimizers.SGD):
    """SGD whose weight decay goes through the momentum, as L2 regularisation does.

    `keras.optimizers.SGD(weight_decay=...)` shrinks the weights beside the momentum instead, which at momentum
    0.9 is ten times weaker for the same number, and an L2 regulariser on each layer costs operations of its own.

    Args:
        learning_rate: float or schedule.
        momentum: float.
        nesterov: bool.
        l2: float, added to the gradient as `l2 * weight`.
        decayed: "all" parameters, or "kernels" only.
        **kwargs: those of `keras.optimizers.SGD`.

    Source: arXiv 1512.03385, section 3.4: weight decay 0.0001 and momentum 0.9, in Caffe's form.
    """

    def __init__(self, learning_rate=0.1, momentum=0.9, nesterov=False, l2=1e-4, decayed="all", **kwargs):
        super().__init__(learning_rate, momentum=momentum, nesterov=nesterov, **kwargs)
        self.l2, self.decayed = l2, decayed

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable by its gradient."""
        if self.l2 and (self.decayed == "all" or variable.name == "kernel"):
            gradient = gradient + keras.ops.cast(self.l2 * variable, gradient.dtype)
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict:
        """Return the optimizer's configuration."""
        return {**super().get_config(), "l2": self.l2, "decayed": self.decayed}


def make_optimizer(config: RunConfig, steps: int) -> keras.optimizers.Optimizer:
    """Make the optimizer of a run.

    Args:
        config: RunConfig.
        steps: int, length of the whole run.

    Returns:
        keras.optimizers.Optimizer.
    """
    rate = learning_rate(config, steps)
    if config.optimizer == "sgd":
        return L2SGD(rate, config.momentum, config.nesterov, config.weight_decay, config.decayed)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    if config.decayed == "kernels":
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias", "alpha"])
    return optimizer


@keras.saving.register_keras_serializable("training")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy between integer labels and probabilities, with the labels smoothed.

    Args:
        smoothing: float, probability spread evenly over all classes.
        **kwargs: those of `keras.losses.Loss`.

    Source: arXiv 1512.00567, section 7.
    """

    def __init__(self, smoothing: float = 0.1, name: str = "smoothed_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing

    def call(self, y_true, y_pred):
        """Return the loss of each example."""
        hot = keras.ops.one_hot(keras.ops.cast(y_true, "int32"), y_pred.shape[-1])
        return keras.losses.categorical_crossentropy(hot, y_pred, label_smoothing=self.smoothing)

    def get_config(self) -> dict:
        """Return the loss's configuration."""
        return {**super().get_config(), "smoothing": self.smoothing}


def make_loss(config: RunConfig) -> keras.losses.Loss:
    """Make the loss of a run.

    Args:
        config: RunConfig.

    Returns:
        keras.losses.Loss for integer labels and probabilities.
    """
    if config.label_smoothing:
        return SmoothedCrossentropy(config.label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy()
