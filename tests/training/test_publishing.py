"""Weights to publish: the figures of the card are those of the run, and the network is that of the run."""

import json
import math
import shutil

import numpy as np
import pytest

import keras_resnet
from keras_resnet.weights.own import note_down
from training.config import load_recipe, make_config
from training.config.fields import flat_config
from training.publishing import nearest_recipe
from training.rows import add_row
from training.run_folder import RunFolder


def test_exported_weights_are_the_network_of_the_run_and_the_card_says_how_it_came_about(said, trained, tmp_path):
    path = tmp_path / "resnet8_digits.safetensors"
    printed = said("export", trained.folder.path, "--to", path)
    assert printed == f"weights {path}\ncard    {path.with_suffix('.json')}\n"
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["accuracy"] == pytest.approx(trained.results["accuracy"], abs=1e-6)
    assert (card["network"], card["dataset"], card["seed"], card["license"]) == ("ResNet8", "digits", 0, "Apache-2.0")
    assert card["protocol"] == "test split, every image once in a single view, after the last of 2 epochs"
    assert not {"data.data_dir", "hardware.devices"} & card["changes"].keys()
    assert (card["recipe"], card["changes"]["epochs"]) == ("digits", 2)
    assert str(tmp_path.parent) not in json.dumps(card)
    network, own = keras_resnet.network_of(path), trained.folder.load_model()
    assert network.labels == own.labels == tuple(map(str, range(10)))
    assert network.preprocessing.to_dict() == trained.folder.read_preprocessing().to_dict()
    for left, right in zip(network.get_weights(), own.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_published_weights_have_the_license_that_is_given_and_no_choice_is_lost(said, refused, trained, tmp_path):
    path = tmp_path / "weights.safetensors"
    sentence = refused("export", trained.folder.path, "--to", path, "--fold")
    assert sentence == f"--to {path} publishes the weights as they are, without --fold: name a folder for it."
    assert "without --format" in refused("export", trained.folder.path, "--to", path, "--format", "onnx")
    assert not list(tmp_path.iterdir())
    said("export", trained.folder.path, "--to", path, "--format", "safetensors", "--license", "MIT")
    assert json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["license"] == "MIT"


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the run, to be changed."""
    folder = RunFolder(tmp_path / "run")
    shutil.copytree(trained.folder.path, folder.path, ignore=shutil.ignore_patterns("savedmodel", "tensorboard"))
    return folder


@pytest.mark.parametrize("lacking", ["report.md", "metrics.csv"])
def test_run_that_is_not_finished_is_not_published(refused, copied, tmp_path, lacking):
    (copied.path / lacking).unlink()
    sentence = refused("export", copied.path, "--to", tmp_path / "x.safetensors")
    assert "and is not finished; go on by --resume" in sentence


def test_run_that_ended_early_is_published_and_one_that_was_to_go_on_is_not(refused, said, copied, tmp_path):
    fields = {"epochs": 9, "validation": 0.1, "evaluation": {"patience": 1}}
    config = make_config(fields, base=flat_config(copied.read_config()))
    copied.config_file.write_text(config.to_yaml(), encoding="utf-8")
    refused("export", copied.path, "--to", tmp_path / "x.safetensors")  # its last epoch is its best one
    first, last = copied.read_metrics()
    copied.metrics_file.unlink()
    for row in (first, {**last, "val_accuracy": first["val_accuracy"]}):
        add_row(copied.metrics_file, copied.read_metrics(), row)
    said("export", copied.path, "--to", tmp_path / "x.safetensors")
    assert "after the last of 2 epochs" in (tmp_path / "x.json").read_text(encoding="utf-8")


def card_of(said, folder, to, *options) -> str:
    """Export the network of a run, and read its card."""
    said("export", folder.path, "--format", "keras", "--to", to, *options)
    return (to / "README.md").read_text(encoding="utf-8")


def test_figures_of_an_export_are_those_of_its_network_while_the_run_saves_an_epoch(said, refused, copied, tmp_path):
    card = card_of(said, copied, tmp_path / "two")
    assert "after the last of 2 epochs |" in card
    rows = copied.read_metrics()
    add_row(copied.metrics_file, rows, {**rows[-1], "epoch": 3.0, "val_accuracy": 0.125})  # model.keras comes later
    assert card_of(said, copied, tmp_path / "three") == card
    config = make_config({"epochs": 3}, base=flat_config(copied.read_config()))
    copied.config_file.write_text(config.to_yaml(), encoding="utf-8")
    sentence = refused("export", copied.path, "--to", tmp_path / "x.safetensors")
    assert sentence == f"{copied.path} has made 3 epochs, and its network is of epoch 2; put back a copy."


def test_best_network_waits_for_its_figures(said, refused, copied, tmp_path):
    rows = copied.read_metrics()
    shutil.copy(copied.model_file, copied.best_file)
    assert "after the last of 2 epochs |" in card_of(said, copied, tmp_path / "best", "--best")
    note_down(copied.best_file, {"epoch": 3})  # before the row is written
    sentence = refused("export", copied.path, "--best", "--to", tmp_path / "waiting")
    assert f"{copied.path} holds a network of epoch 3 and no figures of it yet. Wait until" in sentence
    add_row(copied.metrics_file, rows, {**rows[-1], "epoch": 3.0, "val_accuracy": 0.125})
    for epoch, accuracy in ((4.0, 0.125), (5.0, 0.25)):
        add_row(copied.metrics_file, copied.read_metrics(), {**rows[-1], "epoch": epoch, "val_accuracy": accuracy})
    card = card_of(said, copied, tmp_path / "third", "--best")  # read before that of the fifth epoch was written
    assert "| accuracy | 0.125 |" in card and "after epoch 3 of 4, the best by these images" in card


def test_network_that_was_not_trained_has_no_figures(said, copied, tmp_path):
    note_down(copied.model_file, {"epoch": 0})
    card = card_of(said, copied, tmp_path / "exported")
    assert "| dataset | digits |" in card and "accuracy" not in card


def test_network_that_is_not_tested_yet_has_no_test_figures(said, copied, tmp_path):
    row = copied.read_metrics()[-1]
    copied.metrics_file.unlink()
    add_row(copied.metrics_file, [], {**row, "val_accuracy": math.nan, "val_loss": math.nan})
    card = card_of(said, copied, tmp_path / "keras")
    assert "| protocol | after epoch 2, not tested yet |" in card and "nan" not in card and "| seed | 0 |" in card
    said("export", copied.path, "--format", "safetensors", "--to", tmp_path / "tensors")
    text = (tmp_path / "tensors" / "model.json").read_text(encoding="utf-8")
    assert not {"accuracy", "cross-entropy"} & json.loads(text).keys() and "NaN" not in text


def test_network_of_an_earlier_version_has_the_figures_of_the_last_epoch(said, copied, tmp_path):
    copied.load_model().save(copied.model_file)  # without a note
    assert copied.load_saved()[1] is None
    assert "after the last of 2 epochs |" in card_of(said, copied, tmp_path / "exported")


def test_recipe_of_the_card_is_the_nearest_with_what_differs():
    config = make_config({"epochs": 60, "seed": 3, "data_dir": "elsewhere"}, base=load_recipe("cifar10-fast"))
    assert nearest_recipe(config) == ("cifar10-fast", {"epochs": 60})
    changed = make_config({"optimizer.momentum": 0.8}, base=load_recipe("cifar10"))
    assert nearest_recipe(changed) == ("cifar10", {"optimizer.momentum": 0.8})
