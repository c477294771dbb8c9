"""The named builders: one for each network, called like those of keras.applications."""

import dataclasses
import inspect
import pickle
from typing import Literal

import keras
import pytest

import keras_resnet
from keras_resnet import builders
from keras_resnet.architecture import FIELDS
from keras_resnet.architecture.phrase import describe
from tests.keras_resnet.helpers import outputs, tiny, weighted_layers

ARGUMENTS = {
    "include_top": False,
    "weights": "file",
    "input_tensor": "tensor",
    "input_shape": (1, 2, 3),
    "pooling": "avg",
    "classes": 7,
    "classifier_activation": None,
    "name": "mine",
}


@pytest.mark.parametrize("name", keras_resnet.CATALOGUE)
def test_every_network_has_a_public_builder_of_its_name(name):
    builder = getattr(keras_resnet, name)
    assert (builder.__name__, builder.__qualname__) == (name, name)
    assert builder.__doc__.startswith(f"Build {describe(keras_resnet.CATALOGUE[name])}.\n")
    assert "classifier_activation: of the classifier" in builder.__doc__
    assert pickle.loads(pickle.dumps(builder)) is builder


@pytest.mark.parametrize("name", keras_resnet.CATALOGUE)
def test_builder_hands_its_network_and_every_argument_on(name, monkeypatch):
    received = {}
    signature = inspect.signature(keras_resnet.ResNet)
    monkeypatch.setattr(builders, "ResNet", lambda *a, **k: received.update(signature.bind(*a, **k).arguments))
    getattr(keras_resnet, name)(*ARGUMENTS.values(), shortcut="C", activation="gelu")
    assert received == {"architecture": name, **ARGUMENTS, "shortcut": "C", "activation": "gelu"}


def parameters(function):
    return [p for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]


def test_builder_is_called_like_that_of_keras_applications():
    ours, theirs = parameters(keras_resnet.ResNet50), parameters(keras.applications.ResNet50)
    assert [p.name for p in ours] == [p.name for p in theirs]
    defaults = {p.name: (p.default, q.default) for p, q in zip(ours, theirs) if p.default != q.default}
    # No download unless asked for; the family decides classes and name.
    assert defaults == {"weights": (None, "imagenet"), "classes": (None, 1000), "name": (None, "resnet50")}


def test_builder_has_the_arguments_of_resnet_but_the_architecture():
    first, *rest = parameters(keras_resnet.ResNet)
    assert first.name == "architecture"
    assert [(p.name, p.default) for p in rest] == [(p.name, p.default) for p in parameters(keras_resnet.ResNet20)]


@pytest.mark.parametrize("name", ["ResNet50", "ResNet20V2", "VGG16"])
def test_signature_shows_every_choice_as_the_network_has_it(name):
    shown = {p.name: p for p in inspect.signature(getattr(keras_resnet, name)).parameters.values()}
    choices = {field: p.default for field, p in shown.items() if p.kind is p.KEYWORD_ONLY}
    assert choices == dataclasses.asdict(keras_resnet.CATALOGUE[name])
    assert shown["stride_on"].annotation == Literal["first", "3x3"]
    assert shown["include_top"].annotation is bool


def test_signature_of_any_network_leaves_the_choices_to_its_architecture():
    shown = inspect.signature(keras_resnet.ResNet).parameters.values()
    assert {p.name: p.default for p in shown if p.kind is p.KEYWORD_ONLY} == dict.fromkeys(FIELDS, ...)


def test_builder_builds_what_resnet_builds_by_name():
    by_builder = keras_resnet.ResNet20(classes=7, shortcut="C")
    by_name = keras_resnet.ResNet("ResNet20", classes=7, shortcut="C")
    assert weighted_layers(by_builder) == weighted_layers(by_name)
    assert by_builder.name == by_name.name == "resnet20"
    by_name.set_weights(by_builder.get_weights())
    x = keras.random.normal((2, 32, 32, 3), seed=0)
    assert (outputs(by_builder, x) == outputs(by_name, x)).all()


@pytest.mark.parametrize(
    ("architecture", "phrase"),
    [
        (keras_resnet.CATALOGUE["ResNet50"], "a residual network of 50 layers in bottleneck units, for ImageNet"),
        (keras_resnet.CATALOGUE["Plain20"], "a plain network of 20 layers in basic units, for CIFAR"),
        (
            keras_resnet.CATALOGUE["ResNet164V2"],
            "a residual network of 164 layers in bottleneck units (full preactivation), for CIFAR",
        ),
        (tiny(stem="imagenet"), "a residual network of 8 layers in basic units, for ImageNet"),
    ],
)
def test_network_is_described_in_a_phrase(architecture, phrase):
    assert describe(architecture) == phrase
