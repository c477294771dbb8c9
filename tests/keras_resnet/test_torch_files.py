"""Files of torch.save are read as named arrays, and nothing in them is ever run."""

import argparse
import collections
import datetime
import pathlib
import pickle
import pickletools
import sys
import types

import numpy as np
import pytest

from keras_resnet.weights.files.readers import read_tensors
from keras_resnet.weights.naming import strip_prefixes
from tests.keras_resnet import torch_writer
from tests.keras_resnet.torch_writer import WRITERS, Parameter, Storage, Tensor, state_dict, tensor
from tests.shared import shared_file

ARRAYS = {
    "conv1.weight": np.arange(24, dtype="float32").reshape(2, 3, 2, 2),
    "bn1.running_var": np.array([0.5, 2.0]),
    "bn1.num_batches_tracked": np.array(7),
    "fc.bias": np.array([-1, 2], "float16"),
    "mask": np.array([True, False]),
    "nothing": np.zeros((0, 3), "float32"),
}


def assert_same(arrays, expected):
    assert list(arrays) == list(expected)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name, strict=True)


def refusal(path, key=None):
    with pytest.raises(ValueError) as raised:
        read_tensors(path, key)
    sentence = str(raised.value)
    assert repr(str(path)) in sentence
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


@pytest.mark.parametrize("name", ["resnet20-12fca82f", "resnet32-d509ac18", "resnet56-4bfd9763"])
def test_published_files_hold_what_numpy_says(name):
    folder = shared_file("data/weights/cifar10_option_a")
    tensors = read_tensors(folder / f"{name}.th")
    assert tensors.format == "legacy torch"
    assert all(key.startswith("module.") for key in tensors.arrays)
    assert_same(strip_prefixes(tensors.arrays), read_tensors(folder / f"{name.split('-')[0]}.npz").arrays)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_both_formats_give_all_types_in_order(form, path, protocol):
    WRITERS[form](path, state_dict(ARRAYS), protocol)
    tensors = read_tensors(path)
    assert tensors.format == form
    assert_same(tensors.arrays, ARRAYS)


class OldTensor(Tensor):
    def __reduce_ex__(self, protocol):
        return torch_writer.UTILS._rebuild_tensor, (self.storage, self.offset, self.shape, self.strides)


def test_the_writer_of_these_tests_writes_what_torch_writes():
    folder = shared_file("data/weights/cifar10_option_a")
    arrays = read_tensors(folder / "resnet20.npz").arrays
    state = collections.OrderedDict((f"module.{name}", OldTensor(Storage(x), x.shape)) for name, x in arrays.items())
    program, _ = torch_writer.pickled({"best_prec1": 91.78, "state_dict": state}, 2, (None,))
    with open(folder / "resnet20-12fca82f.th", "rb") as file:
        assert [pickle.load(file) for _ in range(2)] == [torch_writer.MAGIC, torch_writer.PROTOCOL]
        pickle.load(file)
        published = [instruction.name for instruction, _, _ in pickletools.genops(file)]
    assert [instruction.name for instruction, _, _ in pickletools.genops(program)] == published


def test_strides_offsets_and_shared_storages(form, path):
    row = np.arange(12, dtype="float32")
    storage = Storage(row)
    saved = {
        "whole": Tensor(storage, (3, 4)),
        "transposed": Tensor(storage, (4, 3), (1, 4)),
        "every other": Tensor(storage, (2, 2), (4, 2), offset=1),
        "expanded": Tensor(storage, (2, 3), (0, 1), offset=9),
        "number": Tensor(storage, (), offset=11),
    }
    WRITERS[form](path, saved)
    arrays = read_tensors(path).arrays
    expected = {
        "whole": row.reshape(3, 4),
        "transposed": row.reshape(3, 4).T,
        "every other": np.array([[1, 3], [5, 7]], "float32"),
        "expanded": np.array([[9, 10, 11], [9, 10, 11]], "float32"),
        "number": np.array(11, "float32"),
    }
    assert_same(arrays, expected)
    assert np.shares_memory(arrays["whole"], arrays["transposed"])
    assert not arrays["whole"].flags.writeable


def test_bfloat16_becomes_float32_by_its_bits(form, path):
    bits = np.array([0x3F80, 0xC040, 0x7F80, 0x0001], "uint16")  # 1, -3, infinity, the least positive value
    WRITERS[form](path, {"x": tensor(bits, "bfloat16")})
    expected = np.array([1, -3, np.inf, 2.0**-133], "float32")
    assert_same(read_tensors(path).arrays, {"x": expected})


