"""The model's proposals: noise, failures, several workers, spaces with conditions."""

import numpy as np
import pytest

from tests.tuning.engine.test_oracles import MIXED, finish, made, run  # noqa: F401 - a fixture
from tuning.engine.bayesian import PRIOR_RUNS, improvement, noise_of_means
from tuning.engine.oracles import SPREAD, random_trials
from tuning.space.dimensions import signature
from tuning.space.reading import default_space


@pytest.mark.parametrize(("trials", "expected"), [(24, 6), (None, 6), (16, 4), (5, 3)])
def test_search_begins_with_a_few_random_points(study, trials, expected):
    space = default_space(["activation", "shortcut", "placement", "optimizer"])  # of 9 dimensions and more
    assert random_trials(study(space, tuner="bayesian", trials=trials, hours=1.0)) == expected


@pytest.mark.slow
def test_search_of_the_packaged_space_follows_the_scores_after_a_few_random_trials(made):  # noqa: F811
    oracle = made(default_space(["activation", "shortcut", "placement", "optimizer"]), tuner="bayesian", trials=24)
    fields = run(oracle, lambda fields: float(fields["activation"] == "gelu") + 0.1 * (fields["shortcut"] == "B"))
    assert sum(one["activation"] == "gelu" for one in fields[12:]) >= 6  # 1.2 in the mean, were they random


def test_search_goes_where_the_scores_are(made):  # noqa: F811
    oracle = made(MIXED, tuner="bayesian", trials=20)
    rates = [fields["learning_rate"] for fields in run(oracle, lambda fields: 1 - abs(fields["learning_rate"] - 0.3))]
    assert sum(abs(rate - 0.3) for rate in rates[-6:]) < 0.5 * sum(abs(rate - 0.3) for rate in rates[:6])
    assert min(abs(rate - 0.3) for rate in rates) < 0.005


def test_less_is_sought_where_the_objective_is_the_loss(made):  # noqa: F811
    oracle = made(MIXED, tuner="bayesian", trials=14, objective="loss")
    losses = []
    while (trial := oracle.create_trial("one")).status == "RUNNING":
        losses.append(abs(trial.hyperparameters.values["learning_rate"] - 0.3))
        oracle.update_trial(trial.trial_id, {"loss": losses[-1]})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_workers_get_points_of_their_own(made):  # noqa: F811
    oracle = made(MIXED, tuner="bayesian", trials=30)
    for _ in range(8):
        trial = oracle.create_trial("one")
        finish(oracle, trial, 1 - abs(trial.hyperparameters.values["learning_rate"] - 0.3))
    rows = oracle.coding.rows(oracle.create_trial(f"worker {number}").hyperparameters.values for number in range(6))
    distances = np.abs(rows[:, None] - rows[None]).sum(axis=2)
    assert distances[~np.eye(6, dtype=bool)].min() > 0.01


def test_trials_that_fail_count_as_the_worst(made):  # noqa: F811
    space = {"activation": ["relu", "elu", "gelu", "tanh", "sigmoid"], "batch_size": [16, 32, 64, 128]}
    oracle, tried = made(space, tuner="bayesian", trials=14), []
    for _ in range(14):
        trial = oracle.create_trial("one")
        tried.append(trial.hyperparameters.values["batch_size"])
        if tried[-1] == "128":
            trial.status = "FAILED"
            oracle.end_trial(trial)
        else:
            finish(oracle, trial, {"16": 0.5, "32": 0.6, "64": 0.7}[tried[-1]])
    failed = [score for trial, score in oracle.scores() if trial.status == "FAILED"]
    assert failed and set(failed) == {0.5}
    assert tried.count("64") == 5 and tried[7:].count("128") <= 1


def test_noise_of_a_mean_lies_between_its_own_and_that_of_all():
    spreads = [0.1, 0.3, np.nan]
    common = (0.01 + 0.09) / 2
    expected = [(PRIOR_RUNS * common + 2 * own) / (PRIOR_RUNS + 2) / 3 for own in (0.01, 0.09)]
    assert noise_of_means(spreads, 3) == pytest.approx([*expected, common / 3])
    assert not noise_of_means(spreads, 1).any() and not noise_of_means([np.nan] * 2, 3).any()


def test_spread_that_a_worker_reports_is_the_noise_of_the_model(made):  # noqa: F811
    oracle = made(MIXED, tuner="bayesian", trials=30, repeats=3)
    for score, spread in ((0.5, 0.01), (0.6, 0.2), (0.9, 0.01)):
        trial = oracle.create_trial("one")
        oracle.update_trial(trial.trial_id, {"accuracy": score, SPREAD: spread})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    again = made(MIXED, tuner="bayesian", trials=30, repeats=3)  # which reads it from the folder
    for one in (oracle, again):
        small, large, other = one._known().variances * np.std([0.5, 0.6, 0.9]) ** 2
        assert small == other < large
        assert [small, large] == pytest.approx(noise_of_means([0.01, 0.2, 0.01], 3)[:2])


def test_improvement_is_that_of_a_hand_computed_case():
    # E max(y - 1, 0) of a normal y: at mean 1 it is deviation / sqrt(2 pi); without doubt it is what is above.
    expected = np.log([0.5 / np.sqrt(2 * np.pi), 2.0])
    assert improvement(np.array([1.0, 3.0]), np.array([0.5, 1e-3]), 1.0, 0.0) == pytest.approx(expected)
    # Where a score has the variance 0.75 beside the 0.25 in doubt, 1 - sqrt(3 / 4) of it counts.
    assert improvement(1.0, np.array(0.5), 1.0, 0.75) == pytest.approx(expected[0] + np.log(1 - np.sqrt(0.75)))


def test_points_of_a_space_with_conditions_are_whole(made):  # noqa: F811
    space = {"optimizer": [{"name": "sgd", "learning_rate": {"low": 0.02, "high": 0.5, "scale": "log"}}, "adamw"]}
    oracle = made(space | {"activation": ["relu", "gelu"]}, tuner="bayesian", trials=12)
    points = [step(oracle).hyperparameters.values for _ in range(12)]
    assert all(oracle.space.active(values) == values for values in points)
    assert len({signature(values) for values in points}) == 12


def step(oracle):
    """Run the next trial."""
    trial = oracle.create_trial("one")
    finish(oracle, trial, trial.hyperparameters.values.get("optimizer/sgd/learning_rate", 0.1))
    return trial
