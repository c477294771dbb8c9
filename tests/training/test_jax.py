"""Runs on JAX, in a process of its own: beside TensorFlow, on two devices beside one, and stopped and resumed."""

import json

import numpy as np
import pytest

import keras_resnet
from tests.keras_resnet.helpers import run_python
from tests.training.helpers import same_weights, weights_of
from tests.training.test_kills import EVERYTHING, tensors_of
from training.run import train
from training.run_folder import RunFolder

pytestmark = pytest.mark.slow

# A step from the same weights by everything that has a side of its own on JAX, or depends on the data.
ONE_STEP = {
    "sgd": {
        "optimizer": {"name": "sgd", "learning_rate": 0.1, "clip_norm": 0.5},
        "augmentation": [{"name": "rotate"}, {"name": "pad_crop", "pixels": 1}, "flip", {"name": "mixup"}],
        "hardware": {"accumulation": 2, "remat": True, "synchronized": True},
    },
    "muon": {
        "optimizer": {"name": "muon", "learning_rate": 0.1, "kernel_rate": 0.01},
        "averaging": {"name": "ema", "decay": 0.8, "images": 64},
        "loss": {"name": "binary_cross_entropy", "label_smoothing": 0.1},
        "augmentation": ["rand_augment"],
    },
    "lamb": {  # of two steps, the first one of the head alone
        "optimizer": {"name": "lamb", "learning_rate": 0.01},
        "start": {"freeze": ["conv1"], "stage_decay": 0.5, "head_epochs": 1},
        "iterations": 2,
    },
}

# Runs on JAX: two CPUs before all others, for JAX can no longer be given them once it has computed.
RUNS = """
import json, sys
from pathlib import Path
import keras
from training.config import make_config, read_fields
from training.evaluation.candidates import evaluate_run
from training.run import train
from training.run_folder import RunFolder

class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

folder, results = Path(sys.argv[1]), {}
for name in json.loads(sys.argv[2]):
    config = make_config(read_fields(folder / f"{name}.yaml"), name)
    if name == "parts":
        try:
            train(config, RunFolder(folder / name), callbacks=[Stop()])
        except KeyboardInterrupt:
            pass
    run = RunFolder(folder / name)
    results[name] = [train(config, run, resume=name == "parts"), evaluate_run(run, {})]
    if name == "one":
        results["views"] = [evaluate_run(run, {"evaluation.views": views}) for views in ("single", "flip")]
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def runs(tiny, tmp_path_factory):
    """The folder of the runs on JAX, each beside its configuration, and what they reported."""
    pytest.importorskip("jax", reason="needs JAX: pip install 'keras-resnet-suite[jax]'")
    folder = tmp_path_factory.mktemp("jax")
    keras_resnet.ResNet("ResNet8", input_shape=(8, 8, 1), classes=10).save_weights(folder / "start.weights.h5")
    gently = {
        **EVERYTHING,
        "optimizer": {"name": "muon", "learning_rate": 0.01, "kernel_rate": 0.001, "clip_norm": 5.0},
        # Each epoch is tested on what the trained network is tested on, of which two devices cannot have a half each.
        "validation": 0,
        "evaluation": {},
        "test_split": "test[:101]",
    }
    two = tiny(**gently, devices=("CPU:0", "CPU:1"))
    configs = {
        "whole": two,
        "parts": two,
        "one": tiny(**gently, devices=("CPU:0",)),
        **{name: one_step(tiny, folder, fields) for name, fields in ONE_STEP.items()},
    }
    for name, config in configs.items():
        (folder / f"{name}.yaml").write_text(config.to_yaml(), encoding="utf-8")
    # What one run compiles, the next ones find.
    cache = {"JAX_COMPILATION_CACHE_DIR": str(folder / "cache"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    done = run_python("-c", RUNS, folder, json.dumps([*configs]), KERAS_BACKEND="jax", timeout=3000, **cache)
    return folder, json.loads(done.stdout.splitlines()[-1])


def one_step(tiny, folder, fields):
    start = {"weights": str(folder / "start.weights.h5"), **fields.get("start", {})}
    usual = {"data": {"train_split": "train[:64]"}, "test_split": "test[:101]", "epochs": None, "iterations": 1}
    return tiny(**{**usual, "schedule": "constant", **fields, "start": start})


@pytest.mark.parametrize("name", ONE_STEP)
def test_first_step_is_that_of_tensorflow(runs, tiny, tmp_path, name):
    folder, _ = runs
    ours, theirs = RunFolder(folder / name), RunFolder(tmp_path / name)
    train(one_step(tiny, folder, ONE_STEP[name]), theirs)
    for row, expected in zip(ours.read_metrics(), theirs.read_metrics(), strict=True):
        assert row == pytest.approx(expected, abs=1e-5)
    before = keras_resnet.ResNet("ResNet8", input_shape=(8, 8, 1), classes=10, weights=folder / "start.weights.h5")
    learned = 0.0
    for one, other, first in zip(weights_of(ours), weights_of(theirs), before.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
        learned = max(learned, np.abs(other - first).max())
    assert learned > 1e-2


def test_two_devices_train_as_one_does(runs):
    folder, _ = runs
    one, two = (RunFolder(folder / name).read_metrics() for name in ("one", "whole"))
    assert len(one) == 3
    for row, expected in zip(two, one, strict=True):
        assert row == pytest.approx(expected, abs=1e-5)


def test_resumed_run_ends_in_the_same_bits(runs):
    folder, _ = runs
    whole, parts = RunFolder(folder / "whole"), RunFolder(folder / "parts")
    assert whole.metrics_file.read_bytes() == parts.metrics_file.read_bytes()
    assert same_weights(whole, parts)
    one, other = tensors_of(whole.checkpoint_file), tensors_of(parts.checkpoint_file)
    assert one.keys() == other.keys() and len(one) > 80
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


def test_evaluation_of_what_was_saved_is_the_last_figure(runs):
    folder, results = runs
    for name in ("one", "whole"):
        last = RunFolder(folder / name).read_metrics()[-1]
        for result in results[name]:
            assert (result["loss"], result["accuracy"]) == (last["val_loss"], last["val_accuracy"])


def test_views_are_scored_as_by_tensorflow(runs):
    from training.evaluation.candidates import evaluate_run

    folder, results = runs
    for views, result in zip(("single", "flip"), results["views"], strict=True):
        expected = evaluate_run(RunFolder(folder / "one"), {"evaluation.views": views})
        assert result["loss"] == pytest.approx(expected["loss"], rel=1e-5)
        assert result["accuracy"] == expected["accuracy"]
