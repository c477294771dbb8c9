"""Main effects against hand-computed means, one-way tests and normal equations in another coding."""

import itertools

import numpy as np
import pytest
from scipy import stats

from tests.tuning.helpers import make_trial
from tuning.report.effects import find_factors, main_effects
from tuning.report.statistics import Noise
from tuning.space.reading import parse_space

SPACE = parse_space({"activation": ["relu", "gelu", "tanh"], "shortcut": ["A", "B"]})
NESTED = parse_space(
    {
        "optimizer": [{"name": "sgd", "learning_rate": {"low": 0.1, "high": 0.4}}, "adamw"],
        "activation": ["relu", "gelu"],
    }
)


def point(activation: str, shortcut: str) -> dict:
    return {"activation": activation, "shortcut": shortcut}


def means(effect) -> dict[str, float]:
    return {level.label: level.mean for level in effect.levels}


def test_balanced_means_are_the_means_of_the_levels():
    scores = {
        ("relu", "A"): 1,
        ("relu", "B"): 2,
        ("gelu", "A"): 4,
        ("gelu", "B"): 7,
        ("tanh", "A"): 0,
        ("tanh", "B"): 1,
    }
    activation, shortcut = main_effects(SPACE, tuple(make_trial(point(*p), s) for p, s in scores.items()), None)
    assert means(activation) == pytest.approx({"relu": 1.5, "gelu": 5.5, "tanh": 0.5})
    assert means(shortcut) == pytest.approx({"A": 5 / 3, "B": 10 / 3})
    # By hand: total 33.5, activation 28, shortcut 25/6, so 4/3 are left with two degrees of freedom.
    assert activation.share == pytest.approx(28 / 33.5)
    assert activation.p == pytest.approx(stats.f.sf((28 / 2) / (4 / 3 / 2), 2, 2))
    assert shortcut.p == pytest.approx(stats.f.sf((25 / 6) / (4 / 3 / 2), 1, 2))
    reach = stats.t.ppf(0.975, 2) * (4 / 3 / 2 / 3) ** 0.5  # of a mean of three trials
    assert shortcut.levels[0].high - shortcut.levels[0].mean == pytest.approx(reach)


def test_one_factor_agrees_with_the_analysis_of_variance():
    generator = np.random.default_rng(0)
    groups = {"relu": generator.normal(0, 1, 4), "gelu": generator.normal(1, 1, 6), "tanh": generator.normal(0, 1, 3)}
    trials = tuple(make_trial(point(name, "A"), score) for name, scores in groups.items() for score in scores)
    (effect,) = main_effects(SPACE, trials, None)
    assert effect.p == pytest.approx(stats.f_oneway(*groups.values()).pvalue)
    assert means(effect) == pytest.approx({name: scores.mean() for name, scores in groups.items()})
    assert [(level.label, level.trials) for level in effect.levels] == [("relu", 4), ("gelu", 6), ("tanh", 3)]


def test_unbalanced_means_agree_with_normal_equations():
    """The oracle codes levels by columns of ones, solves X'X b = X'y, and averages what it predicts over all cells."""
    generator = np.random.default_rng(1)
    places = [(0, 0)] * 5 + [(0, 1)] + [(1, 0)] * 2 + [(1, 1)] * 4 + [(2, 1)] * 3
    scores = np.array([[0.0, 1.0, 3.0][a] + [0.0, -2.0][b] for a, b in places]) + generator.normal(0, 0.5, len(places))

    def row(a, b):
        return [1.0, a == 1, a == 2, b == 1]

    design = np.array([row(*place) for place in places], float)
    squared = np.linalg.inv(design.T @ design)
    solved = squared @ design.T @ scores
    variance = np.sum((scores - design @ solved) ** 2) / (len(places) - 4)
    names = [("relu", "gelu", "tanh"), ("A", "B")]
    trials = tuple(make_trial(point(names[0][a], names[1][b]), score) for (a, b), score in zip(places, scores))
    effects = main_effects(SPACE, trials, None)
    for side, effect in enumerate(effects):
        for level, found in enumerate(effect.levels):
            cells = [cell for cell in itertools.product(range(3), range(2)) if cell[side] == level]
            weights = np.mean([row(*cell) for cell in cells], axis=0)
            reach = stats.t.ppf(0.975, len(places) - 4) * (variance * weights @ squared @ weights) ** 0.5
            expected = (weights @ solved, weights @ solved - reach, weights @ solved + reach)
            assert (found.mean, found.low, found.high) == pytest.approx(expected)
    # Of a factor with two levels, the F-test is the square of the t-test of its coefficient.
    t = solved[3] / (variance * squared[3, 3]) ** 0.5
    assert effects[1].p == pytest.approx(2 * stats.t.sf(abs(t), len(places) - 4))
    assert effects[0].levels[0].plain == pytest.approx(scores[:6].mean())


def test_repeats_count_as_one_trial():
    rows = (("relu", [0.1, 0.3]), ("relu", [0.4]), ("gelu", [0.5, 0.5, 0.8]), ("gelu", [0.9]))
    several = tuple(make_trial(point(name, "A"), *scores) for name, scores in rows)
    single = tuple(make_trial(point(name, "A"), float(np.mean(scores))) for name, scores in rows)
    assert main_effects(SPACE, several, None) == main_effects(SPACE, single, None)


