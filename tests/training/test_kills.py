"""A run with everything at once, killed between any two of the files that an epoch writes, ends in the same bits."""

import json

import h5py
import numpy as np
import pytest

from tests.keras_resnet.helpers import run_python
from tests.training.helpers import weights_of
from training.run_folder import RunFolder

EVERYTHING = {
    "data": {"train_split": "train[:400]"},
    "validation": 0.3,
    "test_split": "test[:100]",
    "augmentation": ["rand_augment", {"name": "pad_crop", "pixels": 1}, {"name": "mixup", "share": 0.5}, "cutmix"],
    "network.choices": {"dropout": 0.1, "stochastic_depth": 0.2},
    "optimizer": {"name": "muon", "clip_norm": 5.0},
    "averaging": {"name": "ema", "decay": 0.8, "images": 100},
    "evaluation": {"keep_best": True, "patience": 2},
    "hardware": {"accumulation": 2, "remat": True},
    "epochs": 3,
}

# Every run in a process of its own, forked before TensorFlow has computed anything, that kills itself: before it moves
# its n-th file into the folder, or in the middle of the second epoch. Prints how each of them ended.
KILL = """
import json, os, signal, sys
from pathlib import Path
from training.callbacks import SaveRun
from training.config import make_config, read_fields
from training.run import train
from training.run_folder import RunFolder

config = make_config(read_fields(Path(sys.argv[1])), sys.argv[1])
move, begin = os.replace, SaveRun.on_train_batch_begin

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def run(folder, resume, last=None):
    moved = []

    def replace(*paths):
        moved.append(paths)
        return die() if len(moved) == last else move(*paths)

    def step(self, batch, logs=None):
        if last == "step" and batch == 2 and self.folder.read_metrics():
            die()
        begin(self, batch, logs)

    os.replace, SaveRun.on_train_batch_begin = replace, step
    train(config, RunFolder(folder), resume=resume)

def ended(*arguments):
    if process := os.fork():
        return os.waitpid(process, 0)[1]
    try:
        run(*arguments)
        os._exit(0)
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(1)

whole, parts = map(Path, sys.argv[2:])
killed = [ended(parts, place > 0, last) for place, last in enumerate(["step", 2, 3, 4, 5, 6])]
print(json.dumps([killed, ended(parts, True), ended(whole, False)]))
"""


def tensors_of(path) -> dict[str, np.ndarray]:
    """Read all that an HDF5 file holds."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


@pytest.mark.slow
def test_run_killed_between_any_two_files_ends_in_the_same_bits(tiny, tmp_path):
    whole, parts, path = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts"), tmp_path / "config.yaml"
    path.write_text(tiny(**EVERYTHING).to_yaml(), encoding="utf-8")
    report = run_python("-c", KILL, path, whole.path, parts.path, timeout=1800).stdout.splitlines()[-1]
    assert json.loads(report) == [[9] * 6, 0, 0]
    assert parts.metrics_file.read_bytes() == whole.metrics_file.read_bytes()
    for name in ("model_file", "best_file"):
        one, other = (weights_of(folder, name) for folder in (whole, parts))
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)
    one, other = tensors_of(whole.checkpoint_file), tensors_of(parts.checkpoint_file)
    assert one.keys() == other.keys() and len(one) > 80
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)
