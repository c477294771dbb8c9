"""Oracles: no point twice or in vain, budgets, and no trial lost with its worker."""

import json
import re
import time

import keras_tuner
import pytest
from keras_tuner.engine.trial import TrialStatus

from tuning.engine.chief import open_state
from tuning.engine.oracles import declare
from tuning.engine.tuners import make_oracle
from tuning.engine.workers import data_of, planned_epochs
from tuning.space.dimensions import signature
from tuning.space.reading import parse_space
from tuning.study import make_study

FOUR = {"activation": ["relu", "gelu"], "shortcut": ["A", "B"]}
MIXED = {"activation": ["relu", "prelu"], "learning_rate": {"low": 0.01, "high": 0.5, "scale": "log"}}

NESTED = {
    "activation": ["relu", {"name": "trainable_swish", "beta": {"low": 0.5, "high": 2.0, "points": 3}}],
    "shortcut": ["A", {"name": "exclusive_gating", "bias": [-6.0, -3.0], "change": "B"}],
    "optimizer": ["sgd", {"name": "adamw", "learning_rate": {"low": 0.001, "high": 0.1, "scale": "log", "points": 3}}],
}


@pytest.fixture
def made(study, tmp_path):
    """Make the oracle of a study, with a folder to keep its state in."""

    def make(space=FOUR, folder="study", planned=2, **settings):
        described = study(space, **settings)
        oracle = make_oracle(described, planned)
        open_state(oracle, tmp_path / folder)
        return oracle

    return make


def finish(oracle, trial, score: float) -> None:
    oracle.update_trial(trial.trial_id, {"accuracy": score})
    trial.status = TrialStatus.COMPLETED
    oracle.end_trial(trial)


def run(oracle, score=lambda fields: 0.5) -> list[dict]:
    """Run trials until there are no more; return their fields."""
    done = []
    while (trial := oracle.create_trial("one")).status == TrialStatus.RUNNING:
        fields = oracle.space.fields(trial.hyperparameters.values)
        done.append(fields)
        finish(oracle, trial, score(fields))
    assert oracle.finished
    return done


def test_keras_tuner_draws_what_the_space_allows():
    space = parse_space(NESTED)
    oracle = keras_tuner.oracles.RandomSearchOracle(
        keras_tuner.Objective("accuracy", "max"), max_trials=50, hyperparameters=declare(space), seed=1
    )
    drawn = [oracle.populate_space(str(place))["values"] for place in range(50)]
    assert {values["activation"] for values in drawn} == {"relu", "trainable_swish"}
    for values in drawn:
        assert space.active(values) == values
        beta = values.get("activation/trainable_swish/beta", 1)
        assert 0.5 <= beta <= 2


@pytest.mark.parametrize("tuner", ["grid", "random", "bayesian"])
def test_every_point_of_a_small_space_is_tried_once_and_the_search_ends(made, tuner):
    fields = run(made(tuner=tuner, trials=20))
    assert len(fields) == len({signature(one) for one in fields}) == 4


@pytest.mark.parametrize("tuner", ["random", "bayesian"])
def test_same_seed_proposes_the_same_trials_and_another_does_not(made, tuner):
    def trials(folder, seed):
        oracle = made(MIXED, folder, tuner=tuner, trials=12, seed=seed)
        return run(oracle, lambda fields: 1 - fields["learning_rate"])

    assert trials("one", 0) == trials("two", 0) != trials("three", 1)


def test_option_that_no_network_can_have_is_refused_before_the_search(made):
    with pytest.raises(ValueError, match=r"network.choices: \{groups: 3\} fits nothing in this space: .*groups"):
        made({"network.choices": [{"groups": 1}, {"groups": 3}]})


def test_impossible_combinations_are_pruned(made):
    space = {
        "placement": ["original", "full_preactivation"],
        "network.choices": [{"zero_init_residual": True}, {"dropout": 0.1}],
    }
    oracle = made(space)
    fields = run(oracle)
    possible = [one for one in fields if oracle.study.problem(one) is None]
    assert fields == possible and 0 < len(fields) < 4


def test_two_words_for_one_network_are_one_point(made):
    assert len(run(made({"activation": ["relu", {"name": "prelu", "slope": [0.25, 0.2500000001]}]}))) == 2


