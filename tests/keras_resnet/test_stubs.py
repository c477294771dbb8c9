"""The stubs say what the package says: they are written anew and compared."""

from pathlib import Path

import pytest

import keras_resnet
from keras_resnet.stubs import STUBS


@pytest.mark.parametrize("name", STUBS)
def test_stub_is_fresh(name):
    stub = Path(keras_resnet.__file__).with_name(name).read_text(encoding="utf-8")
    assert stub == STUBS[name](), "run `make stubs`"


def test_stubs_name_every_public_name_and_every_choice():
    face, builders = (STUBS[name]() for name in ("__init__.pyi", "builders.pyi"))
    for name in keras_resnet.__all__:
        assert f" import {name} as {name}\n" in face
    for field in keras_resnet.CATALOGUE["ResNet50"].__dataclass_fields__:
        assert builders.count(f" {field}: ") == 2
