"""Gradients of a network's loss, on the TensorFlow, the JAX and the PyTorch backend."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import keras
import numpy as np

from keras_resnet.analysis.execution import Enter, as_numpy, check_images, run

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
    if backend == "torch":
        import torch

        values = [value.detach().clone().requires_grad_() for value in values]
        found = torch.autograd.grad(function(values), values, allow_unused=True)
        return [torch.zeros_like(value) if own is None else own for value, own in zip(values, found)]
    raise ValueError(f"Gradients need the TensorFlow, JAX or PyTorch backend of Keras; this is {backend!r}.")


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
        ValueError: the images do not fit, or the backend gives no gradients.

    Source: arXiv 1512.03385, section 4.1, where the norms of plain networks' gradients are found healthy.
    """
    images, measure = check_images(model, images), loss or loss_of(model)
    kernels = {layer.name: layer.kernel for layer in model.layers if hasattr(layer, "kernel")}

    def value(values: list) -> Any:
        output = run(model, images, training=training, weights=list(zip(kernels.values(), values)))
        return measure(labels, output)

    found = gradients_of(value, [kernel.value for kernel in kernels.values()])
    return {name: float(np.linalg.norm(as_numpy(gradient))) for name, gradient in zip(kernels, found)}