def test_the_order_of_bytes_is_the_one_that_the_archive_tells(path):
    torch_writer.save(path, state_dict(ARRAYS), order="big")
    assert_same(read_tensors(path).arrays, ARRAYS)


def test_parts_of_storages_in_old_files(path):
    class Part(Storage):
        """Values 2 to 5 of ten, as torch before 0.4 wrote views of storages."""

    saved = {"x": Tensor(Part(np.arange(10, dtype="float32")), (2,), offset=1)}
    program, storages = torch_writer.pickled(saved, 2, (("7", 2, 4),))
    torch_writer.save_legacy_program(path, program, storages)
    assert_same(read_tensors(path).arrays, {"x": np.array([3, 4], "float32")})


@pytest.mark.parametrize(
    "key", ["state_dict", "model", "model_state_dict", "state_dict_ema", "net", "weights", "params", "of its own"]
)
def test_tensors_are_found_beside_what_training_saved(form, path, key):
    checkpoint = {
        "epoch": 3,
        "best_prec1": np.float64(91.7),
        "args": argparse.Namespace(lr=0.1, milestones=[80, 120]),
        "scheduler": {"milestones": collections.Counter([80, 120]), "seen": {1, 2}},
        "optimizer": {"state": {0: {"momentum_buffer": tensor(np.ones(5, "float32"))}}, "param_groups": [{"lr": 0.1}]},
        key: state_dict(ARRAYS),
    }
    WRITERS[form](path, checkpoint)
    assert_same(read_tensors(path).arrays, ARRAYS)


def test_parameters_are_tensors_and_wrappers_may_be_nested(form, path):
    state = {name: Parameter(tensor(array)) for name, array in ARRAYS.items()}
    WRITERS[form](path, {"model": {"state_dict": state}, "state_dict_ema": state_dict({"x": np.ones(2)})})
    assert_same(read_tensors(path).arrays, ARRAYS)


@pytest.mark.parametrize(
    ("saved", "words"),
    [
        ({"epoch": 3, "lr": 0.1}, "without tensors (its keys: 'epoch', 'lr')"),
        ({}, "without anything"),
        ([1, 2], "holds no dictionary of tensors but a list"),
        (tensor(np.ones(3)), "but a single tensor"),
        (
            {"a": state_dict(ARRAYS), "b": state_dict(ARRAYS)},
            "several sets of weights, 'a', 'b'; choose one by its key",
        ),
    ],
)
def test_what_holds_no_one_set_of_tensors_is_refused(form, path, saved, words):
    WRITERS[form](path, saved)
    assert words in refusal(path)


# Several sets of weights.

AVERAGE = {
    name: np.asarray(array + 1, array.dtype) if array.dtype != bool else ~array for name, array in ARRAYS.items()
}
MOMENTA = {name: {"exp_avg": tensor(np.ones(3)), "step": tensor(np.array(2.0))} for name in ARRAYS}
OPTIMIZER = {"state": MOMENTA, "param_groups": [{"lr": 0.1}], "defaults": {"lr": tensor(np.array(0.1))}}
TRAINING = {
    "as timm writes": (
        {"epoch": 9, "arch": "resnet18", "state_dict": state_dict(ARRAYS), "optimizer": OPTIMIZER, "version": 2}
        | {"args": argparse.Namespace(lr=0.1), "amp_scaler": {"scale": tensor(np.array(65536.0))}}
        | {"state_dict_ema": state_dict(AVERAGE), "metric": np.float64(76.1)},
        "state_dict_ema",
        "'state_dict', 'state_dict_ema'",
    ),
    "as torchvision writes": (
        {"model": state_dict(ARRAYS), "optimizer": OPTIMIZER, "lr_scheduler": {"last": tensor(np.ones(1))}, "epoch": 1}
        | {"args": argparse.Namespace(lr=0.1), "model_ema": state_dict(AVERAGE), "scaler": {"s": tensor(np.ones(1))}},
        "model_ema",
        "'model', 'model_ema'",
    ),
    "within one another": (
        {
            "nets": {"model": {"state_dict": state_dict(ARRAYS)}, "average": state_dict(AVERAGE)},
            "optimizers": OPTIMIZER,
        },
        "nets.average",
        "'nets.average', 'nets.model.state_dict'",
    ),
}


@pytest.mark.parametrize("name", TRAINING)
def test_the_plain_set_is_read_unless_the_key_says_otherwise(form, path, name):
    checkpoint, average, _ = TRAINING[name]
    WRITERS[form](path, checkpoint)
    assert_same(read_tensors(path).arrays, ARRAYS)
    assert_same(read_tensors(path, average).arrays, AVERAGE)


