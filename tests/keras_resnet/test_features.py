"""Features of several scales, and dilation in place of strides."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.pyramid import features
from tests.keras_resnet.helpers import FULL_PREACTIVATION, build, copy_weights, images, outputs, tiny
from tests.pairs import products

LAST = {"unit": "bottleneck", "placement": FULL_PREACTIVATION, "stride_unit": "last", "stride_on": "3x3"}
THREE = {"blocks": (2, 2, 2), "widths": (4, 6, 8)}

# Layer, stride and channels of each level.
LEVELS = [
    ("ResNet50", {}, ["conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out"]),
    (
        "ResNet50V2",
        {},
        ["conv3_block1_preact_relu", "conv4_block1_preact_relu", "conv5_block1_preact_relu", "post_relu"],
    ),
    # The stride is in a stage's last unit, so the scale ends one unit earlier.
    (
        "ResNet50V2",
        {"stride_unit": "last", "stride_on": "3x3"},
        ["conv2_block3_preact_relu", "conv3_block4_preact_relu", "conv4_block6_preact_relu", "post_relu"],
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "choices", "layers"), LEVELS)
def test_levels_lie_where_the_scale_ends(name, choices, layers):
    model = keras_resnet.ResNet(name, include_top=False, input_shape=(64, 96, 3), **choices)
    cut = features(model)
    assert [level.layer for level in cut.levels.values()] == layers
    assert [level.stride for level in cut.levels.values()] == [4, 8, 16, 32]
    shapes = {name: tensor.shape[1:] for name, tensor in cut.output.items()}
    assert shapes == {f"C{number}": (64 // 2**number, 96 // 2**number, 64 * 2**number) for number in (2, 3, 4, 5)}


def test_features_are_the_networks_own_tensors_and_weights():
    model = build(tiny(**THREE), include_top=False)
    cut = features(model, ["C3", "C4"])
    x = images(2, 16, 16, 3)
    np.testing.assert_array_equal(cut(x, training=False)["C4"], outputs(model, x))
    assert {id(weight) for weight in cut.weights} == {id(weight) for weight in model.weights}
    assert cut.get_layer("conv3_block1_1_conv") is model.get_layer("conv3_block1_1_conv")


def test_levels_are_found_by_stride_and_survive_saving(tmp_path):
    model = build(tiny(**THREE))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert (
        loaded.levels
        == model.levels
        == {
            "C2": ("conv2_block2_out", 1),
            "C3": ("conv3_block2_out", 2),
            "C4": ("conv4_block2_out", 4),
        }
    )
    assert list(features(loaded, [4, "C2"]).output) == ["C4", "C2"]
    assert list(features(loaded, "C3").output) == list(features(loaded, 2).output) == ["C3"]


def test_features_of_a_dilated_network_say_their_strides():
    cut = features(keras_resnet.ResNet(tiny(**THREE, output_stride=2), include_top=False), ["C2", "C3", "C4"])
    assert [level.stride for level in cut.levels.values()] == [1, 2, 2]


@pytest.mark.parametrize(
    ("level", "sentence"),
    [("C7", r"Unknown level 'C7'\. .*Allowed: C2, C3, C4"), (8, r"Unknown stride 8\. Allowed: 1, 2, 4")],
)
def test_unknown_level_is_refused(level, sentence):
    with pytest.raises(ValueError, match=sentence):
        features(keras_resnet.ResNet(tiny(**THREE)), [level])


def test_model_that_knows_no_levels_is_refused():
    model = keras_resnet.ResNet(tiny())
    with pytest.raises(ValueError, match=r"does not say where its features lie"):
        features(keras.Model(model.input, model.output))


# Dilation.


DILATED = {
    "basic": {},
    "bottleneck": {"unit": "bottleneck"},
    "strides on 3x3": {"unit": "bottleneck", "stride_on": "3x3"},
    "strides in the last unit": LAST,
    "full preactivation": {"placement": FULL_PREACTIVATION, "shortcut": "A"},
    "gates": {"shortcut": "exclusive_gating"},
    "single": {"unit": "single", "stride_unit": "last"},
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("choices", "output_stride", "sides"), products(DILATED, [1, 2], [(37, 40), (32, 33)]))
def test_dilated_network_has_the_values_of_the_strided_one_in_between_more(choices, output_stride, sides):
    strided = tiny(**{**THREE, **DILATED[choices]})
    model, dilated = (
        build(architecture, (*sides, 3), include_top=False)
        for architecture in (strided, strided.replace(output_stride=output_stride))
    )
    copy_weights(model, dilated)
    x = images(2, *sides, 3)
    step = 4 // output_stride
    assert dilated.output_shape[1] == -(-sides[0] // output_stride)
    expected = outputs(model, x)
    np.testing.assert_allclose(outputs(dilated, x)[:, ::step, ::step], expected, rtol=0, atol=1e-5 * expected.std())


def test_pooled_projections_dilate_once():
    strided = tiny(**THREE, projection="average_pool")
    model, dilated = (
        build(architecture, (37, 40, 3), include_top=False)
        for architecture in (strided, strided.replace(output_stride=2))
    )
    copy_weights(model, dilated)
    x = images(2, 37, 40, 3)
    expected = outputs(model, x)
    np.testing.assert_allclose(outputs(dilated, x)[:, ::2, ::2], expected, rtol=0, atol=1e-5 * expected.std())


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"output_stride": 3}, r"output_stride=3 is none of the strides at which this network has stages: 1, 2, 4\."),
        ({"output_stride": 2, "padding": "same"}, r"would see other pixels than strided ones of padding='same'"),
        ({"output_stride": 2, "downsampling": "max_pool"}, r"in place of strides; downsampling='max_pool' has none"),
        ({"output_stride": 1, "projection": "average_pool"}, r"which Keras cannot; the least is 2\."),
        ({"output_stride": 0}, r"output_stride must be an integer from 1"),
    ],
    ids=str,
)
def test_impossible_output_stride_is_refused(choices, sentence):
    with pytest.raises(ValueError, match=sentence):
        tiny(**{**THREE, **choices})
