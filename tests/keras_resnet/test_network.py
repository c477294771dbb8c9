"""The forward pass against the papers' formulas; the arguments of the call."""

import re

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.layers.conventions import channel_axis
from tests.keras_resnet import reference
from tests.keras_resnet.helpers import (
    FULL_PREACTIVATION,
    build,
    compiled_outputs,
    copy_weights,
    images,
    outputs,
    relative_error,
    tiny,
    weighted_layers,
)

# Networks whose formulas tests.keras_resnet.reference computes on its own.
NETWORKS = {
    reference.original_basic: tiny(shortcut="A"),
    reference.original_bottleneck: tiny(unit="bottleneck", stem="imagenet", widths=(3, 4)),
    reference.full_preactivation: tiny(unit="bottleneck", placement=FULL_PREACTIVATION, blocks=(2, 2)),
}
SHAPES = [(33, 33, 3), (32, 32, 3), (32, 33, 3), (20, 17, 1), (16, 16, 5)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("formula", NETWORKS)
def test_every_unit_and_the_logits_follow_the_papers_formula(formula, shape):
    model = build(NETWORKS[formula], shape)
    x = images(2, *shape)
    net = reference.Reference(model)
    expected = formula(net, NETWORKS[formula], x)
    features = keras.Model(model.input, {name: model.get_layer(name).output for name in expected})(x)
    for name, feature in expected.items():
        np.testing.assert_allclose(features[name], feature, rtol=1e-4, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(outputs(model, x), net.logits(feature), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("side", "equal"), [(64, False), (65, True)])
@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
def test_same_padding_is_symmetric_on_odd_sizes_only(side, equal, stem):
    architecture = tiny(stem=stem)
    symmetric = build(architecture, (side, side, 3))
    same = build(architecture.replace(padding="same"), (side, side, 3))
    copy_weights(symmetric, same)
    x = images(2, side, side, 3)
    error = relative_error(outputs(same, x), outputs(symmetric, x))
    assert error < 1e-4 if equal else error > 1e-2


def pool_of_negative_values(**choices):
    """Return what enters and what leaves the pool of a pre-activation stem, where all values are negative."""
    architecture = tiny(stem="imagenet", placement=FULL_PREACTIVATION, stem_activation=False, biased=("stem",))
    model = build(architecture.replace(**choices))
    model.get_layer("conv1_conv").bias.assign([-100.0] * 4)
    stem = keras.Model(model.input, [model.get_layer(name).output for name in ("conv1_conv", "pool1_pool")])
    before, after = (np.array(value) for value in stem(images(2, 16, 16, 3)))
    assert before.max() < 0
    return before, after


def test_max_pool_never_picks_the_border():
    before, after = pool_of_negative_values()
    np.testing.assert_array_equal(after, reference.max_pool(before))


def test_max_pool_with_zeros_picks_them_over_negative_values():
    before, after = pool_of_negative_values(pool_padding="zeros")
    np.testing.assert_array_equal(after[:, 1:, 1:], reference.max_pool(before)[:, 1:, 1:])
    assert np.all(after[:, 0] == 0)
    assert np.all(after[:, :, 0] == 0)


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [(None, lambda x: x), ("avg", lambda x: x.mean((1, 2))), ("max", lambda x: x.max((1, 2)))],
)
@pytest.mark.parametrize("formula", NETWORKS)
def test_without_the_top_come_features_or_their_pool(formula, pooling, pool):
    model = build(NETWORKS[formula], include_top=False, pooling=pooling)
    x = images(2, 16, 16, 3)
    *_, feature = formula(reference.Reference(model), NETWORKS[formula], x).values()
    np.testing.assert_allclose(outputs(model, x), pool(feature), rtol=1e-4, atol=1e-4)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("shape", [(None, None, 3), (None, 32, 3), (33, None, 3)])
@pytest.mark.parametrize("formula", NETWORKS)
def test_free_image_sizes_give_the_same_numbers_as_fixed(formula, shape):
    sides = tuple(side or other for side, other in zip(shape, (33, 32, 3)))
    fixed, free = (build(NETWORKS[formula], size) for size in (sides, shape))
    copy_weights(fixed, free)
    assert free.input_shape == (None, *shape)
    x = images(2, *sides)
    np.testing.assert_allclose(outputs(free, x), outputs(fixed, x), rtol=1e-5, atol=1e-5)


def test_without_the_top_any_size_is_the_default_input():
    assert keras_resnet.ResNet20(include_top=False).input_shape == (None, None, None, 3)
    assert keras_resnet.ResNet18(include_top=False).input_shape == (None, None, None, 3)


@pytest.mark.parametrize(("name", "side", "classes"), [("ResNet20", 32, 10), ("ResNet18", 224, 1000)])
def test_with_the_top_the_papers_size_and_classes_are_the_default(name, side, classes):
    model = keras_resnet.ResNet(name)
    assert (model.input_shape, model.output_shape) == ((None, side, side, 3), (None, classes))


@pytest.mark.slow
@pytest.mark.parametrize("formula", NETWORKS)
def test_channels_first_gives_the_same_numbers(formula):
    x = images(2, 20, 17, 3)
    last = build(NETWORKS[formula], (20, 17, 3), include_top=False)
    expected = outputs(last, x)
    keras.config.set_image_data_format("channels_first")
    first = build(NETWORKS[formula], (3, 20, 17), include_top=False)
    copy_weights(last, first)
    assert first.output_shape == (None, expected.shape[3], *expected.shape[1:3])
    actual = np.moveaxis(compiled_outputs(first, np.moveaxis(x, 3, 1)), 1, 3)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_channels_first_default_input_has_its_channels_first():
    keras.config.set_image_data_format("channels_first")
    assert keras_resnet.ResNet20().input_shape == (None, 3, 32, 32)
    assert channel_axis() == 1


def test_input_tensor_is_built_upon_and_its_source_becomes_the_input():
    image = keras.Input((16, 16, 3))
    scaled = keras.layers.Rescaling(0.5)(image)
    on_tensor = keras_resnet.ResNet(tiny(), input_tensor=scaled, classes=5, classifier_activation=None)
    plain = build(tiny())
    copy_weights(plain, on_tensor)
    x = images(2, 16, 16, 3)
    np.testing.assert_array_equal(on_tensor.predict(x, verbose=0), plain.predict(x / 2, verbose=0))
    assert on_tensor.inputs == [image]


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        ("glu", "classifier_activation='glu' cannot end a classifier, for it does not make one number of each; give"),
        ("threshold", "classifier_activation='threshold' cannot end a classifier"),
        ("sofmax", "Unknown classifier_activation 'sofmax'. Did you mean 'softmax'? Allowed: celu, "),
        (3, "Unknown classifier_activation 3. Allowed: celu, "),
    ],
)
def test_classifier_that_ends_in_no_activation_raises_an_error(activation, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        build(tiny(), classifier_activation=activation, classes=8)
    with pytest.raises(ValueError, match=re.escape(message)):
        keras_resnet.transfer(build(tiny()), classes=8, classifier_activation=activation)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", None])
def test_last_layer_is_the_classifier_and_carries_the_activation(activation):
    model = build(tiny(), classifier_activation=activation, classes=7)
    last, logits = model.layers[-1], build(tiny(), classes=7)
    copy_weights(model, logits)
    assert (type(last), last.name, last.units) == (keras.layers.Dense, "predictions", 7)
    assert last.activation is keras.activations.get(activation)
    x = images(2, 16, 16, 3)
    expected = keras.activations.get(activation)(keras.ops.convert_to_tensor(outputs(logits, x)))
    np.testing.assert_allclose(outputs(model, x), expected, rtol=1e-5)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("policy", "hidden", "tolerance"),
    [("mixed_bfloat16", "bfloat16", 0.2), ("mixed_float16", "float16", 0.02), ("bfloat16", "bfloat16", 0.2)],
)
@pytest.mark.parametrize("formula", NETWORKS)
def test_logits_are_float32_under_any_policy_and_close_in_value(formula, policy, hidden, tolerance):
    expected = build(NETWORKS[formula])
    keras.config.set_dtype_policy(policy)
    model = build(NETWORKS[formula])
    copy_weights(expected, model)
    x = images(16, 16, 16, 3)
    assert keras.backend.standardize_dtype(model(x).dtype) == "float32"
    assert keras.backend.standardize_dtype(model.get_layer("conv3_block2_out").output.dtype) == hidden
    assert relative_error(outputs(model, x), outputs(expected, x)) < tolerance


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_global_average_is_taken_in_float32(policy):
    keras.config.set_dtype_policy(policy)
    model = build(tiny())
    layers = [model.get_layer(name).output for name in ("conv3_block2_out", "avg_pool")]
    feature, average = keras.Model(model.input, layers)(images(2, 16, 16, 3))
    expected = np.array(keras.ops.cast(feature, "float32")).mean((1, 2))
    np.testing.assert_allclose(average, expected, rtol=1e-5)


