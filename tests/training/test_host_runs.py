"""Two hosts, each by a command of its own: they train as one does, and end together, whichever is killed, and when."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.keras_resnet.helpers import run_python
from tests.shared import ROOT
from tests.training.helpers import same_weights, weights_of, write_image
from tests.training.test_kills import tensors_of
from training.hosts.meeting import free_port
from training.run_folder import RunFolder

pytestmark = pytest.mark.slow

FIELDS = {
    "data": {"train_split": "train[:128]"},
    "test_split": "test[:51]",
    "batch_size": 36,  # of which each host mixes an odd number of pairs, which fall into other parts
    "epochs": 4,
    "augmentation": [{"name": "rotate"}, {"name": "pad_crop", "pixels": 1}, "flip", {"name": "mixup", "share": 0.5}],
    "optimizer": {"name": "muon", "learning_rate": 0.01, "kernel_rate": 0.001, "clip_norm": 1.0},
    "averaging": {"name": "ema", "decay": 0.8, "images": 64},
    "hardware": {"accumulation": 2, "remat": True},
}

# What a host's process does before all else: it kills the host, itself and its supervisor, before it moves the n-th
# file of this name into its folder.
KILLER = """
import os, signal
name, _, number = os.environ.get("KILL_BEFORE", "").partition(":")
move, seen = os.replace, []

def replace(source, target, **kwargs):
    if name and os.path.basename(target) == name:
        seen.append(target)
        if len(seen) == int(number):
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
    return move(source, target, **kwargs)

os.replace = replace
"""


@dataclass
class Host:
    """The command of a host, with all that it prints in a file."""

    process: subprocess.Popen
    printed: Path

    def ended(self, timeout: float = 900) -> tuple[int, str]:
        """Give its status, and what it said."""
        return self.process.wait(timeout), self.text

    @property
    def text(self) -> str:
        return self.printed.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Make the function that starts two hosts of a run."""
    pytest.importorskip("jax", reason="needs JAX: pip install 'keras-resnet-suite[jax]'")
    place = tmp_path_factory.mktemp("hosts")
    (place / "sitecustomize.py").write_text(KILLER, encoding="utf-8")
    started = []

    def start_both(config, run_dir, *more, kills=None, of_each=((), ())):
        (place / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
        port = free_port()
        hosts = f"127.0.0.1:{port},127.0.0.1:{free_port()}"
        both = []
        for index, own in enumerate(of_each):
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, (str(place), str(ROOT), os.environ.get("PYTHONPATH")))),
                "KERAS_BACKEND": "jax",
                # What one start compiles, the next ones find.
                "JAX_COMPILATION_CACHE_DIR": str(place / "cache"),
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                **({"KILL_BEFORE": kills[1]} if kills and kills[0] == index else {}),
            }
            base = [] if "--resume" in more else ["--config", place / "config.yaml"]
            printed = place / f"{len(started)}.txt"
            options = ["--hosts", hosts, "--host-index", index, "--run-dir", run_dir]
            command = ["-m", "training", *base, *options, *more, *own]
            with open(printed, "w", encoding="utf-8") as file:
                process = subprocess.Popen(
                    [sys.executable, *map(str, command)], cwd=ROOT, env=environment, stdout=file, stderr=file
                )
            both.append(Host(process, printed))
            started.append(process)
        return both

    yield start_both
    for process in started:
        process.kill()
        process.wait()


# On one host: the run of two, and that of two evaluated.
ONE = """
import json, sys
from pathlib import Path
from training.config import make_config, read_fields
from training.evaluation.candidates import evaluate_run
from training.run import train
from training.run_folder import RunFolder

config, alone, both = sys.argv[1], RunFolder(Path(sys.argv[2])), RunFolder(Path(sys.argv[3]))
train(make_config(read_fields(Path(config)), config), alone)
print(json.dumps(evaluate_run(both, {})))
"""


@pytest.fixture(scope="module")
def whole(tiny, start, tmp_path_factory):
    """The folder of a run on two hosts that nothing disturbed."""
    folder = RunFolder(tmp_path_factory.mktemp("whole") / "run")
    both = start(tiny(**FIELDS), folder.path)
    for host in both:
        assert host.ended() == (0, host.text)
    assert both[1].text == ""
    return folder


