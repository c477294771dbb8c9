"""Trained networks for other images and classes, and stages that stay as they are."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.adaptation import freeze, stages_of, transfer
from keras_resnet.preprocessing import CONTRACTS, Preprocessing
from keras_resnet.weights.own import load_network
from tests.keras_resnet.helpers import FULL_PREACTIVATION, build, images, outputs, relative_error, tiny
from tests.pairs import products

VARIANTS = [
    {},
    {"placement": FULL_PREACTIVATION, "activation": "prelu"},
    {"activation": "maxout", "shortcut": "exclusive_gating"},
    {"unit": "bottleneck", "squeeze_excitation": 4, "stem": "deep"},
    {"placement": "bn_after_addition", "shortcut": "A"},
]


def before_classifier(model):
    return keras.Model(model.input, model.get_layer("predictions").input)


@pytest.mark.parametrize("choices", VARIANTS)
def test_grey_copy_gives_for_a_grey_image_what_the_network_gives_for_it_as_rgb(choices):
    model = build(tiny(**choices))
    grey, x = transfer(model, input_shape=(16, 16, 1)), images(2, 16, 16, 1)
    assert relative_error(outputs(grey, x), outputs(model, np.repeat(x, 3, -1))) < 1e-5


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize(
    ("choices", "layer"),
    [
        ({}, "conv1_bn"),
        ({"normalization": "none", "biased": ("stem",)}, "conv1_conv"),
        ({"stem": "deep"}, "conv1_1_bn"),
    ],
)
def test_grey_copy_makes_up_for_means_and_deviations_of_the_colors(choices, layer, order):
    model = build(tiny(**choices))
    model.preprocessing = Preprocessing((16, 16), 3, (90.0, 115.0, 140.0), (40.0, 60.0, 70.0), order=order)
    grey, levels = transfer(model, input_shape=(16, 16, 1)), np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 1))
    found, expected = (
        outputs(keras.Model(network.input, network.get_layer(layer).output), network.preprocessing(x))[:, 1:-1, 1:-1]
        for network, x in ((grey, levels), (model, np.repeat(levels, 3, -1)))
    )
    assert relative_error(found, expected) < 1e-4


@pytest.mark.parametrize("count", [6, 9])
def test_copy_for_more_channels_gives_the_same_for_an_image_repeated(count):
    model = build(tiny())
    wide, x = transfer(model, input_shape=(16, 16, count)), images(2, 16, 16, 3)
    assert relative_error(outputs(wide, np.tile(x, count // 3)), outputs(model, x)) < 1e-5


def test_kernel_for_four_channels_keeps_its_sum():
    model = build(tiny())
    kernels = [m.get_layer("conv1_conv").kernel.numpy() for m in (model, transfer(model, input_shape=(16, 16, 4)))]
    np.testing.assert_allclose(kernels[1], kernels[0][:, :, [0, 1, 2, 0]] * 3 / 4, rtol=1e-6)


@pytest.mark.parametrize("choices", VARIANTS)
def test_new_classifier_stands_on_the_same_features(choices):
    model = build(tiny(**choices))
    kept = [weight.numpy() for weight in model.weights]
    copy, x = transfer(model, classes=7), images(2, 16, 16, 3)
    np.testing.assert_array_equal(outputs(before_classifier(copy), x), outputs(before_classifier(model), x))
    assert copy.output_shape == (None, 7)
    assert copy.get_layer("predictions").activation is keras.activations.linear  # as the network's own
    copy.trainable_weights[0].assign(copy.trainable_weights[0] * 0)
    for before, weight in zip(kept, model.weights, strict=True):
        np.testing.assert_array_equal(before, weight)


@pytest.mark.parametrize("name", ["sigmoid", "softmax", None])
def test_new_classifier_has_the_activation_asked_for_and_keeps_it_in_a_file(name, tmp_path):
    expected = keras.activations.get(name)
    copy = transfer(build(tiny()), classes=7, classifier_activation=name)
    bare = transfer(build(tiny(), include_top=False), classes=7, classifier_activation=name)
    assert [model.get_layer("predictions").activation for model in (copy, bare)] == [expected] * 2
    assert transfer(bare).get_layer("predictions").activation is expected
    copy.save(tmp_path / "copy.keras")
    assert load_network(tmp_path / "copy.keras").get_layer("predictions").activation is expected


def test_classifier_is_new_even_for_as_many_classes():
    model = build(tiny())
    one, other = (m.get_layer("predictions").kernel.numpy() for m in (model, transfer(model, classes=5)))
    assert one.shape == other.shape
    assert not np.any(one == other)


@pytest.mark.parametrize("pooling", [None, "avg"])
def test_network_without_a_top_gets_one(pooling):
    model, x = build(tiny(), include_top=False, pooling=pooling), images(2, 16, 16, 3)
    copy = transfer(model, classes=4)
    expected = outputs(model, x) if pooling else outputs(model, x).mean(axis=(1, 2))
    np.testing.assert_allclose(outputs(before_classifier(copy), x), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs(copy, x).sum(axis=1), 1, rtol=1e-5)


def test_copy_for_any_size_computes_what_the_network_would_at_that_size():
    model = build(tiny())
    large, x = build(tiny(), shape=(24, 20, 3)), images(2, 24, 20, 3)
    copy = transfer(model, input_shape=(None, None, 3))
    np.testing.assert_allclose(outputs(copy, x), outputs(large, x), rtol=1e-5, atol=1e-6)  # the same seed's weights


def test_copy_knows_its_levels_and_saves(tmp_path):
    model = build(tiny())
    copy = transfer(model, classes=3, input_shape=(32, 32, 1))
    assert copy.levels == model.levels != {}
    copy.save(tmp_path / "copy.keras")
    loaded, x = keras.models.load_model(tmp_path / "copy.keras"), images(1, 32, 32, 1)
    np.testing.assert_array_equal(outputs(loaded, x), outputs(copy, x))
    assert loaded.levels == model.levels


def test_copy_follows_the_dtype_policy_but_for_its_head():
    model = build(tiny())
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        copy = transfer(model, classes=3)
    finally:
        keras.config.set_dtype_policy("float32")
    kinds = {layer.name: layer.compute_dtype for layer in copy.layers}
    assert (kinds["conv1_conv"], kinds["conv3_block2_out"]) == ("bfloat16", "bfloat16")
    assert (kinds["avg_pool"], kinds["predictions"]) == ("float32", "float32")
    assert transfer(copy, classes=3).get_layer("conv1_conv").compute_dtype == "float32"


# The input contract.


def contract_after(contract, shape):
    model = build(tiny())
    model.preprocessing = contract
    return transfer(model, input_shape=shape).preprocessing


def test_contract_of_a_grey_copy_is_the_mean_of_the_channels():
    contract = contract_after(CONTRACTS["caffe"], (20, 24, 1))
    assert (contract.size, contract.channels, contract.order) == ((20, 24), 1, "RGB")
    np.testing.assert_allclose(contract.mean, [(103.939 + 116.779 + 123.68) / 3])
    np.testing.assert_allclose(contract.std, [1])


def test_contract_of_more_channels_repeats():
    contract = contract_after(CONTRACTS["torch"], (None, None, 4))
    assert (contract.size, contract.channels, contract.crop) == ((224, 224), 4, 0.875)
    np.testing.assert_allclose(contract.mean, [123.675, 116.28, 103.53, 123.675])
    np.testing.assert_allclose(contract.std, [58.395, 57.12, 57.375, 58.395])


def test_copy_of_a_network_of_bgr_images_shows_each_color_to_its_own_filters():
    model, levels = build(tiny()), 255 * images(2, 16, 16, 3) ** 2 % 255
    model.preprocessing = Preprocessing((16, 16), 3, (100.0, 115.0, 125.0), (50.0, 60.0, 70.0), order="BGR")
    wide = transfer(model, input_shape=(16, 16, 6))
    assert wide.preprocessing.order == "RGB"
    np.testing.assert_array_equal(wide.preprocessing.mean, [125.0, 115.0, 100.0] * 2)
    expected = outputs(model, model.preprocessing(levels))
    assert relative_error(outputs(wide, wide.preprocessing(np.tile(levels, 2))), expected) < 1e-5


def test_contract_with_a_mean_of_each_pixel_becomes_one_of_each_channel_at_another_size():
    mean = np.arange(16 * 16 * 3, dtype=float).reshape(16, 16, 3)
    contract = Preprocessing((16, 16), 3, mean, (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(contract_after(contract, (16, 16, 3)).mean, mean)
    np.testing.assert_allclose(contract_after(contract, (8, 8, 3)).mean, mean.mean((0, 1)))


# Frozen stages.


def trained(model, stages):
    """Fit a step with stages frozen; return the weights before and after by layer and name."""
    freeze(model, stages)
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = {(layer.name, w.name): w.numpy() for layer in model.layers for w in layer.weights}
    model.fit(images(8, 16, 16, 3) + 3, np.arange(8) % 5, batch_size=8, epochs=2, verbose=0)
    after = {(layer.name, w.name): w.numpy() for layer in model.layers for w in layer.weights}
    return before, after


# What is frozen, in the words of a user, and the stages that this means.
FROZEN = {("conv1", 2): {"conv1", "conv2"}, ("backbone",): {"conv1", "conv2", "conv3"}, ("head",): {"head"}, (): set()}


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "stages"), products(range(len(VARIANTS)), FROZEN, together=1))
def test_frozen_stages_keep_every_bit_and_all_others_learn(variant, stages):
    model, frozen = build(tiny(**VARIANTS[variant])), FROZEN[stages]
    before, after = trained(model, stages)
    stage = {layer.name: name for name, layers in stages_of(model).items() for layer in layers}
    assert set(stage.values()) == {"conv1", "conv2", "conv3", "head"}
    for key, value in before.items():
        assert np.array_equal(value, after[key]) == (stage[key[0]] in frozen), key


def test_freezing_again_starts_anew_and_a_copy_is_not_frozen():
    model = build(tiny())
    everything = len(model.trainable_weights)
    freeze(model)
    assert [weight.path for weight in model.trainable_weights] == ["predictions/kernel", "predictions/bias"]
    assert len(transfer(model).trainable_weights) == len(transfer(model, classes=3).trainable_weights) == everything
    freeze(model, ["conv1"])
    assert len(model.trainable_weights) == everything - 3


@pytest.mark.parametrize(("stage", "same"), [("backbone", ["backbone"]), ("conv1", ["conv1"]), (2, [2])])
def test_a_single_stage_needs_no_list(stage, same):
    model = build(tiny())
    freeze(model, same)
    frozen = [layer.name for layer in model.layers if not layer.trainable]
    freeze(model, stage)
    assert frozen and [layer.name for layer in model.layers if not layer.trainable] == frozen


def test_what_ends_a_preactivation_network_is_of_its_last_stage():
    stages = stages_of(keras_resnet.ResNet18V2(input_shape=(32, 32, 3)))
    assert list(stages) == ["conv1", "conv2", "conv3", "conv4", "conv5", "head"]
    assert stages["conv5"][-1].name == "post_bn"
    assert [layer.name for layer in stages["head"]] == ["predictions"]


def test_hidden_layers_of_vgg_are_of_the_head():
    model = keras_resnet.ResNet("VGG16", input_shape=(32, 32, 3), classes=2, hidden=(8, 8))
    assert [layer.name for layer in stages_of(model)["head"]] == ["fc1", "fc2", "predictions"]


# Refusals.


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"classes": 0}, "classes must be a positive integer; received 0"),
        ({"classes": True}, "classes must be a positive integer; received True"),
        ({"input_shape": (16, 16)}, r"input_shape must be \(height, width, channels\); received \(16, 16\)"),
        ({"input_shape": (1, 16, 3)}, "too small: the strides of this network divide each side by 2"),
    ],
)
def test_impossible_copies_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        transfer(build(tiny()), **arguments)


def test_images_too_small_for_the_layers_are_refused():
    model = keras_resnet.ResNet("VGG16", input_shape=(32, 32, 3), classes=2, hidden=(8, 8))
    with pytest.raises(ValueError, match=r"'vgg16' cannot take images of shape \(16, 16, 3\); give larger ones"):
        transfer(model, input_shape=(16, 16, 3))


def test_slopes_of_each_pixel_are_bound_to_the_size():
    model = build(tiny(activation=keras.layers.PReLU()))
    with pytest.raises(
        ValueError, match=r"conv1_relu/alpha of shape \(16, 16, 4\) belongs to the images it was trained"
    ):
        transfer(model, input_shape=(8, 8, 3))


def test_unknown_stage_is_refused():
    with pytest.raises(ValueError, match=r"Unknown stage 'conv7'.*conv1, conv2, conv3, head, backbone"):
        freeze(build(tiny()), [7])
