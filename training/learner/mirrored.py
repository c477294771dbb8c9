"""A network that learns under TensorFlow, on one device or several, with less memory than Keras's own step needs."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras.src.losses.loss import unscale_loss_for_distribution

from keras_resnet.garbage import uncollected
from training.learner.base import PartsLearner


class Learner(PartsLearner):
    """A network that sends each batch through its layers in `parts` of equal size, one after another.

    A step follows the mean of their gradients, which is that of the batch but for batch normalization: its statistics
    are of the parts, and move with each of them. (The `gradient_accumulation_steps` of Keras's optimizers stretch a
    step over several batches instead, count each of them as a step, and fail on several devices.)
    """

    def train_step(self, data):
        """Train on a batch."""
        with uncollected():
            x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
            loss, outputs, gradients = self._accumulate(*(self._split(values) for values in (x, y, weight)))
            self._loss_tracker.update_state(unscale_loss_for_distribution(loss), sample_weight=tf.shape(x)[0])
            self.optimizer.apply_gradients(zip(gradients, self.trainable_weights))
            return self.compute_metrics(x, y, outputs, sample_weight=weight)

    def _split(self, values) -> list:
        """Split what a step is given into its parts; of nothing into as many nothings."""
        if values is None:
            return [None] * self.parts
        shape = tf.shape(values)
        return tf.unstack(tf.reshape(values, tf.concat([[-1, self.parts], shape[1:]], 0)), self.parts, axis=1)

    def _accumulate(self, images, labels, weights):
        """Give the mean loss of all parts, the outputs of all, and the mean of their gradients."""
        losses, outputs, gradients = [], [], []
        for x, y, weight in zip(images, labels, weights):
            # A part waits for the one before, or TensorFlow could hold what all of them compute at once.
            with tf.control_dependencies(gradients):
                x = tf.identity(x)
            with tf.GradientTape() as tape:
                y_pred = self.forward(x) if self.forward else self(x, training=True)
                loss = self._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weight, training=True) / self.parts
                scaled = self.optimizer.scale_loss(loss)
            own = tape.gradient(scaled, self.trainable_weights)
            gradients = [before + new for before, new in zip(gradients, own)] if gradients else own
            losses.append(loss)
            outputs.append(y_pred)
        together = tf.stack(outputs, axis=1)
        return tf.add_n(losses), tf.reshape(together, (-1, together.shape[-1])), gradients
