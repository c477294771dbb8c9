"""Architecture: what follows from its values, and what it refuses in words."""

import dataclasses
import inspect
import re
from typing import Literal

import pytest

import keras_resnet
from keras_resnet import Architecture
from keras_resnet.choices.placements import PLACEMENTS
from tests.keras_resnet.helpers import FULL_PREACTIVATION, tiny
from tests.keras_resnet.orders import order_of


@pytest.mark.parametrize("name", keras_resnet.CATALOGUE)
def test_depth_is_the_number_in_the_networks_name(name):
    # Only the authors of Wide ResNets count projections, on ImageNet not even they.
    projections = 3 if re.match(r"WideResNet\d+_\d+", name) and keras_resnet.CATALOGUE[name].family == "CIFAR" else 0
    shortfall = 2 if projections else 0
    assert keras_resnet.CATALOGUE[name].depth == int(re.search(r"\d+", name)[0]) - shortfall


@pytest.mark.parametrize(
    ("choices", "depth", "stride", "image_size", "classes"),
    [
        ({}, 8, 2, 32, 10),
        ({"unit": "bottleneck"}, 11, 2, 32, 10),
        ({"stem": "imagenet"}, 8, 8, 224, 1000),
        ({"blocks": (3, 4, 6, 3), "widths": (1, 2, 3, 4), "stem": "imagenet"}, 34, 32, 224, 1000),
        ({"blocks": (1,), "widths": (1,)}, 4, 1, 32, 10),
    ],
)
def test_properties_follow_from_blocks_unit_and_stem(choices, depth, stride, image_size, classes):
    network = tiny(**choices)
    assert (network.depth, network.stride, network.image_size, network.classes) == (depth, stride, image_size, classes)


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
@pytest.mark.parametrize("stages", [1, 2, 3])
def test_stride_is_how_much_smaller_the_last_map_is(stem, stages):
    network = tiny(blocks=(1,) * stages, widths=(2,) * stages, stem=stem)
    model = keras_resnet.ResNet(network, include_top=False, input_shape=(48, 48, 3))
    assert model.output_shape[1] == 48 // network.stride


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_preactivation_is_a_unit_that_begins_with_an_activation(placement):
    assert tiny(placement=placement).is_preactivation == bool(order_of(placement).before)


def test_replace_gives_a_changed_copy():
    network = tiny()
    changed = network.replace(shortcut="C", activation="gelu")
    assert (changed.shortcut, changed.activation) == ("C", "gelu")
    assert network == tiny()
    assert changed.replace(shortcut="B", activation="relu") == network


def test_value_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny().unit = "bottleneck"


