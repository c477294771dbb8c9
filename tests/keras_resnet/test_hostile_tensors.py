"""Pickles, storages and archives that ask for more than any file of weights: one sentence, before it is spent."""

import io
import pickle
import struct
import sys
import zipfile
from unittest import mock

import numpy as np
import pytest

from keras_resnet.weights.files import budget
from keras_resnet.weights.files.budget import Budget
from keras_resnet.weights.files.raw import UnreadableError
from keras_resnet.weights.files.readers import read_tensors
from keras_resnet.weights.loading import network_of
from tests.keras_resnet import torch_writer
from tests.keras_resnet.hostile import MORE, refusal, write_archive
from tests.keras_resnet.torch_writer import PROGRAMS, WRITERS, Storage, Tensor, tensor

# What lies beyond the values of a storage.


def write_references(path, form, claims, dtype="float32"):
    """Write a file whose tensors refer to one storage of four values, each as of another number of values."""
    references = [Storage(np.arange(4, dtype=dtype)) for _ in claims]
    numbers = dict(zip(map(id, references), claims))
    part = (None,) if form == "legacy torch" else ()

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            if isinstance(thing, Storage):
                return ("storage", thing.kind, "0", str(b"cpu", "ascii"), numbers[id(thing)], *part)

    stream = io.BytesIO()
    tensors = {f"t{place}": Tensor(storage, (claim,)) for place, (storage, claim) in enumerate(zip(references, claims))}
    with mock.patch.dict(sys.modules, torch_writer.MODULES):
        Pickler(stream, 2).dump(tensors)
    PROGRAMS[form](path, stream.getvalue(), {"0": references[0]})


@pytest.mark.parametrize("claims", [(4, 5), (4, 4096), (2, 4, 2**20), (5,)])
def test_every_reference_to_a_storage_is_checked(form, path, claims):
    write_references(path, form, claims)
    assert f"fewer than {claims[-1]} values" in refusal(path)


def test_references_of_several_sizes_within_the_storage_are_read(form, path):
    write_references(path, form, (4, 2, 3))
    arrays = read_tensors(path).arrays
    assert [array.tolist() for array in arrays.values()] == [[0, 1, 2, 3], [0, 1], [0, 1, 2]]


def test_a_view_reaches_no_further_than_the_values_that_were_read():
    from keras_resnet.weights.files import torch_objects

    claimed = torch_objects.Storage("0", "float32", 100)
    view = torch_objects.Tensor(claimed, 2, (2, 3), (3, 1))
    np.testing.assert_array_equal(view.view(np.arange(8.0)), [[2, 3, 4], [5, 6, 7]])
    with pytest.raises(ValueError, match="ends at 8 in a storage of 7 values"):
        view.view(np.arange(7.0))


# Pickles.


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value


