"""What is measured of a network's layers against cases by hand, finite differences and Keras's own passes."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.analysis import GradientRecorder, execution, gradient_norms, layer_responses, propagation
from keras_resnet.analysis.gradients import unit_gradients
from tests.keras_resnet.helpers import FULL_PREACTIVATION, build, images, outputs, randomise, run_python, tiny

LABELS = np.array([0, 1, 2, 3, 4, 0])


@pytest.fixture(scope="module")
def smooth():
    """A network without kinks, in which finite differences are exact enough."""
    return build(tiny(activation="tanh", shortcut="B"), (8, 8, 3))


def state(model):
    return [weight.numpy() if hasattr(weight, "numpy") else np.array(weight) for weight in model.weights]


@pytest.mark.parametrize("choices", [{}, {"placement": FULL_PREACTIVATION, "squeeze_excitation": 2}])
def test_run_by_layer_gives_what_the_model_gives_and_changes_nothing(choices):
    model, x = build(tiny(**choices), (8, 8, 3)), images(6, 8, 8, 3)
    np.testing.assert_allclose(execution.run(model, x), outputs(model, x), rtol=1e-5, atol=1e-6)
    before = state(model)
    trained = keras.ops.convert_to_numpy(execution.run(model, x, training=True))
    for weight, was in zip(state(model), before):
        np.testing.assert_array_equal(weight, was)
    np.testing.assert_allclose(trained, model(x, training=True), rtol=1e-4, atol=1e-5)


def test_responses_of_a_normalized_layer_follow_from_its_scale_and_shift():
    model = build(tiny(), (8, 8, 3))
    found = layer_responses(model, images(16, 8, 8, 3), training=True)
    assert list(found) == [
        "conv1_conv",
        *(f"conv{unit}_{place}_conv" for unit in ("2_block1", "3_block1", "3_block2") for place in (1, 2)),
    ]
    for name, deviation in found.items():
        norm = model.get_layer(name.replace("_conv", "_bn"))
        gamma, beta = (np.array(weight) for weight in norm.get_weights()[:2])
        # Each channel has the variance gamma^2, and the channels differ in their means beta.
        assert deviation == pytest.approx(np.sqrt(np.mean(gamma**2) + np.var(beta)), rel=1e-3)


def test_responses_over_batches_are_those_of_all_images_at_once():
    model, x = build(tiny(placement=FULL_PREACTIVATION), (8, 8, 3)), 3 + images(40, 8, 8, 3)
    found = layer_responses(model, x)
    assert found["conv2_block1_2_conv"] == pytest.approx(  # no normalization follows it
        np.std(outputs(keras.Model(model.input, model.get_layer("conv2_block1_2_conv").output), x)), rel=1e-5
    )
    assert found["conv1_conv"] == pytest.approx(
        np.std(outputs(keras.Model(model.input, model.get_layer("conv1_bn").output), x)), rel=1e-5
    )


def loss_at(model, x, name, direction, step):
    """The loss where one kernel is moved a step in a direction."""
    kernel = model.get_layer(name).kernel
    before = np.array(kernel)
    kernel.assign(before + step * direction)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    value = float(loss(LABELS, execution.run(model, x, training=True)))
    kernel.assign(before)
    return value


def test_norms_of_gradients_agree_with_finite_differences(smooth):
    x = images(6, 8, 8, 3)
    norms = gradient_norms(smooth, x, LABELS)
    assert list(norms) == [layer.name for layer in smooth.layers if hasattr(layer, "kernel")]
    for name in ("conv1_conv", "conv3_block1_0_conv", "predictions"):
        gradient = kernel_gradient(smooth, x, name)
        assert norms[name] == pytest.approx(np.linalg.norm(gradient), rel=1e-4)
        # Along its gradient, and nowhere more, the loss rises by the norm.
        direction = gradient / np.linalg.norm(gradient)
        slope = (loss_at(smooth, x, name, direction, 1e-2) - loss_at(smooth, x, name, direction, -1e-2)) / 2e-2
        assert slope == pytest.approx(norms[name], rel=2e-2)


def kernel_gradient(model, x, name):
    """The gradient of one kernel, by the backend itself."""
    from keras_resnet.analysis.gradients import gradients_of, loss_of

    kernel = model.get_layer(name).kernel

    def value(values):
        return loss_of(model)(LABELS, execution.run(model, x, training=True, weights=[(kernel, values[0])]))

    return np.array(gradients_of(value, [kernel.value])[0])


def test_gradient_of_the_last_logits_is_that_of_cross_entropy():
    model, x = build(tiny(), (8, 8, 3)), images(6, 8, 8, 3)
    found = unit_gradients(model, x, LABELS, ["predictions"], training=False)["predictions"]
    logits = outputs(model, x)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, (shares - np.eye(5)[LABELS]) / 6, atol=1e-6)


def test_gradient_at_a_unit_agrees_with_a_finite_difference(smooth):
    x, where = images(6, 8, 8, 3), "conv2_block1_out"
    gradient = unit_gradients(smooth, x, LABELS, [where])[where]
    axis = np.random.default_rng(1).normal(size=gradient.shape).astype("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def at(step):
        def move(name, output):
            return output + step * axis if name == where else output

        return float(loss(LABELS, execution.run(smooth, x, training=True, leave=move)))

    assert np.sum(gradient * axis) == pytest.approx((at(1e-2) - at(-1e-2)) / 2e-2, rel=2e-2)


@pytest.mark.parametrize("shape", [(8, 8, 3), (2, 8, 8, 1), (2, 9, 8, 3), (0, 8, 8, 3)])
def test_images_that_do_not_fit_are_refused(smooth, shape):
    with pytest.raises(ValueError, match=r"images must be an array of the shape \(number, 8, 8, 3\), standardized as"):
        layer_responses(smooth, np.zeros(shape))


def test_network_without_units_is_refused():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 3, name="conv")(inputs))
    with pytest.raises(ValueError, match="has no units whose layers are named as in keras_resnet"):
        execution.parts_of_units(model)


def test_parts_of_units_are_where_the_architecture_puts_them():
    model = keras_resnet.ResNet(tiny(placement=FULL_PREACTIVATION), input_shape=(8, 8, 3))
    first, second, third = execution.parts_of_units(model)
    assert first == ("conv2_block1", "conv1_relu", "conv2_block1_out", "conv2_block1_out", True, True)
    assert second == ("conv3_block1", "conv2_block1_out", "conv3_block1_out", "conv3_block1_out", True, False)
    assert third.entrance == "conv3_block1_out" and third.keeps_shape and third.stage == "conv3"
    plain = keras_resnet.ResNet(tiny(shortcut="none"), input_shape=(8, 8, 3))
    first, *_ = execution.parts_of_units(randomise(plain))
    assert first == ("conv2_block1", "conv1_relu", "conv2_block1_out", "conv2_block1_out", False, True)


def test_recorder_measures_at_the_start_and_after_every_few_epochs():
    model, x = build(tiny(), (8, 8, 3)), images(6, 8, 8, 3)
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(True), run_eagerly=True)
    start = gradient_norms(model, x, LABELS)
    recorder = GradientRecorder(x, LABELS, every=2)
    model.fit(x, LABELS, batch_size=6, epochs=3, verbose=0, callbacks=[recorder])
    assert list(recorder.norms) == ["start", "epoch 2"]
    assert recorder.norms["start"] == pytest.approx(start, rel=1e-4)
    assert recorder.norms["epoch 2"] != pytest.approx(start, rel=1e-2)
    with pytest.raises(ValueError, match="every must be a positive integer; received 0"):
        GradientRecorder(x, LABELS, every=0)


RUN_ON_JAX = """
import keras, numpy, sys
from keras_resnet import analysis
import keras_resnet.model

