"""`--best` takes the network of the best epoch, in every command that uses a run."""

import json
import shutil

import numpy as np
import pytest

import keras_resnet
from training.config import make_config
from training.config.fields import flat_config
from training.rows import add_row
from training.run_folder import RunFolder

CHOOSING = {"validation": 0.1, "test_split": "test", "evaluation.keep_best": True}


@pytest.fixture
def runs(trained, tmp_path):
    """A run whose first epoch was the best, and one that ended with that network."""
    folders = [RunFolder(tmp_path / name) for name in ("chosen", "ended")]
    for folder in folders:
        ignored = shutil.ignore_patterns("savedmodel", "tensorboard")
        shutil.copytree(trained.folder.path, folder.path, ignore=ignored)
    chosen, ended = folders
    model = trained.folder.load_model()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel[:, ::-1], bias])
    model.save(chosen.best_file)
    model.save(ended.model_file)
    config = make_config(CHOOSING, base=flat_config(trained.config))
    chosen.config_file.write_text(config.to_yaml(), encoding="utf-8")
    first, last = chosen.read_metrics()
    add_row(chosen.metrics_file, [{**first, "val_accuracy": 0.75, "val_loss": 0.5}], {**last, "val_accuracy": 0.5})
    return chosen, ended


@pytest.mark.slow
def test_best_network_is_evaluated(said, runs, trained):
    chosen, ended = runs
    best = json.loads(said("evaluate", chosen.path, "--best", "--json"))
    assert best == json.loads(said("evaluate", ended.path, "--json"))
    assert best["accuracy"] < trained.results["accuracy"]


@pytest.mark.slow
def test_best_network_predicts(said, runs, digit):
    chosen, ended = runs
    answers = [said("predict", folder.path, digit, *option) for folder, option in ((chosen, ["--best"]), (ended, []))]
    assert answers[0] == answers[1] != said("predict", chosen.path, digit)


def test_best_network_is_exported_with_its_own_figures(said, runs, tmp_path):
    path = tmp_path / "best.safetensors"
    said("export", runs[0].path, "--best", "--to", path)
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert (card["accuracy"], card["cross-entropy"]) == (0.75, 0.5)
    assert card["protocol"] == (
        "10 % of the split 'train', every image once in a single view, after epoch 1 of 2, the best by these images"
    )
    pairs = zip(keras_resnet.network_of(path).get_weights(), runs[1].load_model().get_weights(), strict=True)
    assert all(np.array_equal(left, right) for left, right in pairs)


@pytest.mark.parametrize("command", [["evaluate"], ["predict", "image.png"], ["export"]])
def test_run_without_a_best_network_is_refused(refused, trained, command):
    name, *others = command
    sentence = refused(name, trained.folder.path, *others, "--best")
    assert sentence == (
        f"{trained.folder.path} holds no best.keras: it was not trained with --evaluation.keep-best; leave out --best."
    )


def test_run_that_has_not_come_to_an_epoch_is_refused(refused, runs):
    runs[0].best_file.unlink()
    assert "holds no best.keras: no epoch is complete;" in refused("evaluate", runs[0].path, "--best")


def test_weights_have_no_best(refused, runs):
    sentence = refused("evaluate", runs[0].best_file, "--dataset", "digits", "--best")
    assert sentence == f"--best is for run folders; {runs[0].best_file} names weights."
