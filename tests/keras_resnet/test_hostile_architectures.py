"""Architectures in files that ask for what is not theirs, or for more than any network has: one sentence."""

import json

import h5py
import pytest

from keras_resnet.weights.own import load_network, load_weights
from tests.keras_resnet.hostile import MORE, refusal, write_network


def foreign(kind, module="keras.layers"):
    return {"activation": {"module": module, "class_name": kind, "config": {}, "registered_name": None}}


ARCHITECTURES = {
    "a list": ([1], "received [1]"),
    "nested": ("[" * 5000, "is not JSON: it is nested too deeply"),
    "a giant": ({"blocks": [10**6, 1, 1]}, f"{MORE} 10,000 layers"),
    "no numbers": ({"blocks": ["1", "1", "1"]}, "blocks must be a tuple of positive integers"),
    "numbers without end": ({"widths": [4] * 10**5}, "widths must have at most 64 entries"),
    "an unknown field": ({"colour": 1}, "no field 'colour'"),
    "an unknown shortcut": ({"shortcut": "x" * 10**5}, "shortcut"),
    "a layer that is none of ours": (
        foreign("TextVectorization"),
        "'keras.layers.TextVectorization', which no network",
    ),
    "code": (foreign("Lambda"), "'keras.layers.Lambda', which no network"),
    "a class of another module": (foreign("Popen", "subprocess"), "'subprocess.Popen', which no network"),
    "a function that is not registered": (
        {"activation": {"module": "builtins", "class_name": "function", "config": "forgotten"}},
        "names a function 'forgotten', which is none of Keras's activations, and none that is registered here",
    ),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures_that_are_none_are_refused(tmp_path, model, parts, name):
    fields, words = ARCHITECTURES[name]
    if isinstance(fields, dict):
        fields = {**model.architecture.to_dict(), **fields}
    path = tmp_path / "network.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "a") as file:
        file.attrs["keras_resnet_architecture"] = fields if isinstance(fields, str) else json.dumps(fields)
    assert words in refusal(path, lambda path: load_weights(model, path))
    if not isinstance(fields, str):
        path = tmp_path / "network.keras"
        write_network(path, parts, lambda config, layers: config["config"].update(architecture=fields))
        for read in (load_network, lambda path: load_weights(model, path)):
            assert words in refusal(path, read)
