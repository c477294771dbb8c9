"""What a run does at each epoch: it saves whole files of finite numbers, in an order that survives any kill."""

import errno
import json
import math
import os
import zipfile

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet import model as networks
from keras_resnet.model import uncompiled
from keras_resnet.weights.own import load_noted
from tests.keras_resnet.helpers import images, outputs, run_python, tiny
from training import callbacks, clock, rows
from training.callbacks import SaveRun
from training.clock import EpochClock
from training.optimization.rules import L2SGD
from training.run_folder import RunFolder

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import keras_resnet
from training.callbacks import SaveRun
from training.clock import EpochClock
from training.optimization.rules import L2SGD
from training.run_folder import RunFolder

folder = RunFolder(Path(sys.argv[1]))
model = keras_resnet.ResNet("ResNet8", input_shape=(8, 8, 1))
model.compile("sgd", "mse")
saver = SaveRun(folder, EpochClock(8))
saver.set_model(model)
saver.save()
before = {path.name: path.read_bytes() for path in folder.path.iterdir()}
model.set_weights([weight + 1 for weight in model.get_weights()])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for save in (saver.save, lambda: model.save_weights(folder.checkpoint_file)):
    try:
        save()
    except OSError as error:
        print(error)
print(sorted(before), {path.name: path.read_bytes() for path in folder.path.iterdir()} == before)
"""


@pytest.mark.slow
def test_model_survives_a_disk_that_fills_up(tmp_path):
    *sentences, state = run_python("-c", FULL_DISK, tmp_path).stdout.splitlines()[-3:]
    for name, sentence in zip(("model.keras", "checkpoint.weights.h5"), sentences, strict=True):
        assert sentence == f"Cannot save {tmp_path / name}: File too large. What was saved before is untouched."
    assert state == "['checkpoint.weights.h5', 'model.keras'] True"


def saver(folder: RunFolder, keep_best: bool = False, **arguments) -> SaveRun:
    model = keras_resnet.ResNet(tiny(), input_shape=(8, 8, 1), classes=3)
    model.compile(**{"optimizer": keras.optimizers.SGD(0.25), "loss": "mse", **arguments})
    callback = SaveRun(folder, EpochClock(batch_size=8), keep_best=keep_best)
    for own in (callback.clock, callback):
        own.set_model(model)
    return callback


def files_of(folder: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.iterdir()}


def end_epoch(callback: SaveRun, epoch: int, **logs: float) -> None:
    callback.clock.on_epoch_begin(epoch)
    callback.on_epoch_end(epoch, logs)


def test_save_run_writes_a_row_an_epoch(tmp_path):
    callback, folder = saver(RunFolder(tmp_path)), RunFolder(tmp_path)
    for epoch, loss in enumerate((3.0, 2.0)):
        end_epoch(callback, epoch, loss=loss, val_loss=loss + 1)
    rate = {"learning_rate": 0.25}
    expected = [{"epoch": 1, "loss": 3, "val_loss": 4, **rate}, {"epoch": 2, "loss": 2, "val_loss": 3, **rate}]
    assert folder.read_metrics() == expected


def test_row_of_an_epoch_that_was_not_tested_says_so(tmp_path):
    callback, folder = saver(RunFolder(tmp_path)), RunFolder(tmp_path)
    end_epoch(callback, 0, loss=3.0)
    end_epoch(callback, 1, loss=2.0, val_loss=2.5)
    first, second = folder.read_metrics()
    assert list(first) == list(second) == ["epoch", "loss", "val_loss", "learning_rate"]
    assert math.isnan(first["val_loss"]) and (first["loss"], second["val_loss"]) == (3, 2.5)


def test_save_run_replaces_the_rows_of_epochs_that_are_repeated(tmp_path):
    callback, folder = saver(RunFolder(tmp_path)), RunFolder(tmp_path)
    for epoch, loss in ((0, 3.0), (1, 2.0), (2, 9.0), (1, 1.0)):
        end_epoch(callback, epoch, loss=loss)
    assert [(row["epoch"], row["loss"]) for row in folder.read_metrics()] == [(1, 3), (2, 1)]


def test_save_run_times_each_epoch(tmp_path, monkeypatch):
    now = iter((10.0, 11.5, 12.5, 20.0, 24.0, 24.0))
    monkeypatch.setattr(clock.time, "perf_counter", lambda: next(now))
    callback, folder = saver(RunFolder(tmp_path)), RunFolder(tmp_path)
    folder.times_file.write_text("epoch,seconds,images_per_second\n1,7.5,16\n", encoding="utf-8")
    callback.clock.on_epoch_begin(1)
    for batch in range(6):
        callback.clock.on_train_batch_begin(batch)
        callback.clock.on_train_batch_end(batch)
    callback.clock.on_test_begin()
    callback.clock.waited, callback.clock.measured = 0.5, (5, 2.0)
    callback.on_epoch_end(1, {"loss": 1.0})
    callback.clock.on_epoch_begin(2)
    callback.on_epoch_end(2, {"loss": 1.0})
    first, second, third = folder.read_times()
    # Six steps of eight images in a second and a half; the rest of the epoch is its test.
    assert second == {"epoch": 2, "seconds": 2.5, "images_per_second": 32, "waiting": 0.25}
    assert (third["seconds"], third["images_per_second"]) == (4, 0) and math.isnan(third["waiting"])
    assert first["seconds"] == 7.5 and math.isnan(first["waiting"])  # of an earlier version, which did not note it


def test_save_run_saves_before_the_first_epoch(tmp_path):
    callback, folder = saver(RunFolder(tmp_path)), RunFolder(tmp_path)
    callback.on_train_begin()
    saved = keras.models.load_model(folder.model_file).get_weights()
    for left, right in zip(saved, callback.model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert folder.checkpoint_file.is_file()


def test_model_file_holds_the_network_and_nothing_of_its_training(tmp_path):
    callback, folder = saver(RunFolder(tmp_path), optimizer=L2SGD()), RunFolder(tmp_path)
    callback.model.preprocessing = keras_resnet.CONTRACTS["cifar"]
    callback.save()
    loaded = keras.models.load_model(folder.model_file)
    assert not loaded.compiled
    assert uncompiled(callback.model).get_config() == callback.model.get_config()
    assert loaded.levels == callback.model.levels and loaded.preprocessing.size == (32, 32)
    x = images(2, 8, 8, 1)
    np.testing.assert_array_equal(outputs(loaded, x), outputs(callback.model, x))


def test_networks_tell_of_which_epoch_they_are_and_keras_loads_them(tmp_path):
    folder = RunFolder(tmp_path)
    callback = saver(folder, keep_best=True)
    callback.on_train_begin()
    assert load_noted(folder.model_file)[1] == {"epoch": 0}
    for epoch, accuracy in enumerate((0.5, 0.75, 0.625)):
        end_epoch(callback, epoch, val_accuracy=accuracy)
    assert [load_noted(file)[1] for file in (folder.model_file, folder.best_file)] == [{"epoch": 3}, {"epoch": 2}]
    with zipfile.ZipFile(folder.model_file) as archive:  # with more members Keras unpacks all of them to the disk
        assert len(archive.namelist()) == 3 and archive.testzip() is None
    assert keras.models.load_model(folder.model_file).count_params() == callback.model.count_params()


@pytest.mark.parametrize("file", ["metrics_file", "times_file", "model_file", "checkpoint_file"])
def test_run_that_is_stopped_between_two_files_loses_no_row(tmp_path, monkeypatch, file):
    """Stop before each file of the second epoch: the checkpoint never knows an epoch that the metrics do not."""
    folder, write = RunFolder(tmp_path), callbacks.write_atomically
    callback = saver(folder)
    end_epoch(callback, 0, loss=3.0)
    before = folder.checkpoint_file.read_bytes()

    def stop(path, *arguments):
        if path == getattr(folder, file):
            raise KeyboardInterrupt
        write(path, *arguments)

    for module in (callbacks, networks, rows):
        monkeypatch.setattr(module, "write_atomically", stop)
    with pytest.raises(KeyboardInterrupt):
        end_epoch(callback, 1, loss=2.0)
    assert folder.checkpoint_file.read_bytes() == before  # so the second epoch is made again, and its rows with it
    monkeypatch.undo()
    end_epoch(callback, 1, loss=2.0)
    assert [row["loss"] for row in folder.read_metrics()] == [3, 2]
    assert [row["epoch"] for row in folder.read_times()] == [1, 2]


def test_best_model_is_kept_and_written_before_its_epoch_counts(tmp_path, monkeypatch):
    folder, write = RunFolder(tmp_path), callbacks.write_atomically
    callback = saver(folder, keep_best=True)
    for epoch, accuracy in enumerate((0.5, 0.75, 0.75)):
        callback.model.set_weights([weight + 1 for weight in callback.model.get_weights()])
        end_epoch(callback, epoch, val_accuracy=accuracy)
        if epoch == 1:
            best = callback.model.get_weights()
    for left, right in zip(keras.models.load_model(folder.best_file).get_weights(), best, strict=True):
        np.testing.assert_array_equal(left, right)

    def stop(path, *arguments):
        if path == folder.metrics_file:
            raise KeyboardInterrupt
        write(path, *arguments)

    before = folder.best_file.read_bytes()
    monkeypatch.setattr(rows, "write_atomically", stop)
    with pytest.raises(KeyboardInterrupt):
        end_epoch(callback, 3, val_accuracy=1.0)
    assert folder.best_file.read_bytes() != before and len(folder.read_metrics()) == 3


@pytest.mark.sampled(3)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", ["loss", "val_loss", "weights", "moving statistics", "optimizer"])
def test_numbers_that_are_none_never_take_the_place_of_the_last_good_epoch(tmp_path, place, value):
    callback, folder = (
        saver(RunFolder(tmp_path), optimizer=keras.optimizers.SGD(0.25, momentum=0.9)),
        RunFolder(tmp_path),
    )
    callback.model.optimizer.build(callback.model.trainable_variables)
    end_epoch(callback, 0, loss=3.0, val_loss=3.0)
    before = files_of(folder)
    logs = {"loss": 2.0, "val_loss": 2.0}
    if place in logs:
        logs[place], expected = value, f"The {place} became {value} in epoch 2"
    else:
        layer = callback.model.get_layer("conv2_block1_1_bn")
        variable = {
            "weights": layer.gamma,
            "moving statistics": layer.moving_mean,
            "optimizer": callback.model.optimizer.variables[-1],
        }[place]
        values = np.array(variable)
        values.flat[0] = value
        variable.assign(values)
        expected = f"{variable.path} is no longer finite in epoch 2"
    with pytest.raises(ValueError, match="with one of: a lower learning_rate") as refusal:
        end_epoch(callback, 1, **logs)
    assert str(refusal.value).startswith(expected)
    assert files_of(folder) == before


def test_weights_that_are_no_numbers_do_not_begin_a_run(tmp_path):
    callback = saver(RunFolder(tmp_path))
    callback.model.set_weights([weight * np.nan for weight in callback.model.get_weights()])
    with pytest.raises(ValueError, match=r"is not finite before the first step; start from other weights\.$"):
        callback.on_train_begin()
    assert os.listdir(tmp_path) == []


def test_full_disk_is_named_when_metrics_are_written(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    callback = saver(RunFolder(tmp_path))
    monkeypatch.setattr(rows.csv, "DictWriter", full)
    with pytest.raises(OSError, match=r"Cannot save .*metrics\.csv: No space left on device"):
        end_epoch(callback, 0, loss=1.0)


# Adds to each of 64 weights what dropout lets through of ones, of two examples, each on a device of its own.
DROPPED = """
import json
import keras
import numpy as np
import tensorflow as tf
from training.callbacks import SeedLayers
from training.distribution.mirrored import Mirrored, choose_devices, strategy
from training.plan import Plan

