"""The average of a run's weights in the place of the weights, with batch statistics of its own, while it is tested."""

from __future__ import annotations

import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.preprocessing import Preprocessing
from training.config import RunConfig
from training.data.batches import sample_batches
from training.data.datasets import Source
from training.optimization.averages import make_average


def shown_average(
    config: RunConfig, source: Source, preprocessing: Preprocessing, steps: int, parts: int
) -> ShownAverage | None:
    """Make the callback that tests and saves the average of the weights; None where a run has none.

    Its statistics are of as many images at a time as a batch normalization sees in training, where devices take a batch
    in so many parts.
    """
    average = make_average(config.averaging, steps)
    if average is None:
        return None
    batch = config.batch_size // config.hardware.accumulation // parts
    return ShownAverage(sample_batches(source, preprocessing, average.images, batch, config.seed))


class ShownAverage(keras.callbacks.Callback):
    """Puts the average of the weights into the network for every evaluation, and for what is saved after it.

    The moving statistics of batch normalization are those of the weights, not of their average. So they are estimated
    anew from training images. `put_back` gives the network its weights again.

    Source: arXiv 1803.05407, section 3.2.
    """

    def __init__(self, batches: tf.data.Dataset):
        super().__init__()
        self.batches, self.aside = batches, []

    def on_test_begin(self, logs=None) -> None:
        """Put the average in place, and its statistics."""
        if not self.aside:
            self.aside = [keras.ops.convert_to_numpy(variable) for variable in self.model.weights]
        for variable, average in zip(*averages_of(self.model.optimizer), strict=True):
            variable.assign(keras.ops.convert_to_numpy(average))
        self.estimate(self.batches)

    def put_back(self) -> None:
        """Put the weights back, from which the next step goes on."""
        for variable, value in zip(self.model.weights, self.aside):
            variable.assign(value)
        self.aside = []

    def set_model(self, model: keras.Model) -> None:
        """Make the function of a model that estimates its statistics."""
        super().set_model(model)
        self.estimate = functools.partial(estimate_statistics, statistics_function(model), normalizations_of(model))


def averages_of(optimizer: keras.optimizers.Optimizer) -> tuple[list[keras.Variable], list[keras.Variable]]:
    """Give the variables that an optimizer averages, and their averages; both empty where it averages none."""
    own = getattr(optimizer, "inner_optimizer", optimizer)  # within that which scales the loss of float16
    return (own._trainable_variables if own.averages else []), own.averages


def normalizations_of(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Give the batch normalizations of a network whose statistics move in training."""
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return [layer for layer in layers if layer.trainable and layer.momentum < 1]


def statistics_function(model: keras.Model) -> Callable:
    """Make the function that gives mean and variance of a batch of images, of tf.data, at each batch normalization.

    All other layers compute as in a test: dropout would change the variances (arXiv 1801.05134). One device computes
    it, and no variable changes.
    """
    layers = normalizations_of(model)

    def training(operation):
        return functools.partial(operation, training=True) if operation in layers else operation

    def statistics(images, values=()):
        moving = [variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)]
        zeros = [(variable, keras.ops.zeros(variable.shape)) for variable in moving]
        with keras.StatelessScope([*zip(model.variables, values), *zeros]) as scope:
            model._run_through_graph(images, training)
        # What moves from zero by a share of the way has come as far as that share of the batch's own.
        return [
            tuple(scope.get_current_value(variable) / (1 - layer.momentum) for variable in variables)
            for layer in layers
            for variables in [(layer.moving_mean, layer.moving_variance)]
        ]

    if keras.backend.backend() == "tensorflow":
        return tf.function(statistics)
    import jax

    # What is compiled holds no variable, but their values of that time.
    compiled = jax.jit(statistics)
    return lambda images: compiled(images.numpy(), [variable.value for variable in model.variables])


def estimate_statistics(statistics, layers: list[keras.layers.BatchNormalization], batches: tf.data.Dataset) -> None:
    """Set the moving statistics of batch normalizations to those of all images of some batches of one size.

    Source: arXiv 2105.07576, section 3.2, "PreciseBN".
    """
    if not layers:
        return
    found = [[np.array(pair, "float64") for pair in statistics(images)] for images, *_ in batches]
    for layer, of_batches in zip(layers, zip(*found), strict=True):
        means, variances = np.stack(of_batches, axis=1)
        layer.moving_mean.assign(means.mean(axis=0).astype("float32"))
        layer.moving_variance.assign((variances.mean(axis=0) + means.var(axis=0)).astype("float32"))
