"""What regularises a network or shapes its start: penalties, dropout, stochastic depth, a scale of zero."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.choices.placements import PLACEMENTS
from keras_resnet.layers.normalization import BatchNormalization
from tests.keras_resnet.helpers import build, copy_weights, images, outputs, tiny

EVERYTHING = {
    "unit": "bottleneck",
    "stem": "deep",
    "shortcut": "exclusive_gating",
    "squeeze_excitation": 4,
    "hidden": (7,),
    "biased": ("1",),
}


@pytest.mark.parametrize(("l1", "l2"), [(0.01, 0.0), (0.0, 0.003), (0.01, 0.003)])
@pytest.mark.parametrize("choices", [{}, {"shortcut": "C"}, EVERYTHING], ids=["basic", "C", "everything"])
def test_penalty_is_on_every_kernel_and_nothing_else(l1, l2, choices):
    model = build(tiny(l1=l1, l2=l2, **choices), shape=(32, 32, 3))
    kernels = [weight.numpy().astype("float64") for weight in model.trainable_weights if weight.name == "kernel"]
    weighted = (keras.layers.Conv2D, keras.layers.Dense)
    assert len(kernels) == sum(isinstance(layer, weighted) for layer in model.layers)
    expected = sum(l1 * np.abs(kernel).sum() + l2 * (kernel**2).sum() for kernel in kernels)
    np.testing.assert_allclose(sum(float(loss) for loss in model.losses), expected, rtol=1e-5)


def test_without_coefficients_there_is_no_penalty():
    assert build(tiny()).losses == []


def test_penalty_is_in_the_training_loss():
    x, y = images(4, 16, 16, 3), images(4, 5, seed=1)
    losses = []
    for l2 in (0.0, 0.1):
        model = build(tiny(l2=l2))
        model.compile(loss="mean_squared_error", run_eagerly=True)
        losses.append(model.evaluate(x, y, verbose=0))
    squares = sum((w.numpy() ** 2).sum() for w in model.trainable_weights if w.name == "kernel")
    np.testing.assert_allclose(losses[1] - losses[0], 0.1 * squares, rtol=1e-4)


@pytest.mark.parametrize("unit", ["basic", "bottleneck", "single"])
def test_dropout_stands_before_the_last_convolution_of_each_unit(unit):
    model = keras_resnet.ResNet(tiny(unit=unit, dropout=0.3))
    drops = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert [layer.rate for layer in drops] == [0.3] * 3
    last = {"basic": 2, "bottleneck": 3, "single": 1}[unit]
    for name in ("conv2_block1", "conv3_block1", "conv3_block2"):
        padded = f"{name}_{last}_pad" in [layer.name for layer in model.layers]
        before = model.get_layer(f"{name}_{last}_{'pad' if padded else 'conv'}").input
        assert before is model.get_layer(f"{name}_dropout").output


def test_classifier_dropout_stands_before_the_classifier():
    model = keras_resnet.ResNet(tiny(classifier_dropout=0.4))
    assert model.get_layer("predictions").input is model.get_layer("dropout").output
    assert model.get_layer("dropout").rate == 0.4
    assert "dropout" not in [layer.name for layer in keras_resnet.ResNet(tiny()).layers]


def test_classifier_dropout_stands_behind_each_hidden_layer():
    model = keras_resnet.ResNet(tiny(hidden=(8, 6), classifier_dropout=0.5))
    names = [layer.name for layer in model.layers]
    tail = names[names.index("fc1") :]
    order = "fc1 fc1_relu fc1_dropout fc2 fc2_relu fc2_dropout avg_pool predictions"
    assert tail == order.split()


def test_hidden_layers_are_matrix_products_of_the_whole_map():
    model = build(tiny(hidden=(8,)))
    map_of = keras.Model(model.input, model.get_layer("conv3_block2_out").output)
    x = images(3, 16, 16, 3)
    kernel, bias = model.get_layer("fc1").get_weights()
    hidden = np.maximum(outputs(map_of, x).reshape(3, -1) @ kernel.reshape(-1, 8) + bias, 0)
    kernel, bias = model.get_layer("predictions").get_weights()
    np.testing.assert_allclose(outputs(model, x), hidden @ kernel + bias, rtol=1e-3, atol=1e-4)


def test_hidden_layers_need_a_fixed_size_with_the_top_only():
    with pytest.raises(ValueError, match=r"fully connected layers need a fixed image size\. Pass one, or include_top="):
        keras_resnet.ResNet(tiny(hidden=(8,)), input_shape=(None, None, 3))
    assert keras_resnet.ResNet(tiny(hidden=(8,)), include_top=False).output_shape == (None, None, None, 6)


def test_stochastic_depth_rises_with_the_units_place():
    model = keras_resnet.ResNet(tiny(blocks=(2, 3), stochastic_depth=0.5))
    drops = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    # arXiv 1603.09382, equation 4, of 5 units: survival 1 - l / L * 0.5.
    np.testing.assert_allclose([layer.rate for layer in drops], [0.1, 0.2, 0.3, 0.4, 0.5])
    assert [layer.name for layer in drops] == [
        f"conv{stage}_block{block}_depth" for stage, blocks in ((2, 2), (3, 3)) for block in range(1, blocks + 1)
    ]


def test_stochastic_depth_drops_whole_branches_of_single_examples():
    keras.utils.set_random_seed(1)
    model = keras_resnet.ResNet(tiny(stochastic_depth=0.5))
    layer = model.get_layer("conv3_block2_depth")
    kept = keras.ops.convert_to_numpy(layer(np.ones((2000, 2, 2, 3), "float32"), training=True))
    assert np.all(kept == kept[:, :1, :1, :1])
    assert set(np.unique(kept)) == {np.float32(0), np.float32(2)}
    assert abs(np.mean(kept == 0) - 0.5) < 0.04


@pytest.mark.parametrize(
    "choices", [{"dropout": 0.3}, {"stochastic_depth": 0.5}, {"classifier_dropout": 0.4}, {"l2": 0.1}], ids=str
)
def test_regularisation_leaves_inference_as_it_is(choices):
    x = images(2, 16, 16, 3)
    plain = build(tiny())
    model = build(tiny(**choices))
    copy_weights(plain, model)
    np.testing.assert_array_equal(outputs(model, x), outputs(plain, x))


@pytest.mark.parametrize("placement", ["original", "relu_only_preactivation"])
@pytest.mark.parametrize("unit", ["basic", "bottleneck", "single"])
def test_unit_with_a_zero_scale_starts_as_its_shortcut(placement, unit):
    architecture = tiny(unit=unit, placement=placement, zero_init_residual=True, blocks=(3,), widths=(4,))
    model = keras_resnet.ResNet(architecture, input_shape=(8, 8, 3))
    cut = keras.Model(model.input, [model.get_layer(f"conv2_block{block}_out").output for block in (1, 2, 3)])
    first, second, third = (keras.ops.convert_to_numpy(x) for x in cut(images(2, 8, 8, 3), training=False))
    assert np.std(first) > 0.1
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, third)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_scales_start_at_one_otherwise(placement):
    model = keras_resnet.ResNet(tiny(placement=placement))
    norms = [layer for layer in model.layers if isinstance(layer, BatchNormalization)]
    assert all(np.all(np.array(layer.gamma) == 1) for layer in norms)


def test_zero_scales_learn():
    model = keras_resnet.ResNet(tiny(zero_init_residual=True, widths=(8, 12)), input_shape=(8, 8, 3))
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", run_eagerly=True)
    x, y = images(16, 8, 8, 3), np.arange(16) % 10
    model.train_on_batch(x, y)
    norms = [model.get_layer(f"{unit}_2_bn") for unit in ("conv2_block1", "conv3_block1", "conv3_block2")]
    assert all(np.abs(np.array(layer.gamma)).max() > 0 for layer in norms)
    before = model.get_layer("conv2_block1_1_conv").get_weights()[0]
    model.train_on_batch(x, y)
    assert np.abs(model.get_layer("conv2_block1_1_conv").get_weights()[0] - before).max() > 0


@pytest.mark.parametrize("choices", [{}, {"shortcut": "C"}, EVERYTHING], ids=["basic", "C", "everything"])
def test_gain_multiplies_what_every_convolution_starts_with_and_nothing_else(choices):
    def kernels(gain: float) -> dict:
        keras.utils.set_random_seed(1)
        model = keras_resnet.ResNet(tiny(init_gain=gain, **choices), input_shape=(32, 32, 3))
        return {layer.name: np.array(layer.kernel) for layer in model.layers if hasattr(layer, "kernel")}

    usual, tripled = kernels(1.0), kernels(3.0)
    assert usual.keys() == tripled.keys() and "predictions" in usual
    for name, kernel in usual.items():
        np.testing.assert_allclose(tripled[name], kernel * (1 if name == "predictions" else 3), rtol=1e-5)


def test_network_without_normalisation_has_none():
    model = keras_resnet.ResNet(tiny(normalization="none", placement="full_preactivation"))
    assert not [layer for layer in model.layers if isinstance(layer, BatchNormalization)]
    assert "post_relu" in [layer.name for layer in model.layers]
