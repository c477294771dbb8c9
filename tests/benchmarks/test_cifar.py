"""What the command line of the engine refuses, and in which words."""

from types import SimpleNamespace

import numpy as np
import pytest

import cifar
import keras_resnet
import speed
from data import Images
from training.config import load_recipe, make_config


def images(name: str = "cifar10") -> Images:
    split = np.zeros((150, 8, 8, 3), "uint8"), np.zeros(150, "int32")
    return Images(name, tuple("0123456789"), split, split)


@pytest.fixture
def modules():
    pytest.importorskip("jax", reason="the engine needs JAX: pip install 'keras-resnet-suite[reproduce]'")
    import engine
    import runs

    return engine, runs


def place_in(folder, runs):
    facts = {"device": "x", "precision": "p", "commit": "c", "deadline": 0, "save_every": 0}
    return runs.Place(folder, folder / "r.csv", None, **facts)


def test_network_is_built_where_jax_has_no_cpu_too(modules, monkeypatch):
    def without_cpu(backend=None):
        if backend:
            raise RuntimeError("Unknown backend cpu")
        return ["cuda:0"]

    monkeypatch.setattr(modules[0].jax, "local_devices", without_cpu)
    assert modules[0].host() == "cuda:0"


def test_state_of_other_settings_or_of_another_network_is_refused(modules, tmp_path):
    import state

    engine, runs = modules
    config = make_config({"iterations": 3}, base=load_recipe("cifar10"))
    own = engine.Engine(config, images())
    place = place_in(tmp_path, runs)
    kept = runs.plain_config(config)
    state.save(tmp_path, "row.p.seed1", state.Saved(1, 1.0, {**kept, "optimizer.momentum": 0.8}, {}))
    with pytest.raises(
        ValueError, match=r"state of row\.p\.seed1 in .* was made with another optimizer\.momentum\. Give"
    ):
        runs.Run.resumed(own, place, "row", 1)
    earlier = {path: value for path, value in kept.items() if not path.startswith("schedule.warmup")}
    assert len(earlier) < len(kept) and runs.differing(earlier, kept) == []
    like = engine.State([np.zeros((3, 2), "float32")], [], [np.zeros((), "int32")])
    arrays = engine.to_arrays(like)
    assert engine.from_arrays(arrays, like).trainable[0] is like.trainable[0]
    with pytest.raises(ValueError, match="not those of this network and optimizer"):
        engine.from_arrays({**arrays, "trainable.00000": np.zeros((2, 3), "float32")}, like)


def test_seed_that_another_process_runs_is_refused(modules, tmp_path):
    _, runs = modules
    place = place_in(tmp_path / "state", runs)
    with place.lock("row", 1), pytest.raises(ValueError, match=r"row\.p\.seed1 in .* is run by another process\. Give"):
        runs.run_seeds(None, place, "row", [1], 1)


def test_run_without_any_loss_that_is_a_number_ends(modules):
    _, runs = modules
    own = [SimpleNamespace(row="row", seed=seed, epoch=2, seconds=1.0) for seed in (4, 7)]
    group = runs.Group.__new__(runs.Group)
    group.runs, group.seeds, group.engine = own, [4, 7], SimpleNamespace(plan=SimpleNamespace(epochs=9))
    group.note([float("nan"), 1.5], 2.0)
    assert [(run.epoch, run.seconds) for run in own] == [(3, 2.0), (3, 2.0)]
    with pytest.raises(ValueError, match=r"row: no loss is a number in epoch 4, of seeds \[4, 7\]\. Run other seeds\."):
        group.note([float("nan"), float("inf")], 2.0)


def test_seeds_are_grouped_where_they_stand(modules):
    own = [SimpleNamespace(seed=seed, epoch=epoch) for seed, epoch in enumerate([0, 5, 0, 5, 0, 2])]
    groups = [[run.seed for run in group] for group in modules[1].grouped(own, 2)]
    assert groups == [[1, 3], [5], [0, 2], [4]]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--together", "0"], "--together must be 1 or more; received 0."),
        (["--seeds", "1", "1"], "--seeds must be different integers from 0; received 1 1."),
        (["--seeds", "-1"], "--seeds must be different integers from 0; received -1."),
    ],
)
def test_options_are_checked(more, sentence, capsys):
    with pytest.raises(SystemExit):
        cifar.parse(["resnet20", "--data", "x.npz", *more])
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("platform", "capability", "expected"),
    [
        ("gpu", "9.0", True),
        ("cuda", "8.0", True),
        ("gpu", "7.5", False),
        ("gpu", "gfx90a", False),
        ("cpu", None, False),
    ],
)
def test_float32_is_tf32_on_gpus_that_have_it(platform, capability, expected):
    has = {} if capability is None else {"compute_capability": capability}
    assert cifar.has_tf32(SimpleNamespace(platform=platform, **has)) is expected


def test_arithmetic_limit_is_that_of_the_papers_multiply_adds():
    assert speed.peak_of("NVIDIA H100 80GB HBM3", "tf32") == 495
    assert speed.peak_of("NVIDIA H100 PCIe", "mixed_bfloat16") == 756
    assert speed.peak_of("AMD EPYC", "float32") is None
    network = keras_resnet.ResNet20(input_shape=(32, 32, 3), classes=10)
    own = SimpleNamespace(config=SimpleNamespace(batch_size=128), model=network)
    stages = 32 * 32 * (3 * 16 + 6 * 16 * 16), 16 * 16 * (16 * 32 + 5 * 32 * 32), 8 * 8 * (32 * 64 + 5 * 64 * 64)
    assert speed.operations(own) == 6 * 128 * (9 * sum(stages) + 64 * 10)
