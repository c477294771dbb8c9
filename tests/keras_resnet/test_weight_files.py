"""A weights file loads into its own network and into no other."""

import json
import resource
import zipfile

import h5py
import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.preprocessing import Preprocessing
from keras_resnet.signature import names_of
from keras_resnet.weights.names import check_model
from keras_resnet.weights.own import load_network, load_noted, load_weights, read_signature
from tests.keras_resnet import safetensors_writer, torch_writer
from tests.keras_resnet.helpers import images, outputs, randomise, tiny

SHAPE = (16, 16, 3)


def build(name="ResNet8", **choices):
    return keras_resnet.ResNet(name, input_shape=SHAPE, classes=4, **choices)


@pytest.fixture(params=["model.weights.h5", "model.keras"])
def saved(request, tmp_path):
    model = build()
    path = tmp_path / request.param
    model.save_weights(path) if path.name.endswith(".h5") else model.save(path)
    return model, path


def without_architecture(path):
    """Leave the names of its layers alone in a file, as version 0.1.0 wrote it."""
    if path.name.endswith(".h5"):
        with h5py.File(path, "a") as file:
            del file.attrs["keras_resnet_architecture"]
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    del config["config"]["architecture"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, "config.json": json.dumps(config)}.items():
            archive.writestr(name, content)


def test_a_file_knows_the_network_it_is_of(saved):
    model, path = saved
    signature = read_signature(str(path))
    assert signature.names == names_of(model)
    assert {"conv1_conv", "conv2_block1_add", "predictions"} <= set(signature.names)
    assert keras_resnet.Architecture.from_dict(signature.architecture) == model.architecture


def test_its_own_network_takes_the_weights(saved):
    model, path = saved
    images = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype("float32")
    loaded = build(weights=path)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))


@pytest.mark.parametrize("comment", [b"", b"packed by hand", b"[3]", b"\xff", b"{" * 60_000])
def test_comment_that_is_no_note_of_this_package_is_passed_over(tmp_path, comment):
    build().save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras", "a") as archive:
        archive.comment = comment
    assert load_noted(tmp_path / "model.keras")[1] == {}


def test_file_that_cannot_be_unpacked_is_not_taken_for_damaged(tmp_path):
    build().save(tmp_path / "model.keras")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))  # as on a full disk
    try:
        with pytest.raises(ValueError, match=r"model\.keras' cannot be unpacked into .* \(File too large\); make room"):
            load_network(tmp_path / "model.keras")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# Networks whose files must not load, with what is said of a file that carries its Architecture, and of one of 0.1.0.
OTHERS = [
    ({"name": "ResNet8V2"}, "placement is 'full_preactivation' here and 'original' there", "has no layer"),
    ({"name": "Plain8"}, "shortcut is 'none' here and 'A' there", "has a layer 'conv2_block1_add'"),
    ({"name": "ResNet14"}, r"blocks is \(2, 2, 2\) here and \(1, 1, 1\) there", "has no layer 'conv2_block2_1_bn'"),
    ({"shortcut": "B"}, "shortcut is 'B' here", "has no layer 'conv3_block1_0_bn'"),
    ({"shortcut": "C"}, "shortcut is 'C' here", "has no layer 'conv2_block1_0_bn'"),
    ({"shortcut": "constant_scaling"}, "shortcut is 'cons", "has no layer 'conv2_block1_0_scale'"),
    ({"activation": "rational"}, "activation is 'rational' here and 'relu' there", "has no layer 'conv1_relu'"),
    ({"activation": "maxout"}, "activation is 'maxout' here", "has no layer 'conv1_relu'"),
    ({"squeeze_excitation": 4}, "squeeze_excitation is 4 here", "has no layer 'conv2_block1_se_excite'"),
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("other", "sentence", "old_sentence"), OTHERS, ids=str)
def test_another_network_of_fitting_shapes_is_refused(saved, other, sentence, old_sentence):
    with pytest.raises(ValueError, match=f"does not hold the weights of .* is of another network: .*{sentence}"):
        build(**other, weights=saved[1])
    without_architecture(saved[1])
    with pytest.raises(ValueError, match=f"does not hold the weights of .*{old_sentence}"):
        build(**other, weights=saved[1])


@pytest.mark.parametrize("choices", [{"activation": "gelu"}, {"padding": "same"}, {"norm_epsilon": 1e-3}], ids=str)
def test_a_network_of_the_same_layers_that_computes_something_else_is_refused(saved, choices):
    (field,) = choices
    with pytest.raises(ValueError, match=f"does not hold the weights of .*: {field} is "):
        build(**choices, weights=saved[1])


HARMLESS = {"dropout": 0.1, "l2": 1e-4, "norm_momentum": 0.5, "synchronized": True}


def test_a_network_that_only_trains_otherwise_takes_the_weights(saved):
    model, path = saved
    x = images(2, *SHAPE)
    other = build(**HARMLESS, stochastic_depth=0.5, classifier_dropout=0.1, weights=path)
    np.testing.assert_allclose(outputs(other, x), outputs(model, x), atol=1e-5)


@keras.saving.register_keras_serializable("test_weight_files", "halved")
def halved(x):
    return x / 2


