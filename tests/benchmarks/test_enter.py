"""Runs of `python -m training` entered as results, and the commands that make them."""

import dataclasses
import errno
import json
import os
import re
import shlex
from unittest import mock

import h5py
import keras
import numpy as np
import pytest

import training.__main__ as training
from enter import FREE, differing, main, result_of, steps_done
from keras_resnet.files import write_atomically
from results import Result, current_commit, read
from rows import INGREDIENTS, Published, Row, read_all, read_rows
from tests.keras_resnet.helpers import run_python
from tests.shared import ROOT
from training.config.fields import FIELDS, flat_config
from training.optimization.optimizers import make_optimizer
from training.run import train
from training.run_folder import RunFolder

ROWS, OF_RECIPE = read_rows(), read_rows(INGREDIENTS)
DEVICE = "some CPU, 2 cores"


def write_run(folder, config, steps=64_000, accuracy=0.9173):
    """Write what of a run folder is read when it is entered; its last test is another than those after its epochs."""
    folder.mkdir()
    last = config.epochs or 164
    (folder / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    metrics = f"epoch,loss,accuracy,val_loss,val_accuracy\n{last - 1},0.3,0.95,0.4,0.8\n{last},0.1,0.99,0.3,0.9\n"
    (folder / "metrics.csv").write_text(metrics, encoding="utf-8")
    (folder / "times.csv").write_text(f"epoch,seconds\n{last - 1},30.25\n{last},20.5\n", encoding="utf-8")
    figures = {"split": "test", "examples": 10_000, "views": config.evaluation.views["name"], "accuracy": accuracy}
    (folder / "test.json").write_text(json.dumps(figures), encoding="utf-8")
    with h5py.File(folder / "checkpoint.weights.h5", "w") as file:
        file["optimizer/vars/0"] = np.int64(steps)
    return folder


@pytest.fixture
def enter(tmp_path, capsys):
    """Make the function that enters a run, and gives the status, what is printed and the results."""

    def run(row, folder, *more):
        results = tmp_path / "results.csv"
        status = main([row, str(folder), "--device", DEVICE, "--commit", "abc1234", "--results", str(results), *more])
        out, err = capsys.readouterr()
        return status, out + err, read(results)

    return run


def test_finished_run_is_entered(tmp_path, enter):
    config = ROWS["resnet20"].config(seed=3, data_dir="here", hardware={"dtype": "mixed_bfloat16"})
    status, printed, results = enter("resnet20", write_run(tmp_path / "run", config))
    assert (status, printed) == (0, f"resnet20, seed 3: 8.27 % entered into {tmp_path / 'results.csv'}.\n")
    # 8.27 % of the images are not among the 91.73 % of the last test; 50.75 seconds are those of both epochs.
    assert results == [Result("resnet20", 3, 8.27, DEVICE, "mixed_bfloat16", 50.8, "abc1234", "training")]


@pytest.mark.parametrize(
    ("dtype", "device", "said", "expected"),
    [
        ("float32", "NVIDIA H100", "tf32", "tf32"),  # as cifar.py has it there, so that figures are labelled alike
        ("float32", "NVIDIA H100", "float32", "float32"),
        (
            "float32",
            "Tesla V100",
            None,
            "Whether Tesla V100 computed float32 in TF32 is not known: pass",
        ),
        ("float32", "NVIDIA L4, 8 CPU cores", None, "Whether NVIDIA L4, 8 CPU cores computed float32"),
        ("float32", "some CPU", None, "float32"),
        ("float32", "AMD EPYC 7B13, 1 core", None, "float32"),
        ("mixed_bfloat16", "NVIDIA H100", None, "mixed_bfloat16"),
        (
            "mixed_bfloat16",
            "NVIDIA H100",
            "tf32",
            "--precision is for runs in float32, and this one is in mixed_bf",
        ),
    ],
)
def test_precision_is_that_of_the_products(tmp_path, enter, dtype, device, said, expected):
    folder = write_run(tmp_path / "run", ROWS["resnet20"].config(hardware={"dtype": dtype}))
    more = ["--precision", said] if said else []
    status, printed, results = enter("resnet20", folder, "--device", device, *more)
    assert [result.precision for result in results] == ([expected] if status == 0 else [])
    assert status == 0 or printed.startswith(f"error: {expected}")


def test_network_is_compared_as_what_it_is(tmp_path, enter):
    config = ROWS["resnet164-full_preactivation"].config(network="ResNet164", placement="full_preactivation")
    status, _, results = enter("resnet164-full_preactivation", write_run(tmp_path / "run", config))
    assert (status, len(results)) == (0, 1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"network": "ResNet32"}, "its network is another, ResNet32 with its choices."),
        ({"shortcut": "B"}, "its network is another, ResNet20 with its choices."),
        ({"batch_size": 64}, "batch_size is 64 instead of 128."),
        ({"epochs": 164}, "epochs is 164 instead of None, iterations is None instead of 64000."),
        ({"optimizer": {"nesterov": True}}, "optimizer.nesterov is True instead of False."),
        ({"data.train_split": "train[:45000]"}, "data.train_split is 'train[:45000]' instead of 'train'."),
        ({"validation": 0.1}, "validation is 0.1 instead of 0.0."),
    ],
)
def test_run_of_another_recipe_is_refused(tmp_path, enter, fields, message):
    folder = write_run(tmp_path / "run", ROWS["resnet20"].config(**fields))
    status, printed, results = enter("resnet20", folder)
    assert (status, printed, results) == (1, f"error: {folder} is no run of row 'resnet20': {message}\n", [])


