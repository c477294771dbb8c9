"""Networks made deeper: their outputs are those of before, whatever the unit, or the reason is said why not."""

import itertools

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.choices.placements import PLACEMENTS
from keras_resnet.choices.shortcuts import SHORTCUTS
from keras_resnet.choices.units import UNITS
from tests.keras_resnet.helpers import FULL_PREACTIVATION, build, images, outputs, tiny
from tests.pairs import pairwise

IDENTITY = ("A", "B", "C", "convolution", "dropout")
RELU_BEFORE = "relu_before_addition"
PREACTIVATION = (FULL_PREACTIVATION, "relu_only_preactivation")


def expected_reason(placement, unit, shortcut):
    """What is to keep a unit with ReLU from the identity, from the formulas of the papers; None if nothing does."""
    if shortcut in IDENTITY:  # the branch must give 0, which behind a ReLU never changes
        return "could never learn" if placement == RELU_BEFORE else None
    if unit == "bottleneck":  # the branch must carry x through a quarter of its channels
        return "channels through"
    return "negative values" if placement in PREACTIVATION else None


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("placement", "unit", "shortcut"), pairwise([*itertools.product(PLACEMENTS, UNITS, SHORTCUTS)])
)
def test_deeper_network_gives_the_same_or_says_why_it_cannot(placement, unit, shortcut):
    model = build(tiny(placement=placement, unit=unit, shortcut=shortcut), (8, 8, 3))
    reason = expected_reason(placement, unit, shortcut)
    if reason:
        with pytest.raises(ValueError, match=f"No weights make another unit of this network the identity: .*{reason}"):
            keras_resnet.deepen(model, (3, 3))
        return
    deeper = keras_resnet.deepen(model, (3, 3))
    assert deeper.architecture == model.architecture.replace(blocks=(3, 3))
    x = images(4, 8, 8, 3)
    expected = outputs(model, x)
    assert np.abs(outputs(deeper, x) - expected).max() <= 1e-6 * max(1, np.abs(expected).max())


def same(model, blocks, shape=(8, 8, 3)):
    """Deepen a network, and see that it gives the same."""
    deeper, x = keras_resnet.deepen(model, blocks), images(2, *shape)
    expected = outputs(model, x)
    assert np.abs(outputs(deeper, x) - expected).max() <= 1e-6 * max(1, np.abs(expected).max())
    return deeper


class Floor(keras.layers.Layer):
    """A ReLU whose floor is learned: once it has learned, a new one cuts off what it gives."""

    def build(self, input_shape):
        self.floor = self.add_weight(name="floor", shape=(), initializer="zeros")

    def call(self, inputs):
        return keras.ops.maximum(inputs, self.floor)


@pytest.mark.parametrize(
    "choices",
    [
        {"activation": "prelu", "shortcut": "none", "placement": FULL_PREACTIVATION},
        {"activation": "relu6"},
        {"activation": "piecewise_linear"},
        {"activation": {"name": "piecewise_linear", "hinges": 3}, "placement": "bn_after_addition", "shortcut": "none"},
        {"activation": "piecewise_linear", "placement": RELU_BEFORE},
        {"activation": "gelu", "placement": RELU_BEFORE},
        {"activation": "silu", "placement": FULL_PREACTIVATION},
        {"normalization": "none", "biased": ("1", "2", "shortcut")},
        {"normalization": "none", "shortcut": "none"},
        {"squeeze_excitation": 2, "shortcut": "none"},
        {"squeeze_excitation": 2, "stochastic_depth": 0.2, "dropout": 0.1},
        {"shortcut": {"name": "constant_scaling", "scale": 0.25, "residual_scale": 2.0}},
        {"shortcut": {"name": "constant_scaling", "scale": 1.0, "residual_scale": 0.0}},
        {"shortcut": {"name": "shortcut_only_gating", "bias": 1.0}},
        {"stride_unit": "last", "blocks": (2, 2)},
        {"stride_unit": "last", "blocks": (2, 2), "output_stride": 1},
        # The only unit of a stage strides: further ones stand before it, or take over the stride.
        {"stride_unit": "last"},
        {"stride_unit": "last", "placement": FULL_PREACTIVATION, "stem_activation": False},
        {"stride_unit": "last", "placement": FULL_PREACTIVATION, "unit": "single"},
        {"stride_unit": "last", "unit": "bottleneck", "stride_on": "3x3", "shortcut": "C"},
        {"unit": "bottleneck", "widths": (64, 64), "width_per_group": 256, "shortcut": "none"},
        {"unit": "bottleneck", "widths": (64, 64), "groups": 4, "width_per_group": 16, "output_stride": 1},
        {"stem": "imagenet", "placement": FULL_PREACTIVATION, "stem_activation": False},
    ],
    ids=str,
)
@pytest.mark.sampled(5)
def test_choices_that_can_be_deepened_are(choices):
    same(build(tiny(**choices), (16, 16, 3)), (3, 4), (16, 16, 3))


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"activation": "gelu"}, "behind the addition, applied once more, changes what it has given"),
        ({"activation": "tanh"}, "behind the addition, applied once more, changes what it has given"),
        ({"activation": Floor}, "behind the addition, applied once more, changes what it has given"),
        ({"activation": Floor, "placement": RELU_BEFORE, "shortcut": "none"}, "which its activation does not"),
        ({"activation": "maxout"}, "its activation takes several channels for one"),
        ({"activation": "sigmoid", "placement": RELU_BEFORE}, "does not give 0 for 0"),
        ({"activation": "gelu", "shortcut": "none", "placement": RELU_BEFORE}, "which its activation does not"),
        (
            {"unit": "bottleneck", "widths": (64, 64), "groups": 2, "width_per_group": 128, "shortcut": "none"},
            "through groups of convolutions",
        ),
        (
            {"shortcut": {"name": "constant_scaling", "residual_scale": 0.0}},
            "residual branch, which would have to give",
        ),
        (
            {"shortcut": {"name": "constant_scaling", "scale": 2.0, "residual_scale": 1.0}, "placement": RELU_BEFORE},
            "pass on negative values",
        ),
    ],
    ids=str,
)
@pytest.mark.sampled(4)
def test_choices_that_cannot_be_deepened_say_why(choices, reason):
    model = keras_resnet.ResNet(tiny(**choices), input_shape=(8, 8, 3))
    with pytest.raises(ValueError, match=reason):
        keras_resnet.deepen(model, (2, 2))
    assert same(model, (1, 2)).architecture == model.architecture  # nothing is added