def nested_trials(noise: float = 0.0):
    generator = np.random.default_rng(2)
    rates = {0.1: -0.5, 0.2: 0.5, 0.4: 0.0}
    rows = [({"optimizer": "sgd", "optimizer/sgd/learning_rate": rate}, 1 + own) for rate, own in rates.items()]
    rows = [(values, score) for values, score in rows * 2] + [({"optimizer": "adamw"}, 3.0)] * 3
    return tuple(
        make_trial({**values, "activation": name}, score + gain + noise * generator.standard_normal(), name=str(index))
        for index, ((values, score), (name, gain)) in enumerate(
            itertools.product(rows, (("relu", 0.0), ("gelu", 0.25)))
        )
    )


def test_parameters_of_an_option_are_compared_within_it():
    optimizer, rate, activation = main_effects(NESTED, nested_trials(), None)
    assert rate.name == "optimizer/sgd/learning_rate"
    assert means(optimizer) == pytest.approx({"sgd": 1.125, "adamw": 3.125})
    assert means(rate) == pytest.approx({"0.1": 0.625, "0.2": 1.625, "0.4": 1.125})
    assert means(activation) == pytest.approx({"relu": 2.0, "gelu": 2.25})
    assert [level.trials for level in rate.levels] == [4, 4, 4]


def test_parameters_of_an_option_do_not_shift_other_factors():
    trials = tuple(trial for index, trial in enumerate(nested_trials()) if index not in (0, 5, 12))
    *_, activation = main_effects(NESTED, trials, None)
    assert means(activation) == pytest.approx({"relu": 2.0, "gelu": 2.25})


def test_a_parameter_with_a_level_that_was_tried_once_is_no_factor():
    few = [trial for trial in nested_trials() if trial.values.get("optimizer/sgd/learning_rate") != 0.1]
    once = next(trial for trial in nested_trials() if trial.values.get("optimizer/sgd/learning_rate") == 0.1)
    assert [factor.name for factor in find_factors(NESTED, (*few, once))] == ["optimizer", "activation"]


def test_confounded_factors_are_told_from_nobody():
    trials = (
        make_trial(point("relu", "A"), 1.0),
        make_trial(point("relu", "A"), 1.2),
        make_trial(point("gelu", "B"), 3),
    )
    for effect in main_effects(SPACE, trials, None):
        assert (effect.p, effect.share) == (None, None)
        assert [level.mean for level in effect.levels] == [None, None]
        assert [level.plain for level in effect.levels] == pytest.approx([1.1, 3.0])


def test_without_freedom_the_error_is_the_noise_between_seeds():
    trials = tuple(make_trial(point(name, "A"), score - 0.1, score + 0.1) for name, score in (("relu", 1), ("gelu", 2)))
    (effect,) = main_effects(SPACE, trials, Noise(0.2, 2))
    reach = stats.t.ppf(0.975, 2) * 0.2 / 2**0.5
    assert effect.levels[0].high == pytest.approx(1 + reach)
    assert effect.p == pytest.approx(stats.f.sf(0.5 / (0.2**2 / 2), 1, 2))
    assert effect.share is None
    (unknown,) = main_effects(SPACE, trials, None)
    assert (unknown.p, unknown.levels[0].low) == (None, None)
    assert unknown.levels[0].mean == pytest.approx(1.0)


def test_ranges_become_values_or_thirds():
    space = parse_space({"learning_rate": {"low": 0.01, "high": 1.0}, "batch_size": {"low": 1, "high": 99}})
    rates = np.linspace(0.1, 0.9, 9)
    trials = tuple(make_trial({"learning_rate": r, "batch_size": [8, 16][i % 2]}, 0.5) for i, r in enumerate(rates))
    rate, size = find_factors(space, trials)
    assert rate.levels == ("0.1 to 0.3", "0.4 to 0.6", "0.7 to 0.9")
    assert list(rate.codes) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert size.levels == ("8", "16")


@pytest.mark.parametrize(
    ("momenta", "labels", "means"),
    [
        # Thirds and values that are the same to three and four digits.
        (0.9990 + 0.00004 * np.arange(12), ("0.999 to 0.99912", "0.99916 to 0.99928", "0.99932 to 0.99944"), (1, 2, 3)),
        ((0.9999, 0.99994, 0.99999) * 2, ("0.9999", "0.99994", "0.99999"), (1, 2, 3)),
        ((0.9, 0.9 + 1e-9, 0.95, 0.99), ("0.9", "0.95", "0.99"), (1, 2, 3)),  # six digits count
    ],
)
def test_levels_of_a_narrow_range_have_numbers_and_labels_of_their_own(momenta, labels, means):
    narrow = {"name": "sgd", "momentum": {"low": 0.9, "high": 0.9999}}
    space = parse_space({"optimizer": [narrow, "adamw"]})
    values = [{"optimizer": "sgd", "optimizer/sgd/momentum": momentum} for momentum in momenta]
    _, places = np.unique([float(f"{momentum:.6g}") for momentum in momenta], return_inverse=True)
    scores = 1 + places // (4 if len(momenta) == 12 else 1)
    trials = [make_trial(point, score, score) for point, score in zip(values, scores)]
    *_, effect = main_effects(space, [one for one in trials for _ in range(2)], None)
    assert tuple(level.label for level in effect.levels) == labels
    assert [level.plain for level in effect.levels] == pytest.approx(means)
    assert [level.mean for level in effect.levels] == pytest.approx(means)


def test_whole_numbers_of_a_range_are_written_as_they_are():
    space = parse_space({"batch_size": {"low": 1, "high": 9999}})
    trials = [make_trial({"batch_size": size}, 0.5) for size in range(1024, 1033)]
    (size,) = find_factors(space, trials)
    assert size.levels == ("1024 to 1026", "1027 to 1029", "1030 to 1032")


def test_nothing_varied_is_no_effect():
    assert main_effects(SPACE, (make_trial(point("relu", "A"), 1.0),), None) == []
    assert main_effects(SPACE, (), None) == []
