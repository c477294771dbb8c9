"""Run folders: nothing that existed is lost, and refusals say what to do."""

import keras
import numpy as np
import pytest

from tests.keras_resnet.helpers import run_python
from training.config import RunConfig
from training.run_folder import RunFolder, SaveRun

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import keras
from training.run_folder import RunFolder, SaveRun

folder = RunFolder(Path(sys.argv[1]))
model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(300, kernel_initializer="zeros")])
model.compile("sgd", "mse")
saver = SaveRun(folder)
saver.set_model(model)
saver.save()
before = {path.name: path.read_bytes() for path in folder.path.iterdir()}
model.set_weights([weight + 1 for weight in model.get_weights()])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    saver.save()
except OSError as error:
    print(error)
print(sorted(before), {path.name: path.read_bytes() for path in folder.path.iterdir()} == before)
"""


def test_model_survives_a_disk_that_fills_up(tmp_path):
    sentence, state = run_python("-c", FULL_DISK, tmp_path).stdout.splitlines()[-2:]
    assert sentence.startswith(f"Cannot save {tmp_path / 'model.keras'}: ")
    assert sentence.endswith(". What was saved before is untouched.")
    assert state == "['checkpoint.weights.h5', 'model.keras'] True"


def some_run(path) -> RunFolder:
    folder = RunFolder(path)
    folder.create(overwrite=False)
    folder.config_file.write_text(RunConfig(epochs=3, seed=5).to_yaml(), encoding="utf-8")
    return folder


def test_create_makes_parents_and_takes_an_empty_folder(tmp_path):
    folder = RunFolder(tmp_path / "a" / "b")
    for _ in range(2):
        folder.create(overwrite=False)
        assert folder.path.is_dir()


def test_create_refuses_an_existing_run_and_leaves_it(tmp_path):
    folder = some_run(tmp_path / "run")
    with pytest.raises(ValueError, match=r"run exists\. Pass --resume to go on with it, --overwrite to start it anew"):
        folder.create(overwrite=False)
    assert folder.read_config().seed == 5


def test_create_overwrites_a_run_when_asked(tmp_path):
    folder = some_run(tmp_path / "run")
    folder.create(overwrite=True)
    assert list(folder.path.iterdir()) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_create_never_removes_a_folder_that_is_no_run(tmp_path, overwrite):
    treasure = tmp_path / "photos" / "treasure.txt"
    treasure.parent.mkdir()
    treasure.write_text("precious", encoding="utf-8")
    with pytest.raises(ValueError, match="is no run folder" if overwrite else "exists"):
        RunFolder(treasure.parent).create(overwrite)
    assert treasure.read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("overwrite", [False, True])
def test_create_never_removes_a_file(tmp_path, overwrite):
    path = tmp_path / "file"
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(ValueError, match="is no run folder" if overwrite else "exists"):
        RunFolder(path).create(overwrite)
    assert path.read_text(encoding="utf-8") == "precious"


def test_folder_without_configuration_is_no_run(tmp_path):
    with pytest.raises(ValueError, match=r"is no run folder: it has no config\.yaml\. `python -m training` makes one"):
        RunFolder(tmp_path).read_config()


def test_run_without_model_says_that_training_did_not_begin(tmp_path):
    with pytest.raises(ValueError, match=r"holds no model\.keras yet: its training did not begin"):
        some_run(tmp_path / "run").load_model()


def test_damaged_model_is_named_in_one_line(tmp_path):
    folder = some_run(tmp_path / "run")
    folder.model_file.write_bytes(b"no zip archive")
    with pytest.raises(ValueError, match=r"run/model\.keras cannot be loaded: ") as refusal:
        folder.load_model()
    assert "\n" not in str(refusal.value)


def test_metrics_of_a_run_that_has_none_are_empty(tmp_path):
    assert RunFolder(tmp_path).read_metrics() == []


def saver(folder: RunFolder) -> SaveRun:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.25), "mse")
    callback = SaveRun(folder)
    callback.set_model(model)
    return callback


def test_save_run_writes_a_row_an_epoch(tmp_path):
    callback, folder = saver(RunFolder(tmp_path)), RunFolder(tmp_path)
    for epoch, loss in enumerate((3.0, 2.0)):
        callback.on_epoch_end(epoch, {"loss": loss})
    expected = [{"epoch": 1, "loss": 3, "learning_rate": 0.25}, {"epoch": 2, "loss": 2, "learning_rate": 0.25}]
    assert folder.read_metrics() == expected


def test_save_run_replaces_the_rows_of_epochs_that_are_repeated(tmp_path):
    callback, folder = saver(RunFolder(tmp_path)), RunFolder(tmp_path)
    for epoch, loss in ((0, 3.0), (1, 2.0), (2, 9.0), (1, 1.0)):
        callback.on_epoch_end(epoch, {"loss": loss})
    assert [(row["epoch"], row["loss"]) for row in folder.read_metrics()] == [(1, 3), (2, 1)]


def test_save_run_saves_before_the_first_epoch(tmp_path):
    callback, folder = saver(RunFolder(tmp_path)), RunFolder(tmp_path)
    callback.on_train_begin()
    saved = keras.models.load_model(folder.model_file, compile=False).get_weights()
    for left, right in zip(saved, callback.model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert folder.checkpoint_file.is_file()
