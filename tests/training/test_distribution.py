"""Two logical CPUs against one: every strategy in a process of its own, which reports in JSON."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.keras_resnet.helpers import run_python
from tests.training.helpers import same_weights
from tests.training.learners import small
from training.distribution import choose_devices
from training.distribution.mirrored import strategy
from training.evaluation.candidates import evaluate_run
from training.optimization.optimizers import OPTIMIZERS
from training.run import train
from training.run_folder import RunFolder

TWO = ("CPU:0", "CPU:1")

# Few steps at a low rate: on longer runs a last bit that is rounded otherwise grows into the third digit.
SHORT = {"data": {"train_split": "train[:256]"}, "epochs": 3, "learning_rate": 0.01, "hardware.synchronized": True}

TRAIN = """
import json, sys
from pathlib import Path
from training.config import make_config, read_fields
from training.distribution import make_distribution
from training.evaluation.candidates import evaluate_run
from training.run import train
from training.run_folder import RunFolder

config = make_config(read_fields(Path(sys.argv[1])), sys.argv[1])
folder = RunFolder(Path(sys.argv[2]))
results = train(config, folder)
odd = {name: evaluate_run(folder, {"test_split": f"test[:{name}]"}) for name in (101, 65, 51)}
replicas = make_distribution(config.hardware, config.batch_size).replicas
print(json.dumps({"replicas": replicas, "results": results, "odd": odd}))
"""

# Steps of a tiny network with every optimizer, on one, two and three devices, which reduce on one of them: of several
# strategies a process bears no others.
STEPS = """
import json, sys
import keras
import numpy as np
import tensorflow as tf
from training.distribution.mirrored import Mirrored, choose_devices, strategy

names = choose_devices(("CPU:0", "CPU:1", "CPU:2"))  # before TensorFlow makes its first tensor
from tests.training.learners import compiled, small
from training.averaging import averages_of
from training.learner import learning
saved, found = np.load(sys.argv[1]), {}
first = [saved[f"w{place}"] for place in range(int(saved["count"]))]
data = tf.data.Dataset.from_tensor_slices((saved["images"], saved["labels"]))
for choice in json.loads(sys.argv[2]):
    for count in (1, 2, 3):
        devices = Mirrored(strategy(names[:count], "one_device"))
        with devices.scope():
            model = small(normalized=True, synchronized=True)
            model.set_weights(first)
            model = compiled(learning(model, 2), choice)
        history = model.fit(data, verbose=0).history
        averages = averages_of(model.optimizer)[1]
        values = [keras.ops.convert_to_numpy(v).ravel() for v in (*model.weights, *averages)]
        found[f"{choice['name']} {count}"] = [history["loss"], np.concatenate(values).tolist()]
print(json.dumps(found))
"""

# Moving statistics of each device alone, an epoch of three on each, and a run that is stopped and resumed.
THREE = """
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

config = make_config(read_fields(Path(sys.argv[1])), sys.argv[1])
whole, parts = RunFolder(Path(sys.argv[2])), RunFolder(Path(sys.argv[3]))
results = train(config, whole)
again = evaluate_run(whole, {})
odd = {size: evaluate_run(whole, {"test_split": f"test[:{size}]", "batch_size": 10}) for size in (1, 2, 7, 364)}
try:
    train(config, parts, callbacks=[Stop()])
except KeyboardInterrupt:
    train(config, parts, resume=True)
print(json.dumps({"results": results, "again": again, "odd": odd}))
"""

REFUSE = """
import json, sys
from training.config import make_config
from training.distribution import make_distribution

answers = []
for fields in json.loads(sys.argv[1]):
    try:
        config = make_config({"epochs": 1, **fields})
        answers.append(f"accepted by {make_distribution(config.hardware, config.batch_size).replicas}")
    except ValueError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


def on_two(config, folder: RunFolder) -> dict:
    """Train on two devices in a fresh process, and evaluate on odd numbers of examples."""
    path = folder.path.with_suffix(".yaml")
    path.write_text(config.to_yaml(), encoding="utf-8")
    return json.loads(run_python("-c", TRAIN, path, folder.path).stdout.splitlines()[-1])


def losses(folder: RunFolder) -> list[list[float]]:
    return [[row[name] for name in ("loss", "val_loss", "accuracy", "val_accuracy")] for row in folder.read_metrics()]


@pytest.fixture(scope="module")
def pair(tiny, tmp_path_factory):
    """The same run on one device and on two: their folders, and what the second reported."""
    folder = tmp_path_factory.mktemp("pair")
    one, two = RunFolder(folder / "one"), RunFolder(folder / "two")
    train(tiny(**SHORT), one)
    return one, two, on_two(tiny(**SHORT, devices=TWO), two)