@pytest.mark.parametrize(
    "choices",
    [
        {"unit": "bottleneck"},
        {"unit": "bottleneck", "stride_on": "3x3", "squeeze_excitation": 4},
        {"unit": "bottleneck", "stride_on": "3x3", "projection": "average_pool"},
        {"unit": "single", "stem_width": 3, "padding": "same"},
        {"placement": FULL_PREACTIVATION},
    ],
    ids=str,
)
def test_only_unit_whose_stride_cannot_move_is_refused(choices):
    model = keras_resnet.ResNet(tiny(stride_unit="last", **choices), input_shape=(8, 8, 3))
    with pytest.raises(
        ValueError, match=r"'conv2_block1', the only unit of its stage, .*; leave this stage at one unit"
    ):
        keras_resnet.deepen(model, (2, 2))
    same(model, (1, 3))


def test_slopes_of_a_unit_whose_number_begins_like_that_of_a_new_one_stay():
    model = build(tiny(activation="prelu", stride_unit="last"), (8, 8, 3))
    deeper = same(model, (10, 2))  # the first unit is the tenth now, and a new one the first
    slopes = [
        network.get_layer(name).alpha for network, name in ((model, "conv2_block1_out"), (deeper, "conv2_block10_out"))
    ]
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, slopes))


def test_vgg_is_deepened_before_its_pools():
    vgg = keras_resnet.vgg(16, blocks=(1, 1), widths=(4, 6), hidden=(5,))
    deeper = same(build(vgg, (8, 8, 3)), (2, 3))
    assert [layer.name for layer in deeper.layers if layer.name.endswith("pool")] == [
        "conv1_pool",
        "conv2_pool",
        "avg_pool",
    ]


@pytest.mark.parametrize("arguments", [{"include_top": False}, {"include_top": False, "pooling": "max"}])
def test_network_without_its_top_stays_without(arguments):
    model = keras_resnet.ResNet(tiny(), input_shape=(8, 8, 3), **arguments)
    assert same(model, (2, 2)).output_shape == model.output_shape


@pytest.mark.slow
def test_deeper_network_carries_what_the_network_knows_and_learns_on():
    model = build(tiny(), (8, 8, 3), classifier_activation="softmax")
    model.preprocessing, model.labels = keras_resnet.CONTRACTS["cifar"], tuple("abcde")
    before = [np.array(weight) for weight in model.get_weights()]
    deeper = same(model, (2, 3))
    assert (deeper.preprocessing, deeper.labels) == (model.preprocessing, model.labels)
    for weight, was in zip(model.get_weights(), before):
        np.testing.assert_array_equal(weight, was)
    x, labels = images(32, 8, 8, 3), np.arange(32) % 5
    deeper.compile(keras.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy", run_eagerly=True)
    losses = [deeper.train_on_batch(x, labels) for _ in range(6)]
    assert losses[-1] < losses[0]
    # The new units do more than nothing now.
    assert np.abs(deeper.get_layer("conv2_block2_2_bn").gamma).max() > 1e-3


@pytest.mark.parametrize(
    ("blocks", "sentence"),
    [
        ((1,), "blocks must be 2 integers, one a stage, as in (1, 2); received (1,)."),
        ((1, 2.5), "blocks must be 2 integers, one a stage, as in (1, 2); received (1, 2.5)."),
        ((2, True), "blocks must be 2 integers"),
        ((2, 1), "blocks=(2, 1) would take units away; the network has (1, 2)."),
    ],
)
def test_numbers_of_units_that_do_not_fit_are_refused(blocks, sentence):
    with pytest.raises(ValueError) as error:
        keras_resnet.deepen(keras_resnet.ResNet(tiny(), input_shape=(8, 8, 3)), blocks)
    assert str(error.value).startswith(sentence)


def test_network_that_cannot_be_built_anew_is_refused():
    model = keras_resnet.ResNet(tiny(), input_shape=(8, 8, 3))
    with pytest.raises(ValueError, match="does not know its architecture"):
        keras_resnet.deepen(keras.Model(model.input, model.output), (2, 2))
    x = keras.layers.Dense(3)(model.output)
    other = keras_resnet.ResidualNetwork(model.input, x, architecture=model.architecture)
    with pytest.raises(ValueError, match="ends in other layers than keras_resnet builds"):
        keras_resnet.deepen(other, (2, 2))
