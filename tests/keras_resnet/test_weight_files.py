"""A weights file loads into its own network and into no other."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.weights.own import names_of, read_names
from tests.keras_resnet.helpers import images, outputs, randomise

SHAPE = (16, 16, 3)


def build(name="ResNet8", **choices):
    return keras_resnet.ResNet(name, input_shape=SHAPE, classes=4, **choices)


@pytest.fixture(params=["model.weights.h5", "model.keras"])
def saved(request, tmp_path):
    model = build()
    path = tmp_path / request.param
    model.save_weights(path) if path.name.endswith(".h5") else model.save(path)
    return model, path


def test_a_file_knows_the_layers_it_is_of(saved):
    model, path = saved
    assert read_names(str(path)) == names_of(model)
    assert {"conv1_conv", "conv2_block1_add", "predictions"} <= set(names_of(model))


def test_its_own_network_takes_the_weights(saved):
    model, path = saved
    images = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype("float32")
    loaded = build(weights=path)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"name": "ResNet8V2"}, "has no layer"),
        ({"name": "Plain8"}, "has a layer 'conv2_block1_add'"),
        ({"name": "ResNet14"}, "has no layer 'conv2_block2_1_bn'"),
        ({"shortcut": "B"}, "has no layer 'conv3_block1_0_bn'"),
        ({"shortcut": "C"}, "has no layer 'conv2_block1_0_bn'"),
        ({"shortcut": "constant_scaling"}, "has no layer 'conv2_block1_0_scale'"),
        ({"activation": "rational"}, "has no layer 'conv1_relu'"),
        ({"activation": "maxout"}, "has no layer 'conv1_relu'"),
        ({"squeeze_excitation": 4}, "has no layer 'conv2_block1_se_excite'"),
    ],
    ids=str,
)
def test_another_network_of_fitting_shapes_is_refused(saved, other, sentence):
    with pytest.raises(ValueError, match=f"does not hold the weights of .*{sentence}"):
        build(**other, weights=saved[1])


def test_another_number_of_classes_is_refused(saved):
    with pytest.raises(ValueError, match=r"does not hold the weights of .resnet8.*predictions"):
        keras_resnet.ResNet("ResNet8", input_shape=SHAPE, classes=5, weights=saved[1])


def test_a_file_that_keras_alone_wrote_still_loads(tmp_path):
    model = build()
    keras.Model(model.input, model.output).save_weights(tmp_path / "plain.weights.h5")
    assert read_names(str(tmp_path / "plain.weights.h5")) is None
    loaded = build(weights=tmp_path / "plain.weights.h5")
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


# Where the code for checkpoints of others meets a file of ours.


def test_network_of_gives_a_network_of_this_package_as_it_is(tmp_path):
    model = randomise(build(activation="gelu"))
    model.preprocessing = keras_resnet.CONTRACTS["cifar"]
    model.save(tmp_path / "network.keras")
    loaded = keras_resnet.network_of(tmp_path / "network.keras", "ResNet8")
    x = images(2, *SHAPE)
    np.testing.assert_allclose(outputs(loaded, x), outputs(model, x), atol=1e-6)
    assert loaded.preprocessing.size == (32, 32)
    assert not np.allclose(outputs(randomise(build()), x), outputs(model, x), atol=1e-3)  # ReLU's are others


def test_network_of_refuses_to_make_another_of_a_network_of_this_package(tmp_path):
    build().save(tmp_path / "network.keras")
    with pytest.raises(ValueError, match=r"is loaded as it is: leave out input_shape and classes\. For other classes"):
        keras_resnet.network_of(tmp_path / "network.keras", input_shape=(8, 8, 3), classes=3)
    with pytest.raises(ValueError, match=r"network\.keras' holds 'resnet8', not ResNet20"):
        keras_resnet.network_of(tmp_path / "network.keras", "ResNet20")


def test_network_of_does_not_guess_what_weights_of_this_package_are_of(tmp_path):
    build(activation="gelu").save_weights(tmp_path / "x.weights.h5")
    with pytest.raises(ValueError, match=r"holds the weights of a network of this package, and not what it computes"):
        keras_resnet.network_of(tmp_path / "x.weights.h5")


@pytest.mark.parametrize("file", ["network.keras", "x.weights.h5"])
def test_load_weights_from_takes_a_file_of_this_package(tmp_path, file):
    model, other = randomise(build(activation="gelu")), build(activation="gelu")
    model.preprocessing = keras_resnet.CONTRACTS["cifar"]
    model.save(tmp_path / file) if file.endswith(".keras") else model.save_weights(tmp_path / file)
    keras_resnet.load_weights_from(other, tmp_path / file)
    for left, right in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert (other.preprocessing is not None) == file.endswith(".keras")


def test_weights_are_saved_in_parts_where_that_is_asked_for(tmp_path):
    model = randomise(build())
    model.save_weights(tmp_path / "x.weights.json", True, 1)
    other = build()
    other.load_weights(tmp_path / "x.weights.json")
    for left, right in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
