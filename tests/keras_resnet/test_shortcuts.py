"""The shortcuts' values, computed by hand; what may be said of them and what is refused."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.build.unit import Unit
from keras_resnet.choices.shortcuts import SHORTCUTS, parse_shortcut, shortcut
from tests.keras_resnet import reference
from tests.keras_resnet.helpers import build, images, outputs, randomise, tiny

# A row and a column of four pixels, two channels: pixel (i, j) holds 8 i + 2 j and one more.
X = np.arange(32, dtype="float32").reshape(1, 4, 4, 2)
SUBSAMPLED = np.array([[[0, 1], [4, 5]], [[16, 17], [20, 21]]], dtype="float32")[None]


def branches(name, x, filters_out, stride, **parameters):
    """Build a shortcut alone; return what it would add to a residual of ones, and the model."""
    unit = Unit(tiny(), "unit", filters_out, stride)
    image = keras.Input(x.shape[1:])
    side = -(-x.shape[1] // stride)
    residual = keras.Input((side, side, filters_out))
    added = SHORTCUTS[name](unit, image, residual, **parameters)
    # Keras 3.12 wants layers between inputs and outputs, and every input in use.
    model = keras.Model([image, residual], [keras.layers.Identity()(tensor) for tensor in (*added, image)])
    randomise(model)
    ones = np.ones((1, side, side, filters_out), dtype="float32")
    return [keras.ops.convert_to_numpy(branch) for branch in model([x, ones])[:-1]], model


@pytest.mark.parametrize(
    ("filters", "zeros", "front", "behind"),
    [(2, "end", 0, 0), (4, "end", 0, 2), (4, "both", 1, 1), (5, "both", 1, 2), (5, "end", 0, 3)],
)
def test_option_a_takes_every_second_pixel_and_adds_zero_channels(filters, zeros, front, behind):
    (first, residual), model = branches("A", X, filters, 2, zeros=zeros)
    np.testing.assert_array_equal(first, np.pad(SUBSAMPLED, ((0, 0), (0, 0), (0, 0), (front, behind))))
    assert np.all(residual == 1)
    assert model.count_params() == 0


def test_option_a_appends_its_zeros_by_default():
    (first, _), _ = branches("A", X, 3, 2)
    np.testing.assert_array_equal(first[..., :2], SUBSAMPLED)
    assert np.all(first[..., 2] == 0)


@pytest.mark.parametrize("name", ["A", "B"])
def test_identity_shortcut_is_the_tensor_itself(name):
    (first, _), model = branches(name, X, 2, 1)
    np.testing.assert_array_equal(first, X)
    assert model.count_params() == 0


def test_option_b_subsamples_where_the_width_stays():
    (first, _), model = branches("B", X, 2, 2)
    np.testing.assert_array_equal(first, SUBSAMPLED)
    assert model.count_params() == 0


@pytest.mark.parametrize(("name", "filters", "stride"), [("B", 3, 1), ("B", 3, 2), ("C", 2, 1), ("C", 3, 2)])
def test_projection_is_a_normalised_matrix_product_at_each_pixel(name, filters, stride):
    (first, _), model = branches(name, X, filters, stride)
    kernel, gamma, beta, mean, variance = (np.array(weight, "float64") for weight in model.weights)
    assert kernel.shape == (1, 1, 2, filters)
    expected = gamma * (X[:, ::stride, ::stride] @ kernel[0, 0] - mean) / np.sqrt(variance + 1e-5) + beta
    np.testing.assert_allclose(first, expected, rtol=1e-5, atol=1e-5)


def test_no_shortcut_leaves_the_residual_branch_alone():
    result, _ = branches("none", X, 2, 1)
    assert len(result) == 1
    assert np.all(result[0] == 1)


def test_network_without_shortcuts_is_a_plain_stack():
    model = build(tiny(shortcut="none"))
    net = reference.Reference(model)
    x = images(2, 16, 16, 3)
    y = reference.relu(net.conv_norm("conv1", x))
    for unit, stride in (("conv2_block1", 1), ("conv3_block1", 2), ("conv3_block2", 1)):
        y = reference.relu(net.conv_norm(f"{unit}_1", y, stride))
        y = reference.relu(net.conv_norm(f"{unit}_2", y))
    np.testing.assert_allclose(outputs(model, x), net.logits(y), rtol=1e-4, atol=1e-4)
    assert not [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]


@pytest.mark.parametrize(
    ("architecture", "projected"),
    [
        (tiny(shortcut="A"), []),
        (tiny(shortcut="B"), ["conv3_block1"]),
        (tiny(shortcut="C"), ["conv2_block1", "conv3_block1", "conv3_block2"]),
        (tiny(shortcut="none"), []),
        (tiny(unit="bottleneck"), ["conv2_block1", "conv3_block1"]),
        (tiny(widths=(4, 4)), []),
    ],
)
def test_projections_stand_where_the_option_says(architecture, projected):
    names = [layer.name for layer in keras_resnet.ResNet(architecture).layers]
    assert [name.removesuffix("_0_conv") for name in names if name.endswith("_0_conv")] == projected


def test_option_a_does_the_same_to_images_of_odd_sides():
    x = images(1, 5, 5, 2)
    (first, _), _ = branches("A", x, 3, 2)
    np.testing.assert_array_equal(first[..., :2], x[:, ::2, ::2])


def test_new_shortcut_is_one_function_in_the_registry(monkeypatch):
    monkeypatch.setitem(SHORTCUTS, "scaled", None)  # so that it goes again with the test

    @shortcut("scaled")
    def scaled(unit, x, residual, *, factor=0.5):
        return [keras.layers.Rescaling(factor, name=f"{unit.name}_scale")(x), residual]

    model = build(tiny(blocks=(1,), widths=(4,), shortcut={"name": "scaled", "factor": 0.25}))
    net = reference.Reference(model)
    x = images(2, 16, 16, 3)
    y = reference.relu(net.conv_norm("conv1", x))
    residual = net.conv_norm("conv2_block1_2", reference.relu(net.conv_norm("conv2_block1_1", y)))
    expected = net.logits(reference.relu(0.25 * y + residual))
    np.testing.assert_allclose(outputs(model, x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("B", ("B", {})),
        ({"name": "C"}, ("C", {})),
        ({"name": "A", "zeros": "both"}, ("A", {"zeros": "both"})),
    ],
)
def test_choice_is_a_name_and_its_parameters(choice, expected):
    before = dict(choice) if isinstance(choice, dict) else choice
    assert parse_shortcut(choice) == expected
    assert choice == before


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ("D", r"Unknown shortcut 'D'\. Allowed: A, B, C, convolution, none"),
        ("a", r"Unknown shortcut 'a'\. Did you mean 'A'\?"),
        ({"zeros": "both"}, r"Unknown shortcut None"),
        ({"name": "A", "zero": "both"}, r"Unknown parameter of shortcut 'A': 'zero'\. Did you mean 'zeros'\?"),
        ({"name": "B", "zeros": "both"}, r"Unknown parameter of shortcut 'B': 'zeros'\. Allowed: \(none\)"),
    ],
)
def test_unknown_choice_is_refused_in_words(choice, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_shortcut(choice)


def test_unknown_place_of_zeros_is_refused_in_words():
    with pytest.raises(ValueError, match=r"Unknown value of zeros 'middle'\. Allowed: end, both"):
        keras_resnet.ResNet(tiny(shortcut={"name": "A", "zeros": "middle"}))


def test_gates_begin_at_the_bias_asked_for():
    model = keras_resnet.ResNet("ResNet8", shortcut={"name": "exclusive_gating", "bias": -3.5})
    gates = [layer for layer in model.layers if layer.name.endswith("_0_gate")]
    assert len(gates) == 3
    assert all(np.all(gate.get_weights()[1] == -3.5) for gate in gates)


def test_dropout_drops_the_asked_share_of_the_shortcut_while_training():
    keras.utils.set_random_seed(0)
    model = keras_resnet.ResNet("ResNet8", shortcut={"name": "dropout", "rate": 0.25})
    layer = model.get_layer("conv2_block1_0_dropout")
    dropped = keras.ops.convert_to_numpy(layer(np.ones((8, 16, 16, 16), "float32"), training=True))
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(np.mean(dropped == 0) - 0.25) < 0.01


# arXiv 1603.05027, Table 1, on ResNet-110: the parameters of every variant, counted from its formula.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("shortcut", "parameters"),
    [
        ("convolution", 1_826_202),
        ({"name": "convolution", "norm": False}, 1_822_170),
        ("exclusive_gating", 1_824_186),
        ("shortcut_only_gating", 1_824_186),
        ("constant_scaling", 1_727_962),
        ("dropout", 1_727_962),
    ],
    ids=str,
)
def test_variants_of_resnet_110_have_their_parameters(shortcut, parameters):
    model = keras_resnet.ResNet110(shortcut=shortcut)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == parameters


@pytest.mark.parametrize(
    ("shortcut", "sentence"),
    [
        ({"name": "dropout", "rate": 1.0}, r"rate must be a number from 0 to below 1; received 1\.0"),
        ({"name": "dropout", "rate": "half"}, r"rate must be a number from 0 to below 1; received 'half'"),
        ({"name": "exclusive_gating", "bias": None}, r"bias must be a number from -1000 to below 1000; received None"),
        ({"name": "convolution", "norm": 1}, r"norm must be true or false; received 1"),
        ({"name": "constant_scaling", "change": "C"}, r"Unknown value of change 'C'\. Allowed: A, B"),
        ({"name": "dropout", "keep": 0.5}, r"Unknown parameter of shortcut 'dropout': 'keep'"),
        ("exclusive_gate", r"Unknown shortcut 'exclusive_gate'\. Did you mean 'exclusive_gating'\?"),
    ],
    ids=str,
)
def test_impossible_parameters_are_refused_when_the_architecture_is_made(shortcut, sentence):
    with pytest.raises(ValueError, match=sentence):
        tiny(shortcut=shortcut)
