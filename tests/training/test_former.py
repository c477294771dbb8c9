"""Configurations of version 0.1.0: where their fields stand now, and what becomes of them."""

import numpy as np
import pytest
import yaml

from keras_resnet.choices.registry import describe
from tests.training.helpers import weights_of
from training.config import FIELDS, former, load_recipe, make_config, read_fields
from training.config.fields import CHOICES, flatten
from training.config.files import is_former, is_of_run
from training.config.former import PATHS, READ, translate
from training.config.groups import REGISTRIES
from training.run import train
from training.run_folder import RunFolder

# Every field of version 0.1.0 with its default there, in its order.
DEFAULTS = {
    "network": None,
    "shortcut": None,
    "placement": None,
    "activation": None,
    "choices": None,
    "weights": None,
    "new_head": False,
    "freeze": [],
    "head_epochs": 0,
    "stage_decay": 1.0,
    "dataset": "digits",
    "data_dir": None,
    "download": False,
    "train_split": "train",
    "test_split": None,
    "validation": 0.0,
    "validation_seed": 0,
    "image_size": None,
    "cache": False,
    "shuffle_buffer": 50000,
    "standardize": "channel",
    "test_crop": None,
    "random_area": None,
    "pad_crop": 0,
    "border": "zeros",
    "flip": "none",
    "batch_size": 128,
    "epochs": 3,
    "iterations": None,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "kernel_rate": 0.015,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 0.0001,
    "decayed": "all",
    "label_smoothing": 0.0,
    "schedule": "constant",
    "milestones": [],
    "warmup": 0.0,
    "dtype": "float32",
    "seed": 0,
    "deterministic": True,
    "devices": None,
    "synchronized": False,
    "jit_compile": False,
    "steps_per_execution": 1,
}


def translated(**fields):
    return make_config(translate({**DEFAULTS, **fields}))


def test_table_has_every_field_of_version_0_1_0():
    assert list(PATHS) == list(DEFAULTS)


@pytest.mark.parametrize("path", PATHS.values())
def test_table_names_fields_and_parameters_that_exist(path):
    choice, _, parameter = path.rpartition(".")
    if path in FIELDS:
        return
    if path.startswith("augmentation."):
        name = choice.removeprefix("augmentation.")
        assert parameter in describe(REGISTRIES["augmentation"][name])
    else:
        assert choice in CHOICES
        assert parameter == "name" or any(parameter in describe(entry) for entry in REGISTRIES[choice].values())


# Parameters that came later, by the values with which a choice does what it did without them.
COMMON = {"clip_norm": 0.0, "clip_value": 0.0, "scaling": "none", "reference_batch": 256}
LATER = {
    **dict.fromkeys(("sgd", "adamw"), COMMON),
    "muon": {**COMMON, "head_share": 1.0, "scale_share": 1.0, "offset_share": 1.0},
    "constant": {"warmup": 0.0, "warmup_from": 0.0},
    "steps": {"warmup_steps": 0, "warmup": 0.0, "warmup_from": 0.0},
    "one_cycle": {"warmup_from": 0.0},
    "cosine": {"warmup_from": 0.0},
}


@pytest.mark.parametrize("name", READ)
def test_parameters_that_were_read_are_those_of_today(name):
    (function,) = (REGISTRIES[choice][name] for choice in ("optimizer", "schedule") if name in REGISTRIES[choice])
    today = {parameter: known.default for parameter, known in describe(function).items()}
    assert set(READ[name]) == set(today) - set(LATER.get(name, ()))
    assert LATER.get(name, {}).items() <= today.items()


def test_defaults_are_those_of_today():
    assert translated() == make_config({"epochs": 3})