def test_only_fields_that_decide_nothing_are_free():
    one, other = ROWS["resnet20"].config(), ROWS["resnet20"].config(seed=1, **{"data.shuffle_buffer": 7})
    assert differing(one, other) == ["data.shuffle_buffer is 7 instead of 50000"]
    # Whether a run is tested after each epoch changes no bit of what it learns (tests/training/test_last_test.py).
    assert differing(one, ROWS["resnet20"].config(**{"evaluation.each_epoch": False})) == []
    flipped = ROWS["resnet20"].config(**{"evaluation.views": "flip"})
    assert differing(one, flipped) == ["evaluation.views.name is 'flip' instead of 'single'"]
    assert set(FREE) <= set(FIELDS) and not set(FREE) & {"data.dataset", "hardware.synchronized", "batch_size"}


def test_error_of_a_row_of_ingredients_is_that_of_its_views(tmp_path, enter):
    config = OF_RECIPE["no_smoothing"].config(seed=1, **{"evaluation.each_epoch": True})
    status, printed, results = enter("no_smoothing", write_run(tmp_path / "run", config, accuracy=0.94125))
    # 94.125 % of the images and mirror images are right; in the single view of the last epoch it was 90 %.
    assert (status, printed) == (0, f"no_smoothing, seed 1: 5.88 % entered into {tmp_path / 'results.csv'}.\n")
    assert results == [Result("no_smoothing", 1, 5.875, DEVICE, "mixed_bfloat16", 50.8, "abc1234", "training")]


def test_run_of_another_ingredient_or_tested_in_other_views_is_refused(tmp_path, enter):
    folder = write_run(tmp_path / "run", OF_RECIPE["no_smoothing"].config())
    status, printed, results = enter("cosine", folder)
    assert (status, results) == (1, []) and "is no run of row 'cosine': " in printed
    assert "schedule.name is 'one_cycle' instead of 'cosine'" in printed
    assert "its network is another" in enter("strides", folder)[1]
    folder = write_run(tmp_path / "single", OF_RECIPE["no_smoothing"].config(**{"evaluation.views": "single"}))
    status, printed, results = enter("no_smoothing", folder)
    assert (status, results) == (1, []) and "evaluation.views.name is 'single' instead of 'flip'." in printed


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (None, "RUN has no test.json, the figures of its last test: it was stopped before, or an earlier version "),
        ("{", "RUN/test.json is damaged. "),
        ("[]", "RUN/test.json is damaged. "),
        ('{"views": "flip"}', "RUN/test.json is damaged. "),
        ('{"views": "flip", "accuracy": null}', "RUN/test.json is damaged. "),
    ],
)
def test_run_without_the_figures_of_its_last_test_is_refused_with_a_way_out(tmp_path, enter, written, message):
    folder = write_run(tmp_path / "run", OF_RECIPE["no_shifts"].config())
    (folder / "test.json").unlink()
    if written:
        (folder / "test.json").write_text(written, encoding="utf-8")
    status, printed, results = enter("no_shifts", folder)
    assert (status, results) == (1, []) and printed.startswith("error: " + message.replace("RUN", str(folder)))
    remedy = "--resume tests the finished run once more and writes it; nothing is trained.\n"
    assert printed.endswith(f" python -m training --run-dir {folder} {remedy}")


@pytest.mark.parametrize("steps", [63_733, 0])
def test_run_that_is_not_finished_is_refused(tmp_path, enter, steps):
    folder = write_run(tmp_path / "run", ROWS["resnet20"].config(), steps)
    status, printed, results = enter("resnet20", folder)
    assert (status, results) == (1, [])
    assert f"{folder} is not finished: it has made {steps:,} of 64,000 steps. Go on with it by python -m" in printed


def test_incomplete_folder_is_refused(tmp_path, enter):
    folder = write_run(tmp_path / "run", ROWS["resnet20"].config())
    (folder / "times.csv").unlink()
    assert "lacks metrics.csv, times.csv or checkpoint.weights.h5, which say" in enter("resnet20", folder)[1]
    (folder / "config.yaml").unlink()
    assert f"{folder} is no run folder" in enter("resnet20", folder)[1]