@pytest.mark.parametrize("activation", [halved, keras.layers.LeakyReLU(0.3), keras.layers.PReLU, {"name": "prelu"}])
def test_activations_of_every_kind_are_told_apart(tmp_path, activation):
    model = randomise(build(activation=activation))
    model.save_weights(tmp_path / "x.weights.h5")
    x = images(2, *SHAPE)
    same = build(activation=activation, weights=tmp_path / "x.weights.h5")
    np.testing.assert_array_equal(outputs(same, x), outputs(model, x))
    with pytest.raises(ValueError, match="activation is 'relu' here"):
        build(weights=tmp_path / "x.weights.h5")


def test_another_number_of_classes_is_refused(saved):
    with pytest.raises(ValueError, match=r"does not hold the weights of .resnet8.*predictions"):
        keras_resnet.ResNet("ResNet8", input_shape=SHAPE, classes=5, weights=saved[1])


def test_a_file_that_keras_alone_wrote_still_loads(tmp_path):
    model = build()
    keras.Model(model.input, model.output).save_weights(tmp_path / "plain.weights.h5")
    assert read_signature(str(tmp_path / "plain.weights.h5")) == (None, None, None)
    loaded = build(weights=tmp_path / "plain.weights.h5")
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize("file", ["x.safetensors", "x.npz", "x.pth", "x.weights.h5"])
def test_file_of_another_format_is_not_called_damaged(tmp_path, file):
    arrays = {"conv1.weight": np.ones((4, 3, 3, 3), "float32")}
    if file == "x.safetensors":
        safetensors_writer.write(tmp_path / file, arrays)
    elif file == "x.npz":
        np.savez(tmp_path / file, **arrays)
    else:
        torch_writer.save(tmp_path / file, torch_writer.state_dict(arrays))
    sentence = rf"'.*{file}' does not hold .*: it is neither a \.weights\.h5 nor a \.keras file; if other code wrote it"
    with pytest.raises(ValueError, match=sentence):
        build(weights=tmp_path / file)


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
    with pytest.raises(ValueError, match=r"holds the weights of a network of this package alone\. Build the network"):
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


def test_network_of_another_size_takes_the_contract_of_a_file_at_its_own(tmp_path):
    model = build()
    model.preprocessing = Preprocessing(SHAPE[:2], 3, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), crop=0.9)
    model.labels = ("ant", "bee", "cat", "dog")
    model.save(tmp_path / "network.keras")
    loaded, anywhere = (
        keras_resnet.ResNet("ResNet8", input_shape=shape, classes=4) for shape in ((24, 20, 3), (None, None, 3))
    )
    for network in (loaded, anywhere):
        keras_resnet.load_weights_from(network, tmp_path / "network.keras")
    built = keras_resnet.ResNet("ResNet8", input_shape=(24, 20, 3), classes=4, weights=tmp_path / "network.keras")
    assert anywhere.preprocessing.to_dict() == model.preprocessing.to_dict()
    for network in (loaded, built):
        assert network.preprocessing.to_dict() == {**model.preprocessing.to_dict(), "size": [24, 20]}
        assert network.labels == model.labels
    assert keras_resnet.classify(built, np.zeros((30, 30, 3), "uint8"), top=1)[0][0][0] in model.labels


def test_weights_are_saved_in_parts_where_that_is_asked_for(tmp_path):
    model = randomise(build())
    model.save_weights(tmp_path / "x.weights.json", True, 1)
    other = build()
    other.load_weights(tmp_path / "x.weights.json")
    for left, right in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("name", ["ResNet18D", "ResNeXt29_8x64d", "VGG16BN", "Plain20", "Highway20", "ResNet20V2"])
def test_a_network_of_this_package_is_known_by_its_name(name):
    model = keras_resnet.ResNet(name, include_top=False, input_shape=(32, 32, 3))
    old = keras_resnet.ResidualNetwork(model.input, model.output, name=model.name)  # as from a file of version 0.1.0
    for network in (model, old):
        check_model(network, name, "network.keras")
        with pytest.raises(ValueError, match=f"'{name.lower()}', not ResNet34: they differ in .* convolutions, as"):
            check_model(network, "ResNet34", "network.keras")


def test_file_says_whether_an_image_has_one_label_or_any_number(tmp_path):
    def network(activation):
        return keras_resnet.ResNet(tiny(), input_shape=(8, 8, 3), classes=3, classifier_activation=activation)

    network("sigmoid").save_weights(tmp_path / "sigmoid.weights.h5")
    network("sigmoid").save(tmp_path / "sigmoid.keras")
    network("softmax").save_weights(tmp_path / "softmax.weights.h5")
    for file in ("sigmoid.weights.h5", "sigmoid.keras"):
        with pytest.raises(
            ValueError, match="with any number of the classes, whose classifier ends in sigmoid, and this"
        ):
            load_weights(network("softmax"), tmp_path / file)
        load_weights(network(None), tmp_path / file)  # logits serve both
        load_weights(network("sigmoid"), tmp_path / file)
    with pytest.raises(ValueError, match="with one of the classes, whose classifier ends in softmax"):
        load_weights(network("sigmoid"), tmp_path / "softmax.weights.h5")
