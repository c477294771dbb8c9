"""Weights in the naming of others give the function of others: against their networks in NumPy, and real files."""

import numpy as np
import pytest

from keras_resnet.weights.loading import network_of
from tests.keras_resnet import torch_networks
from tests.keras_resnet.helpers import images, outputs, relative_error

BASIC, BOTTLENECK = ((2, 2, 2, 2), 1), ((1, 2, 1, 2), 4)
NETWORKS = {
    "resnet18": (torch_networks.run_resnet, torch_networks.resnet(*BASIC)),
    "resnet18d": (torch_networks.run_resnet, torch_networks.resnet(*BASIC, deep=True)),
    "bottlenecks": (torch_networks.run_resnet, torch_networks.resnet(*BOTTLENECK)),
    "bottlenecks, d": (torch_networks.run_resnet, torch_networks.resnet(*BOTTLENECK, deep=True)),
    "resnext": (torch_networks.run_resnet, torch_networks.resnet(*BOTTLENECK, groups=32, base=4)),
    "wide": (torch_networks.run_resnet, torch_networks.resnet(*BOTTLENECK, base=128)),
    "seresnet": (torch_networks.run_resnet, torch_networks.resnet(*BOTTLENECK, squeeze=16)),
    "resnetv2_18": (torch_networks.run_resnetv2, torch_networks.resnetv2(*BASIC)),
    "resnetv2, bottlenecks": (torch_networks.run_resnetv2, torch_networks.resnetv2(*BOTTLENECK)),
    "resnetv2, bottlenecks, d": (torch_networks.run_resnetv2, torch_networks.resnetv2(*BOTTLENECK, deep=True)),
}


def saved(state, tmp_path):
    np.savez(tmp_path / "weights.npz", **state)
    return tmp_path / "weights.npz"


@pytest.mark.parametrize("side", [64, 65])
@pytest.mark.parametrize("name", NETWORKS)
def test_network_of_a_state_dict_computes_the_same(name, side, tmp_path):
    run, state = NETWORKS[name]
    model = network_of(saved(state, tmp_path), input_shape=(side, side, 3), classifier_activation=None)
    x = images(2, side, side, 3)
    assert relative_error(outputs(model, x), run(state, x.transpose(0, 3, 1, 2).astype("float64"))) < 1e-5