@pytest.mark.parametrize(("stem", "kernel", "stride"), [("imagenet", 7, 2), ("cifar", 3, 1)])
def test_stem_convolves_as_the_papers_do(stem, kernel, stride):
    layer = keras_resnet.ResNet(tiny(stem=stem)).get_layer("conv1_conv")
    assert (layer.kernel_size, layer.strides) == ((kernel, kernel), (stride, stride))


@pytest.mark.parametrize(
    ("architecture", "name", "expected"),
    [
        ("ResNet20", None, "resnet20"),
        ("resnet20v2", None, "resnet20v2"),
        ("Plain26", None, "plain26"),
        ("ResNet20", "mine", "mine"),
        (tiny(), None, "resnet"),
        (tiny(), "mine", "mine"),
    ],
)
def test_model_is_named_after_its_network(architecture, name, expected):
    assert keras_resnet.ResNet(architecture, name=name).name == expected


def test_choices_override_fields_of_the_architecture():
    by_choice = build(tiny(), shortcut="C", norm_epsilon=0.5)
    by_field = build(tiny(shortcut="C", norm_epsilon=0.5))
    assert weighted_layers(by_choice) == weighted_layers(by_field)
    assert by_choice.get_layer("conv1_bn").epsilon == 0.5


def test_convolutions_start_with_hes_variance_over_the_fan_out():
    model = keras_resnet.ResNet18()
    for name, fan_out in [("conv1", 49 * 64), ("conv4_block1_1", 9 * 256), ("conv5_block1_0", 512)]:
        kernel = np.array(model.get_layer(f"{name}_conv").kernel)
        assert kernel.std() == pytest.approx((2 / fan_out) ** 0.5, rel=0.02)
        assert np.abs(kernel).max() > 3 * kernel.std()  # not truncated


