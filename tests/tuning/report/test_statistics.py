"""Noise between seeds, what it separates, and the table of two choices."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests.tuning.helpers import FIELDS, make_trial
from tuning.report.statistics import Cell, Noise, compare, noise, pair_table, within_noise
from tuning.results import FAILED, STOPPED, Run, StudyResults, TrialResult
from tuning.space.reading import parse_space
from tuning.study import make_study

PAIR = {"activation": ["relu", "gelu", "tanh"], "shortcut": ["A", "B"]}


def results(*trials: TrialResult, **settings) -> StudyResults:
    study = make_study({"trials": 9, "fields": FIELDS, "space": PAIR, **settings}, "a test")
    return StudyResults(Path(), study, trials, ())


def test_noise_is_pooled_over_trials():
    # Sums of squares 2 and 6 around the means 2 and 3, with 1 and 2 degrees of freedom.
    found = noise([make_trial({}, 1.0, 3.0), make_trial({}, 2.0, 2.0, 5.0), make_trial({}, 7.0)])
    assert found == Noise(pytest.approx((8 / 3) ** 0.5), 3)


def test_noise_is_unknown_without_repeats():
    assert noise([make_trial({}, 1.0), make_trial({}, 2.0)]) is None
    assert within_noise(make_trial({}, 1.0), make_trial({}, 2.0), None) is None


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("sizes", [(3, 3), (2, 5)])
def test_within_noise_agrees_with_the_t_test(shift, sizes):
    generator = np.random.default_rng(int(10 * shift) + sizes[1])
    for _ in range(20):
        a, b = (generator.standard_normal(size) + shift * side for side, size in enumerate(sizes))
        trials = make_trial({}, *a), make_trial({}, *b)
        assert within_noise(*trials, noise(trials)) == (stats.ttest_ind(a, b).pvalue >= 0.05)


def test_only_trials_that_ended_as_planned_are_compared():
    good, worse = make_trial({}, 0.9, name="0"), make_trial({}, 0.8, name="1")
    failed, stopped = make_trial({}, 0.7, status=FAILED), make_trial({}, 0.7, status=STOPPED)
    running = TrialResult("4", {}, {}, 8, (*make_trial({}, 0.99).runs, Run(Path(), 1, None, [])))
    found = compare(results(good, failed, worse, stopped, running))
    assert found.trials == (good, worse)
    assert found.left_out == {"failed": 1, "not finished": 1, "stopped early": 1}


def test_hyperband_compares_trials_with_the_most_epochs():
    long, short = make_trial({}, 0.9, epochs=9), make_trial({}, 0.8, epochs=3)
    found = compare(results(long, short, short, tuner="hyperband"))
    assert found.trials == (long,)
    assert found.left_out == {"given fewer than 9 epochs": 2}


def test_trials_of_other_lengths_are_compared_where_epochs_are_searched():
    trials = make_trial({}, 0.9, epochs=9), make_trial({}, 0.8, epochs=3)
    assert compare(results(*trials)).trials == trials


def test_pair_table_pools_runs_and_puts_the_best_first():
    trials = (
        make_trial({"activation": "relu", "shortcut": "A"}, 0.8, 0.9),
        make_trial({"activation": "relu", "shortcut": "A"}, 1.0),
        make_trial({"activation": "relu", "shortcut": "B"}, 0.7),
        make_trial({"activation": "gelu", "shortcut": "A"}, 0.95),
    )
    table = pair_table(parse_space(PAIR), trials, 1)
    assert (table.rows, table.columns) == ("activation", "shortcut")
    assert (table.row_levels, table.column_levels) == (("gelu", "relu"), ("A", "B"))
    assert table.cells == {
        ("relu", "A"): Cell(pytest.approx(0.9), pytest.approx(0.1), 3),
        ("relu", "B"): Cell(0.7, None, 1),
        ("gelu", "A"): Cell(0.95, None, 1),
    }
    assert pair_table(parse_space(PAIR), trials, -1).row_levels == ("relu", "gelu")


def test_pair_table_takes_the_choices_with_the_most_levels():
    levels = {
        "placement": ["original", "bn_after_addition"],
        "batch_size": [32, 64, 128],
        "activation": ["relu", "gelu"],
    }
    space = parse_space(levels)
    labels = itertools.product(levels["placement"], ("32", "64", "128"), levels["activation"])
    trials = tuple(make_trial(dict(zip(levels, row)), 0.5) for row in labels)
    table = pair_table(space, trials, 1)
    assert (table.rows, table.columns) == ("batch_size", "placement")
    first = {"placement": "original", "activation": "relu"}
    alike = tuple(trial for trial in trials if first.items() <= trial.values.items())
    assert alike
    assert pair_table(space, alike, 1) is None
