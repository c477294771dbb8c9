"""Files of whole networks that ask for more than they may, or are damaged: one sentence, before anything is built."""

import copy
import io
import re
import struct
import zipfile
import zlib
from unittest import mock

import h5py
import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.choices.shortcuts import SHORTCUTS
from keras_resnet.weights.loading import network_of
from keras_resnet.weights.own import load_network, load_weights, read_signature, written_here
from tests.keras_resnet.hostile import MORE, refusal, write_archive, write_network


def test_a_network_is_loaded_whatever_its_file_is_called(tmp_path, model, parts):
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    for name in ("network.keras", "network.bin"):
        write_network(tmp_path / name, parts)
        loaded = load_network(tmp_path / name)
        assert type(loaded) is keras_resnet.ResidualNetwork and not loaded.compiled
        assert loaded.preprocessing.size == (32, 32)
        np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))


@keras.saving.register_keras_serializable("test_hostile_files")
class Halved(keras.layers.Layer):
    """An activation of the user's own."""

    def call(self, inputs):
        return inputs / 2


@keras.saving.register_keras_serializable("test_hostile_files")
def halved(inputs):
    """A function of the user's own."""
    return inputs / 2


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "choices",
    [{"activation": name} for name in ("gelu", "prelu", "trainable_swish", "piecewise_linear", "rational", "maxout")]
    + [{"activation": halved}, {"activation": keras.ops.gelu}]
    + [{"activation": Halved}, {"activation": keras.layers.LeakyReLU(0.1)}, {"activation": keras.layers.PReLU()}]
    + [{"shortcut": name} for name in sorted(SHORTCUTS)]
    + [{"placement": "full_preactivation", "squeeze_excitation": 4, "stochastic_depth": 0.5, "l2": 1e-4}]
    + [{"stem": "deep", "projection": "average_pool", "padding": "same"}]
    + [{"stem": "imagenet", "pool_padding": "zeros", "dropout": 0.1, "synchronized": True}]
    + [{"hidden": (8,), "downsampling": "max_pool", "normalization": "none", "biased": ("1",)}],
    ids=lambda choices: re.sub(r" at 0x\w+", "", str(choices)),  # without addresses, which each process has its own of
)
def test_networks_of_every_choice_are_let_through(tmp_path, choices):
    saved = keras_resnet.ResNet("ResNet8", input_shape=(32, 32, 3), classes=4, **choices)
    saved.save(tmp_path / "network.keras")
    loaded = load_network(tmp_path / "network.keras")
    for after, before in zip(loaded.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("policy", ["mixed_float16", "float16"])
def test_networks_of_other_types_are_let_through(tmp_path, policy):
    keras.config.set_dtype_policy(policy)
    keras_resnet.ResNet("ResNet8", input_shape=(8, 8, 3), classes=4).save(tmp_path / "network.keras")
    assert load_network(tmp_path / "network.keras").dtype_policy.name == policy


def embedding(config, layers):
    layer = next(layer for layer in config["config"]["layers"] if layer["name"] == "conv1_relu")
    made = {"name": "conv1_relu", "input_dim": 10**9, "output_dim": 10**4}
    layer.update(module="keras.layers", class_name="Embedding", registered_name=None, config=made)


def stranger(config, layers):
    layers["conv1_conv"]["kernel_initializer"].update(module="keras.layers", class_name="TextVectorization")


def function(name, module="builtins"):
    made = {"module": module, "class_name": "function", "config": name, "registered_name": name}
    return lambda config, layers: layers["conv1_relu"].update(activation=made)


def repeated(config, layers):
    layer = next(layer for layer in config["config"]["layers"] if layer["name"] == "conv1_relu")
    layer["inbound_nodes"] *= 11_000


def longer(config, layers):
    last = config["config"]["layers"][-1]
    config["config"]["layers"] += [copy.deepcopy({**last, "name": f"x{number}"}) for number in range(10_000)]


def backwards(config, layers):
    config["config"]["layers"].reverse()


GIANTS = {
    "filters": (lambda config, layers: layers["conv2_block1_1_conv"].update(filters=2**30), MORE),
    "kernels": (lambda config, layers: layers["conv2_block1_1_conv"].update(kernel_size=[2**14, 2**14]), MORE),
    "units": (lambda config, layers: layers["predictions"].update(units=10**10), MORE),
    "channels": (lambda config, layers: layers["image"].update(batch_shape=[None, 8, 8, 10**7]), MORE),
    "pixels": (
        lambda config, layers: layers["image"].update(batch_shape=[None, 10**6, 10**6, 3]),
        "1,073,741,824 at most",
    ),
    "layers": (longer, MORE),
    "nodes": (repeated, MORE),
    "no number": (lambda config, layers: layers["conv2_block1_1_conv"].update(filters="x"), "has 'x' where a number"),
    "a negative number": (
        lambda config, layers: layers["conv2_block1_1_conv"].update(filters=-4),
        "has -4 where a number",
    ),
    "no finite number": (lambda config, layers: layers["conv1_bn"].update(momentum=np.nan), "is not finite"),
    "a layer that is none of ours": (
        embedding,
        "'conv1_relu' of a class 'Embedding', which no network of this package",
    ),
    "an object that is none of ours": (stranger, "'keras.layers.TextVectorization', which no network"),
    "a function that changes Keras": (
        function("set_epsilon", "keras.config"),
        "names a function 'keras.config.set_epsilon', which is none of Keras's activations",
    ),
    "a function of the user's that is not registered": (
        function("mine>forgotten"),
        "names a function 'mine>forgotten', which is none of Keras's activations, and none that is registered here; "
        "decorate it with @keras.saving.register_keras_serializable() before loading if it is yours",
    ),
    "a function without a name": (function(["relu"]), "which is none of Keras's activations"),
    "layers without an order": (backwards, "what no layer before it makes"),
    "another model": (lambda config, layers: config.update(class_name="Functional"), "file of a Functional, which"),
    "a size of giant images": (
        lambda config, layers: config["config"]["preprocessing"].update(size=[10**9, 10**9]),
        "size must be two sides",
    ),
    "a contract that is none": (
        lambda config, layers: config["config"].update(preprocessing=[1]),
        "no sound input contract",
    ),
    "names of classes that are none": (
        lambda config, layers: config["config"].update(labels=[[1], 2]),
        "no sound names of classes",
    ),
    "a mean that is none": (
        lambda config, layers: config["config"]["preprocessing"].update(mean="x"),
        "mean must be finite",
    ),
}


@pytest.mark.parametrize("name", GIANTS)
def test_configurations_of_giant_or_strange_networks_are_refused_before_anything_is_built(tmp_path, parts, name):
    change, words = GIANTS[name]
    path = tmp_path / "network.keras"
    write_network(path, parts, change)
    with mock.patch.object(keras_resnet.ResidualNetwork, "__init__", side_effect=AssertionError("it was built")):
        assert words in refusal(path, load_network)


NO_CONFIGURATIONS = {
    "nothing": "",
    "a list": "[]",
    "a text": '"x"',
    "a number": "1",
    "nested": "[" * 5000,
    "nested objects": '{"a":' * 5000,
    "digits": '{"config":' + "9" * 5000 + "}",
    "not text": b"\xff\xfe\x00",
    "no layers": '{"class_name": "ResidualNetwork", "registered_name": "keras_resnet>ResidualNetwork"}',
    "layers that are none": '{"class_name": "ResidualNetwork", "config": {"layers": [[], 1, null]}}',
    "layers without names": '{"class_name": "ResidualNetwork", "config": {"layers": {"a": 1}}}',
    "a class that is none": '{"class_name": ["ResidualNetwork"], "config": {"layers": []}}',
    "too much": " " * (2**24 + 1),
}


@pytest.mark.parametrize("name", NO_CONFIGURATIONS)
def test_configurations_that_are_none_are_refused_by_every_reader(tmp_path, model, parts, name):
    path = tmp_path / "network.keras"
    write_archive(path, {**parts, "config.json": NO_CONFIGURATIONS[name]}.items())
    for read in (load_network, lambda path: load_weights(model, path)):
        assert "config" in refusal(path, read)
    for read in (written_here, read_signature, network_of):
        try:
            read(path)
        except ValueError as error:
            assert type(error) is ValueError and str(error).startswith(repr(str(path)))


def hdf5(parts, change):
    stream = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(stream, "a") as file:
        change(file, file["layers/conv2d/vars"])
    return stream.getvalue()


def unallocated(file, group):
    del group["0"]
    group.create_dataset("0", (2**29,), "f4", chunks=(2**20,), compression="gzip")


def inflating(file, group):
    shape = group["0"].shape
    del group["0"]
    data = group.create_dataset("0", shape, "f4", chunks=shape, compression="gzip")
    packer = zlib.compressobj(9)
    chunk = b"".join(packer.compress(bytes(2**20)) for _ in range(64)) + packer.flush()
    data.id.write_direct_chunk((0,) * 4, chunk)


def filtered(file, group):
    values = group["0"][()]
    del group["0"]
    group.create_dataset("0", data=values, compression="lzf")


HDF5 = {
    "values that are not there": (unallocated, MORE),
    "a chunk that inflates": (inflating, "unpacks to more than its"),
    "other filters": (filtered, "packed by other filters than gzip"),
    "a link": (lambda file, group: file["layers"].__setitem__("x", h5py.SoftLink("/layers")), "has a link at 'x'"),
    "a circle": (lambda file, group: file["layers/dense"].__setitem__("x", file["layers"]), "nested without end"),
    "text": (
        lambda file, group: file["layers"].create_dataset("x", (2**10,), h5py.string_dtype()),
        "is not of numbers",
    ),
}


@pytest.mark.parametrize("name", HDF5)
def test_weights_that_unpack_to_more_or_lead_elsewhere_are_refused_by_every_reader(tmp_path, model, parts, name):
    change, words = HDF5[name]
    weights = hdf5(parts, change)
    write_network(tmp_path / "network.keras", parts, **{"model.weights.h5": weights})
    (tmp_path / "network.weights.h5").write_bytes(weights)
    for file in ("network.keras", "network.weights.h5"):
        assert words in refusal(tmp_path / file)
        assert words in refusal(tmp_path / file, lambda path: load_weights(model, path))
    assert words in refusal(tmp_path / "network.keras", load_network)


def test_weights_packed_by_gzip_are_read(tmp_path, model, parts):
    def packed(file, group):
        values = group["0"][()]
        del group["0"]
        group.create_dataset("0", data=values, chunks=(3, 3, 1, 16), compression="gzip", shuffle=True, fletcher32=True)

    write_network(tmp_path / "network.keras", parts, **{"model.weights.h5": hdf5(parts, packed)})
    for after, before in zip(load_network(tmp_path / "network.keras").get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_members_of_a_network_that_unpack_to_gigabytes_are_refused(tmp_path, parts, name):
    path = tmp_path / "network.keras"
    write_network(path, parts, method=zipfile.ZIP_DEFLATED, **{name: parts[name] + b" " * (2**28 + 2**24)})
    assert MORE in refusal(path, load_network)


def test_fewer_weights_than_layers_are_refused_before_anything_is_built(tmp_path, parts):
    def emptied(file, group):
        del file["layers"]
        file.create_group("layers")

    write_network(tmp_path / "network.keras", parts, **{"model.weights.h5": hdf5(parts, emptied)})
    assert "layers with weights, its weights fewer" in refusal(tmp_path / "network.keras", load_network)


def patched(content, flag=0, method=None):
    """Set bits of the flags, and the method, of all members of an archive."""
    content = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(signature)
        while place >= 0:
            content[place + offset] |= flag
            if method is not None:
                content[place + offset + 2 : place + offset + 4] = struct.pack("<H", method)
            place = content.find(signature, place + 4)
    return bytes(content)


def test_damaged_and_encrypted_archives_are_one_sentence(tmp_path, model, parts):
    path = tmp_path / "network.keras"
    write_network(path, parts)
    whole = path.read_bytes()
    missing = {name: content for name, content in parts.items() if name != "model.weights.h5"}
    readers = (load_network, lambda path: load_weights(model, path))
    for content, words in [
        (patched(whole, flag=1), "is encrypted; save it without a password"),
        (patched(whole, method=99), "compressed by the method 99 of zip"),
        (patched(whole, method=8), "is cut short or damaged"),
        (whole[: len(whole) // 2], "is cut short or damaged"),
        (whole[:200] + bytes([whole[200] ^ 255]) + whole[201:], "is cut short or damaged"),
    ]:
        path.write_bytes(content)
        for read in readers:
            assert words.removesuffix("damaged") in refusal(path, read)
    write_archive(path, missing.items())
    assert "its archive has no 'model.weights.h5'" in refusal(path, load_network)
    path.write_bytes(b"hello")
    assert "is not a .keras file; give one" in refusal(path, load_network)


SIGNATURES = {
    "a list of numbers": "[1, 2]",
    "an object": "{}",
    "nested": "[" * 5000,
    "no JSON": "{",
    "a number": 7,
    "numbers": np.ones((3, 3)),
    "bytes": np.void(b"abc"),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_that_are_none_are_refused(tmp_path, model, name):
    path = tmp_path / "network.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "a") as file:
        file.attrs["keras_resnet_layers"] = SIGNATURES[name]
    for read in (written_here, read_signature, lambda path: load_weights(model, path)):
        assert "attribute" in refusal(path, read)
