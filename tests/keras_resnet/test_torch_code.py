"""Nothing in a file of torch.save is ever run, and what does not make sense is refused."""

import builtins
import os
import pickle
import zipfile

import numpy as np
import pytest

from tests.keras_resnet import torch_writer
from tests.keras_resnet.hostile import refusal
from tests.keras_resnet.test_torch_files import ARRAYS
from tests.keras_resnet.torch_writer import PROGRAMS, WRITERS, Storage, Tensor, state_dict, tensor


class Runs:
    """Runs a function when it is unpickled by Python."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


class Awakes:
    """Runs code of its own when it is unpickled by Python."""

    def __init__(self, target):
        self.target = target

    def __setstate__(self, state):
        open(state["target"], "w").close()


def attacks(target):
    command = f"touch {target}"
    return {
        "posix.system": Runs(os.system, command),
        "builtins.eval": Runs(builtins.eval, f"open({str(target)!r}, 'w').close()"),
        f"{__name__}.Awakes": Awakes(str(target)),
    }


@pytest.mark.skipif(os.name != "posix", reason="os.system has another name elsewhere")
@pytest.mark.parametrize("protocol", [2, 4], ids=["GLOBAL", "STACK_GLOBAL"])
@pytest.mark.parametrize("place", ["alone", "beside", "among the tensors", "as a tensor's argument"])
def test_code_is_refused_by_name_and_never_runs(form, path, tmp_path, protocol, place):
    target = tmp_path / "ran"
    for name, attack in attacks(target).items():
        among = state_dict(ARRAYS)
        among["x"] = attack
        argument = tensor(np.ones(3))
        argument.shape = attack
        saved = {
            "alone": attack,
            "beside": {"state_dict": state_dict(ARRAYS), "epoch": attack},
            "among the tensors": {"state_dict": among},
            "as a tensor's argument": {"x": argument},
        }[place]
        WRITERS[form](path, saved, protocol)
        named = name.replace("builtins.", "__builtin__.") if protocol == 2 else name
        assert repr(named) in refusal(path)
        assert not target.exists()
    # The attacks are real: Python itself would run them.
    pickle.loads(pickle.dumps(attacks(target)["builtins.eval"]))
    assert target.exists()


@pytest.mark.parametrize(
    ("program", "name"),
    [
        (b"cos\nsystem\n(S'exit 1'\ntR.", "os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x06exit 1\x85R.", "os.system"),
        (b"(S'exit 1'\nios\nsystem\n.", "os.system"),
        (b"\x80\x02ccollections\nOrderedDict.__init_subclass__\n.", "collections.OrderedDict.__init_subclass__"),
        (b"\x80\x02cbuiltins\ngetattr\n(ccollections\nOrderedDict\nX\x05\0\0\0clear(tR.", "builtins.getattr"),
        (b"\x80\x02ctorch.storage\n_load_from_bytes\n(C\x00tR.", "torch.storage._load_from_bytes"),
        (b"\x80\x02ctorch._utils\n_rebuild_qtensor\n.", "torch._utils._rebuild_qtensor"),
        (b"\x80\x02\x82\x01.", "the instruction EXT1"),
        (b"\x80\x04\x8c\x01x}\x92.", "the instruction NEWOBJ_EX"),
        (b"\x80\x02X\x01\0\0\0x)R.", "a call of what is not a function"),
        (b"\x80\x02}((lK\x01u.", "a key that is not a plain value"),
        (b"\x80\x02r\xff\xff\xff\xff.", "does not make sense"),
        (b"\x80\x02h\x09.", "does not make sense"),
        (b"\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "does not make sense"),
    ],
)
def test_programs_that_torch_does_not_write(form, path, program, name):
    PROGRAMS[form](path, program)
    assert name in refusal(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"offset": 11}, "ends at 13 in a storage of 12 values"),
        ({"shape": (5, 3)}, "ends at 19 in a storage of 12 values"),
        ({"strides": (-4, 1)}, "impossible shape"),
        ({"shape": (2, -1)}, "impossible shape"),
        ({"shape": (2, 2.0)}, "impossible shape"),
        ({"shape": (1,) * 40, "strides": (1,) * 40}, "impossible shape"),
        ({"shape": [2, 2]}, "without storage or shape"),
        ({"storage": 5}, "without storage or shape"),
    ],
)
def test_tensors_that_do_not_fit_their_storage_are_refused(form, path, change, words):
    broken = Tensor(Storage(np.arange(12, dtype="float32")), (1, 2), (4, 1))
    vars(broken).update(change)
    WRITERS[form](path, {"x": broken})
    assert words in refusal(path)


def test_a_bare_pickle_is_no_file_of_torch(path):
    path.write_bytes(pickle.dumps({"x": 1}, 2))
    assert "is a pickle, but not one of torch.save" in refusal(path)
    path.write_bytes(pickle.dumps(Runs(os.system, "exit 1"), 2))
    assert "system'" in refusal(path)


@pytest.mark.parametrize("kind", ["numpy.core.multiarray.scalar", "argparse.Namespace"])
def test_what_stands_for_python_objects_is_nothing_of_theirs(form, path, kind):
    module, name = kind.rsplit(".", 1)
    # Arguments and attributes that the true objects would choke on, or keep.
    called = f"c{module}\n{name}\n(K\1K\2tR".encode() + b"}X\x08\0\0\0__dict__K\1sb"
    PROGRAMS[form](path, b"\x80\x02}X\1\0\0\0a" + called + b"s.")
    assert "a checkpoint without tensors (its keys: 'a')" in refusal(path)


def test_archives_that_lack_their_parts(path):
    torch_writer.save(path, state_dict(ARRAYS))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for change, words in [
        ({"archive/data/0": None}, "its archive has no 'archive/data/0'"),
        ({"archive/data/0": b"1234"}, "fewer than 24 values"),
        ({"archive/byteorder": b"mixed"}, "in the order 'mixed'"),
        ({"archive/constants.pkl": b""}, "is a TorchScript program"),
    ]:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in {**members, **change}.items():
                if content is not None:
                    archive.writestr(name, content)
        assert words in refusal(path)