def test_damaged_checkpoint_is_refused(tmp_path, enter):
    folder = write_run(tmp_path / "run", ROWS["resnet20"].config())
    (folder / "checkpoint.weights.h5").write_bytes(b"no checkpoint")
    assert "checkpoint.weights.h5 is damaged, or no checkpoint of a run." in enter("resnet20", folder)[1]


def test_run_is_entered_once(tmp_path, enter):
    folder = write_run(tmp_path / "run", ROWS["resnet20"].config())
    assert enter("resnet20", folder)[0] == 0
    status, printed, results = enter("resnet20", folder)
    assert (status, len(results)) == (1, 1) and "has seed 0 of row 'resnet20' at float32 by engine training" in printed


def test_full_disk_is_named_with_the_file_that_it_did_not_take(tmp_path, enter):
    folder = write_run(tmp_path / "run", ROWS["resnet20"].config())
    with mock.patch("results.os.write", lambda *_: 0):
        status, printed, results = enter("resnet20", folder)
    reason = (
        f"Cannot add a line to {tmp_path / 'results.csv'}: {os.strerror(errno.ENOSPC)}. Its lines before are untouched."
    )
    assert (status, printed, results) == (1, f"error: {reason}\n", [])
    assert enter("resnet20", folder)[0] == 0


def test_unknown_row_and_missing_options_are_refused(tmp_path, enter, capsys):
    assert "Unknown row 'resnet200'." in enter("resnet200", tmp_path)[1]
    with pytest.raises(SystemExit, match="2"):
        main(["resnet20", str(tmp_path)])
    assert "give a run folder and --device, or --print-command" in capsys.readouterr().err


def test_steps_are_those_of_the_checkpoint_of_a_model(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer=make_optimizer(ROWS["resnet20"].config().optimizer, lambda peak: peak), loss="mse")
    for _ in range(3):
        model.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))
    model.save_weights(tmp_path / "checkpoint.weights.h5")
    assert steps_done(tmp_path / "checkpoint.weights.h5") == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "length", [{"epochs": 2, "evaluation": {"views": "flip", "each_epoch": False}}, {"iterations": 30}]
)
def test_run_that_was_made_is_entered_with_its_error(tmp_path, length):
    published = (Published("1512.03385", "Table 6", "option A", 8.75),)
    row = Row("digits", "digits", "ResNet8", published, overrides={"batch_size": 64, **length})
    folder, config = RunFolder(tmp_path / "run"), row.config(data_dir=tmp_path / "data", seed=1)
    results = train(config, folder)
    result = result_of(row, folder, DEVICE, "abc1234")
    assert result.error == round(100 * (1 - results["accuracy"]), 4)
    assert (result.seed, result.precision, result.seconds > 0) == (1, "float32", True)
    folder.test_file.unlink()
    with pytest.raises(ValueError, match=r"has no test\.json"):
        result_of(row, folder, DEVICE, "abc1234")
    train(config, folder, resume=True)
    assert result_of(row, folder, DEVICE, "abc1234") == result
    longer = dataclasses.replace(row, overrides={**row.overrides, next(iter(length)): 100})
    write_atomically(folder.config_file, lambda part: part.write_text(longer.config(seed=1).to_yaml()))
    with pytest.raises(ValueError, match=r"is not finished: it has made (2|30) of 100 (epochs|steps)\."):
        result_of(longer, folder, DEVICE, "abc1234")


@pytest.mark.parametrize(
    "key",
    [
        "resnet20",
        "resnet110",
        "resnet110-dropout",
        "resnet110-single",
        "resnet164-cifar100-full_preactivation",
        *OF_RECIPE,
    ],
)
def test_printed_command_trains_the_row(key, capsys, monkeypatch):
    started = []
    monkeypatch.setattr("training.run.train", lambda config, folder, *_, **__: started.append((config, folder)) or {})
    monkeypatch.chdir(ROOT)
    assert main([key, "--print-command", "--data-dir", "my data", "--seed", "2"]) == 0
    arguments = shlex.split(capsys.readouterr().out)
    assert arguments[:3] == ["python", "-m", "training"]
    assert training.main(arguments[3:]) == 0
    ((config, folder),) = started
    assert flat_config(config) == flat_config(read_all()[key].config(data_dir="my data", seed=2))
    assert str(folder.path) == f"runs/{key}-2"


def test_commit_is_that_of_the_repository(monkeypatch, tmp_path):
    if (ROOT / ".git").exists():
        assert re.fullmatch(r"[0-9a-f]{12,40}", current_commit())
    monkeypatch.setattr("results.RESULTS", tmp_path / "results.csv")
    with pytest.raises(ValueError, match="git does not say which commit this is; give that of the run"):
        current_commit()


@pytest.mark.slow
def test_command_says_nothing_that_is_not_for_the_user():
    script = ROOT / "benchmarks" / "reproduce" / "enter.py"
    process = run_python(script, "resnet20", "--print-command", TF_CPP_MIN_LOG_LEVEL="")
    assert process.stdout.startswith("python -m training --recipe ") and process.stderr == ""
