"""What a study asks of its data before its first trial, and how a worker goes through the seeds of one."""

import threading
from types import SimpleNamespace

import pytest
from keras_tuner.errors import FailedTrialError, FatalValueError

from tests.training.helpers import write_image
from tuning.engine.jobs import Share
from tuning.engine.workers import StudyTuner, data_of, planned_epochs
from tuning.results import COMPLETED, DIVERGED, FAULT, KILLED, Outcome
from tuning.study import make_study

CHOOSES_NOTHING = {"validation": 0, "finalists": 0}


def planned(described: dict) -> int:
    study = make_study(described, "a test")
    return planned_epochs(study, data_of(study))


def test_study_of_several_labels_needs_another_objective(tmp_path):
    for number in range(4):
        write_image(tmp_path / f"{number}.png", (4, 4), seed=number)
    rows = ["path,label", "0.png,cat;dog", "1.png,", "2.png,dog", "3.png,cat"]
    (tmp_path / "table.csv").write_text("\n".join(rows), encoding="utf-8")
    data = {"dataset": "csv", "data_dir": str(tmp_path / "table.csv"), "data.label_separator": ";"}
    fields = {**data, "network": "ResNet8", "epochs": 7, "batch_size": 1}
    described = {"trials": 1, "space": {"activation": ["relu", "gelu"]}, "validation": 0.5, "fields": fields}
    with pytest.raises(ValueError, match="objective accuracy is for images of one class each, and those of 'csv' may"):
        planned(described)
    described["objective"] = "loss"
    assert planned(described) == 7
    sides = {"higher": {"activation": "relu"}, "lower": {"activation": "gelu"}}
    claimed = {**described, "claims": [{"claim": "ReLU errs more.", "source": "nowhere", **sides}]}
    claimed |= {"tuner": "grid", **CHOOSES_NOTHING, "fields": {**fields, "test_split": "train"}}
    with pytest.raises(ValueError, match=r"'ReLU errs more\.' is of an error, .*; measure training loss or test loss"):
        planned(claimed)


def test_study_whose_validation_split_takes_all_images_of_a_class_is_refused(tmp_path):
    for number in range(12):
        write_image(tmp_path / "train" / ("cat" if number < 2 else "dog") / f"{number}.png", (8, 8), seed=number)
    fields = {"dataset": "image_folder", "data_dir": str(tmp_path), "image_size": 8, "network": "ResNet8", "epochs": 1}
    fields |= {"batch_size": 1, "data.standardize": "imagenet"}
    described = {"trials": 1, "space": {"activation": ["relu", "gelu"]}, "validation": 0.8, "fields": fields}
    with pytest.raises(ValueError, match=r"^validation=0\.8 takes every training image of the class cat to test on"):
        planned(described)
    assert planned({**described, "validation": 0.5}) == 1


@pytest.fixture
def seeds_run(study, tmp_path, monkeypatch):
    """Make the function that gives the seeds that a worker runs of a trial, and what it raises in the end."""

    def go(outcomes: list[Outcome | Exception], **settings) -> tuple[list[int], type | None]:
        ran = []

        def execute(job, **_):
            ran.append(job.config["seed"])
            if isinstance(outcome := outcomes[len(ran) - 1], Exception):
                raise outcome
            return outcome

        monkeypatch.setattr("tuning.engine.workers.execute", execute)
        tuner = object.__new__(StudyTuner)  # without keras-tuner's own, which asks for a chief
        tuner.study, tuner.folder, tuner.planned, tuner.share = study(repeats=3, **settings), tmp_path, 2, Share()
        tuner.oracle = SimpleNamespace(attempt=1, leaving=threading.Event(), get_trial=lambda trial_id: None)
        trial = SimpleNamespace(trial_id="0000", hyperparameters=SimpleNamespace(values={"activation": "relu"}))
        try:
            tuner.run_trial(trial)
        except Exception as error:
            return ran, type(error)
        return ran, None

    return go


def test_every_seed_runs_where_nothing_is_chosen_though_one_diverges(seeds_run):
    diverged, ended = Outcome(DIVERGED, reason="The loss became nan"), Outcome(COMPLETED, 0.5)
    assert seeds_run([diverged, ended, diverged], **CHOOSES_NOTHING) == ([0, 1, 2], FailedTrialError)
    assert seeds_run([diverged, ended, ended]) == ([0], FailedTrialError)  # a search spends nothing more on it
    assert seeds_run([ended, ended, ended], **CHOOSES_NOTHING) == ([0, 1, 2], None)


def test_seed_that_is_killed_is_made_again_though_another_diverged(seeds_run):
    outcomes = [Outcome(DIVERGED, reason="The loss became nan"), Outcome(KILLED, reason="killed")]
    assert seeds_run(outcomes, **CHOOSES_NOTHING) == ([0, 1], RuntimeError)


@pytest.mark.parametrize(
    "fault", [OSError("Cannot save it: no space."), Outcome(FAULT, reason="Cannot save it: no space.")]
)
def test_folder_that_cannot_be_written_ends_the_worker_and_is_no_fault_of_the_trial(seeds_run, tmp_path, fault):
    assert seeds_run([fault]) == ([0], FatalValueError)
    assert (tmp_path / "fault.txt").read_text(encoding="utf-8") == "Cannot save it: no space."
    (tmp_path / "fault.txt").unlink()
    (tmp_path / "fault.txt").mkdir()  # where not even that can be told
    assert seeds_run([fault]) == ([0], FatalValueError)


def test_trial_that_cannot_be_written_down_ends_the_worker_too(seeds_run, tmp_path):
    (tmp_path / "trials").write_text("no folder", encoding="utf-8")
    assert seeds_run([]) == ([], FatalValueError)


def test_trial_whose_folder_was_removed_is_run_again(seeds_run):
    assert seeds_run([FileNotFoundError("seed-0")]) == ([0], FileNotFoundError)
