"""Finalists: which runs of them are made, of studies whose trials end early too. Nothing is trained."""

import csv
import dataclasses
import json
import signal
import types

import pytest

from tests.tuning.helpers import COLUMNS, write_study, write_trial
from training.config import make_config, read_fields
from tuning import search
from tuning.report.findings import Findings
from tuning.report.sentences import finals_named
from tuning.report.writing import write_report
from tuning.results import COMPLETED, KILLED, STOPPED, Outcome, read_results, write_outcome

SPACE = {"activation": ["relu", "gelu"]}
LENGTH = 20


def ended_early(folder, study, name: str, activation: str, *epochs: int) -> None:
    """Write a trial whose runs end after so many epochs, of which the last two brought nothing."""
    write_trial(folder, study, name, {"activation": activation}, [0.5] * len(epochs), epochs=LENGTH)
    for seed, count in enumerate(epochs):
        run = folder / "trials" / name / f"seed-{seed}"
        write_outcome(run, Outcome(COMPLETED, 0.5, {}, epochs=count))
        with open(run / "metrics.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, restval=0.5)
            writer.writeheader()
            best = LENGTH if count == LENGTH else count - 2
            rows = range(1, count + 1)
            writer.writerows({"epoch": epoch, "val_accuracy": min(epoch, best) / LENGTH} for epoch in rows)


@pytest.fixture
def finals(tmp_path, monkeypatch):
    """Make the function that lets the finalists of a study run, in vain, and gives the jobs that they come to."""

    def run(schedule="constant", epochs=(6, 9, LENGTH), **fields):
        usual = {"network": "ResNet8", "dataset": "digits", "epochs": LENGTH, "schedule": schedule}
        patient = {"evaluation.patience": 2, "evaluation.keep_best": True}
        study = write_study(tmp_path, SPACE, fields={**usual, **patient, **fields}, repeats=len(epochs), finalists=1)
        ended_early(tmp_path, study, "0000", "gelu", *epochs)
        jobs = []

        def execute(job, leaving):
            jobs.append(job)
            write_outcome(job.folder, Outcome(COMPLETED, 0.4, {"accuracy": 0.4, "loss": 0.6}, job.config["epochs"]))
            return Outcome(COMPLETED)

        monkeypatch.setattr(search, "execute", execute)
        search._run_finals(types.SimpleNamespace(study=study, planned=LENGTH), tmp_path, 1)
        return jobs

    return run


def test_finalist_makes_as_many_epochs_as_the_runs_of_its_trial_in_the_middle_of_them(finals, tmp_path):
    jobs = finals()
    configs = [make_config(job.config) for job in jobs]
    assert [(config.seed, config.epochs, config.data.validation) for config in configs] == [
        (seed, 9, 0.0) for seed in range(3)
    ]
    assert {(config.evaluation.patience, config.evaluation.keep_best) for config in configs} == {(None, False)}
    assert json.loads((tmp_path / "finals/0000/trial.json").read_text(encoding="utf-8"))["epochs"] == 9
    assert make_config(read_fields(tmp_path / "best.yaml")) == configs[0]


@pytest.mark.parametrize(
    ("schedule", "epochs"),
    [
        ("one_cycle", (6, 9, 8)),  # a shorter run would take another course
        ({"name": "steps", "milestones": [1000]}, (6, 9, 8)),  # a shorter run might not come to it
        ("constant", (6, LENGTH, LENGTH)),
    ],
)
def test_finalist_has_its_own_length_where_the_rate_has_a_course_or_most_runs_were_whole(finals, schedule, epochs):
    assert [job.config["epochs"] for job in finals(schedule, epochs)] == [LENGTH] * 3


def test_trial_that_the_median_ended_tells_nothing_of_the_length_of_a_finalist(tmp_path):
    fields = {"network": "ResNet8", "dataset": "digits", "epochs": LENGTH, "evaluation.patience": 2}
    study = write_study(tmp_path, SPACE, fields=fields, repeats=1, stop="median")
    ended_early(tmp_path, study, "0000", "gelu", 6)
    assert search.stalled_after(study, read_results(tmp_path).trials[0], LENGTH) == 6
    write_outcome(tmp_path / "trials/0000/seed-0", Outcome(STOPPED, 0.5, {}, epochs=6))
    assert search.stalled_after(study, read_results(tmp_path).trials[0], LENGTH) is None


def test_length_that_runs_fell_short_of_is_that_of_their_point(tmp_path, data_dir):
    fields = {"dataset": "digits", "data_dir": str(data_dir), "iterations": 900, "evaluation.patience": 2}
    study = write_study(tmp_path, {"batch_size": [16, 128]}, fields=fields, repeats=1)
    write_trial(tmp_path, study, "0000", {"batch_size": "128"}, [0.5], epochs=LENGTH)
    trial = read_results(tmp_path).trials[0]
    stalled = [{"epoch": epoch, "val_accuracy": min(epoch, 18)} for epoch in range(1, LENGTH + 1)]
    trial = dataclasses.replace(trial, runs=(trial.runs[0]._replace(history=stalled),))
    assert search.stalled_after(study, trial, 12) == LENGTH  # of 90; batches of 16 make 12


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_the_finals_with_the_runs_that_are_on(tmp_path, monkeypatch, workers):
    study = write_study(tmp_path, SPACE, finalists=2, repeats=3)
    for number, activation in enumerate(SPACE["activation"]):
        write_trial(tmp_path, study, f"{number:04d}", {"activation": activation}, [0.5] * 3)
    begun = []

    def execute(job, leaving):
        begun.append(job)
        if len(begun) == workers:
            signal.raise_signal(signal.SIGINT)
        assert leaving.wait(60)
        return Outcome(KILLED)

    monkeypatch.setattr(search, "execute", execute)
    with pytest.raises(KeyboardInterrupt):
        search._run_finals(types.SimpleNamespace(study=study, planned=8), tmp_path, workers)
    assert len(begun) == workers


def test_report_says_how_long_finalists_were_trained(finals, tmp_path):
    finals()
    write_report(tmp_path)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "over the seeds. Early stopping needs a validation split" in page
    assert "They made 9 epochs, those in the search 6 to 20 epochs." in page
    assert "| early stopping | patience of 2 epochs |" in page


def test_length_of_a_halved_finalist_is_that_of_its_runs(tmp_path, monkeypatch):
    fields = {"network": "ResNet8", "dataset": "digits", "epochs": 9}
    study = write_study(tmp_path, SPACE, tuner="hyperband", fields=fields, repeats=1, finalists=1)
    write_trial(tmp_path, study, "0000", {"activation": "gelu"}, [0.5], epochs=3)
    monkeypatch.setattr(search, "execute", lambda job, leaving: Outcome(COMPLETED))
    search._run_finals(types.SimpleNamespace(study=study, planned=9), tmp_path, 1)
    assert read_results(tmp_path).finals[0].epochs == 9  # not those of the rung


def test_finalists_of_a_search_that_makes_several_trials_of_a_point_are_distinct_points(tmp_path, monkeypatch):
    fields = {"network": "ResNet8", "dataset": "digits", "epochs": 9}
    study = write_study(tmp_path, SPACE, tuner="hyperband", fields=fields, repeats=1, finalists=2)
    trials = (("relu", 0.6, 1), ("gelu", 0.5, 1), ("relu", 0.7, 3), ("relu", 0.9, 9))
    for number, (activation, score, epochs) in enumerate(trials):
        write_trial(tmp_path, study, f"{number:04d}", {"activation": activation}, [score], epochs=epochs)
    monkeypatch.setattr(search, "execute", lambda job, leaving: Outcome(COMPLETED))
    search._run_finals(types.SimpleNamespace(study=study, planned=9), tmp_path, 1)
    found = read_results(tmp_path)
    assert {final.id: final.values["activation"] for final in found.finals} == {"0001": "gelu", "0003": "relu"}
    assert [trial.id for trial in found.finalists(1)] == ["0003"]  # the one of most epochs
    for final in found.finals:
        write_outcome(tmp_path / "finals" / final.id / "seed-0", Outcome(COMPLETED, 0.9, {"accuracy": 0.9}))
    assert finals_named(Findings(read_results(tmp_path))) == "The best 2 points"  # of ranks 1 and 4