def test_option_that_is_none_is_refused_before_the_search(made):
    with pytest.raises(ValueError, match="activation: rulu fits nothing in this space: Unknown activation 'rulu'"):
        made({"activation": ["relu", "rulu"], "learning_rate": {"low": 0.1, "high": 0.2}}, tuner="random", trials=3)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"trials": 3}, "The grid has 4 points and the budget is 3 trials"),
        ({"total_epochs": 15, "repeats": 2}, "The grid has 4 points, which take 16 epochs, and the budget is 15"),
    ],
)
def test_grid_larger_than_its_budget_is_refused(made, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        made(**settings)
    assert len(run(made(trials=4, total_epochs=8))) == 4


LENGTHS = {"epochs": [50, 1]}
BATCHES = {"batch_size": [16, 128]}  # of 1293 images, so that 400 iterations are 5 epochs, or 40


@pytest.fixture
def of_lengths(tmp_path, data_dir):
    """Make the oracle of a study of several lengths."""

    def make(space, fields=None, **settings):
        described = {"recipe": "digits", "fields": {"data_dir": str(data_dir), **(fields or {})}, "space": space}
        study = make_study({**described, "tuner": "grid", **settings}, "a test")
        oracle = make_oracle(study, planned_epochs(study, data_of(study)))
        open_state(oracle, tmp_path)
        return oracle

    return make


def test_budget_counts_the_epochs_of_each_point(of_lengths):
    assert len(run(of_lengths(LENGTHS, total_epochs=51))) == 2
    with pytest.raises(ValueError, match="The grid has 2 points, which take 51 epochs, and the budget is 50"):
        of_lengths(LENGTHS, total_epochs=50)


def test_random_search_ends_with_the_epochs_that_its_trials_make(of_lengths):
    oracle = of_lengths({"epochs": {"low": 1, "high": 50}}, tuner="random", total_epochs=60)
    epochs = [fields["epochs"] for fields in run(oracle)]
    assert sum(epochs[:-1]) < 60 <= sum(epochs)


def test_batches_decide_the_epochs_of_a_run_of_so_many_iterations(of_lengths):
    space = {"batch_size": [16, 128, 5000]}  # more than all images, so that the run fails, and counts as the first
    oracle = of_lengths(space, {"iterations": 400}, total_epochs=50)
    assert [oracle.length(values) for values in oracle.listed] == [5, 40, 5]
    with pytest.raises(ValueError, match="which take 50 epochs"):
        of_lengths(space, {"iterations": 400}, total_epochs=49)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tuner": "hyperband", "trials": 4}, "hyperband decides itself how long runs are, and {} is searched, which"),
        ({"stop": "median"}, "stop=median compares runs of one length, and {} is searched, which makes several"),
    ],
)
def test_search_that_needs_one_length_refuses_several(of_lengths, settings, sentence):
    with pytest.raises(ValueError, match=sentence.format("epochs")):
        of_lengths(LENGTHS, **settings)
    with pytest.raises(ValueError, match=sentence.format("batch_size of a run of so many iterations")):
        of_lengths(BATCHES, {"iterations": 400}, **settings)
    assert of_lengths({**BATCHES, "epochs": [9]}, **settings).planned == 9


def test_search_goes_on_in_a_folder_whose_name_could_be_a_pattern(made):
    for folder in ("study1", "study[1]"):
        oracle = made(folder=folder, tuner="random", trials=3, seed=int(folder == "study1"))
        finish(oracle, oracle.create_trial("one"), 0.5)
    again = made(folder="study[1]", tuner="random", trials=4)
    (trial,) = again.trials.values()
    assert trial.hyperparameters.values == oracle.trials["0000"].hyperparameters.values and again.end_order == ["0000"]
    assert len(run(again)) == 3


def test_budget_of_epochs_counts_repeats(made):
    assert len(run(made(tuner="random", total_epochs=12, repeats=2))) == 3


def pass_time(monkeypatch, seconds: float) -> None:
    """Let the clock of the oracles go on."""
    later = time.monotonic() + seconds
    monkeypatch.setattr("tuning.engine.oracles.monotonic", lambda: later)


def test_budget_of_hours_ends_the_search(made, monkeypatch):
    oracle = made(tuner="random", hours=1.0)
    finish(oracle, oracle.create_trial("one"), 0.5)
    pass_time(monkeypatch, 3600)
    assert oracle.create_trial("one").status == TrialStatus.STOPPED


# Workers that are gone, studies that were stopped.


def test_idle_workers_wait_while_a_trial_may_come_back(made):
    oracle = made({"activation": ["relu"]})
    lost = oracle.create_trial("one")
    assert oracle.create_trial("two").status == TrialStatus.IDLE
    assert not oracle.finished
    oracle.release("one")
    again = oracle.create_trial("two")
    assert again.trial_id == lost.trial_id
    finish(oracle, again, 0.5)
    assert oracle.create_trial("two").status == TrialStatus.STOPPED
    assert oracle.finished


