"""Files of Keras give its weights by the names of layers, whichever version wrote them."""

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from keras.src.legacy.saving import legacy_h5_format

from keras_resnet.weights.files.readers import read_tensors
from tests.keras_resnet.helpers import randomise


@pytest.fixture(scope="module")
def model():
    """A tiny network with a model inside, and with more than ten convolutions, whose names sort otherwise."""
    x = inputs = keras.Input((8, 8, 2), name="images")
    x = layers.Conv2D(3, 3, name="conv1_conv")(x)
    x = layers.BatchNormalization(name="conv1_bn")(x)
    for number in range(11):
        x = layers.Conv2D(3, 1, use_bias=False, name=f"block{number}_conv")(x)
    x = keras.Sequential([layers.Conv2D(2, 1, name="conv")], name="inner")(x)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    model = keras.Model(inputs, layers.Dense(4, name="predictions")(x), name="tiny")
    model.compile("sgd", "mse")
    return randomise(model)


@pytest.fixture(scope="module")
def expected(model):
    names = [weight.path for layer in model.layers for weight in layer.weights]
    return dict(zip(names, model.get_weights()))


def legacy(path, model):
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


def legacy_model(path, model):
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_model_to_hdf5(model, file)


def weights(path, model):
    model.save_weights(path)


def archive(path, model):
    model.save(path)


WRITERS = {
    "weights.h5": (legacy, "legacy Keras HDF5"),
    "model.h5": (legacy_model, "legacy Keras HDF5"),
    "model.weights.h5": (weights, "Keras weights"),
    "model.keras": (archive, "Keras archive"),
}


def assert_same(arrays, expected, ordered=True):
    assert list(arrays) == list(expected) if ordered else arrays.keys() == expected.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name, strict=True)


def refusal(path):
    with pytest.raises(ValueError) as raised:
        read_tensors(path)
    assert type(raised.value) is ValueError and str(raised.value).startswith(repr(str(path)))
    return str(raised.value)


@pytest.mark.parametrize("name", WRITERS)
def test_weights_by_layer(tmp_path, model, expected, name):
    write, form = WRITERS[name]
    write(tmp_path / name, model)
    (tmp_path / name).rename(tmp_path / "anything")
    tensors = read_tensors(tmp_path / "anything")
    assert tensors.format == form
    assert {"conv1_conv/kernel", "conv1_bn/moving_variance", "predictions/bias"} <= tensors.arrays.keys()
    assert_same(tensors.arrays, expected, ordered=form != "Keras weights")  # which keep no order


def nameless(path):
    """Take the names of layers out of a file, as Keras wrote it at first."""
    with h5py.File(path, "a") as file:
        file.visititems(lambda _, thing: thing.attrs.pop("name", None) and None)


def test_an_archive_has_the_names_that_its_weights_lack(tmp_path, model, expected):
    whole, path, inside = tmp_path / "model.keras", tmp_path / "old.keras", tmp_path / "model.weights.h5"
    model.save(whole)
    model.save_weights(inside)
    nameless(inside)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("config.json", source.read("config.json"))
        target.write(inside, "model.weights.h5")
    assert_same(read_tensors(path).arrays, expected)


def test_weights_without_names_have_those_of_their_groups(tmp_path, model, expected):
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    nameless(path)
    arrays = read_tensors(path).arrays
    assert len(arrays) == len(expected)
    np.testing.assert_array_equal(arrays["conv2d/kernel"], expected["conv1_conv/kernel"])
    np.testing.assert_array_equal(arrays["conv2d_11/kernel"], expected["block10_conv/kernel"])
    np.testing.assert_array_equal(arrays["sequential/conv2d/bias"], expected["inner/conv/bias"])
    kernels = [name for name in arrays if name.startswith("conv2d")]
    assert kernels[2:5] == ["conv2d_1/kernel", "conv2d_2/kernel", "conv2d_3/kernel"]


