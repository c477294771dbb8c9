"""Runs: what they leave behind, that they repeat, and that they go on where they were stopped."""

import json
import random
import re
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.keras_resnet.helpers import run_python
from tests.training.helpers import same_weights, weights_of
from training import run
from training.callbacks import SaveRun
from training.distribution import distribution_of
from training.plan import Plan
from training.run import train
from training.run_folder import RunFolder


def metrics_of(folder: RunFolder) -> str:
    return folder.metrics_file.read_text(encoding="utf-8")


def steps_of(folder: RunFolder, config) -> int:
    """Read the number of steps from a run's checkpoint."""
    source = run.datasets.open_source(config.data)
    plan = Plan.of(source, config)
    model = folder.load_model()
    run.prepare(model, run.Run(config, folder, source, plan, distribution_of(config.hardware)))
    model.load_weights(folder.checkpoint_file)
    return int(model.optimizer.iterations)


# What a run leaves.


def test_run_leaves_every_file_it_promises(trained):
    folder = trained.folder.path
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    promised = {
        "config.yaml",
        "metrics.csv",
        "model.keras",
        "checkpoint.weights.h5",
        "curves.png",
        "report.md",
        "test.json",
        "labels.txt",
        "data.json",
        "preprocessing.json",
        "savedmodel/saved_model.pb",
        "savedmodel/assets/labels.txt",
    }
    assert promised <= files
    assert not [name for name in files if ".part-" in name]
    for part in ("train", "validation"):
        assert list((folder / "tensorboard" / part).glob("events.out.tfevents.*"))


def test_configuration_in_the_folder_is_the_runs(trained):
    assert trained.folder.read_config() == trained.config


def test_labels_are_those_of_the_data_set(trained):
    assert trained.folder.read_labels() == list("0123456789")


