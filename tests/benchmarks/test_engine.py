"""The engine on JAX, in processes of its own: it takes the steps of `python -m training`, and goes on after a kill."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import yaml

import data
import results
from tests.keras_resnet.helpers import run_python
from tests.shared import ROOT
from training.config import make_config
from training.data.datasets import open_source
from training.run import train
from training.run_folder import RunFolder

pytestmark = pytest.mark.slow
CIFAR = ROOT / "benchmarks" / "reproduce" / "cifar.py"
PUBLISHED = [{"paper": "1512.03385", "table": "Table 6", "setting": "tiny"}]


@pytest.fixture(autouse=True)
def _jax():
    pytest.importorskip("jax", reason="the engine needs JAX: pip install 'keras-resnet-suite[reproduce]'")


# One step beside that of `python -m training`.

STEPS = """
import json, pathlib, sys
import cifar
cifar.prepare_process()
import numpy as np
from data import read_images
from engine import Engine, State, stack, unstack
from training.config import make_config

folder = pathlib.Path(sys.argv[1])
images = read_images([folder / "digits.npz"])
for name, fields in json.loads((folder / "cases.json").read_text()).items():
    engine, given = Engine(make_config(fields), images), np.load(folder / f"{name}.npz")
    arrays = [given[f"before.{place}"] for place in range(int(given["count"]))]
    like, cut = engine.like, len(engine.like.trainable)
    states = stack([State(arrays[:cut], arrays[cut:], like.optimizer)])
    seed = fields["seed"]
    states, losses = engine.run_epoch(states, engine.training_data, engine.draw([seed], 0), 0)
    after, = unstack(states, 1)
    after = [*after.trainable, *after.non_trainable, *after.optimizer]
    np.savez(folder / f"{name}.jax.npz", *after, loss=np.asarray(losses)[0])
"""
BASE = {
    "network": "ResNet8",
    "augmentation": [{"name": "pad_crop", "pixels": 1}, {"name": "flip", "alternating": True}],
    "data.standardize": "pixel",
    "batch_size": 16,
    "iterations": 1,
    "schedule": "constant",
    "seed": 5,
}
CASES = {
    "all_decay": {"optimizer": {"name": "sgd", "weight_decay": 0.01, "decayed": "all"}},
    "kernels_decay": {"optimizer": {"name": "sgd", "weight_decay": 0.01, "decayed": "kernels", "nesterov": True}},
    "in_the_loss": {"optimizer": {"name": "sgd", "weight_decay": 0}, "network.choices": {"l2": 0.005}},
}


class Recorded(keras.callbacks.Callback):
    """Keeps the weights before the first step, and loss and variables after it."""

    def on_train_begin(self, logs=None):
        self.before = self.variables()

    def variables(self) -> list[np.ndarray]:
        return [np.array(v) for v in (*self.model.trainable_variables, *self.model.non_trainable_variables)]

    def on_train_batch_end(self, batch, logs=None):
        self.after = [*self.variables(), *map(np.array, self.model.optimizer.variables)]
        self.loss = logs["loss"]


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """A step of each case by `training.run.train`, and by the engine from the same weights."""
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("steps")
    cases = {name: {**BASE, **fields} for name, fields in CASES.items()}
    recorded = {}
    for name, fields in cases.items():
        config = make_config({**fields, "data_dir": folder / "tfds"})
        recorded[name] = Recorded()
        train(config, RunFolder(folder / name), callbacks=[recorded[name]])
        before = recorded[name].before
        arrays = {f"before.{place}": array for place, array in enumerate(before)}
        np.savez(folder / f"{name}.npz", count=len(before), **arrays)
    source = open_source(config.data)
    splits = [tuple(map(np.array, zip(*source.examples(split).as_numpy_iterator()))) for split in data.SPLITS]
    data.write_images(folder / "digits.npz", data.Images("digits", source.classes, *splits))
    (folder / "cases.json").write_text(json.dumps(cases))
    run_python("-c", STEPS, folder, PYTHONPATH=os.pathsep.join([*sys.path, str(CIFAR.parent)]))
    return recorded, {name: np.load(folder / f"{name}.jax.npz") for name in cases}


@pytest.mark.parametrize("name", CASES)
def test_step_is_that_of_training_in_loss_and_every_variable(steps, name):
    recorded, engine = steps[0][name], steps[1][name]
    assert engine["loss"].shape == (89,)  # an epoch, of which the run is the first step
    assert float(engine["loss"][0]) == pytest.approx(recorded.loss, abs=1e-5)
    arrays = [engine[f"arr_{place}"] for place in range(len(engine.files) - 1)]
    assert len(arrays) == len(recorded.after) > 50
    for ours, theirs in zip(arrays, recorded.after):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


# Whole runs.


def tiny_images() -> data.Images:
    """Noise on a level of grey that tells the class."""
    generator = np.random.default_rng(0)

    def split(count):
        labels = np.arange(count, dtype="int32") % 10
        noise = generator.integers(0, 80, (count, 8, 8, 1))
        return (noise + 17 * labels[:, None, None, None]).astype("uint8"), labels

    return data.Images("digits", tuple("0123456789"), split(200), split(45))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with images and a table of two rows: one of two epochs and one that is long enough to be killed."""
    folder = tmp_path_factory.mktemp("runs")
    data.write_images(folder / "digits.npz", tiny_images())
    fields = {"dataset": "digits", "batch_size": 20, "optimizer.learning_rate": 0.01}
    row = {"network": "ResNet8", "recipe": "cifar10", "published": PUBLISHED}
    lengths = {"short": 20, "long": 200}
    rows = {name: {**row, "overrides": {**fields, "iterations": length}} for name, length in lengths.items()}
    (folder / "rows.yaml").write_text(yaml.safe_dump(rows))
    return folder


