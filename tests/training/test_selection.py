"""The best epoch and the end of a run that no longer improves, both by the validation split."""

import shutil

import keras
import numpy as np
import pytest

from tests.training.helpers import Keep, same_weights, weights_of
from training.callbacks import SaveRun
from training.config import make_config
from training.plan import Phase, Plan
from training.run import train
from training.run_folder import RunFolder
from training.selection import best_epoch, early_epochs, is_stalled


def rows(*accuracies):
    return [{"epoch": float(epoch), "val_accuracy": value} for epoch, value in enumerate(accuracies, 1)]


def test_best_epoch_is_the_first_of_the_highest_accuracy():
    assert best_epoch([]) == 0
    assert best_epoch(rows(0.5)) == 1
    assert best_epoch(rows(0.5, 0.7, 0.6, 0.7)) == 2


@pytest.mark.parametrize(
    ("accuracies", "patience", "stalled"),
    [
        ((0.5, 0.4), 1, True),
        ((0.5, 0.4), 2, False),
        ((0.5, 0.4, 0.5), 2, True),
        ((0.5, 0.4, 0.6), 1, False),
        ((), 1, False),
        ((0.5, 0.4, 0.3), None, False),
    ],
)
def test_run_is_stalled_after_so_many_epochs_without_a_better_one(accuracies, patience, stalled):
    assert is_stalled(rows(*accuracies), patience) == stalled


@pytest.mark.parametrize(("early", "stalled"), [(1, True), (2, True), (3, False), (9, False)])
def test_run_is_not_stalled_before_so_many_epochs_after_the_early_ones(early, stalled):
    assert is_stalled(rows(0.5, 0.4, 0.4, 0.4), 2, early) == stalled


@pytest.mark.parametrize(
    ("schedule", "head", "early"),
    [
        ("constant", 0, 0),
        ("constant", 2, 2),
        ({"name": "constant", "warmup": 15}, 0, 2),  # ten steps an epoch; within the second one the rate is full
        ({"name": "constant", "warmup": 15}, 2, 4),
        ({"name": "one_cycle", "warmup": 0.5}, 2, 6),  # half of the seven epochs behind those of the head
        ({"name": "steps", "milestones": [0.5], "warmup_steps": 20}, 0, 2),
    ],
)
def test_epochs_of_a_warm_up_and_of_the_head_alone_come_too_early(schedule, head, early):
    config = make_config({"epochs": 9, "schedule": schedule, "start": {"head_epochs": head}})
    phases = Phase(0, head, ()), Phase(head, 9, ())
    assert early_epochs(config, Plan(10, 9, 90, phases if head else phases[1:])) == early


@pytest.mark.parametrize("fields", [{"keep_best": True}, {"patience": 3}])
def test_a_test_set_chooses_nothing(fields):
    ((name, value),) = fields.items()
    with pytest.raises(ValueError, match=rf"{name}={value} chooses by validation accuracy and needs validation"):
        make_config({"epochs": 3, "evaluation": fields})
    assert make_config({"epochs": 3, "evaluation": fields, "validation": 0.1})
    with pytest.raises(ValueError, match=rf"{name}={value} chooses among epochs and needs each_epoch"):
        make_config({"epochs": 3, "evaluation": {**fields, "each_epoch": False}, "validation": 0.1})


class Weights(keras.callbacks.Callback):
    """Keeps the weights of every epoch."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def on_epoch_end(self, epoch, logs=None):
        self.kept.append(self.model.get_weights())


# A rate so high that accuracy goes up and down.
UNSTEADY = {
    "epochs": 5,
    "schedule": "constant",
    "optimizer": {"learning_rate": 0.8},
    "validation": 0.3,
    "test_split": "test",
    "data": {"train_split": "train[:300]"},
}


@pytest.mark.slow
def test_best_network_is_that_of_its_epoch_also_of_a_run_that_was_stopped(tiny, tmp_path):
    config, watch = tiny(**UNSTEADY, evaluation={"keep_best": True}), Weights()
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    results = train(config, whole, callbacks=[watch, Keep(whole, parts, epoch=2)])
    best = best_epoch(whole.read_metrics())
    accuracies = [row["val_accuracy"] for row in whole.read_metrics()]
    assert best - 1 == int(np.argmax(accuracies)) and len(set(accuracies)) > 1
    kept = keras.models.load_model(whole.best_file).get_weights()
    for left, right in zip(kept, watch.kept[best - 1], strict=True):
        np.testing.assert_array_equal(left, right)
    assert f"| best epoch | {best} |" in whole.report_file.read_text(encoding="utf-8")
    # The accuracy of each epoch is that of the validation split, and only the last figure that of the test split.
    assert results["split"] == "test" and results["accuracy"] not in accuracies
    assert len(parts.read_metrics()) == 2
    assert train(config, parts, resume=True) == results
    assert parts.best_file.read_bytes() and parts.read_metrics() == whole.read_metrics()
    for left, right in zip(kept, keras.models.load_model(parts.best_file).get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.slow
def test_patience_begins_after_the_warm_up_also_of_a_run_that_was_stopped_within_it(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("training.selection.best_epoch", lambda rows: 1)  # nothing is better than the first epoch
    warm = {**UNSTEADY, "schedule": {"name": "constant", "warmup": 7}}  # of three steps an epoch
    config = tiny(**warm, evaluation={"patience": 1})
    folder, stopped = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "stopped")
    train(config, folder, callbacks=[Keep(folder, stopped, epoch=2)])
    assert len(stopped.read_metrics()) == 2
    train(config, stopped, resume=True)
    assert len(stopped.read_metrics()) == len(folder.read_metrics()) == 4


@pytest.mark.slow
def test_run_ends_when_it_no_longer_improves_and_stays_ended(tiny, tmp_path, monkeypatch):
    whole, early = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "early")
    train(tiny(**UNSTEADY), whole)
    config = tiny(**{**UNSTEADY, "epochs": 40}, evaluation={"patience": 2})
    # Killed after the last row and before the last model and checkpoint, a run makes that epoch again.
    killed, save = RunFolder(tmp_path / "killed"), SaveRun.save

    def keep_and_save(self):
        shutil.rmtree(killed.path, ignore_errors=True)
        shutil.copytree(early.path, killed.path)
        save(self)

    with monkeypatch.context() as patch:
        patch.setattr(SaveRun, "save", keep_and_save)
        results = train(config, early)
    found = early.read_metrics()
    assert best_epoch(found) == len(found) - 2 < 38
    shared = min(len(found), 5)  # a constant rate: what comes later changes nothing
    assert found[:shared] == whole.read_metrics()[:shared]
    weights = weights_of(early)
    assert killed.read_metrics() == found and not same_weights(killed, early)  # the network of the epoch before
    assert train(config, killed, resume=True) == results and same_weights(killed, early)
    assert train(config, early, resume=True) == results
    assert early.read_metrics() == found
    for left, right in zip(weights, weights_of(early), strict=True):
        np.testing.assert_array_equal(left, right)
