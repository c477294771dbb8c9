"""A network carries its Architecture: through files, copies and transfer, and as plain values."""

import json
import zipfile

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet import Architecture
from keras_resnet.adaptation import stages_of
from keras_resnet.architecture import FIELDS
from keras_resnet.model import uncompiled
from tests.keras_resnet.helpers import FULL_PREACTIVATION, images, outputs, randomise, tiny
from tests.keras_resnet.test_activations import Tripled, shifted

SHAPE = (16, 16, 3)
ACTIVATIONS = {
    "name": "gelu",
    "registered": "prelu",
    "parameters": {"name": "maxout", "pieces": 3},
    "function": keras.activations.silu,
    "own function": shifted,
    "prototype": keras.layers.LeakyReLU(negative_slope=0.125),
    "class": keras.layers.PReLU,
    "own class": Tripled,
    "configuration": keras.saving.serialize_keras_object(keras.layers.ELU(0.5)),
}


def network(**choices):
    return keras_resnet.ResNet(tiny(**choices), input_shape=SHAPE, classes=4)


def copies(model, folder):
    model.save(folder / "network.keras")
    yield keras.saving.load_model(folder / "network.keras")
    yield keras_resnet.network_of(folder / "network.keras")
    yield keras.models.clone_model(model)
    yield type(model).from_config(model.get_config())
    yield keras_resnet.transfer(model, classes=7)
    yield keras_resnet.transfer(model, input_shape=(24, 24, 1))
    yield keras_resnet.features(model, ["C2"])
    yield uncompiled(model)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_copy_carries_the_choices(activation, tmp_path):
    architecture = tiny(activation=ACTIVATIONS[activation], shortcut={"name": "A", "zeros": "both"}, dropout=0.1)
    model = keras_resnet.ResNet(architecture, input_shape=SHAPE, classes=4)
    assert model.architecture == architecture
    for copy in copies(model, tmp_path):
        assert copy.architecture.to_dict() == architecture.to_dict()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_plain_values_make_the_same_network_again(activation):
    architecture = tiny(activation=ACTIVATIONS[activation], stem="imagenet", biased=("stem", "2"))
    values = json.loads(json.dumps(architecture.to_dict()))
    again = Architecture.from_dict(values)
    assert again.to_dict() == values and list(values) == list(FIELDS)
    first = randomise(keras_resnet.ResNet(architecture, input_shape=SHAPE))
    second = keras_resnet.ResNet(again, input_shape=SHAPE)
    second.set_weights(first.get_weights())
    x = images(2, *SHAPE)
    np.testing.assert_array_equal(outputs(second, x), outputs(first, x))


@pytest.mark.parametrize("name", keras_resnet.CATALOGUE)
def test_named_networks_are_equal_to_themselves_read_back(name):
    architecture = keras_resnet.CATALOGUE[name]
    assert Architecture.from_dict(json.loads(json.dumps(architecture.to_dict()))) == architecture


def test_serialized_layer_is_the_same_whatever_it_was_called():
    first, second = (tiny(activation=keras.layers.LeakyReLU(name=name)).to_dict() for name in ("one", "two"))
    assert first == second
    assert tiny(activation=keras.activations.gelu).to_dict() == tiny(activation="gelu").to_dict()


def test_loaded_network_can_be_chosen_otherwise(tmp_path):
    network(activation="prelu").save(tmp_path / "network.keras")
    loaded = keras_resnet.network_of(tmp_path / "network.keras")
    other = keras_resnet.ResNet(loaded.architecture.replace(shortcut="C"), input_shape=SHAPE, classes=4)
    assert other.get_layer("conv2_block1_0_conv") and other.architecture.activation == "prelu"


def test_stages_and_levels_come_from_the_architecture_and_not_from_what_layers_are_called():
    model = network(placement=FULL_PREACTIVATION)
    assert list(stages_of(model)) == ["conv1", "conv2", "conv3", "head"]
    stray = keras.layers.Conv2D(2, 1, name="conv9_stray")(model.get_layer("post_relu").output)
    longer = keras_resnet.ResidualNetwork(model.input, stray, architecture=model.architecture)
    assert [layer.name for layer in stages_of(longer)["head"]] == ["conv9_stray"]
    assert longer.levels == model.levels == {"C2": ("conv3_block1_preact_relu", 1), "C3": ("post_relu", 2)}


def test_network_of_others_has_no_architecture_and_its_stages_are_told_by_names():
    model = network()
    other = keras.Model(model.input, model.output)
    assert list(stages_of(other)) == ["conv1", "conv2", "conv3", "head"]
    assert keras_resnet.ResidualNetwork(model.input, model.output).architecture is None
    assert keras_resnet.transfer(other, classes=3).architecture is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"blocks": None}, r"blocks must be a tuple of positive integers"),
        ({"blocks": [1] * 65}, r"blocks must have at most 64 entries; received 65"),
        ({"blocks": [10_001], "widths": [4]}, r"asks for more than 10,000 layers"),
        ({"dilations": 2}, r"no field 'dilations'; if a later version of keras_resnet wrote it, update"),
        ({"shortcut": ["A"]}, r"Unknown shortcut \['A'\]"),
        ({"shortcut": {"name": "A", "zeros": "middle"}}, r"Unknown value of zeros 'middle'"),
        ({"activation": "nothing"}, r"Unknown activation 'nothing'"),
        ({"l2": float("nan")}, r"a number that is not finite"),
        (
            {"activation": {"module": "keras.layers", "class_name": "TextVectorization", "config": {}}},
            r"names an object 'keras.layers.TextVectorization', which no network of this package has",
        ),
        (
            {"activation": {"module": "builtins", "class_name": "__lambda__", "config": {"value": "4"}}},
            r"names an object 'builtins.__lambda__'",
        ),
        ("ResNet8", r"an architecture is a mapping of fields to values; received 'ResNet8'"),
    ],
    ids=str,
)
def test_architecture_in_a_file_from_anybody_is_checked_before_anything_is_built(change, sentence, tmp_path):
    network().save(tmp_path / "network.keras")
    with zipfile.ZipFile(tmp_path / "network.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    whole = config["config"]
    whole["architecture"] = {**whole["architecture"], **change} if isinstance(change, dict) else change
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "changed.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=sentence):
        keras_resnet.network_of(tmp_path / "changed.keras")


@pytest.mark.parametrize("missing", ["blocks", "widths", "unit", "stem"])
def test_plain_values_without_a_field_that_has_no_default_are_refused(missing):
    values = tiny().to_dict()
    del values[missing]
    with pytest.raises(ValueError, match=f"an architecture needs the field '{missing}', which is missing"):
        Architecture.from_dict(values)


def test_weights_of_a_serialized_layer_do_not_count_as_its_prototypes():
    layer = keras.layers.PReLU(shared_axes=[1, 2])
    layer.build((None, 4, 4, 8))
    config = keras.saving.serialize_keras_object(layer)
    assert "build_config" in config
    assert network(activation=config).get_layer("conv1_relu").alpha.shape == (1, 1, 4)
