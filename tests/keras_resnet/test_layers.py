"""The layers against Keras's own on the same weights, or against hand-computed values."""

import gc
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_resnet.garbage import uncollected
from keras_resnet.layers.conventions import channel_axis
from keras_resnet.layers.normalization import BatchNormalization
from keras_resnet.layers.padding import MaxPoolPadding2D, ZeroPadChannels
from keras_resnet.model import ResidualNetwork, deep_recursion
from tests.keras_resnet.helpers import images, outputs, randomise

FUSED = "FusedBatchNormV3"
SHAPE = (4, 5, 6, 3)


def pair(shape=SHAPE, **choices):
    """Make our layer and Keras's with the same random weights."""
    ours, keras_own = BatchNormalization(**choices), keras.layers.BatchNormalization(**choices)
    for layer in (ours, keras_own):
        layer.build(shape)
    randomise(keras_own)
    ours.set_weights(keras_own.get_weights())
    return ours, keras_own


def batch(shape=SHAPE, seed=0):
    """Draw a batch whose mean and variance are far from 0 and 1."""
    return 3 * images(*shape, seed=seed) + 2


def train(layer, steps=3, shape=SHAPE, **arguments):
    """Run training steps on as many batches; return the last output, and the gradients of a weighted sum of it."""
    for step in range(steps):
        x = tf.constant(batch(shape, step))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True, **arguments)
            loss = tf.reduce_sum(tf.cast(y, "float32") * images(*shape, seed=9))
    return y, tape.gradient(loss, [x, *layer.trainable_variables])


def assert_same_training(ours, keras_own, tolerance=1e-5, **arguments):
    """Check outputs, gradients and moving statistics of both layers after the same steps."""
    (y, gradients), (expected, expected_gradients) = (train(layer, **arguments) for layer in (ours, keras_own))
    np.testing.assert_allclose(tf.cast(y, "float32"), tf.cast(expected, "float32"), rtol=tolerance, atol=tolerance)
    for ours_gradient, gradient in zip(gradients, expected_gradients, strict=True):
        scale = float(tf.reduce_max(tf.abs(gradient)))
        np.testing.assert_allclose(ours_gradient, gradient, rtol=tolerance, atol=tolerance * scale)
    for mine, theirs in zip(ours.get_weights(), keras_own.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)


def operations(layer, training, shape=SHAPE, dtype="float32"):
    """Trace a call of the layer and name the types of its graph's operations."""
    function = tf.function(lambda x: layer(x, training=training))
    graph = function.get_concrete_function(tf.TensorSpec(shape, dtype)).graph
    return {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize("choices", [{}, {"momentum": 0.9, "epsilon": 1e-5}, {"axis": 3}, {"momentum": 0.0}])
def test_training_steps_are_those_of_keras(choices):
    assert_same_training(*pair(**choices))


def test_moving_variance_is_that_of_the_batch_without_bessels_correction():
    layer = BatchNormalization(momentum=0.5)
    values = np.array([1.0, 2.0, 3.0, 6.0], dtype="float32")
    layer(values.reshape(1, 2, 2, 1), training=True)
    # Mean 3, mean of squared deviations (4 + 1 + 0 + 9) / 4 = 3.5; unbiased it were 14 / 3.
    assert float(layer.moving_mean[0]) == pytest.approx(0.5 * 0 + 0.5 * 3)
    assert float(layer.moving_variance[0]) == pytest.approx(0.5 * 1 + 0.5 * 3.5)


@pytest.mark.parametrize(("policy", "tolerance"), [("mixed_bfloat16", 3e-2), ("mixed_float16", 4e-3)])
def test_training_steps_under_mixed_precision_are_close_to_those_of_keras(policy, tolerance):
    keras.config.set_dtype_policy(policy)
    ours, keras_own = pair()
    assert_same_training(ours, keras_own, tolerance)
    assert ours(batch(), training=True).dtype == keras_own(batch(), training=True).dtype


@pytest.mark.parametrize(
    ("choices", "shape"),
    [
        ({"synchronized": True}, SHAPE),
        ({"synchronized": False}, SHAPE),
        ({"axis": 1}, SHAPE),
        ({"scale": False}, SHAPE),
        ({"center": False}, SHAPE),
        ({}, (8, 3)),
        ({}, (4, 5, 3)),
        ({"dtype": "float64"}, SHAPE),
        ({"gamma_regularizer": "l2"}, SHAPE),
    ],
)
def test_every_case_is_right_whichever_way_it_is_computed(choices, shape):
    assert_same_training(*pair(shape, **choices), shape=shape)


def test_masked_pixels_are_left_out_as_keras_does():
    mask = np.random.default_rng(1).integers(0, 2, SHAPE[:-1]).astype(bool)
    assert_same_training(*pair(), mask=mask)


@pytest.mark.parametrize("training", [True, False])
def test_frozen_layer_uses_and_keeps_its_moving_statistics(training):
    ours, keras_own = pair()
    ours.trainable = keras_own.trainable = False
    before = ours.get_weights()
    np.testing.assert_allclose(ours(batch(), training=training), keras_own(batch(), training=training), rtol=1e-6)
    assert all(np.array_equal(old, new) for old, new in zip(before, ours.get_weights()))


def test_inference_is_that_of_keras_and_changes_nothing():
    ours, keras_own = pair()
    before = ours.get_weights()
    np.testing.assert_array_equal(outputs(ours, batch()), outputs(keras_own, batch()))
    assert all(np.array_equal(old, new) for old, new in zip(before, ours.get_weights()))


@pytest.mark.parametrize("compiled", [False, True])
def test_compiled_training_steps_are_those_of_keras(compiled):
    ours, keras_own = pair()
    step = tf.function(lambda x: ours(x, training=True), jit_compile=compiled)
    for seed in range(3):
        y, expected = step(batch(seed=seed)), keras_own(batch(seed=seed), training=True)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours.moving_variance, keras_own.moving_variance, rtol=1e-5)