def test_two_hosts_train_as_one_does(tiny, whole, tmp_path):
    one = RunFolder(tmp_path / "one")
    (tmp_path / "config.yaml").write_text(tiny(**FIELDS).to_yaml(), encoding="utf-8")
    arguments = ("-c", ONE, tmp_path / "config.yaml", one.path, whole.path)
    result = json.loads(run_python(*arguments, KERAS_BACKEND="jax", timeout=1800).stdout.splitlines()[-1])
    assert len(one.read_metrics()) == 4
    for row, expected in zip(whole.read_metrics(), one.read_metrics(), strict=True):
        assert row == pytest.approx(expected, abs=1e-5)
    for left, right in zip(weights_of(whole), weights_of(one), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)
    last = whole.read_metrics()[-1]
    assert result["loss"] == pytest.approx(last["val_loss"], rel=1e-6)
    assert result["accuracy"] == pytest.approx(last["val_accuracy"], rel=1e-6)


# Each host at the start, within an epoch, and while it saves: at a file, or once there is something.
KILLS = [
    (0, "started"),
    (1, "started"),
    (0, "metrics.csv:1"),
    (1, "model.keras:1"),
    (0, "epoch"),
    (1, "epoch"),
    (0, "checkpoint.weights.h5:2"),
]


def has_begun(when: str, hosts: list[Host]) -> bool:
    """Tell whether both supervisors have started their workers, or the first host has trained for an epoch."""
    if when == "epoch":
        return "\nepoch " in hosts[0].text
    pids = [host.process.pid for host in hosts]
    return all(Path(f"/proc/{pid}/task/{pid}/children").read_text() for pid in pids)


def kill(index: int, when: str, both: list[Host]) -> None:
    """Kill a supervisor, whose worker then ends by itself; or wait until a host has killed itself."""
    if ":" not in when:
        while not has_begun(when, both):
            assert both[0].process.poll() is None, both[0].text
            time.sleep(0.05)
        both[index].process.kill()
    assert both[index].ended()[0] == -signal.SIGKILL, both[index].text


def check_resumed_by_one_host(run: RunFolder, whole: RunFolder) -> None:
    """Go on with a run of two hosts on one, which goes as that of two to the digits that devices differ in."""
    assert len(run.read_metrics()) < len(whole.read_metrics())
    run_python("-m", "training", "--run-dir", run.path, "--resume", KERAS_BACKEND="jax", timeout=900)
    for row, expected in zip(run.read_metrics(), whole.read_metrics(), strict=True):
        assert row == pytest.approx(expected, abs=1e-5)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="sees that processes have started as Linux tells it")
def test_run_ends_in_the_same_bits_whichever_host_is_killed(tiny, start, whole, tmp_path):
    run, config, begun = RunFolder(tmp_path / "run"), tiny(**FIELDS), []
    for index, when in KILLS:
        begun.append(run.checkpoint_file.is_file())
        more = ["--resume"] if begun[-1] else ["--overwrite"]
        both = start(config, run.path, *more, kills=(index, when) if ":" in when else None)
        kill(index, when, both)
        killed = time.monotonic()
        status, text = both[1 - index].ended()
        assert time.monotonic() - killed < 60
        errors = [line for line in text.splitlines() if line.startswith("error: ")]
        assert status == 1 and len(errors) == 1 and f"error: Host {index} (127.0.0.1:" in errors[0], text
    assert begun == [False] * 3 + [True] * 4
    check_resumed_by_one_host(RunFolder(shutil.copytree(run.path, tmp_path / "alone")), whole)
    for host in start(config, run.path, "--resume"):
        assert host.ended()[0] == 0, host.text
    assert run.metrics_file.read_bytes() == whole.metrics_file.read_bytes()
    assert same_weights(run, whole)
    one, other = tensors_of(run.checkpoint_file), tensors_of(whole.checkpoint_file)
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


@pytest.mark.parametrize(
    ("of_each", "sentence"),
    [
        ((("--seed", "1"), ("--seed", "2")), "has other settings than host 0: seed 2 instead of 1."),
        (((), ("--data-dir", "OTHER")), "has other data than host 0: images to train on 5 instead of 4, labels '"),
    ],
    ids=["settings", "data"],
)
def test_hosts_of_other_settings_or_other_data_say_so(tiny, start, tmp_path, of_each, sentence):
    folder, other = tmp_path / "images", tmp_path / "other"
    for place in (folder, other):
        for split, name in itertools.product(("train", "val"), ("a/0", "a/1", "b/0", "b/1")):
            write_image(place / split / f"{name}.png", (8, 8))
    write_image(other / "train" / "b" / "2.png", (8, 8))
    config = tiny(dataset="image_folder", data_dir=folder, image_size=8, batch_size=4)
    own = [[str(other) if word == "OTHER" else word for word in words] for words in of_each]
    for host in start(config, tmp_path / "run", of_each=own):
        status, text = host.ended()
        assert status == 1 and text.count("\n") == 1 and text.startswith("error: Host 1 (127.0.0.1:"), text
        assert sentence in text
    assert not (tmp_path / "run" / "config.yaml").exists()
