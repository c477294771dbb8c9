"""Folded networks against those they were made of, at random statistics."""

import itertools

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.choices.placements import PLACEMENTS
from keras_resnet.choices.shortcuts import SHORTCUTS
from keras_resnet.formats.folding import normalizations
from tests.keras_resnet.helpers import build, compiled_outputs, images, outputs, randomise, tiny
from tests.pairs import pairwise

UNITS = ("basic", "bottleneck", "single")
PRODUCT = [*itertools.product(PLACEMENTS, SHORTCUTS)]
CASES = [
    pytest.param(*case, unit, marks=() if case in pairwise(PRODUCT, 1) else pytest.mark.slow)
    for case, unit in zip(PRODUCT, itertools.cycle(UNITS))
]


def count(model) -> int:
    return len([*normalizations(model)])


def assert_same_function(model, folded, x, run=outputs) -> None:
    before, after = run(model, x), run(folded, x)
    assert np.ptp(before) > 1e-3
    np.testing.assert_allclose(after, before, atol=1e-5 * max(1.0, np.abs(before).max()))


def left(placement: str, shortcut: str, unit: str) -> int:
    """Count what must stay in three units: one that keeps the width (of basic units), one that changes it, one more."""
    everywhere = shortcut in ("C", "convolution", "none")
    # Whether each unit adds up nothing but convolutions.
    convolutions = (everywhere or (shortcut == "B" and unit == "bottleneck"), everywhere or shortcut == "B", everywhere)
    if placement == "bn_after_addition":
        return 3 - sum(convolutions)
    if placement == "full_preactivation":
        # Where the width changes both branches take the activation, elsewhere the shortcut takes what is in front.
        return 3 - (convolutions[0] + (shortcut == "none") + convolutions[2])
    return 0


@pytest.mark.parametrize("placement, shortcut, unit", CASES)
def test_folded_network_computes_the_same(placement, shortcut, unit):
    model = build(tiny(placement=placement, shortcut=shortcut, unit=unit), shape=(8, 8, 3))
    before = model.get_weights()
    folded = keras_resnet.fold(model)
    assert_same_function(model, folded, images(2, 8, 8, 3))
    assert count(folded) == left(placement, shortcut, unit)
    gone = {layer.name for layer in model.layers} - {layer.name for layer in folded.layers}
    assert gone == {norm.name for norm in normalizations(model)} - {norm.name for norm in normalizations(folded)}
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights()))


RELATIVES = {
    "ResNet-D": ({"stem": "deep", "projection": "average_pool", "unit": "bottleneck", "stride_on": "3x3"}, 0),
    "ResNeXt": ({"widths": (64, 64), "unit": "bottleneck", "groups": 4, "width_per_group": 4}, 0),
    "SE-ResNet": ({"squeeze_excitation": 2}, 0),
    "maxout": ({"activation": "maxout"}, 0),
    "biases": ({"biased": ("stem", "1", "2")}, 0),
    "dropout": ({"dropout": 0.5, "stochastic_depth": 0.5}, 0),
    "projections without normalization": ({"shortcut": {"name": "C", "norm": False}}, 0),
    # The first unit alone takes the stem, whose pool pads with the lowest number, which stays below all others.
    "stem without activation": ({"placement": "full_preactivation", "unit": "bottleneck", "stem": "imagenet"}, 2),
    # Of zeros, which a shift would move, the pool may pick.
    "pool padded with zeros": (
        {"placement": "full_preactivation", "unit": "bottleneck", "stem": "imagenet", "pool_padding": "zeros"},
        3,
    ),
}


@pytest.mark.parametrize("relative", RELATIVES)
@pytest.mark.sampled(3)
def test_relatives_fold(relative):
    choices, expected = RELATIVES[relative]
    without = {"stem_activation": False} if choices.get("stem") == "imagenet" else {}
    model = build(tiny(**choices, **without), shape=(16, 16, 3))
    folded = keras_resnet.fold(model)
    assert_same_function(model, folded, images(2, 16, 16, 3))
    assert count(folded) == expected