def test_batch_of_unknown_size_trains_alike():
    ours, keras_own = pair()
    signature = [tf.TensorSpec((None, None, None, 3))]
    step = tf.function(lambda x: ours(x, training=True), input_signature=signature)
    np.testing.assert_allclose(step(batch()), keras_own(batch(), training=True), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours.moving_variance, keras_own.moving_variance, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("signature", [SHAPE, (None, None, None, 3)], ids=["known size", "unknown size"])
def test_moving_statistics_stay_those_of_keras_over_many_steps(signature):
    ours, keras_own = pair(momentum=0.99)
    step = tf.function(lambda x: ours(x, training=True), input_signature=[tf.TensorSpec(signature)])
    for seed in range(300):
        step(batch(seed=seed))
        keras_own(batch(seed=seed), training=True)
    np.testing.assert_allclose(ours.moving_mean, keras_own.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(ours.moving_variance, keras_own.moving_variance, rtol=1e-5)


@pytest.mark.parametrize("unknown", [False, True])
def test_batch_of_one_value_a_channel_shrinks_the_variance_as_keras_does(unknown):
    shape = (1, 1, 1, 3)
    ours, keras_own = pair(shape)
    signature = [tf.TensorSpec((None, None, None, 3) if unknown else shape)]
    tf.function(lambda x: ours(x, training=True), input_signature=signature)(batch(shape))
    keras_own(batch(shape), training=True)
    np.testing.assert_allclose(ours.moving_variance, keras_own.moving_variance, rtol=1e-6)


def test_batch_of_one_value_a_channel_has_no_variance():
    assert_same_training(*pair((1, 1, 1, 3)), shape=(1, 1, 1, 3))


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_training_graph_holds_the_fused_kernel(dtype):
    layer = BatchNormalization(dtype=dtype)
    layer.build(SHAPE)
    assert FUSED in operations(layer, training=True)


@pytest.mark.parametrize(
    ("choices", "training", "shape"),
    [
        ({}, False, SHAPE),
        ({"trainable": False}, True, SHAPE),
        ({"synchronized": True}, True, SHAPE),
        ({"axis": 1}, True, SHAPE),
        ({"scale": False}, True, SHAPE),
        ({"dtype": "bfloat16"}, True, SHAPE),
        ({}, True, (4, 3)),
    ],
)
def test_other_graphs_are_those_of_keras(choices, training, shape):
    ours, keras_own = pair(shape, **choices)
    found = operations(ours, training, shape)
    assert FUSED not in found
    assert found == operations(keras_own, training, shape)


def test_configuration_and_weights_are_those_of_keras():
    choices = {"momentum": 0.9, "epsilon": 1e-5, "synchronized": True, "gamma_regularizer": "l2", "name": "norm"}
    ours, keras_own = pair(**choices)
    assert ours.get_config() == keras_own.get_config()
    assert [weight.name for weight in ours.weights] == [weight.name for weight in keras_own.weights]
    copy = BatchNormalization.from_config(keras_own.get_config())
    copy.build(SHAPE)
    copy.set_weights(keras_own.get_weights())
    np.testing.assert_array_equal(outputs(copy, batch()), outputs(keras_own, batch()))


@pytest.mark.parametrize(("padding", "expected"), [((0, 2), [1, 2, 0, 0]), ((2, 1), [0, 0, 1, 2, 0]), ((0, 0), [1, 2])])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_zero_channels_stand_in_front_and_behind(padding, expected, data_format):
    axis = channel_axis(data_format)
    x = np.moveaxis(np.broadcast_to(np.array([1.0, 2.0], dtype="float32"), (2, 3, 4, 2)), 3, axis)
    layer = ZeroPadChannels(padding, data_format)
    y = np.moveaxis(outputs(layer, x), axis, 3)
    np.testing.assert_array_equal(y, np.broadcast_to(np.array(expected, dtype="float32"), (2, 3, 4, len(expected))))
    assert layer.compute_output_shape(x.shape) == outputs(layer, x).shape


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_pool_padding_is_minus_infinity_around_the_image(data_format, dtype):
    axis = channel_axis(data_format)
    x = images(2, 3, 4, 2)
    layer = MaxPoolPadding2D(2, data_format, dtype=dtype)
    padded = tf.cast(layer(np.moveaxis(x, 3, axis)), "float32")
    expected = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-np.inf)
    np.testing.assert_allclose(np.moveaxis(padded, axis, 3), expected, rtol=1e-2)
    assert layer.compute_output_shape(np.moveaxis(x, 3, axis).shape) == padded.shape


def test_unknown_sizes_stay_unknown():
    assert MaxPoolPadding2D(1).compute_output_shape((None, None, 5, 3)) == (None, None, 7, 3)
    assert ZeroPadChannels((1, 2)).compute_output_shape((None, None, 5, 3)) == (None, None, 5, 6)


@pytest.mark.parametrize("layer", [ZeroPadChannels((1, 2), "channels_first"), MaxPoolPadding2D(3, "channels_first")])
def test_padding_layer_comes_back_from_its_configuration(layer):
    keras.config.set_image_data_format("channels_last")
    x = images(1, 2, 3, 4)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    np.testing.assert_array_equal(outputs(copy, x), outputs(layer, x))


def test_recursion_limit_is_raised_and_restored():
    before = sys.getrecursionlimit()
    with pytest.raises(KeyError), deep_recursion(before + 1234):
        assert sys.getrecursionlimit() == before + 1234
        raise KeyError
    assert sys.getrecursionlimit() == before


def test_recursion_limit_is_never_lowered():
    before = sys.getrecursionlimit()
    with deep_recursion(before - 1):
        assert sys.getrecursionlimit() == before
    assert sys.getrecursionlimit() == before


def test_deep_graph_becomes_a_model_where_keras_fails():
    x = inputs = keras.Input((1,))
    for _ in range(sys.getrecursionlimit() + 100):
        x = keras.layers.Identity()(x)
    with pytest.raises(RecursionError):
        keras.Model(inputs, x)
    np.testing.assert_array_equal(outputs(ResidualNetwork(inputs, x), np.array([[2.0]])), [[2.0]])


def test_garbage_is_collected_as_before_once_a_block_ends():
    before = gc.isenabled()
    with pytest.raises(KeyError), uncollected():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled() == before
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        (gc.enable if before else gc.disable)()


class Counting(ResidualNetwork):
    """Counts how often its training step is traced."""

    traces = 0

    def train_step(self, data):
        type(self).traces += 1
        return super().train_step(data)


@pytest.mark.parametrize("way", ["fit", "train_on_batch", "generator"])
def test_training_step_is_traced_once_and_no_batch_is_lost(way):
    Counting.traces, drawn = 0, []
    inputs = keras.Input((4,))
    model = Counting(inputs, keras.layers.Dense(3)(inputs))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"])
    x, y = images(8, 4), np.arange(8) % 3

    def batches():
        for place in range(0, 8, 2):
            drawn.append(place)
            yield x[place : place + 2], y[place : place + 2]

    if way == "train_on_batch":
        for part in batches():
            model.train_on_batch(*part)
    elif way == "fit":
        model.fit(x, y, batch_size=2, verbose=0)
    else:
        model.fit(batches(), steps_per_epoch=4, verbose=0)
        assert drawn == [0, 2, 4, 6]
    assert Counting.traces == 1
    assert int(model.optimizer.iterations) == 4