def test_every_field_is_translated():
    config = translated(
        network="ResNet50",
        shortcut='{"name": "A", "zeros": "both"}',
        placement="relu_only_preactivation",
        activation="prelu",
        choices="{stride_on: 3x3, l2: 1e-4}",
        weights="some/weights.h5",
        new_head=True,
        freeze=["conv1", "2"],
        head_epochs=3,
        stage_decay=0.5,
        dataset="cifar10",
        data_dir="some/data",
        download=True,
        train_split="train[:90%]",
        test_split="train[90%:]",
        validation=0.1,
        validation_seed=4,
        image_size=64,
        cache=True,
        shuffle_buffer=10,
        standardize="pixel",
        test_crop=0.875,
        random_area=0.5,
        pad_crop=2,
        border="reflect",
        flip="alternating",
        batch_size=32,
        epochs=None,
        iterations=64000,
        optimizer="muon",
        learning_rate=0.3,
        kernel_rate=0.02,
        momentum=0.8,
        nesterov=True,
        weight_decay=0.05,
        decayed="kernels",
        label_smoothing=0.1,
        schedule="steps",
        milestones=[32000, 48000],
        warmup=0.1,
        dtype="mixed_bfloat16",
        seed=7,
        deterministic=False,
        devices=["GPU:0", "GPU:1"],
        synchronized=True,
        jit_compile=True,
        steps_per_execution=4,
    )
    assert config == make_config(
        {
            "network": {
                "name": "ResNet50",
                "shortcut": {"name": "A", "zeros": "both"},
                "placement": "relu_only_preactivation",
                "activation": "prelu",
                "choices": {"stride_on": "3x3", "l2": 1e-4},
            },
            "start": {
                "weights": "some/weights.h5",
                "new_head": True,
                "freeze": ["conv1", "2"],
                "head_epochs": 3,
                "stage_decay": 0.5,
            },
            "data": {
                "dataset": "cifar10",
                "data_dir": "some/data",
                "download": True,
                "train_split": "train[:90%]",
                "test_split": "train[90%:]",
                "validation": 0.1,
                "validation_seed": 4,
                "image_size": 64,
                "cache": True,
                "shuffle_buffer": 10,
                "standardize": "pixel",
            },
            "augmentation": [
                {"name": "random_resized_crop", "area": 0.5},
                {"name": "pad_crop", "pixels": 2, "border": "reflect"},
                {"name": "flip", "alternating": True},
            ],
            "batch_size": 32,
            "iterations": 64000,
            "optimizer": {
                "name": "muon",
                "learning_rate": 0.3,
                "kernel_rate": 0.02,
                "momentum": 0.8,
                "nesterov": True,
                "weight_decay": 0.05,
                "decayed": "kernels",
            },
            "schedule": {"name": "steps", "milestones": [32000, 48000]},
            "loss": {"name": "cross_entropy", "label_smoothing": 0.1},
            "evaluation": {"test_crop": 0.875},
            "hardware": {
                "devices": ["GPU:0", "GPU:1"],
                "synchronized": True,
                "jit_compile": True,
                "steps_per_execution": 4,
                "dtype": "mixed_bfloat16",
            },
            "seed": 7,
            "deterministic": False,
        }
    )


@pytest.mark.parametrize(
    ("fields", "augmentation"),
    [
        ({"border": "reflect"}, []),
        ({"pad_crop": 4}, [{"name": "pad_crop", "pixels": 4, "border": "zeros"}]),
        ({"flip": "random"}, [{"name": "flip", "alternating": False}]),
        (
            {"random_area": 0.1},
            [{"name": "random_resized_crop", "area": 0.1, "aspect": 4 / 3, "overlong": "cut"}],
        ),
    ],
)
def test_augmentations_are_gathered(fields, augmentation):
    assert translated(**fields).augmentation == tuple(augmentation)


@pytest.mark.parametrize(
    ("fields", "choice", "expected"),
    [
        (
            {"optimizer": "adamw"},
            "optimizer",
            {"learning_rate": 0.1, "weight_decay": 1e-4, "decayed": "all", **COMMON},
        ),
        ({"schedule": "one_cycle", "warmup": 0.3}, "schedule", {"warmup": 0.3, "warmup_from": 0.0}),
        ({"schedule": "cosine", "milestones": [1]}, "schedule", {"warmup": 0.0, "warmup_from": 0.0}),
    ],
)
def test_parameters_that_a_choice_did_not_read_are_left_out(fields, choice, expected):
    assert getattr(translated(**fields), choice) == {"name": fields[choice], **expected}


def test_choice_that_leaves_parameters_open_has_the_defaults_of_version_0_1_0():
    config = make_config(translate({"epochs": 3, "optimizer": "muon", "schedule": "one_cycle", "flip": "random"}))
    assert config.optimizer["weight_decay"] == 1e-4 and not config.optimizer["nesterov"]
    assert config.schedule == {"name": "one_cycle", "warmup": 0.0, "warmup_from": 0.0}


