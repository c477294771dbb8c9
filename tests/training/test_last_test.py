"""A run that is tested after its last epoch only learns and saves what one that is tested after each of them does."""

import math

import keras
import numpy as np
import pytest

import training
from training.run_folder import RunFolder


@pytest.mark.slow
@pytest.mark.parametrize("averaging", ["none", "ema"])
def test_run_that_is_tested_once_ends_as_one_that_is_tested_after_each_epoch(tiny, tmp_path, averaging):
    fields = {"epochs": 3, "averaging": averaging}
    folders = {each: RunFolder(tmp_path / str(each)) for each in (True, False)}
    for each, folder in folders.items():
        training.run.train(tiny(**fields, **{"evaluation.each_epoch": each}), folder)
    often, once = (folder.read_metrics() for folder in folders.values())
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    assert [math.isnan(row["val_loss"]) and math.isnan(row["val_accuracy"]) for row in once] == [True, True, False]
    assert [[row[name] for name in names[:2]] for row in once] == [[row[name] for name in names[:2]] for row in often]
    assert once[-1] == often[-1]
    weights = [keras.models.load_model(folder.model_file).get_weights() for folder in folders.values()]
    for left, right in zip(*weights, strict=True):
        np.testing.assert_array_equal(left, right)
    page = folders[False].report_file.read_text(encoding="utf-8")
    assert "nan" not in page and f"{100 * once[-1]['val_accuracy']:.2f} |" in page