def test_negative_scale_stays_behind_a_max_pool():
    model = build(tiny(placement="full_preactivation", unit="bottleneck", stem="imagenet", stem_activation=False))
    gamma = model.get_layer("conv2_block1_preact_bn").gamma
    gamma.assign(gamma * ([-1.0] + [1.0] * (gamma.shape[0] - 1)))
    folded = keras_resnet.fold(model)
    assert_same_function(model, folded, images(2, 16, 16, 3))
    assert {norm.name for norm in normalizations(folded)} >= {"conv2_block1_preact_bn"}


def test_convolution_whose_output_others_take_too_keeps_its_normalization():
    x = inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="taken_twice")(x)
    x = keras.layers.Add()([x, keras.layers.BatchNormalization()(x)])
    x = called_twice = keras.layers.Conv2D(4, 1)(keras.layers.Identity()(x))
    convolve = keras.layers.Conv2D(4, 1, name="called_twice")
    x = keras.layers.Add()([convolve(x), keras.layers.BatchNormalization()(convolve(called_twice))])
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 1, activation="relu")(x))
    model = randomise(keras.Model(inputs, x))
    folded = keras_resnet.fold(model)
    assert_same_function(model, folded, images(2, 8, 8, 3))
    assert count(folded) == 3


def test_channels_first_folds():
    keras.config.set_image_data_format("channels_first")
    model = build(tiny(shortcut="B", squeeze_excitation=2), shape=(3, 8, 8))
    folded = keras_resnet.fold(model)
    assert_same_function(model, folded, images(2, 3, 8, 8), compiled_outputs)
    assert count(folded) == 0


def test_folded_network_knows_what_it_is(tmp_path):
    model = build(tiny(shortcut="B", zero_init_residual=True), shape=(8, 8, 3))
    model.labels = tuple("abcde")
    folded = keras_resnet.fold(model)
    assert folded.labels == model.labels
    folded.save_weights(tmp_path / "folded.weights.h5")
    again = keras_resnet.ResNet(
        folded.architecture,
        input_shape=(8, 8, 3),
        classes=5,
        classifier_activation=None,
        weights=tmp_path / "folded.weights.h5",
    )
    assert_same_function(model, again, images(2, 8, 8, 3))
    assert count(again) == 0


def test_network_with_normalizations_left_does_not_claim_an_architecture_and_keeps_its_levels(tmp_path):
    model = build(tiny(placement="full_preactivation"), shape=(8, 8, 3))
    folded = keras_resnet.fold(model)
    assert folded.architecture is None and folded.levels == model.levels
    folded.save(tmp_path / "folded.keras")
    x = images(2, 8, 8, 3)
    for one in (folded, keras.models.load_model(tmp_path / "folded.keras")):
        before, after = (keras_resnet.features(each, ["C2", "C3"])(x) for each in (model, one))
        for name in before:
            np.testing.assert_allclose(after[name], before[name], atol=1e-5)


def test_dtype_policy_of_every_layer_stays():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = build(tiny(), shape=(8, 8, 3))
    keras.config.set_dtype_policy("float32")
    folded = keras_resnet.fold(model)
    policies = {layer.name: layer.dtype_policy.name for layer in model.layers}
    assert {policies[layer.name] for layer in folded.layers if layer.weights} == {"mixed_bfloat16", "float32"}
    assert all(layer.dtype_policy.name == policies[layer.name] for layer in folded.layers if layer.weights)
    np.testing.assert_allclose(outputs(folded, images(2, 8, 8, 3)), outputs(model, images(2, 8, 8, 3)), atol=0.2)


def test_anything_but_a_functional_model_is_refused():
    with pytest.raises(ValueError, match=r"fold takes a keras\.Model on the functional API; received Dense"):
        keras_resnet.fold(keras.layers.Dense(3))
