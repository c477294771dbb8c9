"""Every naming scheme is recognized, and its network computes what an implementation of the scheme computes."""

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

import keras_resnet
from keras_resnet.weights.checkpoint import read_checkpoint
from keras_resnet.weights.sources import SOURCES
from tests.keras_resnet import hub_networks, torch_networks
from tests.keras_resnet.helpers import images, outputs, randomise, relative_error


def torch_file(run, state):
    """Make the row of a network of PyTorch, from its function in NumPy and its state dictionary."""

    def write(folder):
        np.savez(folder / "weights.npz", **state)
        return folder / "weights.npz", lambda x: run(state, x.transpose(0, 3, 1, 2).astype("float64"))

    return write


def keras_applications(folder):
    theirs = randomise(keras.applications.ResNet50V2(weights=None, classes=10, classifier_activation=None))
    with h5py.File(folder / "weights.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, theirs)
    return folder / "weights.h5", lambda x: outputs(theirs, x)


def keras_hub(folder):
    theirs = randomise(hub_networks.ResNetImageClassifier(hub_networks.ResNetBackbone(**hub_networks.CONFIG), 10))
    theirs.save_weights(folder / "any.weights.h5")
    return folder / "any.weights.h5", lambda x: outputs(theirs, x)


# For each source a function of a folder: it writes a file there, and returns its path and the network's function; and
# the side of the images.
ORACLES = {
    "keras_applications": (keras_applications, 224),
    "keras_hub": (keras_hub, 64),
    "pytorch_resnet_cifar10": (torch_file(torch_networks.run_cifar, torch_networks.cifar(1)), 32),
    "timm_v2": (torch_file(torch_networks.run_resnetv2, torch_networks.resnetv2((1, 1, 1, 1), 1)), 64),
    "torchvision": (torch_file(torch_networks.run_resnet, torch_networks.resnet((1, 1, 1, 1), 1)), 64),
}


@pytest.mark.parametrize("name", SOURCES)
def test_network_of_every_source_computes_the_same(name, tmp_path):
    assert name in ORACLES, f"give the source {name!r} a row in ORACLES of {__file__}"
    write, side = ORACLES[name]
    path, function = write(tmp_path)
    assert read_checkpoint(path).source is SOURCES[name]
    model = keras_resnet.network_of(path, input_shape=(side, side, 3), classifier_activation=None)
    x = images(2, side, side, 3)
    assert relative_error(outputs(model, x), function(x)) < 1e-5
    assert model.preprocessing.size == (side, side)
