"""What the tests of files share: a small network and the parts of its file, both formats of torch.save."""

import zipfile

import pytest

import keras_resnet
from tests.keras_resnet.torch_writer import WRITERS


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.bin"


@pytest.fixture(params=WRITERS)
def form(request):
    return request.param


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