def test_stopped_study_goes_on_with_its_trials_and_seeds(made):
    whole = run(made(MIXED, "whole", tuner="random", trials=8), lambda fields: fields["learning_rate"])
    first = made(MIXED, "parts", tuner="random", trials=8)
    for _ in range(3):
        trial = first.create_trial("one")
        finish(first, trial, oracle_score(first, trial))
    running = first.create_trial("one")
    second = made(MIXED, "parts", tuner="random", trials=8)
    again = second.create_trial("one")
    assert again.trial_id == running.trial_id
    finish(second, again, oracle_score(second, again))
    run(second, lambda fields: fields["learning_rate"])
    trials = [second.trials[name] for name in sorted(second.trials)]
    assert [second.space.fields(trial.hyperparameters.values) for trial in trials] == whole


def test_complete_study_begins_no_trial_again(made):
    run(made())
    again = made()
    assert again.create_trial("one").status == TrialStatus.STOPPED
    assert again.finished and again.end_order == ["0000", "0001", "0002", "0003"]


def test_trials_of_a_study_that_goes_on_with_more_have_numbers_of_one_width(made):
    run(made(MIXED, tuner="random", trials=3))
    longer = made(MIXED, tuner="random", trials=12)
    run(longer)
    assert sorted(longer.trials) == [f"{number:04d}" for number in range(12)]


def test_trials_of_several_widths_are_told_by_their_numbers(made, tmp_path):
    # As the first version numbered those of three trials that later became twelve.
    run(made(MIXED, tuner="random", trials=12), lambda fields: fields["learning_rate"])
    for file in sorted((tmp_path / "study/oracle").glob("trial_*/trial.json")):
        file.write_text(narrow(file.read_text(encoding="utf-8")), encoding="utf-8")
        file.parent.rename(file.parent.with_name(narrow(file.parent.name)))
    state = tmp_path / "study/oracle/oracle.json"
    state.write_text(narrow(state.read_text(encoding="utf-8")), encoding="utf-8")
    oracle = made(MIXED, tuner="random", trials=14)
    ended = [trial.trial_id for trial, _ in oracle.scores()]
    assert ended == ["0", "1", "2", *(f"{number:02d}" for number in range(3, 12))]
    assert [oracle.create_trial(name).trial_id for name in ("one", "two")] == ["0012", "0013"]
    assert [trial.trial_id for trial in oracle.running()] == ["0012", "0013"]


def narrow(text: str) -> str:
    """Write the ids of the first three trials with one digit, and of the others with two."""
    return re.sub(r"(?<=[\"_])00(\d\d)(?![\d.])", lambda found: found[1] if int(found[1]) > 2 else found[1][1:], text)


def oracle_score(oracle, trial) -> float:
    return oracle.space.fields(trial.hyperparameters.values)["learning_rate"]


def test_trial_that_was_noted_before_the_state_was_written_is_not_lost(made, tmp_path):
    oracle = made()
    state = (tmp_path / "study/oracle/oracle.json").read_text(encoding="utf-8")
    trial = oracle.create_trial("one")
    (tmp_path / "study/oracle/oracle.json").write_text(state, encoding="utf-8")
    assert made().create_trial("one").trial_id == trial.trial_id


def test_point_that_was_noted_before_the_state_was_written_is_not_proposed_again(made, tmp_path):
    whole = run(made(MIXED, "whole", tuner="random", trials=6))
    oracle = made(MIXED, tuner="random", trials=6)
    state = (tmp_path / "study/oracle/oracle.json").read_text(encoding="utf-8")
    oracle.create_trial("one")
    (tmp_path / "study/oracle/oracle.json").write_text(state, encoding="utf-8")  # as if it was killed between the two
    assert run(made(MIXED, tuner="random", trials=6)) == whole


def test_fault_of_the_oracle_stops_the_search_instead_of_all_workers(made, monkeypatch):
    oracle = made(MIXED, tuner="random", trials=3)
    monkeypatch.setattr("tuning.study.Study.problem", lambda *_: 1 / 0)
    assert oracle.create_trial("one").status == TrialStatus.STOPPED
    assert oracle.fault == "ZeroDivisionError: division by zero"
    assert oracle.get_space() is not None


def test_state_is_json_that_names_all_trials(made, tmp_path):
    run(made())
    state = json.loads((tmp_path / "study/oracle/oracle.json").read_text(encoding="utf-8"))
    assert sorted(state["end_order"]) == ["0000", "0001", "0002", "0003"]