@pytest.mark.slow
def test_two_devices_are_used(pair):
    assert pair[2]["replicas"] == 2


@pytest.mark.slow
def test_two_devices_train_as_one_does(pair):
    one, two, _ = pair
    assert len(losses(one)) == 3
    np.testing.assert_allclose(losses(two), losses(one), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_two_devices_evaluate_as_one_does(pair):
    _, two, report = pair
    rows = two.read_metrics()
    assert report["results"]["loss"] == pytest.approx(rows[-1]["val_loss"], rel=1e-5)
    assert report["results"]["accuracy"] == pytest.approx(rows[-1]["val_accuracy"], abs=1e-6)


@pytest.mark.parametrize("count", [101, 65, 51])
@pytest.mark.slow
def test_two_devices_evaluate_an_odd_number_of_examples_as_one_does(pair, count):
    _, two, report = pair
    alone = evaluate_run(two, {"test_split": f"test[:{count}]", "devices": ("CPU:0",)})
    assert alone["examples"] == report["odd"][str(count)]["examples"] == count
    for name in ("loss", "accuracy"):
        assert report["odd"][str(count)][name] == pytest.approx(alone[name], rel=1e-5)


@pytest.mark.slow
def test_several_steps_in_an_execution_train_the_same_on_two_devices(pair, tiny, tmp_path):
    two = RunFolder(tmp_path / "two")
    report = on_two(tiny(**SHORT, devices=TWO, **{"hardware.steps_per_execution": 2}), two)
    assert report["replicas"] == 2
    np.testing.assert_allclose(losses(two), losses(pair[0]), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_every_optimizer_steps_on_two_and_three_devices_as_on_one(tmp_path):
    random, model = np.random.default_rng(0), small(normalized=True)
    images = random.normal(size=(4, 12, 6, 6, 2)).astype("float32")
    images *= np.linspace(0.2, 2, 12)[:, None, None, None]  # other statistics and slopes on each device
    weights = {f"w{place}": values for place, values in enumerate(model.get_weights())}
    labels = random.integers(0, 3, (4, 12))
    np.savez(tmp_path / "given.npz", images=images, labels=labels, count=len(weights), **weights)
    clipped = [
        {"name": name, "learning_rate": 0.01, **({"clip_value": 0.05} if name == "adamw" else {"clip_norm": 0.2})}
        for name in OPTIMIZERS
    ]
    printed = run_python("-c", STEPS, tmp_path / "given.npz", json.dumps(clipped), timeout=1800).stdout
    found = json.loads(printed.splitlines()[-1])
    start = np.concatenate([values.ravel() for values in model.get_weights()])
    for name in OPTIMIZERS:
        loss, values = found[f"{name} 1"]
        assert np.abs(np.array(values)[: len(start)] - start).max() > 1e-3
        for count in (2, 3):
            assert found[f"{name} {count}"][0] == pytest.approx(loss, abs=1e-5)
            np.testing.assert_allclose(found[f"{name} {count}"][1], values, atol=1e-5, err_msg=f"{name} {count}")


AVERAGED = {
    "hardware.accumulation": 2,
    "test_split": "test[:101]",
    "optimizer": {"name": "muon", "learning_rate": 0.01, "kernel_rate": 0.001, "clip_norm": 1.0},
    "averaging": {"name": "ema", "decay": 0.8, "images": 128},
}


@pytest.mark.slow
def test_two_devices_average_as_one_does(tiny, tmp_path):
    fields = {name: value for name, value in SHORT.items() if name != "learning_rate"} | AVERAGED
    one, two = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two")
    train(tiny(**fields), one)
    report = on_two(tiny(**fields, devices=TWO), two)
    np.testing.assert_allclose(losses(two), losses(one), atol=1e-5, rtol=1e-5)
    last = two.read_metrics()[-1]
    for result in (report["results"], report["odd"]["101"]):  # of the network in the process, and of that in the file
        assert (result["loss"], result["accuracy"]) == (last["val_loss"], last["val_accuracy"])


@pytest.mark.slow
def test_two_devices_fine_tune_as_one_does(pair, tiny, tmp_path):
    learning = {"new_head": True, "head_epochs": 1, "freeze": ("conv1",), "stage_decay": 0.5}
    start = {"start": {"weights": str(pair[0].path), **learning}}
    one, two = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two")
    train(tiny(**SHORT, **start), one)
    on_two(tiny(**SHORT, **start, devices=TWO), two)
    np.testing.assert_allclose(losses(two), losses(one), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_statistics_of_each_device_alone_train_otherwise(pair, tiny, tmp_path):
    # Shows that the comparisons above would notice a device that goes its own way.
    two = RunFolder(tmp_path / "two")
    on_two(tiny(**{**SHORT, "hardware.synchronized": False}, devices=TWO), two)
    assert np.abs(np.subtract(losses(two), losses(pair[0]))).max() > 1e-3


@pytest.fixture(scope="module")
def three(tiny, tmp_path_factory):
    """Runs on three devices, each with statistics of its own: a whole one, one in two parts, and what it reported."""
    folder = tmp_path_factory.mktemp("three")
    whole, parts, path = RunFolder(folder / "whole"), RunFolder(folder / "parts"), folder / "config.yaml"
    config = tiny(**{**SHORT, "hardware.synchronized": False, "epochs": 2, "batch_size": 48}, devices=(*TWO, "CPU:2"))
    path.write_text(config.to_yaml(), encoding="utf-8")
    return whole, parts, json.loads(run_python("-c", THREE, path, whole.path, parts.path).stdout.splitlines()[-1])


@pytest.mark.slow
def test_statistics_of_each_device_are_reported_as_they_are_saved(three):
    whole, _, report = three
    last, alone = whole.read_metrics()[-1], evaluate_run(whole, {"devices": ("CPU:0",)})
    for name in ("loss", "accuracy"):
        assert report["results"][name] == report["again"][name] == last[f"val_{name}"]
        assert report["results"][name] == pytest.approx(alone[name], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 7, 364])
def test_three_devices_evaluate_any_number_of_images_as_one_does(three, size):
    whole, _, report = three
    alone = evaluate_run(whole, {"test_split": f"test[:{size}]", "devices": ("CPU:0",)})
    assert alone["examples"] == report["odd"][str(size)]["examples"] == size
    for name in ("loss", "accuracy"):
        assert report["odd"][str(size)][name] == pytest.approx(alone[name], rel=1e-6)


@pytest.mark.slow
def test_run_on_several_devices_goes_on_to_the_very_same_end(three):
    whole, parts, _ = three
    assert same_weights(whole, parts)
    assert whole.read_metrics() == parts.read_metrics()


COMPILED = {"hardware.jit_compile": True}
REFUSALS = [
    (
        {"devices": TWO, **COMPILED},
        "jit_compile=True does not work on 2 devices: XLA cannot reach variables",
    ),
    ({"devices": TWO, "batch_size": 65}, "batch_size=65 cannot be split evenly over 2 devices"),
    ({"devices": TWO, "batch_size": 65}, "Take 64 or 66."),
    ({"devices": TWO, "batch_size": 1}, "Take 2 or 4."),
    (
        {"devices": TWO, "batch_size": 64, "hardware.accumulation": 3},
        "hardware.accumulation=3 cannot split a batch of 32 on each of 2 devices evenly. Take 2 or 4.",
    ),
    ({"devices": ("CPU:0", "CPU:7")}, "Unknown device 'CPU:7'. Did you mean 'CPU:1'? Allowed: CPU:0, CPU:1."),
    ({"devices": ("TPU:0",)}, "Unknown device 'TPU:0'."),
    ({"devices": ("CPU:0", "CPU:0")}, "Each device can be named once; received CPU:0, CPU:0."),
    ({"devices": ("CPU:0", "cpu:0")}, "Each device can be named once"),
    ({"devices": ("cpu:0", "cpu:1")}, "accepted by 2"),
    ({"devices": ("CPU:0",), **COMPILED}, "accepted by 1"),
    ({"devices": ("CPU:0",), "batch_size": 65}, "accepted by 1"),
]


@pytest.fixture(scope="module")
def answers() -> list[str]:
    """What a process of two logical CPUs says to each of the requests."""
    requests = [fields for fields, _ in REFUSALS]
    return json.loads(run_python("-c", REFUSE, json.dumps(requests)).stdout.splitlines()[-1])


@pytest.mark.sampled(3)
@pytest.mark.parametrize("place", range(len(REFUSALS)), ids=[sentence[:30] for _, sentence in REFUSALS])
def test_what_cannot_work_is_refused_in_words(answers, place):
    assert REFUSALS[place][1] in answers[place]


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="this machine has a GPU")
def test_a_machine_without_gpus_falls_back_on_its_cpu():
    assert choose_devices(None) == ("CPU:0",)


def test_cpus_that_come_too_late_are_refused():
    tf.zeros(())  # with which TensorFlow starts
    with pytest.raises(ValueError, match="TensorFlow has started with one CPU device in this process, and devices nam"):
        choose_devices(TWO)


def test_strategy_of_the_process_is_made_once():
    assert strategy(("CPU:0",)) is strategy(("CPU:0",))
