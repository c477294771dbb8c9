"""From configuration to network."""

import numpy as np
import pytest

from keras_resnet.preprocessing import Preprocessing
from training import run
from training.networks import make_architecture, make_model
from training.run import train
from training.run_folder import RunFolder


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"shortcut": "B"}, {"shortcut": "B"}),
        ({"activation": "gelu", "placement": "full_preactivation"}, {"activation": "gelu"}),
        ({"choices": "{widths: [8, 16, 32]}"}, {"widths": (8, 16, 32)}),
        ({"choices": "{l2: 1e-4, stochastic_depth: .5}"}, {"l2": 1e-4, "stochastic_depth": 0.5}),
        ({"activation": "{name: maxout, pieces: 3}"}, {"activation": {"name": "maxout", "pieces": 3}, "pieces": 3}),
        ({"activation": {"name": "prelu", "slope": 0.1}}, {"activation": {"name": "prelu", "slope": 0.1}}),
        ({"choices": "{shortcut: {name: dropout, rate: 1e-1}}"}, {"shortcut": {"name": "dropout", "rate": 0.1}}),
        ({"synchronized": True}, {"synchronized": True}),
    ],
)
def test_choices_reach_the_architecture(tiny, fields, expected):
    plain, chosen = make_architecture(tiny()), make_architecture(tiny(**fields))
    for field, value in expected.items():
        assert getattr(chosen, field) == value != getattr(plain, field)
    assert chosen.depth == plain.depth == 8


def test_shortcut_with_arguments_is_read_from_its_text(tiny):
    one = make_architecture(tiny(shortcut="{name: A, zeros: both}"))
    other = make_architecture(tiny(shortcut={"name": "A", "zeros": "both"}))
    assert one == other != make_architecture(tiny())


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"network": "ResNet21"}, r"6n\+2 layers; received 21.*20 and 26"),
        ({"network": "LeNet"}, "Unknown network 'LeNet'"),
        ({"choices": "widths"}, "choices='widths' is not a mapping, such as"),
        ({"choices": "{wide: 3}"}, "wide"),
        ({"shortcut": "{A"}, r"shortcut='\{A' is not a mapping"),
        ({"shortcut": "AA"}, "AA"),
        ({"placement": "nowhere"}, "nowhere"),
        ({"activation": "rulu"}, "rulu"),
    ],
)
def test_impossible_network_is_refused_before_anything_else(tiny, tmp_path, fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        train(tiny(dataset="none", **fields), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_seed_decides_the_initial_weights(tiny):
    config = tiny()
    source = run.datasets.open_source(config)
    preprocessing = Preprocessing((8, 8), 1, np.zeros(1), np.ones(1))

    def initial(seed):
        run.prepare_session(tiny(seed=seed))
        return make_model(make_architecture(config), config, source, preprocessing).get_weights()[0]

    np.testing.assert_array_equal(initial(1), initial(1))
    assert not np.array_equal(initial(1), initial(2))
