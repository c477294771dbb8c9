"""Points as rows: what is near, what is far, and what does not apply."""

import numpy as np
import pytest

from tuning.space.coding import ABSENT, NEUTRAL, Coding
from tuning.space.dimensions import signature
from tuning.space.reading import parse_space

SPACE = {
    "activation": ["relu", "elu", {"name": "trainable_swish", "beta": {"low": 0.5, "high": 2.0}}],
    "shortcut": ["A", {"name": "exclusive_gating", "bias": [-3.0, -10.0, -6.0]}],
    "network": "ResNet20",
    "learning_rate": {"low": 0.01, "high": 1.0, "scale": "log"},
    "epochs": {"low": 2, "high": 6},
}


@pytest.fixture
def coding():
    return Coding(parse_space(SPACE))


def test_each_number_of_a_row_says_what_it_should(coding):
    point = {"activation": "trainable_swish", "activation/trainable_swish/beta": 0.875, "shortcut": "exclusive_gating"}
    point |= {"shortcut/exclusive_gating/bias": "-6.0", "network": "ResNet20", "learning_rate": 0.1, "epochs": 3}
    other = {"activation": "relu", "shortcut": "A", "network": "ResNet20", "learning_rate": 1.0, "epochs": 6}
    assert coding.rows([point, other]) == pytest.approx(
        np.array([[2, 0.25, 1, 0.5, 0.5, 0.25], [0, NEUTRAL, 0, NEUTRAL, 1, 1]])
    )
    assert list(coding.unordered) == [True, False, True, False, False, False]
    assert [coding.values(row) for row in coding.rows([point, other])] == [point, other]


def test_parameter_of_several_options_is_alike_for_each_of_them():
    rate = {"low": 0.01, "high": 0.1}
    options = [{"name": "sgd", "learning_rate": rate}, {"name": "adamw", "learning_rate": rate}, "lamb"]
    coding = Coding(parse_space({"optimizer": options, "learning_rate": rate}))
    assert coding.alike == [0, 1, 1, 2]
    assert coding.applying == pytest.approx(2 + 2 / 3, abs=0.1)


def test_unordered_parameter_of_another_option_is_unlike_each_of_its_own():
    coding = Coding(parse_space({"activation": ["relu", {"name": "maxout", "kind": ["a", "b", "c"]}]}))
    rows = coding.rows([{"activation": "relu"}, {"activation": "maxout", "activation/maxout/kind": "a"}])
    assert rows.tolist() == [[0, ABSENT], [1, 0]]


def test_points_that_are_drawn_are_of_the_space_and_even(coding):
    rows = coding.draw(np.random.default_rng(0), 3000)
    points = [coding.values(row) for row in rows]
    assert coding.rows(points) == pytest.approx(rows, abs=1e-5)
    for name, count in (("activation", 3), ("shortcut", 2), ("epochs", 5)):
        found = [point[name] for point in points]
        shares = [found.count(value) / 3000 for value in sorted(set(found))]
        if name != "epochs":  # the ends of a range of whole numbers have half its width
            assert shares == pytest.approx([1 / count] * count, abs=0.04)
    biases = [point.get("shortcut/exclusive_gating/bias") for point in points]
    assert [biases.count(bias) / 3000 for bias in ("-10.0", "-6.0", "-3.0")] == pytest.approx([1 / 6] * 3, abs=0.03)
    assert np.median([point["learning_rate"] for point in points]) == pytest.approx(0.1, rel=0.15)


def test_points_that_are_changed_differ_a_little_and_stay_in_the_space(coding):
    generator = np.random.default_rng(0)
    before = coding.draw(generator, 500)
    after = coding.changed(generator, before)
    assert coding.rows([coding.values(row) for row in after]) == pytest.approx(after, abs=1e-5)
    same_options = (before[:, 0] == after[:, 0]) & (before[:, 2] == after[:, 2])
    differing = (before != after)[same_options].sum(axis=1)
    assert 0.5 < same_options.mean() < 0.9 and 0.3 < differing.mean() < 1.5
    assert {signature(coding.values(row)) for row in after} - {signature(coding.values(row)) for row in before}
