"""Files that ask for what is not theirs, or for more than any file of weights: one sentence, before it is spent.

Each of these files would take minutes, gigabytes or another program's memory where nothing counted.
"""

import json
import os
from unittest import mock

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.weights.files import budget
from keras_resnet.weights.files.readers import read_tensors
from keras_resnet.weights.loading import load_weights_from, network_of
from keras_resnet.weights.own import load_network, load_weights, read_signature, written_here
from keras_resnet.weights.sources.keras_hub import Preset
from tests.keras_resnet import safetensors_writer, torch_writer
from tests.keras_resnet.hostile import MORE, refusal, write_network
from tests.keras_resnet.hub_networks import CONFIG

# Files of KerasHub.


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
        Preset({}, {}, {"offset": [0.5, 0.5, 0.5], **converter}).contract(3)


# What is no file.

READERS = {
    "read_tensors": read_tensors,
    "network_of": network_of,
    "load_network": load_network,
    "written_here": written_here,
    "read_signature": read_signature,
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
