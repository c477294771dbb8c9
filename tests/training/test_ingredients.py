"""Whole runs with other optimizers, schedules and losses than the recipes have."""

import keras
import numpy as np
import pytest

from tests.training.helpers import Keep, same_weights
from training.data.batches import test_batches as batches_of
from training.data.datasets import open_source
from training.run import train
from training.run_folder import RunFolder

LARGE_BATCHES = {
    "optimizer": {"name": "lamb", "learning_rate": 0.01, "clip_norm": 0.5},
    "schedule": {"name": "polynomial", "power": 2, "warmup": 7, "warmup_from": 0.1},
    "loss": {"name": "binary_cross_entropy", "threshold": 0.2},
    "augmentation": [{"name": "mixup", "share": 0.5}, "cutmix"],
}
FOCUSED = {
    "optimizer": {"name": "lars", "learning_rate": 2.0, "trust": 0.01, "clip_value": 0.1},
    "schedule": {"name": "exponential", "warmup": 0.1},
    "loss": {"name": "focal", "label_smoothing": 0.1},
}
SIGNS = {"optimizer": {"name": "lion", "learning_rate": 3e-4}, "schedule": {"name": "steps", "warmup": 0.2}}


@pytest.mark.slow
@pytest.mark.parametrize("fields", [LARGE_BATCHES, FOCUSED, SIGNS], ids=["lamb", "lars", "lion"])
def test_interrupted_run_goes_on_to_the_very_same_end_and_learns(fields, tiny, tmp_path):
    config = tiny(epochs=3, **fields)
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    results = train(config, whole, callbacks=[Keep(whole, parts)])
    assert len(parts.read_metrics()) == 1
    train(config, parts, resume=True)
    assert same_weights(whole, parts)
    assert whole.read_metrics() == parts.read_metrics()
    first, *_, last = whole.read_metrics()
    assert last["loss"] < first["loss"] and results["accuracy"] > 0.3


@pytest.mark.slow
def test_results_give_the_cross_entropy_of_the_softmax_and_the_metrics_the_loss_of_the_run(tiny, tmp_path):
    config, folder = tiny(epochs=1, loss="binary_cross_entropy"), RunFolder(tmp_path / "run")
    results = train(config, folder)
    model, source = folder.load_model(), open_source(config.data)
    logits, labels = [], []
    cut = keras.Model(model.input, model.get_layer("predictions").input)
    for images, given in batches_of(source, "test", model.preprocessing, 64, 1):
        kernel, bias = model.get_layer("predictions").get_weights()
        logits.append(cut(images).numpy() @ kernel + bias)
        labels.append(given.numpy())
    logits, hot = np.concatenate(logits).astype("float64"), np.eye(10)[np.concatenate(labels)]
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert results["loss"] == pytest.approx(-(hot * np.log(softmax)).sum(axis=1).mean(), rel=1e-4)
    expected = np.log1p(np.exp(np.where(hot, -logits, logits))).mean()
    (row,) = folder.read_metrics()
    assert row["val_loss"] == pytest.approx(expected, rel=1e-4)
    assert row["val_accuracy"] == pytest.approx(results["accuracy"]) == (logits.argmax(1) == hot.argmax(1)).mean()