def test_papers_choices_are_the_defaults():
    network = Architecture(blocks=(1,), widths=(4,), unit="basic", stem="cifar")
    assert dataclasses.asdict(network) == {
        "blocks": (1,),
        "widths": (4,),
        "unit": "basic",
        "stem": "cifar",
        "stem_width": None,
        "placement": "original",
        "shortcut": "B",
        "activation": "relu",
        "groups": 1,
        "width_per_group": 64,
        "squeeze_excitation": None,
        "stride_on": "first",
        "stride_unit": "first",
        "downsampling": "stride",
        "output_stride": None,
        "padding": "symmetric",
        "pool_padding": "lowest",
        "projection": "convolution",
        "biased": (),
        "stem_activation": True,
        "hidden": (),
        "normalization": "batch",
        "norm_momentum": 0.9,
        "norm_epsilon": 1e-5,
        "synchronized": False,
        "zero_init_residual": False,
        "init_gain": 1.0,
        "dropout": 0.0,
        "classifier_dropout": 0.0,
        "stochastic_depth": 0.0,
        "l1": 0.0,
        "l2": 0.0,
    }


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"unit": "basics"}, r"Unknown unit 'basics'\. Did you mean 'basic'\? Allowed: basic, bottleneck, single"),
        ({"stem": "image"}, r"Unknown stem 'image'.* Allowed: imagenet, deep, cifar, none"),
        ({"placement": "preactivation"}, r"Unknown placement 'preactivation'\. Did you mean 'full_preactivation'\?"),
        ({"placement": None}, r"Unknown placement None\. Allowed: original, bn_after_addition"),
        ({"stride_on": "1x1"}, r"Unknown stride_on '1x1'.* Allowed: first, 3x3"),
        ({"stride_unit": "both"}, r"Unknown stride_unit 'both'\. Allowed: first, last"),
        ({"padding": "valid"}, r"Unknown padding 'valid'\. Allowed: symmetric, same"),
        ({"pool_padding": "zero"}, r"Unknown pool_padding 'zero'\. Did you mean 'zeros'\?"),
        ({"projection": "conv"}, r"Unknown projection 'conv'.* Allowed: convolution, average_pool"),
        ({"biased": ("4",)}, r"Unknown convolution in biased: '4'\. Allowed: stem, 1, 2, 3, shortcut"),
        ({"shortcut": "E"}, r"Unknown shortcut 'E'"),
        ({"shortcut": {"name": "A", "zero": "end"}}, r"Unknown parameter of shortcut 'A': 'zero'\. Did you mean"),
        ({"activation": "rellu"}, r"Unknown activation 'rellu'\. Did you mean 'relu'\?"),
        ({"blocks": ()}, r"blocks must be a tuple of positive integers, one for each stage; received \(\)"),
        ({"blocks": (1, 0)}, r"blocks must be a tuple of positive integers, one for each stage; received \(1, 0\)"),
        (
            {"blocks": (1, 2.0)},
            r"blocks must be a tuple of positive integers, one for each stage; received \(1, 2\.0\)",
        ),
        ({"widths": (4, -6)}, r"widths must be a tuple of positive integers, one for each stage; received \(4, -6\)"),
        ({"blocks": (1, 2, 3)}, r"blocks=\(1, 2, 3\) and widths=\(4, 6\) must have one entry for each stage"),
        ({"norm_momentum": 1.0}, r"norm_momentum must be a number from 0 to below 1; received 1\.0"),
        ({"norm_momentum": -0.1}, r"norm_momentum must be a number from 0 to below 1; received -0\.1"),
        ({"norm_epsilon": 0.0}, r"norm_epsilon must be a number from 1e-12 to below 1; received 0\.0"),
        ({"shortcut": "A", "widths": (6, 4)}, r"Shortcut 'A' pads with zeros and cannot shrink channels; received"),
        ({"shortcut": {"name": "A"}, "widths": (6, 4)}, r"cannot shrink channels; received widths=\(6, 4\)"),
        ({"stem_activation": False}, r"leaves no activation after the stem of placement 'original'"),
    ],
)
def test_impossible_value_is_refused_in_words(choices, sentence):
    with pytest.raises(ValueError, match=sentence):
        tiny(**choices)


@pytest.mark.parametrize(
    "choices",
    [
        {"shortcut": "B", "widths": (6, 4)},
        {"shortcut": "A", "widths": (4, 4)},
        {"stem_activation": False, "placement": FULL_PREACTIVATION},
        {"norm_momentum": 0.0},
    ],
)
def test_possible_value_beside_an_impossible_one_is_accepted(choices):
    network = tiny(**choices)
    assert {field: getattr(network, field) for field in choices} == choices


def test_unknown_field_is_refused_in_words():
    with pytest.raises(TypeError, match=r"Unknown choice 'shortcutt'\. Did you mean 'shortcut'\? Allowed: blocks, "):
        tiny().replace(shortcutt="A")


def test_signature_shows_plain_types_and_defaults():
    shown = inspect.signature(Architecture).parameters
    assert list(shown) == [field.name for field in dataclasses.fields(Architecture)]
    assert shown["blocks"].annotation == tuple[int, ...] and shown["blocks"].default is inspect.Parameter.empty
    assert shown["stride_on"].annotation == Literal["first", "3x3"] and shown["stride_on"].default == "first"
