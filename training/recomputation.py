"""Activations that are computed again in the backward pass, instead of being kept for it."""

from __future__ import annotations

from collections.abc import Callable

import keras

from keras_resnet.build.stages import units_of
from keras_resnet.model import ResidualNetwork


def recomputing(model: ResidualNetwork) -> Callable:
    """Make the function of a network in training that keeps nothing within a residual unit but what goes into it.

    The layers and their variables are the network's own. (`keras.remat` takes a layer at a time, which keeps what is
    between layers; and TensorFlow's own function would move the statistics of batch normalization twice, and draw
    other numbers for dropout the second time.)

    Raises:
        ValueError: the network does not say what its units are.

    Source: arXiv 1604.06174.
    """
    if model.architecture is None:
        raise ValueError(
            f"hardware.remat needs to know the residual units of {model.name!r}, a network that does not carry its "
            "architecture. Leave it out, or name the network by --network."
        )
    ends = [model.get_layer(f"{unit.name}_out").output for stage in units_of(model.architecture) for unit in stage]
    *segments, head = (keras.Model(begin, end) for begin, end in zip([model.input, *ends], [*ends, model.output]))
    for segment in (*segments, head):  # a run may show images of several sizes
        segment.input_spec = keras.layers.InputSpec(ndim=4)

    def call(images):
        x = images
        for segment in segments:
            x = recomputed(segment, x)
        return head(x, training=True)

    return call


def recomputed(segment: keras.Model, inputs):
    """Give the outputs of a part of a network, which computes once more what its gradient needs."""
    trained, state = segment.trainable_variables, segment.non_trainable_variables

    def call(x, *values):
        with keras.StatelessScope(list(zip([*trained, *state], values))) as scope:
            outputs = segment(x, training=True)
        return outputs, [scope.get_current_value(variable) for variable in state]

    once_more = _on_jax if keras.backend.backend() == "jax" else _on_tensorflow
    outputs, moved = once_more(call, 1 + len(trained), [inputs, *(variable.value for variable in (*trained, *state))])
    for variable, value in zip(state, moved):
        variable.assign(value)
    return outputs


def _on_jax(call: Callable, learning: int, given: list):
    """Call a function, and again for the gradient of its first arguments; the state that it draws from is one more."""
    import jax

    return jax.checkpoint(call)(*given)


def _on_tensorflow(call: Callable, learning: int, given: list):
    """Call a function, and again for the gradient of its outputs after its first arguments."""
    import tensorflow as tf

    @tf.custom_gradient
    def run(*given):
        outputs, moved = call(*given)

        def gradient(slope, *_):
            # Not before the slope is known, or all would be computed at once and kept.
            with tf.control_dependencies([slope]):
                again = [tf.identity(values) for values in given]
            first = again[:learning]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(first)
                outputs, _ = call(*again)
            return [*tape.gradient(outputs, first, slope), *[None] * (len(given) - learning)]

        return (outputs, *moved), gradient

    outputs, *moved = run(*map(tf.convert_to_tensor, given))
    return outputs, moved
