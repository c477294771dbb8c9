"""The networks of keras.applications as values of Architecture: the same names, the same weights, the same function."""

import functools

import keras
import numpy as np
import pytest

import keras_resnet
from tests.keras_resnet.helpers import (
    build,
    copy_weights,
    images,
    outputs,
    randomise,
    relative_error,
    weighted_layers,
)

SHAPE = (64, 64, 3)

# What keras.applications does otherwise than the papers.
CHOICES = {
    "ResNet50": {"biased": ("stem", "1", "2", "3", "shortcut"), "pool_padding": "zeros", "norm_epsilon": 1.001e-5},
    "ResNet50V2": {
        "biased": ("stem", "3", "shortcut"),
        "pool_padding": "zeros",
        "norm_epsilon": 1.001e-5,
        "stride_unit": "last",
        "stride_on": "3x3",
        "stem_activation": False,
    },
}


@functools.cache
def keras_network(name):
    """Build a network of keras.applications with random weights."""
    build_network = getattr(keras.applications, name)
    return randomise(build_network(weights=None, input_shape=SHAPE, classes=7, classifier_activation=None))


@pytest.fixture(scope="module", autouse=True)
def release_networks():
    yield
    keras_network.cache_clear()


def error_without(name, choice):
    """Leave one choice at the papers' value; tell how far the logits move, on all weights that both networks have."""
    choices = {field: value for field, value in CHOICES[name].items() if field != choice}
    theirs, ours = keras_network(name), build(name, SHAPE, classes=7, **choices)
    sources = {layer.name: layer for layer in theirs.layers}
    for layer in ours.layers:
        if layer.weights and layer.name in sources:
            layer.set_weights(sources[layer.name].get_weights()[: len(layer.weights)])
    x = images(2, *SHAPE)
    return relative_error(outputs(ours, x), outputs(theirs, x))


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOICES)
def test_choices_make_the_same_function_of_the_same_weights(name):
    theirs = keras_network(name)
    ours = build(name, SHAPE, classes=7, **CHOICES[name])
    assert weighted_layers(ours) == weighted_layers(theirs)
    copy_weights(theirs, ours)
    x = images(2, *SHAPE)
    assert relative_error(outputs(ours, x), outputs(theirs, x)) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("ResNet50", "biased"),
        ("ResNet50V2", "biased"),
        ("ResNet50V2", "pool_padding"),
        ("ResNet50V2", "stride_unit"),
        ("ResNet50V2", "stride_on"),
        ("ResNet50V2", "stem_activation"),
    ],
)
def test_without_one_of_the_choices_it_is_another_function(name, choice):
    assert error_without(name, choice) > 1e-3


@pytest.mark.slow
def test_padding_of_a_pool_does_not_matter_after_relu():
    assert error_without("ResNet50", "pool_padding") == 0


def test_layer_names_of_resnet50_are_those_of_keras():
    ours, theirs = keras_resnet.ResNet50(), keras_network("ResNet50")
    names = [[layer.name for layer in model.layers[1:]] for model in (ours, theirs)]
    assert names[0] == names[1]


@pytest.mark.parametrize(
    ("name", "only_ours", "only_theirs"),
    [
        ("ResNet50", set(), set()),
        # The papers' pre-activation network activates its stem and not its first unit.
        ("ResNet50V2", {"conv1_bn", "conv1_relu"}, {"conv2_block1_preact_bn", "conv2_block1_preact_relu"}),
    ],
)
def test_default_network_keeps_the_names_of_what_it_shares(name, only_ours, only_theirs):
    suffixes = ("_out", "_conv", "_bn", "_add", "_relu", "predictions")
    models = (keras_resnet.ResNet(name), keras_network(name))
    ours, theirs = ({layer.name for layer in model.layers if layer.name.endswith(suffixes)} for model in models)
    assert (ours - theirs, theirs - ours) == (only_ours, only_theirs)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOICES)
def test_unit_outputs_have_the_values_of_the_peer_where_the_stride_is(name):
    theirs, ours = keras_network(name), build(name, SHAPE, classes=7, **CHOICES[name])
    copy_weights(theirs, ours)
    x = images(1, *SHAPE)
    for layer in ("conv2_block3_out", "conv4_block6_out"):
        cuts = [keras.Model(model.input, model.get_layer(layer).output) for model in (ours, theirs)]
        np.testing.assert_allclose(*(outputs(cut, x) for cut in cuts), rtol=1e-4)