def test_classifier_starts_uniform_within_the_root_of_its_fan_in():
    kernel = np.array(keras_resnet.ResNet18().get_layer("predictions").kernel)
    assert np.abs(kernel).max() == pytest.approx(512**-0.5, rel=1e-3)
    assert kernel.std() == pytest.approx((3 * 512) ** -0.5, rel=0.01)


def test_weights_file_of_the_network_is_loaded(tmp_path):
    saved = build(tiny())
    for file in ("network.weights.h5", "network.keras"):
        (saved.save_weights if file.endswith("h5") else saved.save)(tmp_path / file)
        loaded = keras_resnet.ResNet(
            tiny(), weights=tmp_path / file, input_shape=(16, 16, 3), classes=5, classifier_activation=None
        )
        x = images(2, 16, 16, 3)
        np.testing.assert_array_equal(outputs(loaded, x), outputs(saved, x))


@pytest.mark.parametrize(
    ("other", "arguments"),
    [
        (tiny(blocks=(1, 1)), {}),
        (tiny(widths=(4, 8)), {}),
        (tiny(unit="bottleneck"), {}),
        (tiny(shortcut="A"), {}),
        (tiny(biased=("stem",)), {}),
        (tiny(), {"classes": 6}),
    ],
)
@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_weights_file_of_another_network_is_refused(other, arguments, tmp_path):
    path = tmp_path / "other.weights.h5"
    build(other, **arguments).save_weights(path)
    with pytest.raises(ValueError, match=r"weights='.*other\.weights\.h5' does not hold the weights of 'mine': "):
        keras_resnet.ResNet(tiny(), weights=path, input_shape=(16, 16, 3), classes=5, name="mine")


