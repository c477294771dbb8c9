"""Points, scores and lists in words."""

import pytest

from tests.tuning.helpers import make_trial
from tuning.report.wording import NONE, Measure, apart, count_text, listing, point_text
from tuning.space.reading import parse_space

SPACE = parse_space(
    {
        "network": "ResNet20",
        "activation": ["relu", {"name": "trainable_swish", "beta": {"low": 0.5, "high": 2.0}}],
        "optimizer": {"name": "sgd", "momentum": 0.9, "learning_rate": {"low": 0.01, "high": 1.0, "scale": "log"}},
        "batch_size": {"low": 16, "high": 256},
    }
)


def test_points_name_what_differs():
    values = {"network": "ResNet20", "activation": "trainable_swish", "activation/trainable_swish/beta": 0.8333333}
    values |= {"optimizer": "sgd", "optimizer/sgd/learning_rate": 0.1, "batch_size": 64}
    assert [dimension.name for dimension in SPACE.searched] == ["activation", "optimizer", "batch_size"]
    expected = "activation=trainable_swish (beta=0.8333), optimizer=sgd (learning_rate=0.1), batch_size=64"
    assert point_text(SPACE, make_trial(values)) == expected


@pytest.mark.parametrize(
    ("low", "high", "value", "expected"),
    [(0.9, 0.99, 0.98567, "0.9857"), (0.99, 0.9999, 0.99949, "0.99949"), (0.999, 1.0, 0.99995, "0.99995")],
)
def test_number_of_a_narrow_range_is_written_to_its_place(low, high, value, expected):
    space = parse_space({"optimizer.momentum": {"low": low, "high": high}})
    assert point_text(space, make_trial({"optimizer.momentum": value})) == f"optimizer.momentum={expected}"


def test_numbers_that_stand_beside_each_other_are_told_apart():
    assert apart((0.9999, 0.999945, 0.99999), 3) == ["0.9999", "0.99994", "0.99999"]
    assert apart((0.123456, 0.1, 2048), 3) == ["0.123", "0.1", "2048"]


@pytest.mark.parametrize(
    ("name", "expected"), [("accuracy", ("91.24 ± 0.30", "91.24", " %")), ("loss", ("0.9124 ± 0.0030", "0.9124", ""))]
)
def test_scores_are_written_in_their_unit(name, expected):
    measure = Measure(name)
    assert (measure.with_spread(0.91236, 0.003), measure.with_spread(0.91236, None), measure.unit) == expected
    assert measure.number(None) == NONE


def test_lists_and_numbers_of_things():
    assert [listing(["a", "b", "c"][:count]) for count in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert [count_text(1, "trial"), count_text(1200, "trial")] == ["1 trial", "1,200 trials"]
    assert count_text(2, "trial is", "trials are") == "2 trials are"