@pytest.mark.parametrize(
    ("recipe", "fields", "augmentation"),
    [
        ("cifar10", {"pad_crop": 2}, [{"name": "pad_crop", "pixels": 2, "border": "zeros"}, "flip"]),
        ("cifar10", {"border": "reflect"}, [{"name": "pad_crop", "pixels": 4, "border": "reflect"}, "flip"]),
        ("cifar10", {"pad_crop": 0}, ["flip"]),
        ("cifar10", {"flip": "none"}, [{"name": "pad_crop", "pixels": 4}]),
        (
            "cifar10",
            {"flip": "alternating"},
            [{"name": "pad_crop", "pixels": 4}, {"name": "flip", "alternating": True}],
        ),
        ("digits", {"flip": "random"}, [{"name": "pad_crop", "pixels": 1}, "flip"]),
        (
            "digits",
            {"random_area": 0.5},
            [{"name": "random_resized_crop", "area": 0.5}, {"name": "pad_crop", "pixels": 1}],
        ),
        ("image-folder", {"flip": "none"}, [{"name": "random_resized_crop", "area": 0.25}]),
    ],
)
def test_single_fields_override_those_of_the_recipe(recipe, fields, augmentation, tmp_path):
    write(tmp_path / "my.yaml", fields | {"epochs": 3})
    base = load_recipe(recipe)
    config = make_config(read_fields(tmp_path / "my.yaml", base), base=base)
    assert config == make_config({"augmentation": augmentation, "epochs": 3}, base=base)


def test_augmentations_that_version_0_1_0_had_not_stay(monkeypatch):
    monkeypatch.setitem(former.AUGMENTATIONS, "blur", lambda images, drawn: images)
    moved = translate({"pad_crop": 2}, {"augmentation": ["blur", {"name": "flip", "alternating": True}]})
    assert moved["augmentation"] == [
        {"name": "pad_crop", "pixels": 2},
        {"name": "flip", "alternating": True},
        {"name": "blur"},
    ]


def test_parameters_of_a_choice_that_are_left_open_are_those_of_the_recipe():
    base = flatten(load_recipe("digits"))
    moved = translate({"optimizer": "sgd", "momentum": 0.5, "schedule": "steps", "milestones": [3]}, base)
    sgd = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.5, "nesterov": True, "weight_decay": 5e-4}
    assert moved["optimizer"] == {**sgd, "decayed": "kernels"}
    assert moved["schedule"]["milestones"] == [3]


def write(path, fields) -> None:
    path.write_text(yaml.safe_dump(fields, sort_keys=False), encoding="utf-8")


def test_file_of_version_0_1_0_is_recognized_and_read(tmp_path):
    path = tmp_path / "config.yaml"
    write(path, {**DEFAULTS, "pad_crop": 1, "epochs": 2})
    assert make_config(read_fields(path)) == translated(pad_crop=1, epochs=2)


@pytest.mark.parametrize(
    ("fields", "former"),
    [
        (DEFAULTS, True),
        ({"epochs": 2, "momentum": 0.5}, True),
        ({"epochs": 2, "learning_rate": 0.5, "dataset": "digits"}, False),
        ({"data": {"cache": True}, "network": "ResNet20", "optimizer": "sgd"}, False),
    ],
)
def test_former_files_are_told_by_a_field_that_is_written_otherwise_today(fields, former):
    assert is_former(fields) == former


@pytest.mark.parametrize(
    "fields", [DEFAULTS, yaml.safe_load(make_config({"epochs": 1}).to_yaml())], ids=["0.1.0", "own"]
)
def test_folder_of_a_run_is_told_by_its_configuration(fields, tmp_path):
    folder = RunFolder(tmp_path)
    for left_out in fields if fields == DEFAULTS else ("version", "network", "data", "hardware"):
        assert not is_of_run({name: value for name, value in fields.items() if name != left_out})
    write(folder.config_file, fields)
    assert folder.is_run()


def test_run_of_a_version_with_fewer_or_more_fields_is_a_run():
    fields = yaml.safe_load(make_config({"epochs": 1}).to_yaml())
    fields["data"].pop("cache")
    assert is_of_run({**fields, "version": "9.1", "a field to come": 1})


def test_run_of_version_0_1_0_can_be_overwritten(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    write(folder.config_file, DEFAULTS)
    folder.create(overwrite=True)
    assert not folder.config_file.exists()


@pytest.mark.slow
def test_run_without_augmentation_is_that_of_version_0_1_0(data_dir, tmp_path):
    # The figures of version 0.1.0 (commit a849306). They repeat bit for bit on one machine; others round otherwise.
    fields = {"network": "ResNet8", "data_dir": data_dir, "batch_size": 64, "learning_rate": 0.01, "nesterov": True}
    fields |= {"iterations": 4, "seed": 3, "label_smoothing": 0.1, "shuffle_buffer": 100}
    folder = RunFolder(tmp_path / "run")
    results = train(make_config(translate(fields)), folder)
    assert (results["loss"], results["accuracy"]) == pytest.approx((2.28594804, 0.14835165), rel=1e-3)
    (row,) = folder.read_metrics()
    assert (row["loss"], row["accuracy"]) == pytest.approx((2.38285398, 0.1015625), rel=1e-3)
    assert sum(np.abs(weight).sum() for weight in weights_of(folder)) == pytest.approx(4484.28, rel=1e-4)
