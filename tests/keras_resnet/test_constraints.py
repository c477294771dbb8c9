"""What an Architecture refuses, and in which words."""

import pytest

from keras_resnet import Architecture
from keras_resnet.architecture.table import TABLE
from keras_resnet.choices.activations import LAYERS
from keras_resnet.choices.shortcuts import SHORTCUTS
from tests.keras_resnet.helpers import FULL_PREACTIVATION, tiny

BOTTLENECK = {"unit": "bottleneck"}


@pytest.mark.parametrize("field", TABLE)
def test_every_field_is_checked_and_documented(field):
    with pytest.raises(ValueError, match=field):
        tiny(**{field: object()})
    assert TABLE[field].doc and f"        {field}: {TABLE[field].written_kind}" in Architecture.__doc__.replace(
        "\n            ", " "
    )


@pytest.mark.parametrize(("field", "registry"), [("shortcut", SHORTCUTS), ("activation", LAYERS)])
def test_names_in_a_registry_are_documented(field, registry):
    assert TABLE[field].doc.endswith(f"; names are {', '.join(registry)}")


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"stem_width": 0}, r"stem_width must be an integer from 1 to below 1\.04858e\+06; received 0"),
        ({"stem_width": 2.5}, r"stem_width must be an integer from 1 .*; received 2\.5"),
        ({"groups": True}, r"groups must be an integer from 1 .*; received True"),
        ({"squeeze_excitation": 0}, r"squeeze_excitation must be an integer from 1"),
        ({"zero_init_residual": 1}, r"zero_init_residual must be true or false; received 1"),
        ({"dropout": 1.0}, r"dropout must be a number from 0 to below 1; received 1\.0"),
        ({"init_gain": 0.0}, r"init_gain must be a number above 0 and below 1000; received 0\.0"),
        ({"classifier_dropout": -0.1}, r"classifier_dropout must be a number from 0 to below 1; received -0\.1"),
        ({"stochastic_depth": "0.5"}, r"stochastic_depth must be a number from 0 to below 1; received '0\.5'"),
        ({"l1": -1e-4}, r"l1 must be a number from 0 to below 1000; received -0\.0001"),
        ({"l2": None}, r"l2 must be a number from 0 to below 1000; received None"),
        ({"hidden": (8, 0)}, r"hidden must be a tuple of positive integers, or none; received \(8, 0\)"),
        ({"hidden": 8}, r"hidden must be a tuple of positive integers, or none; received 8"),
        ({"biased": "stem"}, r"biased must be a tuple; received 'stem'"),
        ({"downsampling": "pool"}, r"Unknown downsampling 'pool'\. Did you mean 'max_pool'\?"),
        ({"normalization": "group"}, r"Unknown normalization 'group'\. Allowed: batch, none"),
        (
            {"shortcut": "dropout", "widths": (6, 4)},
            r"Shortcut 'dropout' pads with zeros and cannot shrink channels; .* Take 'B', or the parameter change='B'",
        ),
        ({"shortcut": "A", "stem_width": 5}, r"cannot shrink channels; received widths=\(4, 6\) after a stem of 5"),
        ({"stem": "none", "shortcut": "A"}, r"stem='none' gives the image itself to the first unit.* cannot be 'A'"),
        ({"stem": "none", "stem_width": 4}, r"stem='none' has no width; received stem_width=4"),
        ({"stem": "deep", "widths": (5, 6)}, r"stem='deep' begins with half of its width, which cannot be 5"),
        ({"groups": 2}, r"groups=2 and width_per_group=64 shape the inside of bottleneck units; a basic unit has none"),
        ({"width_per_group": 128}, r"a basic unit has none\. Set widths \(and stem_width\) to widen it"),
        (
            {**BOTTLENECK, "groups": 8, "width_per_group": 4},
            r"width_per_group=4 is for a width of 64; a stage of width 4 would have groups of 0\.25 channels",
        ),
        ({**BOTTLENECK, "width_per_group": 24}, r"a stage of width 4 would have groups of 1\.5 channels"),
        ({"squeeze_excitation": 4}, r"squeeze_excitation=4 must divide the 6 channels of a stage of width 6"),
        (
            {"zero_init_residual": True, "placement": FULL_PREACTIVATION},
            r"needs residual branches that end in a normalization.*placement 'original', 'relu_only_preactivation'; re",
        ),
        ({"zero_init_residual": True, "placement": "relu_before_addition"}, r"received 'relu_before_addition' with"),
        ({"zero_init_residual": True, "normalization": "none"}, r"received 'original' with normalization='none'"),
        ({"zero_init_residual": True, "shortcut": "none"}, r"makes a network without shortcuts give zeros"),
        ({"stochastic_depth": 0.5, "shortcut": "none"}, r"shortcut='none' leaves nothing in their place"),
        ({"activation": {"name": "maxout", "pieces": 1}}, r"pieces must be an integer from 2 to below 65; received 1"),
    ],
    ids=str,
)
def test_impossible_value_is_refused_in_words(choices, sentence):
    with pytest.raises(ValueError, match=sentence):
        tiny(**choices)


@pytest.mark.parametrize(
    "choices",
    [
        {"shortcut": {"name": "dropout", "change": "B"}, "widths": (6, 4)},
        {"shortcut": "B", "stem_width": 9},
        {"stem": "none", "shortcut": "C"},
        {**BOTTLENECK, "groups": 2, "width_per_group": 32},
        {"squeeze_excitation": 2},
        {"squeeze_excitation": None, "stem_width": None},
        {"zero_init_residual": True, "placement": "relu_only_preactivation"},
        {"norm_epsilon": 1.001e-5, "norm_momentum": 0},
    ],
    ids=str,
)
def test_possible_value_beside_an_impossible_one_is_accepted(choices):
    network = tiny(**choices)
    assert {field: getattr(network, field) for field in choices} == choices
