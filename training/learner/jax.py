"""A network that learns under JAX: from logits, in parts, of which any may be frozen for a while."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import jax
import keras
from jax import numpy as jnp

from keras_resnet.garbage import uncollected
from training.learner.base import PartsLearner


class Learner(PartsLearner):
    """A network whose steps hand logits to the loss and probabilities to the metrics; called, it gives probabilities.

    (Keras hands the probabilities to both, and its losses cut them off at 1e-7: what is learned would stop there.)

    A step follows the mean of the gradients of all parts, as that of the `Learner` for TensorFlow does.
    """

    def call(self, inputs, training=None, mask=None):
        """Give the outputs of images."""
        if training and self.forward:
            return self.forward(inputs)
        return super().call(inputs, training=training, mask=mask)

    def compute_loss_and_updates(self, *args, **kwargs):
        """Compute loss and outputs as Keras does, the outputs as logits."""
        with linear(self.layers[-1]):
            return super().compute_loss_and_updates(*args, **kwargs)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Update the metrics by the probabilities of logits."""
        return super().compute_metrics(x, y, self.layers[-1].activation(y_pred), sample_weight)

    def train_step(self, state, data):
        """Train on a batch; as in Keras's step, all that changes goes in and comes out."""
        learning, others, optimizer, metrics = state
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        with uncollected():
            loss, outputs, gradients, (others, metrics) = self._accumulate(state, (x, y, weight))
            learning, others, optimizer = self._apply(gradients, learning, others, optimizer)
            logs, metrics = self._update_metrics_variables(metrics, loss, x, y, y_pred=outputs, sample_weight=weight)
        return logs, (learning, others, optimizer, metrics)

    def _accumulate(self, state, batch):
        """Give the mean loss of all parts, the logits of all, the mean of their gradients, and what they changed."""
        learning, others, optimizer, metrics = state
        slope = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)

        def take(changing, part):
            (_, (loss, outputs, *changed)), gradients = slope(
                learning, *changing, *part, training=True, optimizer_variables=optimizer
            )
            return tuple(changed), loss, outputs, gradients

        if self.parts == 1:
            changed, loss, outputs, gradients = take((others, metrics), batch)
            return loss, outputs, gradients, changed

        def add(carried, part):
            changing, total = carried
            changed, loss, outputs, gradients = take(changing, part)
            return (changed, [sum_ + own / self.parts for sum_, own in zip(total, gradients)]), (loss, outputs)

        start = (others, metrics), [jnp.zeros_like(value) for value in learning]
        (changed, gradients), (losses, outputs) = jax.lax.scan(add, start, jax.tree.map(self._split, batch))
        return losses.mean(), jnp.moveaxis(outputs, 0, 1).reshape(-1, outputs.shape[-1]), gradients, changed

    def _split(self, values):
        """Put the parts of what a step is given behind one another."""
        return jnp.moveaxis(values.reshape(-1, self.parts, *values.shape[1:]), 1, 0)

    def _apply(self, gradients, learning, others, optimizer):
        """Take the optimizer's step; it knows all that will ever learn, of which some may be frozen now."""
        own, rest = self.trainable_variables, self.non_trainable_variables
        values = {id(variable): value for variable, value in zip([*own, *rest], [*learning, *others])}
        slopes = {id(variable): gradient for variable, gradient in zip(own, gradients)}
        known = self.optimizer._trainable_variables
        given = [slopes.get(id(variable)) for variable in known], [values[id(variable)] for variable in known]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of what has no gradient, as all that is frozen
            after, optimizer = self.optimizer.stateless_apply(optimizer, *given)
        values |= {id(variable): value for variable, value in zip(known, after)}
        return *([values[id(variable)] for variable in group] for group in (own, rest)), optimizer


@contextlib.contextmanager
def linear(classifier: keras.layers.Dense) -> Iterator[None]:
    """Let a classifier give logits, as long as a step is traced."""
    activation, classifier.activation = classifier.activation, keras.activations.linear
    try:
        yield
    finally:
        classifier.activation = activation
