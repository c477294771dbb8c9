"""Weights with a card: all that the network knows comes back, and a network of another function is refused."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.weights import card, trained
from keras_resnet.weights.collections import COLLECTIONS, of_files
from tests.keras_resnet.helpers import images, outputs, randomise

LABELS = tuple(f"class {number}" for number in range(10))
CONTRACT = keras_resnet.Preprocessing((32, 32), 3, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), crop=0.9)
SHAPE = (32, 32, 3)


@pytest.fixture(scope="module")
def model():
    network = randomise(keras_resnet.ResNet("ResNet8", norm_epsilon=0.01, activation="gelu"))
    network.preprocessing, network.labels = CONTRACT, LABELS
    return network


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    place = tmp_path_factory.mktemp("trained")
    beside = card.write(place / "resnet20_tiny.safetensors", randomise(keras_resnet.ResNet20()), {})
    assert json.loads(beside.read_text())["preprocessing"] is None
    card.write(place / "resnet8.safetensors", model, {"accuracy": 0.5})
    return place


@pytest.fixture
def collection(folder, model, monkeypatch):
    """A collection with weights of ResNet-20, which are as unlike others as can be."""
    files = trained.files(folder)
    monkeypatch.setitem(COLLECTIONS, "tiny", of_files(files["tiny"]))


def foreign(kind, config):
    return {"module": "keras.config", "class_name": kind, "config": config, "registered_name": None}


def same(one, other):
    x = images(2, *SHAPE)
    np.testing.assert_allclose(outputs(one, x), outputs(other, x), atol=1e-5)


def test_network_comes_back_with_all_that_it_knows(model, folder):
    path = folder / "resnet8.safetensors"
    found = keras_resnet.network_of(path)
    same(found, model)
    assert found.architecture == model.architecture and found.labels == LABELS
    assert found.preprocessing.to_dict() == CONTRACT.to_dict()
    assert found.layers[-1].activation is model.layers[-1].activation
    built = keras_resnet.ResNet(model.architecture, weights=path)
    loaded = keras_resnet.ResNet(model.architecture, input_shape=(40, 40, 3))
    keras_resnet.load_weights_from(loaded, path)
    same(built, model)
    assert loaded.preprocessing.size == (40, 40) and loaded.labels == built.labels == LABELS
    without = keras_resnet.network_of(path, include_top=False)
    assert without.labels is None and without.preprocessing.crop == 0.9


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"activation": "relu"}, "activation is 'relu' here and 'gelu' there"),
        ({"norm_epsilon": 1e-3}, "norm_epsilon is 0.001 here and 0.01 there"),
    ],
)
def test_network_of_another_function_is_refused(model, folder, choices, sentence):
    with pytest.raises(ValueError, match=sentence):
        keras_resnet.ResNet(model.architecture, weights=folder / "resnet8.safetensors", **choices)


def test_names_of_classes_go_where_the_classifier_goes(model, tmp_path):
    model.save(tmp_path / "network.keras")
    assert keras_resnet.network_of(tmp_path / "network.keras").labels == LABELS
    other = keras_resnet.ResNet(model.architecture)
    keras_resnet.load_weights_from(other, tmp_path / "network.keras")
    assert other.labels == keras_resnet.transfer(model, input_shape=(16, 16, 3)).labels == LABELS
    assert keras_resnet.transfer(model, classes=3).labels is None
    assert keras_resnet.features(model, [1]).labels is None


def test_collection_is_of_networks_by_name(collection, folder):
    path = folder / "resnet20_tiny.safetensors"
    same(keras_resnet.ResNet20(weights="tiny"), keras_resnet.network_of(path))
    assert keras_resnet.network_of("tiny", "resnet20").name == "resnet20"
    assert keras_resnet.ResNet20(weights="tiny", include_top=False).output_shape == (None, None, None, 64)
    into = keras_resnet.ResNet20(dropout=0.1)
    keras_resnet.load_weights_from(into, "tiny")
    same(into, keras_resnet.network_of(path))


@pytest.mark.parametrize(
    ("network", "arguments", "sentence"),
    [
        ("ResNet56", {}, r"Unknown network with weights='tiny': 'ResNet56'\..* Allowed: ResNet20\."),
        ("ResNet20", {"shortcut": "C"}, r"The weights 'tiny' of ResNet20 are of shortcut='A', and would compute"),
        ("ResNet20", {"classes": 7}, r"\(64, 10\) there and \(64, 7\) here.*keras_resnet\.transfer\(model, classes"),
        ("ResNet20", {"input_shape": (32, 32, 1)}, r"conv1_conv/kernel is .*keras_resnet\.transfer\(model"),
    ],
)
def test_what_a_collection_does_not_have_is_named(collection, network, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        keras_resnet.ResNet(network, weights="tiny", **arguments)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"preprocessing": {"size": [1]}}, "no sound input contract"),
        ({"labels": [1, 2]}, "no sound names of classes"),
        ({"labels": ["a"]}, "it names 1 classes, and its classifier has 10"),
        ({"architecture": {"blocks": [10**9]}}, "asks for more than|has no sound architecture"),
        ({"classifier_activation": 5}, "x.safetensors' has a card .*its classifier ends in 5, which is no name"),
        ({"classifier_activation": "nonsense"}, "its classifier ends in 'nonsense', which is no name"),
        ({"classifier_activation": foreign("Dense", {"units": 3})}, "its classifier ends in {.*'Dense'"),
        ({"classifier_activation": foreign("function", "set_epsilon")}, "its classifier ends in {.*'function'"),
        ({"pooling": {}}, "it pools by {}, and networks here pool by avg or max"),
        ({"network": "a/b"}, "x.safetensors' has a card .*its network is called 'a/b', and no name has a '/'"),
    ],
    ids=str,
)
def test_cards_that_make_no_sense_are_refused(folder, tmp_path, changes, sentence):
    for ending in (".safetensors", ".json"):
        (tmp_path / f"x{ending}").write_bytes((folder / f"resnet8{ending}").read_bytes())
    fields = json.loads((tmp_path / "x.json").read_text())
    (tmp_path / "x.json").write_text(json.dumps({**fields, **changes}))
    with pytest.raises(ValueError, match=sentence):
        keras_resnet.network_of(tmp_path / "x.safetensors")


def test_weights_need_a_network_that_knows_itself_and_a_name_of_their_kind(model, tmp_path):
    with pytest.raises(ValueError, match=r"are written to a \.safetensors file; received"):
        card.write(tmp_path / "x.h5", model, {})
    own = keras_resnet.ResNet("ResNet8", classifier_activation=keras.ops.erf)
    with pytest.raises(ValueError, match=r"ends in an activation that is not Keras's, .*erf.*as a \.keras file"):
        card.write(tmp_path / "x.safetensors", own, {})
    old = keras_resnet.ResidualNetwork(model.input, model.output)
    old.architecture = None
    with pytest.raises(ValueError, match="does not carry its Architecture"):
        card.write(tmp_path / "x.safetensors", old, {})


def test_gray_network_with_logits_comes_back_as_such(tmp_path):
    gray = keras_resnet.ResNet("ResNet8", input_shape=(8, 8, 1), classes=3, classifier_activation=None)
    gray.preprocessing = keras_resnet.Preprocessing((8, 8), 1, (9.0,), (2.0,))
    card.write(tmp_path / "gray.safetensors", gray, {"network": "ResNet8"})
    found = keras_resnet.network_of(tmp_path / "gray.safetensors")
    assert (found.name, found.input_shape, found.output_shape) == ("resnet8", (None, 8, 8, 1), (None, 3))
    assert found.layers[-1].activation is keras.activations.linear


@pytest.mark.parametrize("pooling", [None, "avg", "max"])
def test_network_without_its_top_comes_back_with_its_pool(folder, tmp_path, pooling):
    headless = keras_resnet.ResNet("ResNet8", include_top=False, pooling=pooling)
    card.write(tmp_path / "x.safetensors", headless, {})
    assert keras_resnet.network_of(tmp_path / "x.safetensors").output_shape == headless.output_shape


def test_contract_with_a_mean_image_fits_other_sizes(model, folder, tmp_path):
    pixel = dataclasses.replace(CONTRACT, mean=np.full((32, 32, 3), 7.0))
    other = keras_resnet.ResNet(model.architecture)
    other.set_weights(model.get_weights())
    other.preprocessing = pixel
    card.write(tmp_path / "x.safetensors", other, {})
    found = keras_resnet.network_of(tmp_path / "x.safetensors", input_shape=(48, 48, 3))
    np.testing.assert_array_equal(found.preprocessing.mean, [7, 7, 7])
