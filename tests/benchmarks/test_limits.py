"""Which runs the engine on JAX refuses, and that no field of a run is forgotten; JAX need not be installed for that."""

from types import SimpleNamespace

import pytest

from limits import ONLY, check_config
from rows import read_rows
from training.config import FIELDS, load_recipe, make_config

CIFAR = SimpleNamespace(name="cifar10")  # what is asked of the images
# What the engine hands on to the same functions as `python -m training`, or follows itself.
HEEDED = {
    "network.name",
    "network.shortcut",
    "network.placement",
    "network.activation",
    "network.choices",
    "start.stage_decay",
    "data.dataset",
    "data.shuffle_buffer",
    "data.standardize",
    "augmentation",
    "batch_size",
    "epochs",
    "iterations",
    "optimizer",
    "schedule",
    "loss",
    "hardware.dtype",
    "seed",
}
# What changes no result here: where data and devices are and how an epoch is computed; whether it is tested before its
# end; and what only other fields that it refuses give a meaning.
WITHOUT_EFFECT = {
    "data.data_dir",
    "data.download",
    "data.cache",
    "hardware.devices",
    "hardware.synchronized",
    "hardware.jit_compile",
    "hardware.steps_per_execution",
    "hardware.remat",
    "deterministic",
    "evaluation.each_epoch",
    "evaluation.keep_best",
    "evaluation.patience",
    "data.validation_seed",
    "data.arrays",
}


def test_every_field_is_heeded_refused_or_without_effect():
    refused = {path if path in FIELDS else path.removesuffix(".name") for path in ONLY}
    assert set(FIELDS) == HEEDED | refused | WITHOUT_EFFECT
    assert not WITHOUT_EFFECT & (HEEDED | refused)
    assert HEEDED & refused == {"schedule", "hardware.dtype"}  # of which it takes some


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"validation": 0.1}, r"validation=0\.1 is for `python -m training`; here it must be 0\.0\."),
        ({"test_split": "train[:10%]"}, r"test_split='train\[:10%\]' is for .*; here it must be None or 'test'\."),
        ({"hardware.dtype": "mixed_float16"}, "here it must be 'float32' or 'mixed_bfloat16'"),
        ({"schedule": "plateau"}, "schedule.name='plateau' is for .python -m training.; here it must be 'constant' or"),
        ({"evaluation.views": "flip"}, "views.name='flip' is for .python -m training.; here it must be 'single'"),
        ({"averaging": "ema"}, r"averaging\.name='ema' is for `python -m training`; here it must be 'none'\."),
        ({"averaging": "swa"}, r"averaging\.name='swa' is for "),
        ({"hardware.accumulation": 2}, r"hardware\.accumulation=2 is for .*; here it must be 1\."),
        ({"new_head": True}, r"new_head=True is for .*; here it must be False\."),
        ({"dataset": "cifar100"}, "The run is one on 'cifar100', and the images are 'cifar10'"),
        ({"augmentation": ["random_resized_crop"]}, "random_resized_crop changes the size of images"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_only_training_can_do_is_refused(fields, sentence):
    config = make_config(fields, base=load_recipe("cifar10"))
    with pytest.raises(ValueError, match=sentence):
        check_config(config, CIFAR)


def test_every_row_of_the_tables_is_one_that_the_engine_trains():
    for row in read_rows().values():
        config = row.config()
        check_config(config, SimpleNamespace(name=config.data.dataset))