def command(place, row: str, state: str, *more) -> list[str]:
    files = ["--table", place / "rows.yaml", "--data", place / "digits.npz", "--state", place / state]
    words = [CIFAR, row, *files, "--results", place / f"{state}.csv", "--commit", "abc", *more]
    return list(map(str, words))


def arrays_of(place, state: str) -> dict[str, dict[str, np.ndarray]]:
    """Read the states of all seeds in a folder, by the names of their files."""
    from safetensors.numpy import load_file

    return {path.name: load_file(path) for path in sorted((place / state).glob("*.safetensors"))}


def test_seeds_at_once_are_those_that_run_one_by_one(place):
    outputs = [
        run_python(*command(place, "short", state, "--seeds", "0", "1", "--together", count)).stdout
        for state, count in (("one_by_one", "1"), ("at_once", "2"))
    ]
    assert [text.count("epoch 1 of 2") for text in outputs] == [2, 1]
    single, both = arrays_of(place, "one_by_one"), arrays_of(place, "at_once")
    assert single.keys() == both.keys() and len(single) == 2
    for name, arrays in single.items():
        for key, array in arrays.items():
            np.testing.assert_allclose(both[name][key], array, rtol=1e-5, atol=1e-5)
    different, other = single.values()
    assert not np.allclose(different["trainable.00000"], other["trainable.00000"])
    lines = [results.read(place / f"{state}.csv") for state in ("one_by_one", "at_once")]
    assert [(line.row, line.seed, line.engine) for line in lines[0]] == [("short", 0, "jax"), ("short", 1, "jax")]
    assert [line.error for line in lines[0]] == [line.error for line in lines[1]]


def test_run_that_is_killed_goes_on_bit_for_bit(place):
    run_python(*command(place, "long", "whole", "--save-every", "0"))
    killed = command(place, "long", "killed", "--save-every", "0")
    path = os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))
    process = subprocess.Popen([sys.executable, *killed], cwd=ROOT, env={**os.environ, "PYTHONPATH": path})
    deadline = time.monotonic() + 240
    while not list((place / "killed").glob("*.epoch000[3-9].*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (place / "killed.csv").exists()
    resumed = run_python(*killed).stdout
    assert "epoch 1 of 20" not in resumed and "epoch 20 of 20" in resumed
    whole, after = arrays_of(place, "whole"), arrays_of(place, "killed")
    assert whole.keys() == after.keys() == {"long.float32.seed0.epoch0020.1of1.safetensors"}
    for name, arrays in whole.items():
        assert all(np.array_equal(array, after[name][key]) for key, array in arrays.items())
    (line,), (expected,) = (results.read(place / f"{state}.csv") for state in ("killed", "whole"))
    assert line.error == expected.error < 80
    assert "0 seeds to run" in run_python(*killed).stdout


def test_time_limit_stops_a_run_and_the_same_command_goes_on(place):
    stopped = run_python(*command(place, "short", "stopped", "--time-limit", "0")).stdout
    assert stopped.splitlines()[-1] == "Stopped. What was saved lies in --state; the same command goes on from there."
    assert "epoch" not in stopped and not (place / "stopped.csv").exists()
    networks = place / "networks"
    run_python(*command(place, "short", "stopped", "--networks", networks))
    (line,) = results.read(place / "stopped.csv")
    model = keras.models.load_model(networks / "short.float32.seed0.keras", compile=False)
    images, labels = tiny_images().test
    predicted = np.asarray(model(model.preprocessing(images), training=False)).argmax(1)
    assert line.error == pytest.approx(100 * np.mean(predicted != labels), abs=1e-3)