def test_names_as_keras_2_wrote_them(tmp_path):
    path = tmp_path / "weights.h5"
    values = {
        "conv1": {"conv1/kernel:0": np.ones((1, 1, 2, 2), "f4"), "conv1/bias:0": np.ones(2, "f4")},
        "bn1": {"bn1_2/gamma:0": np.full(2, 3, ">f4")},
        "fc": {"fc_W": np.ones(1)},
        "flatten": {},
    }
    with h5py.File(path, "w") as file:
        for part, names in enumerate([["conv1", "bn1"], ["fc", "flatten"]]):  # a list too long for one attribute
            file.attrs[f"layer_names{part}"] = [name.encode() for name in names]
        for layer, arrays in values.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, array in arrays.items():
                group[name] = array
    arrays = read_tensors(path).arrays
    assert list(arrays) == ["conv1/kernel", "conv1/bias", "bn1/gamma", "fc/fc_W"]
    np.testing.assert_array_equal(arrays["bn1/gamma"], np.full(2, 3, "float32"), strict=True)


def test_bfloat16_becomes_float32(tmp_path):
    path = tmp_path / "model.weights.h5"
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3, name="fc", dtype="bfloat16")])
    model.save_weights(path)
    kernel = keras.ops.convert_to_numpy(model.layers[0].kernel).astype("float32")
    np.testing.assert_array_equal(read_tensors(path).arrays["fc/kernel"], kernel, strict=True)


def broken(change):
    def write(path, model):
        weights(path, model)
        with h5py.File(path, "a") as file:
            change(file, file["layers/dense/vars"])

    return write


def replaced(group, name, value):
    del group[name]
    group[name] = value


BROKEN = {
    "a link to another file": lambda file, group: replaced(group, "0", h5py.ExternalLink("/etc/passwd", "/x")),
    "a link within": lambda file, group: replaced(group, "0", h5py.SoftLink("/layers")),
    "values elsewhere": lambda file, group: group.create_dataset("2", (4,), "u1", external=[("/etc/passwd", 0, 4)]),
    "a group for an array": lambda file, group: [group.pop("0"), group.create_group("0")],
    "a huge array": lambda file, group: group.create_dataset("2", (2**40,), "f4", chunks=(2**10,)),
    "text for numbers": lambda file, group: replaced(group, "0", "kernel"),
    "a name that is none": lambda file, group: group.attrs.__setitem__("name", np.ones((2, 2))),
    "one name twice": lambda file, group: file["layers/conv2d/vars"].attrs.__setitem__("name", "predictions"),
    "endless groups": lambda file, group: file["layers/dense"].__setitem__("layers", file["layers"]),
}
WORDS = {
    "a link to another file": "has a link at '0'",
    "a link within": "has a link at '0'",
    "values elsewhere": "in another file",
    "a group for an array": "is not an array",
    "a huge array": "asks for more than",
    "text for numbers": "is not of numbers",
    "a name that is none": "attribute 'name' is not text",
    "one name twice": "has two weights 'predictions/kernel'",
    "endless groups": "nested without end",
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_that_lead_elsewhere_are_refused(tmp_path, model, name):
    path = tmp_path / "model.weights.h5"
    broken(BROKEN[name])(path, model)
    assert WORDS[name] in refusal(path)


def test_hdf5_of_others_is_refused(tmp_path):
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.ones(3)
    assert "is an HDF5 file, but not of a Keras model" in refusal(path)


def test_archives_without_their_parts_are_refused(tmp_path, model):
    path = tmp_path / "model.keras"
    for members in [{"model.weights.h5": b"x"}, {"model.weights.h5": b"x", "config.json": json.dumps({"config": {}})}]:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        assert "is cut short or damaged" in refusal(path)


@pytest.mark.parametrize("name", WRITERS)
def test_files_cut_short_are_refused_at_every_eighth(tmp_path, model, name):
    path = tmp_path / name
    WRITERS[name][0](path, model)
    whole = path.read_bytes()
    for eighth in range(1, 8):
        path.write_bytes(whole[: len(whole) * eighth // 8])
        assert "is cut short or damaged" in refusal(path)