assert keras.backend.backend() == "jax"
model = keras.saving.load_model(sys.argv[1])
data = numpy.load(sys.argv[2])
x, labels = data["x"], data["labels"]
before = model.get_weights()
norms = analysis.gradient_norms(model, x, labels)
responses = analysis.layer_responses(model, x, training=True)
factors = [factor[1:] for factor in analysis.propagation(model, x, labels)]
assert all(numpy.array_equal(*pair) for pair in zip(before, model.get_weights()))
numpy.savez(sys.argv[3], norms=list(norms.values()), responses=list(responses.values()), factors=factors)
"""


@pytest.mark.slow
def test_what_is_measured_on_jax_is_what_is_measured_on_tensorflow(tmp_path):
    pytest.importorskip("jax")
    shortcut = {"name": "constant_scaling", "scale": 0.5}
    model, x = build(tiny(placement=FULL_PREACTIVATION, shortcut=shortcut), (8, 8, 3)), images(6, 8, 8, 3)
    files = [tmp_path / name for name in ("network.keras", "data.npz", "jax.npz")]
    model.save(files[0])
    np.savez(files[1], x=x, labels=LABELS)
    run_python("-c", RUN_ON_JAX, *files, KERAS_BACKEND="jax")
    measured = np.load(files[2])
    np.testing.assert_allclose(measured["norms"], [*gradient_norms(model, x, LABELS).values()], rtol=1e-3)
    np.testing.assert_allclose(measured["responses"], [*layer_responses(model, x, training=True).values()], rtol=1e-3)
    np.testing.assert_allclose(measured["factors"], [row[1:] for row in propagation(model, x, LABELS)], rtol=1e-3)