devices = Mirrored(strategy(choose_devices(("CPU:0", "CPU:1"))))  # before TensorFlow makes its first tensor
data = tf.data.Dataset.from_tensor_slices((np.ones((2, 64), "float32"), np.zeros((2, 1), "float32"))).batch(2)
with devices.scope():
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dropout(0.5), dense])
    model.compile(keras.optimizers.SGD(1.0), loss=lambda labels, outputs: -outputs)
found = []
for epoch in (1, 2, 1):
    model.set_weights([np.zeros((64, 1))])
    seeds = SeedLayers(Plan(1, 3, 3, ()), 5)
    model.fit(data.repeat(), steps_per_epoch=1, initial_epoch=epoch, epochs=epoch + 1, callbacks=[seeds], verbose=0)
    devices.merge(model)
    found.append(model.get_weights()[0].ravel().tolist())
print(json.dumps(found))
"""


@pytest.mark.slow
def test_each_device_drops_places_of_its_own_and_again_the_same():
    first, second, again = json.loads(run_python("-c", DROPPED).stdout.splitlines()[-1])
    assert set(first) == {0, 1, 2} and first == again and first != second


SEEDED_ON_JAX = """
import keras
from training.callbacks import SeedLayers
from training.plan import Plan

seeds = SeedLayers(Plan(7, 3, 21, ()), 20_261_231)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dropout(0.5)])
seeds.set_model(model)
seeds.on_epoch_begin(2)
print([int(number) for layer in model.layers for number in layer.seed_generator.state.value])
"""


@pytest.mark.slow
def test_any_seed_of_a_run_is_one_for_jax():
    pytest.importorskip("jax", reason="needs another backend than TensorFlow: pip install jax")
    printed = run_python("-c", SEEDED_ON_JAX, KERAS_BACKEND="jax").stdout.splitlines()[-1]
    key = 20_261_231 * 10_007 % 2**32
    assert json.loads(printed) == [key, 14, key + 1, 14]
