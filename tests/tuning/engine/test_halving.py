"""Halving: who goes on, for how long, and that the whole budget is used."""

from collections import defaultdict

import pytest

from tests.tuning.engine.test_oracles import finish, made, run  # noqa: F401 - a fixture
from tuning.engine.halving import rung_epochs

RATE = {"learning_rate": {"low": 0.01, "high": 0.5}}


def values_of(oracle) -> list[dict]:
    return [trial.hyperparameters.values for _, trial in sorted(oracle.trials.items())]


def rungs_of(oracle) -> dict[tuple[int, int], list[dict]]:
    rungs = defaultdict(list)
    for values in values_of(oracle):
        rungs[values["tuner/bracket"], values["tuner/round"]].append(values)
    return rungs


def search(oracle) -> int:
    """Search for the highest rate; return the epochs that were spent."""
    run(oracle, lambda fields: fields["learning_rate"])
    return sum(values["tuner/epochs"] - values["tuner/initial_epoch"] for values in values_of(oracle))


@pytest.mark.parametrize("planned", [1, 2, 4, 9, 10, 27])
def test_every_rung_is_longer_than_the_one_before_and_the_last_is_of_full_length(planned):
    brackets = [s for s in range(5) if 3**s <= planned]
    for bracket in brackets:
        epochs = [rung_epochs(planned, bracket, number) for number in range(bracket + 1)]
        assert epochs == sorted(set(epochs)) and epochs[-1] == planned


@pytest.mark.parametrize(("total", "repeats"), [(200, 1), (40, 1), (81, 2)])
def test_budget_of_epochs_is_used_and_not_exceeded(made, total, repeats):  # noqa: F811
    oracle = made(RATE, tuner="hyperband", planned=9, total_epochs=total, repeats=repeats)
    assert total - 1.5 * repeats <= search(oracle) * repeats <= total


def test_best_third_of_a_rung_goes_on(made):  # noqa: F811
    oracle = made(RATE, tuner="hyperband", planned=9, total_epochs=150)
    search(oracle)
    rungs = rungs_of(oracle)
    assert {key: {values["tuner/epochs"] for values in rung} for key, rung in rungs.items()} == {
        (2, 0): {1}, (2, 1): {3}, (2, 2): {9}, (1, 0): {3}, (1, 1): {9}, (0, 0): {9},
    }  # fmt: skip
    for (bracket, number), rung in rungs.items():
        if number:
            before = rungs[bracket, number - 1]
            assert len(before) // 3 <= len(rung) <= len(before) // 3 + 3  # the last of them at the end of the budget
    best = max(values["learning_rate"] for values in values_of(oracle))
    full = [values["learning_rate"] for values in values_of(oracle) if values["tuner/epochs"] == 9]
    assert best in full


def test_what_goes_on_costs_its_further_epochs_where_the_schedule_allows_it(made):  # noqa: F811
    constant, settings = {"fields": {"schedule": "constant"}}, {"tuner": "hyperband", "planned": 9, "total_epochs": 120}
    oracle = made(RATE, **constant, **settings)
    assert oracle.note == "; what goes on does so from its checkpoint"
    assert 119 <= search(oracle) <= 120
    steps = {(values["tuner/initial_epoch"], values["tuner/epochs"]) for values in values_of(oracle)}
    assert steps == {(0, 1), (1, 3), (3, 9), (0, 3), (0, 9)}
    anew = made(RATE, "anew", fields={"schedule": "cosine"}, **settings)
    assert anew.note == "; what goes on starts anew, for the schedule cosine ends with the run"
    search(anew)
    assert {values["tuner/initial_epoch"] for values in values_of(anew)} == {0}
    assert len(anew.trials) < len(oracle.trials)


def test_note_names_the_points_that_start_anew(made):  # noqa: F811
    space = {"schedule": ["constant", "cosine"], **RATE}
    oracle = made(space, tuner="hyperband", planned=9, total_epochs=120)
    assert oracle.note == "; what goes on starts anew, where the schedule cosine ends with the run"


def test_median_stopping_is_refused_beside_runs_of_several_lengths(made):  # noqa: F811
    with pytest.raises(ValueError, match="hyperband makes runs of several and ends what does badly itself"):
        made(RATE, tuner="hyperband", planned=9, total_epochs=120, stop="median")


def test_brackets_share_the_epochs(made):  # noqa: F811
    oracle = made(RATE, tuner="hyperband", planned=9, total_epochs=150)
    search(oracle)
    spent = defaultdict(int)
    for values in values_of(oracle):
        spent[values["tuner/bracket"]] += values["tuner/epochs"] - values["tuner/initial_epoch"]
    assert set(spent) == {0, 1, 2} and max(spent.values()) - min(spent.values()) <= 18


def test_small_space_is_trained_to_full_length(made):  # noqa: F811
    oracle = made({"activation": ["relu", "gelu", "elu", "tanh"]}, tuner="hyperband", planned=9, total_epochs=1000)
    run(oracle)
    full = [values["activation"] for values in values_of(oracle) if values["tuner/epochs"] == 9]
    assert sorted(full) == ["elu", "gelu", "relu", "tanh"]
    assert oracle.most_trials is None and len(oracle.trials) > 4


def test_last_trials_of_a_budget_of_trials_are_of_full_length(made):  # noqa: F811
    oracle = made(RATE, tuner="hyperband", planned=9, trials=30)
    search(oracle)
    assert values_of(oracle)[-1]["tuner/epochs"] == 9


def test_failed_trials_do_not_go_on(made):  # noqa: F811
    oracle = made(RATE, tuner="hyperband", planned=3, trials=8)
    for _ in range(8):
        trial = oracle.create_trial("one")
        trial.status = "FAILED"
        oracle.end_trial(trial)
    assert {values["tuner/round"] for values in values_of(oracle)} == {0}


def test_search_that_was_stopped_goes_on_as_if_it_was_not(made):  # noqa: F811
    settings = {"tuner": "hyperband", "planned": 9, "total_epochs": 60}
    whole = made(RATE, "whole", **settings)
    search(whole)
    parts = made(RATE, "parts", **settings)
    for _ in range(7):
        trial = parts.create_trial("one")
        finish(parts, trial, trial.hyperparameters.values["learning_rate"])
    again = made(RATE, "parts", **settings)
    search(again)
    assert values_of(again) == values_of(whole)
