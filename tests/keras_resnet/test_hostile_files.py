"""Files that ask for what is not theirs, or for more than any file of weights: one sentence, before it is spent.

Each of these files would take minutes, gigabytes or another program's memory where nothing counted.
"""

import copy
import io
import json
import os
import pickle
import struct
import sys
import zipfile
import zlib
from unittest import mock

import h5py
import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.choices.shortcuts import SHORTCUTS
from keras_resnet.weights.files import budget
from keras_resnet.weights.files.budget import Budget
from keras_resnet.weights.files.raw import UnreadableError
from keras_resnet.weights.files.readers import read_tensors
from keras_resnet.weights.loading import load_weights_from, network_of
from keras_resnet.weights.own import load_network, load_weights, read_names, written_here
from keras_resnet.weights.sources.keras_hub import Description
from tests.keras_resnet import safetensors_writer, torch_writer
from tests.keras_resnet.hub_networks import CONFIG
from tests.keras_resnet.torch_writer import Storage, Tensor, tensor

PROGRAMS = {"torch": torch_writer.save_program, "legacy torch": torch_writer.save_legacy_program}
WRITERS = {"torch": torch_writer.save, "legacy torch": torch_writer.save_legacy}
MORE = "asks for more than"


@pytest.fixture(params=PROGRAMS)
def form(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.bin"


def refusal(path, read=read_tensors):
    """Give the sentence that refuses a file."""
    with pytest.raises(ValueError) as raised:
        read(path)
    sentence = str(raised.value)
    assert type(raised.value) is ValueError
    assert repr(str(path)) in sentence
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 1500
    return sentence


# What lies beyond the values of a storage.


def write_references(path, form, claims, dtype="float32"):
    """Write a file whose tensors refer to one storage of four values, each as of another number of values."""
    references = [Storage(np.arange(4, dtype=dtype)) for _ in claims]
    numbers = dict(zip(map(id, references), claims))
    part = (None,) if form == "legacy torch" else ()

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            if isinstance(thing, Storage):
                return ("storage", thing.kind, "0", str(b"cpu", "ascii"), numbers[id(thing)], *part)

    stream = io.BytesIO()
    tensors = {f"t{place}": Tensor(storage, (claim,)) for place, (storage, claim) in enumerate(zip(references, claims))}
    with mock.patch.dict(sys.modules, torch_writer.MODULES):
        Pickler(stream, 2).dump(tensors)
    PROGRAMS[form](path, stream.getvalue(), {"0": references[0]})


@pytest.mark.parametrize("claims", [(4, 5), (4, 4096), (2, 4, 2**20), (5,)])
def test_every_reference_to_a_storage_is_checked(form, path, claims):
    write_references(path, form, claims)
    assert f"fewer than {claims[-1]} values" in refusal(path)


def test_references_of_several_sizes_within_the_storage_are_read(form, path):
    write_references(path, form, (4, 2, 3))
    arrays = read_tensors(path).arrays
    assert [array.tolist() for array in arrays.values()] == [[0, 1, 2, 3], [0, 1], [0, 1, 2]]


def test_a_view_reaches_no_further_than_the_values_that_were_read():
    from keras_resnet.weights.files import torch_objects

    claimed = torch_objects.Storage("0", "float32", 100)
    view = torch_objects.Tensor(claimed, 2, (2, 3), (3, 1))
    np.testing.assert_array_equal(view.view(np.arange(8.0)), [[2, 3, 4], [5, 6, 7]])
    with pytest.raises(ValueError, match="ends at 8 in a storage of 7 values"):
        view.view(np.arange(7.0))


# Pickles.


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value


ORDERED, PAIR = b"ccollections\nOrderedDict\n", text(b"k") + b"N\x86"
MERSENNE = 2**61 - 1  # Python's hash of a whole number is its rest after division by this
BOMBS = {
    "instructions": (b"N" + b"2" * 110_000 + b".", MORE),
    "marks": (b"(" * 110_000 + b"N.", MORE),
    "nested tuples": (b"N" + b"\x85" * 110_000 + b".", MORE),
    "one list in many calls": (
        b"](" + PAIR * 20_000 + b"e\x94" + ORDERED + b"\x94" + b"h\x01h\x00\x85R0" * 1000 + b".",
        MORE,
    ),
    "one text in many calls": (
        text(b"x" * 500_000) + b"\x940ctorch\nSize\n\x94" + b"h\x01h\x00\x85R0" * 100 + b".",
        MORE,
    ),
    "many arguments in many calls": (
        b"(" + b"N" * 100_000 + b"t\x940cbuiltins\nset\n\x94" + b"h\x01h\x00R0" * 100 + b".",
        MORE,
    ),
    "one dictionary in many places": (
        b"}\x94("
        + b"".join(text(b"%d" % number) + b"N" for number in range(2000))
        + b"u0}("
        + b"".join(text(b"_%d" % number) + b"h\x00" for number in range(5000))
        + b"u.",
        MORE,
    ),
    "a name of nested tuples": (text(b"a" * 1000) + b"2\x86" * 30 + text(b"x") + b"\x93.", "a name that is not text"),
    "keys of one hash": (b"}(L%dL\nNL%dL\nNu." % (MERSENNE, 2 * MERSENNE), "a number beyond all counting"),
    "places of one hash": (b"Np%d\np%d\n." % (MERSENNE, 2 * MERSENNE), "a place in the memory"),
    "a long number": (b"\x8b" + struct.pack("<i", 1_000_000) + b"\x7f" * 1_000_000 + b".", "a number of 7999999 bits"),
    "a long number in digits": (b"L" + b"9" * 4000 + b"L\n.", "a number of 13288 bits"),
    "a long name": (b"c" + b"m" * 1_000_000 + b"\nx\n.", "mmm ...', which tensors do not need"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_pickles_that_take_minutes_or_all_memory_are_refused(form, path, name, monkeypatch):
    monkeypatch.setattr(budget, "OPERATIONS", 100_000)
    program, words = BOMBS[name]
    PROGRAMS[form](path, b"\x80\x04" + program)
    assert words in refusal(path)


def test_a_long_key_in_many_places_is_refused(form, path):
    # 3 ** 8 paths through the dictionaries, on each of which the key stands.
    inner = b"".join(b"}(h\x00N" + (b"" if level == 0 else each(level)) + b"u\x94" for level in range(8))
    PROGRAMS[form](path, b"\x80\x04" + text(b"n" * 200_000) + b"\x940" + inner + b".")
    assert "asks for more than" in refusal(path) or "without tensors" in refusal(path)


def each(level):
    return b"".join(b"h\x00" + text(b"%d" % number) + b"h" + bytes([level]) for number in range(0)) + b"".join(
        text(b"%d" % number) + b"h" + bytes([level]) for number in range(3)
    )


def test_prefixes_repeated_without_end_are_refused(form, path):
    WRITERS[form](path, {"module." * 100_000 + "x": tensor(np.ones(1))})
    assert "has 700,001 characters" in refusal(path)


def test_the_budget_says_its_numbers():
    purse = Budget(1000)
    purse.take(budget.OPERATIONS, "operations")
    with pytest.raises(
        UnreadableError, match=r"asks for more than 3,000,000 operations, .* file of 1,000 bytes may take"
    ):
        purse.take(1, "operations")
    purse.take(2**28 + 8000, "bytes")
    with pytest.raises(UnreadableError, match=r"asks for more than 268,443,456 bytes"):
        purse.take(1, "bytes")
    with pytest.raises(UnreadableError, match=r"asks for more than 10,000 layers"):
        purse.take(10_001, "layers")


# Few values that stand for many.

ONE = Storage(np.ones(1, "float32"))


def expanded(*shape):
    return Tensor(ONE, shape, (0,) * len(shape))


def test_few_values_in_many_places_are_refused(form, path):
    WRITERS[form](path, {"x": expanded(2**15, 2**15)})
    assert MORE in refusal(path)
    WRITERS[form](path, {f"x{number}": expanded(2**10, 2**10) for number in range(80)})
    assert MORE in refusal(path)


def residual(**changes):
    state = {
        "conv1.weight": expanded(16, 3, 3, 3),
        "layer1.0.conv1.weight": expanded(16, 16, 3, 3),
        "layer1.0.conv2.weight": expanded(16, 16, 3, 3),
        "fc.weight": expanded(10, 16),
        "fc.bias": expanded(10),
    }
    return {**state, **changes}


WIDE = 2**18
NETWORKS = {
    "blocks": ({"layer1.99999999.conv2.weight": expanded(16, 16, 3, 3)}, "100,000,000 units, and 6 tensors"),
    "a number of digits": ({f"layer1.{'9' * 400}.conv2.weight": expanded(16, 16, 3, 3)}, "units, and 6 tensors"),
    "filters": (
        {f"layer1.0.conv{number}.weight": expanded(WIDE, 1, 3, 3) for number in (1, 2)},
        "parameters, and 4,",
    ),
    "classes": ({"fc.weight": expanded(1, 1), "fc.bias": expanded(2**25)}, "parameters, and"),
    "no values": ({"conv1.weight": expanded(16, 0, 3, 3)}, "of shape (3, 3, 0, 16)"),
    "no axes": ({"conv1.weight": expanded()}, "of shape ()"),
    "few axes": ({"layer1.0.conv1.weight": expanded(3)}, "of shape (3,)"),
    "a number for a row": ({"fc.bias": expanded()}, "of shape ()"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_names_and_shapes_of_networks_far_larger_than_their_file_are_refused(path, name):
    changes, words = NETWORKS[name]
    torch_writer.save(path, residual(**changes))
    assert words in refusal(path, network_of)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stackwise_num_blocks": [10**9, 1]}, "1,000,000,001 units"),
        ({"stackwise_num_filters": [10**6, 10**6]}, "parameters, and"),
        (
            {"stackwise_num_filters": [], "stackwise_num_blocks": [], "stackwise_num_strides": []},
            "stages that stride by",
        ),
        ({"block_type": {}}, "has units {}"),
        ({"input_conv_kernel_sizes": [5]}, "kernels of sides [5]"),
    ],
)
def test_configurations_of_giant_or_impossible_presets_are_refused(tmp_path, changes, words):
    model = keras_resnet.ResNet("ResNet8", input_shape=(8, 8, 3), classes=4)
    keras.Model.save_weights(model, tmp_path / "model.weights.h5")  # as other code does, without signing it
    described = {"class_name": "ResNetBackbone", "config": {**CONFIG, **changes}}
    (tmp_path / "config.json").write_text(json.dumps(described))
    assert words in refusal(tmp_path / "model.weights.h5", network_of)
    (tmp_path / "config.json").write_text("[" * 5000)
    assert "config.json is not JSON: it is nested too deeply" in refusal(tmp_path / "model.weights.h5", network_of)


@pytest.mark.parametrize(
    "converter",
    [{"image_size": size} for size in ([10**9, 10**9], "x", 5, [None, 2], [1, 2, 3], {"a": 1})]
    + [{"scale": scale} for scale in ("x", [[1], [2, 3]], float("nan"), [0.0, 1.0, 1.0])]
    + [{"mean": [0, 0, 0], "variance": [-1, 1, 1]}, {"variance": [1, 1, 1], "mean": {}}],
    ids=str,
)
def test_converters_that_make_no_sense_are_refused(converter):
    with pytest.raises(ValueError, match="its converter of images"):
        Description({}, {}, {"offset": [0.5, 0.5, 0.5], **converter}).contract(3)


# Archives.


def npy(shape, values=b""):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue() + values


def write_archive(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        for name, content in members:
            archive.writestr(name, content)


def test_members_count_together(path):
    write_archive(path, [(f"{number}.npy", npy((2**24,), bytes(2**26))) for number in range(5)])
    assert path.stat().st_size < 2**21
    assert MORE in refusal(path)


def test_a_member_that_many_storages_refer_to_counts_once_and_each_reference_too(path):
    write_references(path, "torch", [2**24 - number for number in range(8)])
    with zipfile.ZipFile(path) as archive:
        program = archive.read("archive/data.pkl")
    write_archive(path, [("archive/data.pkl", program), ("archive/data/0", bytes(2**26))])
    assert MORE in refusal(path)


def test_arrays_of_a_size_that_their_members_have_not_are_refused(path):
    write_archive(path, [("x.npy", npy((2**40,)))])
    assert "is cut short or damaged" in refusal(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_methods_of_compression_are_refused(path, method):
    write_archive(path, [("x.npy", npy((1,), b"1234"))], method)
    assert f"compressed by the method {method} of zip; unpack it" in refusal(path)


def test_two_members_of_one_name_are_refused(path):
    with pytest.warns(UserWarning, match="Duplicate"):
        write_archive(path, [("x.npy", npy((1,), b"1234"))] * 2)
    assert "two members of one name" in refusal(path)


def test_a_directory_of_endless_length_is_refused(path):
    name = "x" * 60_000
    write_archive(path, [(f"{number}{name}.npy", b"") for number in range(150)])
    assert "has a directory of" in refusal(path)


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


# Files of this package.


@pytest.fixture(scope="module")
def model():
    network = keras_resnet.ResNet("ResNet8", input_shape=(8, 8, 3), classes=4)
    network.preprocessing = keras_resnet.CONTRACTS["cifar"]
    return network


@pytest.fixture(scope="module")
def parts(model, tmp_path_factory):
    """The members of the network's file by name."""
    path = tmp_path_factory.mktemp("network") / "network.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_network(path, parts, change=None, method=zipfile.ZIP_STORED, **members):
    """Write a `.keras` file, its configuration changed."""
    config = json.loads(parts["config.json"])
    if change is not None:
        change(config, {layer["name"]: layer["config"] for layer in config["config"]["layers"]})
    write_archive(path, {**parts, "config.json": json.dumps(config), **members}.items(), method)


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


@pytest.mark.parametrize(
    "choices",
    [{"activation": name} for name in ("gelu", "prelu", "trainable_swish", "piecewise_linear", "rational", "maxout")]
    + [{"activation": Halved}, {"activation": keras.layers.LeakyReLU(0.1)}, {"activation": keras.layers.PReLU()}]
    + [{"shortcut": name} for name in sorted(SHORTCUTS)]
    + [{"placement": "full_preactivation", "squeeze_excitation": 4, "stochastic_depth": 0.5, "l2": 1e-4}]
    + [{"stem": "deep", "projection": "average_pool", "padding": "same"}]
    + [{"stem": "imagenet", "pool_padding": "zeros", "dropout": 0.1, "synchronized": True}]
    + [{"hidden": (8,), "downsampling": "max_pool", "normalization": "none", "biased": ("1",)}],
    ids=str,
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
    for read in (written_here, read_names, network_of):
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
    for read in (written_here, read_names, lambda path: load_weights(model, path)):
        assert "attribute" in refusal(path, read)


# What is no file.

READERS = {
    "read_tensors": read_tensors,
    "network_of": network_of,
    "load_network": load_network,
    "written_here": written_here,
    "read_names": read_names,
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
@pytest.mark.parametrize("reader", [*READERS, "load_weights", "load_weights_from"])
def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path, model, reader):
    read = {
        **READERS,
        "load_weights": lambda path: load_weights(model, path),
        "load_weights_from": lambda path: load_weights_from(model, path),
    }[reader]
    for name, make, words in [
        ("missing", lambda path: None, "is not a file"),
        ("pipe", os.mkfifo, "is not a file but a pipe or a device"),
        ("folder", os.mkdir, "is not a file but a folder"),
        ("dangling", lambda path: path.symlink_to("nowhere"), "is not a file but a link to nothing"),
        ("circle", lambda path: path.symlink_to(path), "is not a file (Too many levels of symbolic links)"),
    ]:
        make(tmp_path / name)
        assert words in refusal(tmp_path / name, read)
    (tmp_path / "empty").touch()
    if reader not in ("written_here",):
        assert refusal(tmp_path / "empty", read)


def test_a_file_that_may_not_be_read_is_refused(path):
    path.write_bytes(b"x")
    with mock.patch("builtins.open", side_effect=PermissionError(13, "Permission denied")):
        assert "cannot be read: Permission denied; give the path of a weights file." in refusal(path)


# Headers of safetensors.


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b'{"a":' + b"[" * 5000, "recursion limit exceeded"),
        (b'{"a": NaN}', "invalid JSON in header"),
        (
            b"{" + b",".join(b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % n for n in range(6000)) + b"}",
            MORE,
        ),
        (b" " * (2**24 + 1), "is too long"),
    ],
    ids=["nested", "NaN", "tensors", "length"],
)
def test_headers_that_take_long_are_refused(tmp_path, header, words, monkeypatch):
    monkeypatch.setattr(budget, "OPERATIONS", 100_000)
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    if words == "is too long":
        path.write_bytes(len(header).to_bytes(8, "little") + b"{" + header)
    assert words in refusal(path)


def test_every_format_flipped_byte_by_byte_gives_arrays_or_a_sentence(tmp_path, model, parts):
    arrays = {
        "conv1.weight": np.ones((4, 3, 3, 3), "float32"),
        "layer1.0.conv1.weight": np.ones((4, 4, 3, 3), "float32"),
    }
    torch_writer.save(tmp_path / "a.pth", torch_writer.state_dict(arrays))
    torch_writer.save_legacy(tmp_path / "b.pth", torch_writer.state_dict(arrays))
    safetensors_writer.write(tmp_path / "c.safetensors", arrays)
    write_network(tmp_path / "d.keras", parts)
    generator = np.random.default_rng(0)
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        for _ in range(15):
            content = bytearray(whole)
            for place in generator.integers(min(len(content), 4096), size=3):
                content[place] = generator.integers(256)
            path.write_bytes(content)
            for read in (written_here, network_of, load_network, lambda path: load_weights(model, path)):
                try:
                    read(path)
                except ValueError as error:
                    assert type(error) is ValueError and repr(str(path)) in str(error)