ORDERED, PAIR = b"ccollections\nOrderedDict\n", text(b"k") + b"N\x86"
MERSENNE = 2**61 - 1  # Python's hash of a whole number is its rest after division by this
BOMBS = {
    "instructions": (b"N" + b"2" * 110_000 + b".", MORE),
    "marks": (b"(" * 110_000 + b"N.", MORE),
    "nested tuples": (b"N" + b"\x85" * 110_000 + b".", MORE),
    "one list in many calls": (
        b"](" + PAIR * 20_000 + b"e\x94" + ORDERED + b"\x94" + b"h\x01h\x00\x85R0" * 1000 + b".",
        MORE,
    ),
    "one text in many calls": (
        text(b"x" * 500_000) + b"\x940ctorch\nSize\n\x94" + b"h\x01h\x00\x85R0" * 100 + b".",
        MORE,
    ),
    "many arguments in many calls": (
        b"(" + b"N" * 100_000 + b"t\x940cbuiltins\nset\n\x94" + b"h\x01h\x00R0" * 100 + b".",
        MORE,
    ),
    "one dictionary in many places": (
        b"}\x94("
        + b"".join(text(b"%d" % number) + b"N" for number in range(2000))
        + b"u0}("
        + b"".join(text(b"_%d" % number) + b"h\x00" for number in range(5000))
        + b"u.",
        MORE,
    ),
    "a name of nested tuples": (text(b"a" * 1000) + b"2\x86" * 30 + text(b"x") + b"\x93.", "a name that is not text"),
    "keys of one hash": (b"}(L%dL\nNL%dL\nNu." % (MERSENNE, 2 * MERSENNE), "a number beyond all counting"),
    "places of one hash": (b"Np%d\np%d\n." % (MERSENNE, 2 * MERSENNE), "a place in the memory"),
    "a long number": (b"\x8b" + struct.pack("<i", 1_000_000) + b"\x7f" * 1_000_000 + b".", "a number of 7999999 bits"),
    "a long number in digits": (b"L" + b"9" * 4000 + b"L\n.", "a number of 13288 bits"),
    "a long name": (b"c" + b"m" * 1_000_000 + b"\nx\n.", "mmm ...', which tensors do not need"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_pickles_that_take_minutes_or_all_memory_are_refused(form, path, name, monkeypatch):
    monkeypatch.setattr(budget, "OPERATIONS", 100_000)
    program, words = BOMBS[name]
    PROGRAMS[form](path, b"\x80\x04" + program)
    assert words in refusal(path)


def test_a_long_key_in_many_places_is_refused(form, path):
    # 3 ** 8 paths through the dictionaries, on each of which the key stands.
    inner = b"".join(b"}(h\x00N" + (b"" if level == 0 else each(level)) + b"u\x94" for level in range(8))
    PROGRAMS[form](path, b"\x80\x04" + text(b"n" * 200_000) + b"\x940" + inner + b".")
    assert "asks for more than" in refusal(path) or "without tensors" in refusal(path)


def each(level):
    return b"".join(b"h\x00" + text(b"%d" % number) + b"h" + bytes([level]) for number in range(0)) + b"".join(
        text(b"%d" % number) + b"h" + bytes([level]) for number in range(3)
    )


def test_prefixes_repeated_without_end_are_refused(form, path):
    WRITERS[form](path, {"module." * 100_000 + "x": tensor(np.ones(1))})
    assert "has 700,001 characters" in refusal(path)


def test_the_budget_says_its_numbers():
    purse = Budget(1000)
    purse.take(budget.OPERATIONS, "operations")
    with pytest.raises(
        UnreadableError, match=r"asks for more than 3,000,000 operations, .* file of 1,000 bytes may take"
    ):
        purse.take(1, "operations")
    purse.take(2**28 + 8000, "bytes")
    with pytest.raises(UnreadableError, match=r"asks for more than 268,443,456 bytes"):
        purse.take(1, "bytes")
    with pytest.raises(UnreadableError, match=r"asks for more than 10,000 layers"):
        purse.take(10_001, "layers")


# Few values that stand for many.

ONE = Storage(np.ones(1, "float32"))


def expanded(*shape):
    return Tensor(ONE, shape, (0,) * len(shape))


def test_few_values_in_many_places_are_refused(form, path):
    WRITERS[form](path, {"x": expanded(2**15, 2**15)})
    assert MORE in refusal(path)
    WRITERS[form](path, {f"x{number}": expanded(2**10, 2**10) for number in range(80)})
    assert MORE in refusal(path)


def residual(**changes):
    state = {
        "conv1.weight": expanded(16, 3, 3, 3),
        "layer1.0.conv1.weight": expanded(16, 16, 3, 3),
        "layer1.0.conv2.weight": expanded(16, 16, 3, 3),
        "fc.weight": expanded(10, 16),
        "fc.bias": expanded(10),
    }
    return {**state, **changes}


WIDE = 2**18
NETWORKS = {
    "blocks": ({"layer1.99999999.conv2.weight": expanded(16, 16, 3, 3)}, "100,000,000 units, and 6 tensors"),
    "a number of digits": ({f"layer1.{'9' * 400}.conv2.weight": expanded(16, 16, 3, 3)}, "units, and 6 tensors"),
    "filters": (
        {f"layer1.0.conv{number}.weight": expanded(WIDE, 1, 3, 3) for number in (1, 2)},
        "parameters, and 4,",
    ),
    "classes": ({"fc.weight": expanded(1, 1), "fc.bias": expanded(2**25)}, "parameters, and"),
    "no values": ({"conv1.weight": expanded(16, 0, 3, 3)}, "of shape (3, 3, 0, 16)"),
    "no axes": ({"conv1.weight": expanded()}, "of shape ()"),
    "few axes": ({"layer1.0.conv1.weight": expanded(3)}, "of shape (3,)"),
    "a number for a row": ({"fc.bias": expanded()}, "of shape ()"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_names_and_shapes_of_networks_far_larger_than_their_file_are_refused(path, name):
    changes, words = NETWORKS[name]
    torch_writer.save(path, residual(**changes))
    assert words in refusal(path, network_of)


# Archives.


def npy(shape, values=b""):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue() + values


def test_members_count_together(path):
    write_archive(path, [(f"{number}.npy", npy((2**24,), bytes(2**26))) for number in range(5)])
    assert path.stat().st_size < 2**21
    assert MORE in refusal(path)


def test_a_member_that_many_storages_refer_to_counts_once_and_each_reference_too(path):
    write_references(path, "torch", [2**24 - number for number in range(8)])
    with zipfile.ZipFile(path) as archive:
        program = archive.read("archive/data.pkl")
    write_archive(path, [("archive/data.pkl", program), ("archive/data/0", bytes(2**26))])
    assert MORE in refusal(path)


def test_arrays_of_a_size_that_their_members_have_not_are_refused(path):
    write_archive(path, [("x.npy", npy((2**40,)))])
    assert "is cut short or damaged" in refusal(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_methods_of_compression_are_refused(path, method):
    write_archive(path, [("x.npy", npy((1,), b"1234"))], method)
    assert f"compressed by the method {method} of zip; unpack it" in refusal(path)


def test_two_members_of_one_name_are_refused(path):
    with pytest.warns(UserWarning, match="Duplicate"):
        write_archive(path, [("x.npy", npy((1,), b"1234"))] * 2)
    assert "two members of one name" in refusal(path)


def test_a_directory_of_endless_length_is_refused(path):
    name = "x" * 60_000
    write_archive(path, [(f"{number}{name}.npy", b"") for number in range(150)])
    assert "has a directory of" in refusal(path)
