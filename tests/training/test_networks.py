"""From configuration to network."""

import numpy as np
import pytest

from keras_resnet.preprocessing import Preprocessing
from keras_resnet.weights import hub
from tests.keras_resnet import safetensors_writer, torch_networks
from training.config import Network, Start
from training.networks import load_start, make_architecture, make_model
from training.run import train
from training.run_folder import RunFolder
from training.session import prepare_session


def architecture_of(config):
    return make_architecture(config.network, config.start, config.hardware.synchronized)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"shortcut": "B"}, {"shortcut": "B"}),
        ({"activation": "gelu", "placement": "full_preactivation"}, {"activation": "gelu"}),
        ({"network.choices": {"widths": [8, 16, 32]}}, {"widths": (8, 16, 32)}),
        ({"network.choices": {"l2": 1e-4, "stochastic_depth": 0.5}}, {"l2": 1e-4, "stochastic_depth": 0.5}),
        ({"activation": {"name": "maxout", "pieces": 3}}, {"activation": {"name": "maxout", "pieces": 3}, "pieces": 3}),
        ({"activation": {"name": "prelu", "slope": 0.1}}, {"activation": {"name": "prelu", "slope": 0.1}}),
        ({"network.choices": {"norm_momentum": 0.5}}, {"norm_momentum": 0.5}),
        ({"hardware": {"synchronized": True}}, {"synchronized": True}),
    ],
)
def test_choices_reach_the_architecture(tiny, fields, expected):
    plain, chosen = architecture_of(tiny()), architecture_of(tiny(**fields))
    for field, value in expected.items():
        assert getattr(chosen, field) == value != getattr(plain, field)
    assert chosen.depth == plain.depth == 8


def test_shortcut_with_parameters_reaches_the_architecture(tiny):
    one = architecture_of(tiny(shortcut={"name": "A", "zeros": "both"}))
    other = architecture_of(tiny(**{"network.shortcut.zeros": "both", "network.shortcut.name": "A"}))
    assert one == other != architecture_of(tiny())


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"network": "ResNet21"}, r"6n\+2 layers; received 21.*20 and 26"),
        ({"network": "LeNet"}, "Unknown network 'LeNet'"),
        ({"network.choices": "widths"}, r"network\.choices: Input should be a valid dictionary; received 'widths'"),
        ({"network.choices": {"wide": 3}}, "wide"),
        ({"shortcut": {"name": "A", "zero": 1}}, "Unknown parameter of shortcut 'A': 'zero'"),
        ({"shortcut": "AA"}, "AA"),
        ({"placement": "nowhere"}, "nowhere"),
        ({"activation": "rulu"}, "rulu"),
    ],
)
def test_impossible_network_is_refused_before_anything_else(tiny, tmp_path, fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        train(tiny(dataset="none", **fields), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_network_to_start_from_may_be_named(tmp_path, monkeypatch):
    tensors = torch_networks.resnet((1, 1), 1, stem=(8,), planes=(8, 16))
    safetensors_writer.write(tmp_path / "model.safetensors", tensors)
    monkeypatch.setattr(hub, "fetch", lambda name: str(tmp_path) if name == "hf://someone/tiny" else "")
    named = Start(weights="hf://someone/tiny", new_head=True)
    assert make_architecture(Network(), named) is None
    model = load_start(Network(), named, None)
    assert (model.architecture.blocks, model.layers[-1].name) == ((1, 1), "conv3_block1_out")
    assert load_start(Network(), Start(weights="hf://someone/tiny"), None).output_shape == (None, 10)


def test_network_of_weights_of_a_single_one_need_not_be_named():
    start = Start(weights="cifar10", new_head=True)
    assert make_architecture(Network(), start) is None
    assert load_start(Network(), start, None).name == "resnet20"
    with pytest.raises(ValueError, match="are published of several networks; name one by --network"):
        make_architecture(Network(), Start(weights="imagenet"))


def test_seed_decides_the_initial_weights(tiny):
    config = tiny()
    preprocessing = Preprocessing((8, 8), 1, np.zeros(1), np.ones(1))

    def initial(seed):
        prepare_session(tiny(seed=seed))
        model = make_model(architecture_of(config), preprocessing, 10, name="ResNet8", start=config.start)
        return model.get_weights()[0]

    np.testing.assert_array_equal(initial(1), initial(1))
    assert not np.array_equal(initial(1), initial(2))
