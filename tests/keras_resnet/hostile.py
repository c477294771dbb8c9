"""What the tests of hostile files have in common: the sentence of a refusal, archives, a network in parts."""

import json
import zipfile

import pytest

from keras_resnet.weights.files.readers import read_tensors

MORE = "asks for more than"


def refusal(path, read=read_tensors):
    """Give the sentence that refuses a file."""
    with pytest.raises(ValueError) as raised:
        read(path)
    sentence = str(raised.value)
    assert type(raised.value) is ValueError
    assert repr(str(path)) in sentence
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 1500
    return sentence


def write_archive(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        for name, content in members:
            archive.writestr(name, content)


def write_network(path, parts, change=None, method=zipfile.ZIP_STORED, **members):
    """Write a `.keras` file, its configuration changed."""
    config = json.loads(parts["config.json"])
    if change is not None:
        change(config, {layer["name"]: layer["config"] for layer in config["config"]["layers"]})
    write_archive(path, {**parts, "config.json": json.dumps(config), **members}.items(), method)
