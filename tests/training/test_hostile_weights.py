"""Files of weights from strangers, given to the commands: one line, and nothing is built of them."""

import json
import os
import zipfile
from unittest import mock

import h5py
import pytest

import keras_resnet
from training.__main__ import main


@pytest.fixture
def network(tmp_path):
    """A file of this package, and the members of it."""
    model = keras_resnet.ResNet("ResNet8", input_shape=(8, 8, 1), classes=10)
    model.preprocessing = keras_resnet.Preprocessing((8, 8), 1, (127.5,), (127.5,))
    model.save(tmp_path / "whole.keras")
    with zipfile.ZipFile(tmp_path / "whole.keras") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def giant(path, network):
    config = json.loads(network["config.json"])
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "Conv2D":
            layer["config"]["filters"] = 2**30
    write(path, {**network, "config.json": json.dumps(config)})


def nested(path, network):
    write(path, {**network, "config.json": "[" * 5000})


def signed(path, network):
    path.write_bytes(network["model.weights.h5"])
    with h5py.File(path, "a") as file:
        file.attrs["keras_resnet_layers"] = "{"


def write(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


FILES = {
    "a giant": ("file.keras", giant, "asks for more than"),
    "nested JSON": ("file.keras", nested, "is not JSON: it is nested too deeply"),
    "a signature that is none": ("file.weights.h5", signed, "keras_resnet_layers is not JSON"),
}


@pytest.mark.parametrize("command", ["evaluate", "train"])
@pytest.mark.parametrize("name", FILES)
def test_hostile_files_are_refused_in_one_line(tmp_path, network, capsys, name, command):
    file, make, words = FILES[name]
    path = tmp_path / file
    make(path, network)
    arguments = {
        "evaluate": ["evaluate", str(path), "--dataset", "digits"],
        "train": [
            "--recipe",
            "fine-tune",
            "--weights",
            str(path),
            "--dataset",
            "digits",
            "--run-dir",
            str(tmp_path / "run"),
        ],
    }[command]
    with mock.patch.object(keras_resnet.ResidualNetwork, "__init__", side_effect=AssertionError("it was built")):
        assert main(arguments) == 1
    [line] = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert words in line and str(path) in line


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
@pytest.mark.parametrize(
    "options", [["evaluate", "{}", "--dataset", "digits"], ["--weights", "{}", "--run-dir", "{}.run"]]
)
def test_pipes_are_refused_and_never_waited_for(tmp_path, capsys, options):
    os.mkfifo(tmp_path / "pipe.keras")
    assert main([option.format(tmp_path / "pipe.keras") for option in options]) == 1
    assert str(tmp_path / "pipe.keras") in capsys.readouterr().err
