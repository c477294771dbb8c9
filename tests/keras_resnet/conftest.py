"""A small network and its file, which the tests of hostile files share."""

import zipfile

import pytest

import keras_resnet


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