@pytest.mark.parametrize("file", ["text.weights.h5", "text.keras", "text.h5", "text.txt"])
def test_file_that_holds_no_weights_is_refused(file, tmp_path):
    (tmp_path / file).write_text("hello", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"weights='.*{file}' does not hold the weights of 'resnet': \w+"):
        keras_resnet.ResNet(tiny(), weights=tmp_path / file)


@pytest.mark.parametrize("path", ["absent.weights.h5", "."])
def test_missing_weights_file_is_refused(path, tmp_path):
    with pytest.raises(ValueError, match=r"is not a file( but a folder)?; give the path of a weights file, or None\."):
        keras_resnet.ResNet(tiny(), weights=tmp_path / path)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"input_shape": (16, 16, 3)}, ValueError, r"too small: .* divide each side by 32, .* at least 32 pixels"),
        ({"input_shape": (224, 31, 3)}, ValueError, r"input_shape=\(224, 31, 3\) is too small"),
        ({"input_shape": (None, 31, 3)}, ValueError, r"input_shape=\(None, 31, 3\) is too small"),
        ({"input_shape": (224, 224)}, ValueError, r"must be \(height, width, channels\); received \(224, 224\)"),
        ({"input_shape": (1, 64, 64, 3)}, ValueError, r"must be \(height, width, channels\); received \(1, 64"),
        ({"input_shape": (64, 64, None)}, ValueError, r"with a known number of channels; received \(64, 64, None\)"),
        ({"input_shape": (64, 64, 0)}, ValueError, r"with a known number of channels; received \(64, 64, 0\)"),
        ({"pooling": "average"}, ValueError, r"Unknown pooling 'average'\. Did you mean 'avg'\? Allowed: None, avg"),
        ({"classes": 0}, ValueError, r"classes must be a positive integer; received 0"),
        ({"classes": -1}, ValueError, r"classes must be a positive integer; received -1"),
        ({"classes": 2.0}, ValueError, r"classes must be a positive integer; received 2\.0"),
        ({"classes": True}, ValueError, r"classes must be a positive integer; received True"),
        ({"activaton": "relu"}, TypeError, r"Unknown choice 'activaton'\. Did you mean 'activation'\?"),
        ({"shortcut": "D"}, ValueError, r"Unknown shortcut 'D'\. Allowed: A, B, C"),
        ({"placement": "full_preactivaton"}, ValueError, r"Did you mean 'full_preactivation'\?"),
        ({"activation": "rellu"}, ValueError, r"Unknown activation 'rellu'\. Did you mean 'relu'\?"),
        ({"input_tensor": np.zeros((1, 64, 64, 3))}, ValueError, r"must be a KerasTensor, such as keras\.Input"),
    ],
)
def test_argument_is_refused_in_words(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        keras_resnet.ResNet18(**arguments)


def test_input_tensor_of_another_shape_than_said_is_refused():
    with pytest.raises(ValueError, match=r"input_shape=\(32, 32, 3\) contradicts input_tensor, whose shape is \(64"):
        keras_resnet.ResNet18(input_tensor=keras.Input((64, 64, 3)), input_shape=(32, 32, 3))


def test_input_tensor_too_small_is_refused():
    with pytest.raises(ValueError, match=r"input_shape=\(16, 16, 3\) is too small"):
        keras_resnet.ResNet18(input_tensor=keras.Input((16, 16, 3)))


def test_channels_first_shape_is_asked_for_in_its_own_order():
    keras.config.set_image_data_format("channels_first")
    with pytest.raises(ValueError, match=r"must be \(channels, height, width\)"):
        keras_resnet.ResNet18(input_shape=(None, 64, 64))


def test_smallest_image_that_is_accepted_gives_one_pixel():
    assert keras_resnet.ResNet18(input_shape=(32, 32, 3), include_top=False).output_shape == (None, 1, 1, 512)
