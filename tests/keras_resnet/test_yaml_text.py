"""YAML as users write it."""

import pytest
import yaml

from keras_resnet.yaml_text import read_yaml


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "-2e3", "+1e5", "1.e2", "1.5e-3", ".5e3", "1.0e-4", "-.5e-2", "0.5"])
def test_numbers_are_those_that_python_reads(text):
    assert read_yaml(text) == float(text)
    assert read_yaml(f"{{name: sgd, decay: [{text}]}}") == {"name": "sgd", "decay": [float(text)]}


@pytest.mark.parametrize("text", ["e5", "1e", "a1e5", "1e5x", "1e-4-2", "'1e-4'", ".e5", "32x4e", "inf"])
def test_other_texts_stay_texts(text):
    assert read_yaml(text) == text.strip("'")


@pytest.mark.parametrize("text", ["{name", "[1, 2", "a: b: c", "!!python/object/apply:os.getcwd []"])
def test_what_is_not_plain_yaml_raises_an_error(text):
    with pytest.raises(yaml.YAMLError):
        read_yaml(text)