@pytest.mark.parametrize("key", ["optimizer", "model.ema", "", "epoch", "state", "args"])
@pytest.mark.parametrize("name", TRAINING)
def test_an_unknown_key_is_refused_with_the_sets_that_there_are(form, path, name, key):
    checkpoint, _, names = TRAINING[name]
    WRITERS[form](path, checkpoint)
    assert f"holds no set of weights {key!r}; choose another key: {names}." in refusal(path, key)


def test_a_key_of_a_wrapper_is_that_of_the_plain_set_within(form, path):
    WRITERS[form](path, {"a": {"state_dict": state_dict(ARRAYS), "ema": state_dict(AVERAGE)}, "b": state_dict(AVERAGE)})
    assert_same(read_tensors(path, "a").arrays, ARRAYS)
    assert_same(read_tensors(path, "a.ema").arrays, AVERAGE)
    assert_same(read_tensors(path, "b").arrays, AVERAGE)


@pytest.mark.parametrize("keys", [("model", "net"), ("teacher", "student"), ("state_dict_ema", "model_ema")])
def test_of_several_plain_sets_none_is_chosen_silently(form, path, keys):
    WRITERS[form](path, {"epoch": 1, **{key: state_dict(ARRAYS) for key in keys}})
    first, second = keys
    assert f"holds several sets of weights, {first!r}, {second!r}; choose one by its key, as in key=" in refusal(path)
    assert_same(read_tensors(path, second).arrays, ARRAYS)


def test_a_set_that_is_saved_under_two_keys_is_found_under_both(form, path):
    shared = state_dict(ARRAYS)
    WRITERS[form](path, {"state_dict": shared, "best": shared})
    assert_same(read_tensors(path, "best").arrays, ARRAYS)


def test_a_key_where_there_is_nothing_to_choose_is_refused(form, path):
    WRITERS[form](path, state_dict(ARRAYS))
    assert "holds no set of weights 'model', but a single one; leave the key out." in refusal(path, "model")
    np.savez(path.open("wb"), **ARRAYS)
    assert "is of the format npz, which holds one set of weights; leave the key out." in refusal(path, "model")


@pytest.mark.parametrize("saved", [{"optimizer": OPTIMIZER}, {"epoch": 1, "lr_scheduler": {"x": tensor(np.ones(1))}}])
def test_tensors_of_an_optimizer_are_no_weights(form, path, saved):
    WRITERS[form](path, saved)
    assert "is a checkpoint without tensors" in refusal(path)


def test_dictionaries_without_end_are_refused(form, path):
    endless = {}
    endless["a"] = endless["b"] = endless["c"] = endless["d"] = endless
    WRITERS[form](path, endless)
    assert "more than 10000 dictionaries in one another" in refusal(path)


@pytest.mark.parametrize("protocol", [2, 4])
def test_plain_values_of_python_beside_the_tensors_are_passed_over(form, path, protocol, monkeypatch):
    module = types.ModuleType("lightning.pytorch.utilities.parsing")
    kind = type("AttributeDict", (dict,), {"__module__": module.__name__})
    module.AttributeDict = kind
    for name in ("lightning", "lightning.pytorch", "lightning.pytorch.utilities", module.__name__):
        monkeypatch.setitem(sys.modules, name, module)
    counts = collections.defaultdict(int, a=1)
    beside = {
        "output_dir": pathlib.Path("runs/1"),
        "started": datetime.datetime(2024, 1, 2),
        "took": datetime.timedelta(1),
        "counts": counts,
        "losses": collections.deque([1.0, 2.0], maxlen=5),
        "history": np.arange(3.0),
        "hyper_parameters": kind(lr=0.1, nested=kind(a=1)),
        "shape": (range(3), slice(1, 2), 1j, {1, 2}, frozenset("a"), int),
    }
    WRITERS[form](path, {**beside, "state_dict": state_dict(ARRAYS)}, protocol)
    assert_same(read_tensors(path).arrays, ARRAYS)


def test_a_whole_pickled_model_is_refused_with_advice(form, path):
    model = torch_writer.CONV.Conv2d()
    model.weight = tensor(np.ones(3, "float32"))
    WRITERS[form](path, model)
    sentence = refusal(path)
    assert "a whole pickled model ('torch.nn.modules.conv.Conv2d')" in sentence
    assert "`model.state_dict()`" in sentence
