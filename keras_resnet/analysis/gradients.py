"""Gradients of a network's loss, on the TensorFlow and the JAX backend."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras
import numpy as np

from keras_resnet.analysis.execution import Enter, as_numpy, check_images, check_labels, run

Loss = Callable[[Any, Any], Any]  # of labels and outputs


def gradients_of(function: Callable[[list], Any], values: Sequence[Any]) -> list:
    """Give the gradients of a scalar function of a list of tensors; zeros where it does not depend on one."""
    values = [keras.ops.convert_to_tensor(value) for value in values]
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        # In a graph, where nothing is computed that is not asked for. One by one, TensorFlow also computes gradients of
        # kernels, by code that has crashed.
        @tf.function(autograph=False)
        def compute(values: list) -> list:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(values)
                result = function(values)
            return tape.gradient(result, values, unconnected_gradients="zero")

        return compute(values)
    if backend == "jax":
        import jax

        return jax.grad(function)(values)
    raise ValueError(f"Gradients need the TensorFlow or the JAX backend of Keras; this is {backend!r}.")


def loss_of(model: keras.Model) -> Loss:
    """Give the cross-entropy that fits what ends a network: probabilities, logits, or one probability a class."""
    activation = getattr(model.layers[-1], "activation", None)
    if activation is keras.activations.sigmoid:
        return keras.losses.BinaryCrossentropy()
    return keras.losses.SparseCategoricalCrossentropy(from_logits=activation is not keras.activations.softmax)


def unit_gradients(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    layers: Collection[str],
    enter: Enter | None = None,
    *,
    training: bool = True,
    loss: Loss | None = None,
) -> dict[str, np.ndarray]:
    """Give the gradient of the loss with respect to what some layers give out, in one pass.

    To every such output zeros are added, and the gradient with respect to them is that of the output.
    """
    measure, shapes = loss or loss_of(model), {}

    def note(name: str, output: Any) -> Any:
        if name in layers:
            shapes[name] = output
        return output

    run(model, images, training=training, leave=note)
    names = list(shapes)

    def value(zeros: list) -> Any:
        added = dict(zip(names, zeros))
        output = run(
            model,
            images,
            training=training,
            enter=enter,
            leave=lambda name, x: x + added[name] if name in added else x,
        )
        return measure(labels, output)

    found = gradients_of(value, [keras.ops.zeros_like(shapes[name]) for name in names])
    return {name: as_numpy(gradient) for name, gradient in zip(names, found)}


def gradient_norms(
    model: keras.Model, images: Any, labels: Any, *, training: bool = True, loss: Loss | None = None
) -> dict[str, float]:
    """Measure the norm of the gradient of the loss with respect to each layer's kernel.

    Penalties on weights are no part of the loss.

    Args:
        model: keras.Model of this package, compiled or not.
        images: array (number, height, width, channels), standardized as the network takes them; one batch.
        labels: array of as many classes, or what the loss takes.
        training: bool, whether normalization takes the statistics of the batch, and dropout drops.
        loss: function of labels and outputs that gives a scalar; default the cross-entropy.

    Returns:
        Dict of float by name of the layer, in the order of the network.

    Raises:
        ValueError: images or labels do not fit, or the backend gives no gradients.

    Source: arXiv 1512.03385, section 4.1, where the norms of plain networks' gradients are found healthy.
    """
    images, measure = check_images(model, images), loss or loss_of(model)
    labels = labels if loss else check_labels(model, images, labels)
    kernels = {layer.name: layer.kernel for layer in model.layers if hasattr(layer, "kernel")}

    def value(values: list) -> Any:
        output = run(model, images, training=training, weights=list(zip(kernels.values(), values)))
        return measure(labels, output)

    found = gradients_of(value, [kernel.value for kernel in kernels.values()])
    return {name: float(np.linalg.norm(as_numpy(gradient))) for name, gradient in zip(kernels, found)}


class GradientRecorder(keras.callbacks.Callback):
    """Measures the norms of the gradients at the start of training and after epochs, as `gradient_norms` does.

    Args:
        images: array (number, height, width, channels), standardized as the network takes them; one batch.
        labels: array of as many classes, or what the loss takes.
        every: int, epochs from one measurement to the next.
        loss: as of `gradient_norms`.
    """

    def __init__(self, images: Any, labels: Any, every: int = 1, loss: Loss | None = None):
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be a positive integer; received {every!r}.")
        self.images, self.labels, self.every, self.loss = images, labels, every, loss
        self.norms: dict[str, dict[str, float]] = {}  # by "start" and "epoch 1", for `draw_gradients`

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Measure the network that training begins with."""
        self._measure("start")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Measure the network after an epoch."""
        if (epoch + 1) % self.every == 0:
            self._measure(f"epoch {epoch + 1}")

    def _measure(self, when: str) -> None:
        self.norms[when] = gradient_norms(self.model, self.images, self.labels, loss=self.loss)