def test_metrics_have_a_row_an_epoch(trained):
    rows = trained.folder.read_metrics()
    assert [row["epoch"] for row in rows] == [1, 2]
    assert set(rows[0]) == {"epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    assert rows[1]["loss"] < rows[0]["loss"] < np.log(10)


def test_metrics_hold_the_learning_rate_at_the_end_of_the_epoch(trained):
    # One cycle over 44 steps: 9 of rise to 0.05, then a straight line to zero.
    rates = [row["learning_rate"] for row in trained.folder.read_metrics()]
    np.testing.assert_allclose(rates, [0.05 * (44 - 22) / (44 - 9), 0], atol=1e-7)


def test_results_are_those_of_the_last_epoch(trained):
    last = trained.folder.read_metrics()[-1]
    assert trained.results["accuracy"] == pytest.approx(last["val_accuracy"], abs=1e-6)
    assert trained.results["loss"] == pytest.approx(last["val_loss"], rel=1e-5)
    assert (trained.results["split"], trained.results["examples"]) == ("test", 364)
    written = json.loads((trained.folder.path / "test.json").read_text(encoding="utf-8"))
    assert written == {**trained.results, "views": "single"}


def test_model_in_the_folder_has_the_recorded_accuracy(trained):
    source = run.datasets.open_source(trained.config.data)
    model, preprocessing = trained.folder.load_model(), trained.folder.read_preprocessing()
    pairs = [(image.numpy(), int(label)) for image, label in source.examples("test")]
    predicted = model.predict(preprocessing(np.array([image for image, _ in pairs])), verbose=0).argmax(1)
    accuracy = np.mean(predicted == [label for _, label in pairs])
    assert accuracy == pytest.approx(trained.results["accuracy"], abs=1e-6)


def test_report_states_the_results(trained):
    page = (trained.folder.path / "report.md").read_text(encoding="utf-8")
    figures = dict(re.findall(r"^\| (\S+) \| (.+) \|$", page, re.MULTILINE))
    assert page.startswith("# ResNet8 on digits\n")
    assert figures["accuracy"] == f"{trained.results['accuracy']:.4f}"
    assert figures["loss"] == f"{trained.results['loss']:.4f}"
    weights = keras.models.load_model(trained.folder.model_file, compile=False).trainable_weights
    assert figures["parameters"] == f"{sum(np.prod(weight.shape) for weight in weights):,}"
    rows = [line for line in page.splitlines() if re.match(r"\| [12] \|", line)]
    recorded = trained.folder.read_metrics()
    assert [float(row.split("|")[5]) for row in rows] == [round(100 * row["val_accuracy"], 2) for row in recorded]


# Repetition.


@pytest.mark.slow
def test_configuration_alone_repeats_the_run_bit_for_bit(trained, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_bytes(trained.folder.config_file.read_bytes())
    run_python("-m", "training", "--config", config, "--run-dir", tmp_path / "again")
    again = RunFolder(tmp_path / "again")
    assert same_weights(again, trained.folder)
    assert metrics_of(again) == metrics_of(trained.folder)


@pytest.mark.slow
def test_same_seed_repeats_the_run_and_another_does_not(tiny, tmp_path):
    one, same, other = (RunFolder(tmp_path / name) for name in ("one", "same", "other"))
    for folder, seed in ((one, 3), (same, 3), (other, 4)):
        train(tiny(iterations=3, seed=seed), folder)
    assert same_weights(one, same)
    assert not same_weights(one, other)


@pytest.mark.slow
def test_run_that_prepares_its_data_is_the_run_on_prepared_data(trained, tiny, tmp_path):
    folder = RunFolder(tmp_path / "first")
    train(tiny(data_dir=tmp_path / "new"), folder)
    assert same_weights(folder, trained.folder)
    assert metrics_of(folder) == metrics_of(trained.folder)


@pytest.mark.slow
def test_nothing_before_the_network_shifts_its_seeds(tiny, tmp_path, monkeypatch):
    config, plain, drawing = tiny(iterations=2), RunFolder(tmp_path / "plain"), RunFolder(tmp_path / "drawing")
    train(config, plain)
    opened = run.datasets.open_source(config.data)

    def draw_and_open(data, arrays):
        draws = random.random(), np.random.random(), keras.random.normal((1,)), tf.random.uniform((1,))
        assert len(draws) == 4
        return opened

    monkeypatch.setattr(run.datasets, "open_source", draw_and_open)
    train(config, drawing)
    assert same_weights(plain, drawing)


# Evaluation while fitting.


@pytest.mark.slow
def test_validation_that_misses_images_ends_the_run(tiny, tmp_path, monkeypatch):
    whole, folder = run.batches.test_batches, RunFolder(tmp_path / "run")
    monkeypatch.setattr(run.batches, "test_batches", lambda *given, **named: whole(*given, **named).skip(1))
    with pytest.raises(ValueError, match=r"counted 300 images of 'test', which has 364; its figures are not kept\."):
        train(tiny(), folder)
    assert folder.read_metrics() == []


# Length.


@pytest.mark.slow
def test_iterations_end_within_an_epoch(tiny, tmp_path):
    config, folder = tiny(iterations=27), RunFolder(tmp_path / "run")
    train(config, folder)
    assert steps_of(folder, config) == 27
    assert [row["epoch"] for row in folder.read_metrics()] == [1, 2]


def test_loss_that_is_no_number_ends_the_run_and_keeps_what_was_saved(tiny, tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(ValueError, match=r"The loss became nan in epoch 1, step \d of 22\. .*lower learning_rate"):
        train(tiny(learning_rate=1e30), folder)
    assert all(np.isfinite(weights).all() for weights in weights_of(folder))
    assert folder.read_metrics() == []


@pytest.mark.slow
def test_statistics_that_are_no_numbers_end_the_run_though_the_loss_is_one(tiny, tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(ValueError, match=r"(val_loss became|is no longer finite).* in epoch 1.*lower learning_rate"):
        train(tiny(learning_rate=1e6, schedule="constant", batch_size=320), folder)
    assert all(np.isfinite(weights).all() for weights in weights_of(folder))
    assert folder.read_metrics() == []


@pytest.mark.slow
def test_network_of_a_run_loads_with_keras_resnet_alone(trained):
    script = "import sys, keras, keras_resnet; model = keras.models.load_model(sys.argv[1]); print(model.name)"
    script += "; assert not any(name.split('.')[0] == 'training' for name in sys.modules)"
    assert run_python("-c", script, trained.folder.model_file).stdout.split() == ["resnet8"]


# Interruption.


def interrupt_after(monkeypatch, epochs: int) -> None:
    """Press Ctrl-C when so many epochs are saved and the next one has begun."""
    begin = SaveRun.on_train_batch_begin

    def press(self, batch, logs=None):
        begin(self, batch, logs)
        if len(self.folder.read_metrics()) == epochs and batch == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(SaveRun, "on_train_batch_begin", press)


RANDOM_LAYERS = {"network.choices": {"dropout": 0.2, "stochastic_depth": 0.5}}
MIXED = {"augmentation": ["rand_augment", "flip", {"name": "mixup", "share": 0.5}, "cutmix"]}


@pytest.mark.slow
@pytest.mark.parametrize("fields", [{}, RANDOM_LAYERS, MIXED], ids=["", "random layers", "mixed labels"])
def test_interrupted_run_goes_on_to_the_very_same_end(fields, tiny, tmp_path, monkeypatch):
    config = tiny(epochs=3, **fields)
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    train(config, whole)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            train(config, parts)
    assert [row["epoch"] for row in parts.read_metrics()] == [1]
    before = parts.read_times()
    train(config, parts, resume=True)
    assert same_weights(whole, parts)
    assert metrics_of(parts) == metrics_of(whole)
    times = parts.read_times()
    assert times[:1] == before and [row["epoch"] for row in times] == [1, 2, 3]
    total = sum(row["seconds"] for row in times)
    assert f"| seconds | {total:.1f} |" in (parts.path / "report.md").read_text(encoding="utf-8")


def copy_of_run(trained, tmp_path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    for name in (
        "config.yaml",
        "model.keras",
        "checkpoint.weights.h5",
        "preprocessing.json",
        "labels.txt",
        "metrics.csv",
    ):
        (folder.path / name).write_bytes((trained.folder.path / name).read_bytes())
    return folder


def test_resuming_a_complete_run_trains_no_further(trained, tiny, tmp_path):
    folder = copy_of_run(trained, tmp_path)
    checkpoint = folder.checkpoint_file.read_bytes()
    results = train(tiny(), folder, resume=True)
    assert results["accuracy"] == pytest.approx(trained.results["accuracy"], abs=1e-6)
    assert metrics_of(folder) == metrics_of(trained.folder)
    assert folder.checkpoint_file.read_bytes() == checkpoint


def test_resuming_with_other_settings_is_refused(trained, tiny, tmp_path):
    folder = copy_of_run(trained, tmp_path)
    with pytest.raises(
        ValueError, match=r"run cannot be resumed with other settings: epochs was 2, learning_rate was 0\.05\.$"
    ):
        train(tiny(epochs=3, learning_rate=0.1), folder, resume=True)
    assert metrics_of(folder) == metrics_of(trained.folder)


def test_resuming_without_checkpoint_is_refused(trained, tiny, tmp_path):
    folder = copy_of_run(trained, tmp_path)
    folder.checkpoint_file.unlink()
    with pytest.raises(ValueError, match="holds no checkpoint to resume from; start it anew with --overwrite"):
        train(tiny(), folder, resume=True)


@pytest.mark.parametrize("content", [b"", b"no HDF5", "cut"], ids=["empty", "other", "cut short"])
def test_resuming_from_a_damaged_checkpoint_is_refused(trained, tiny, tmp_path, content):
    folder = copy_of_run(trained, tmp_path)
    whole = folder.checkpoint_file.read_bytes()
    folder.checkpoint_file.write_bytes(whole[: len(whole) // 2] if content == "cut" else content)
    with pytest.raises(ValueError, match=r"checkpoint\.weights\.h5' does not hold .*or start the run anew") as refusal:
        train(tiny(), folder, resume=True)
    assert "\n" not in str(refusal.value)
    assert metrics_of(folder) == metrics_of(trained.folder)


def test_resuming_from_a_checkpoint_with_another_state_of_the_optimizer_is_refused(trained, tiny, tmp_path):
    folder = copy_of_run(trained, tmp_path)
    with h5py.File(folder.checkpoint_file, "r+") as file:
        count = len(file["optimizer/vars"])
        del file["optimizer/vars/0"]
    with pytest.raises(ValueError, match=rf"holds {count - 1} variables of the optimizer, and the run has {count}: it"):
        train(tiny(), folder, resume=True)
    assert metrics_of(folder) == metrics_of(trained.folder)


def test_resuming_what_is_no_run_is_refused(tiny, tmp_path):
    with pytest.raises(ValueError, match="is no run folder"):
        train(tiny(), RunFolder(tmp_path), resume=True)


def test_run_that_another_process_writes_is_left_alone(tiny, tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.held(), pytest.raises(ValueError, match="is being written by another process"):
        train(tiny(), folder)
    assert not folder.path.exists()


def test_runs_that_begin_in_the_same_second_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run.time, "strftime", lambda format: "20260102-030405")
    for name in ("digits-20260102-030405", "digits-20260102-030405-2", "digits-20260102-030405-3"):
        folder = run.default_folder("digits")
        assert folder.path == Path("runs", name)
        folder.path.mkdir(parents=True)


def test_existing_run_is_refused_and_left_alone(trained, tiny):
    before = weights_of(trained.folder)
    with pytest.raises(ValueError, match=r"exists\. Pass --resume"):
        train(tiny(), trained.folder)
    for left, right in zip(before, weights_of(trained.folder), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("fields", [{"image_size": 2}, {"weights": "none.weights.h5"}], ids=["size", "weights"])
def test_refused_run_leaves_no_folder_in_the_way_of_the_next_attempt(tiny, tmp_path, fields):
    with pytest.raises(ValueError, match=r"too small|is neither a file nor"):
        train(tiny(**fields), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_further_callbacks_are_called_and_may_end_the_run(tiny, tmp_path):
    class Stop(keras.callbacks.Callback):
        epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += 1
            self.model.stop_training = epoch == 0

    stop, folder = Stop(), RunFolder(tmp_path / "run")
    train(tiny(epochs=4, start={"head_epochs": 2}), folder, callbacks=[stop])
    assert stop.epochs == len(folder.read_metrics()) == 1


@pytest.mark.slow
def test_label_smoothing_is_trained_on_but_not_evaluated_with(tiny, tmp_path):
    config, folder = tiny(iterations=1, loss={"label_smoothing": 0.2}, learning_rate=1e-9), RunFolder(tmp_path / "run")
    results = train(config, folder)
    source, preprocessing = run.datasets.open_source(config.data), folder.read_preprocessing()
    pairs = [(image.numpy(), int(label)) for image, label in source.examples("test")]
    predicted = folder.load_model().predict(preprocessing(np.array([image for image, _ in pairs])), verbose=0)
    labels = [label for _, label in pairs]
    assert results["loss"] == pytest.approx(-np.log(predicted[np.arange(364), labels]).mean(), rel=1e-4)
