"""Files as `torch.save` writes them, without torch: stand-ins under torch's names, and both formats byte by byte."""

import collections
import io
import pickle
import sys
import types
import zipfile
from unittest import mock

import numpy as np

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


def _module(name, **contents):
    module = types.ModuleType(name)
    for key, value in contents.items():
        value.__module__, value.__qualname__ = name, key
        setattr(module, key, value)
    return module


def _function():
    def function(*arguments):
        raise AssertionError("a stand-in was called")

    return function


TORCH = _module("torch", Size=type("Size", (tuple,), {}), **{name: type(name, (), {}) for name in STORAGES.values()})
UTILS = _module(
    "torch._utils", **{f"_rebuild_{kind}": _function() for kind in ("tensor", "tensor_v2", "parameter", "qtensor")}
)
CONV = _module("torch.nn.modules.conv", Conv2d=type("Conv2d", (), {}))
MODULES = {module.__name__: module for module in (TORCH, UTILS, CONV)}


class Storage:
    """Values in a row, with the name of their type."""

    def __init__(self, values, dtype=None):
        self.values = np.ascontiguousarray(values).ravel()
        self.dtype = dtype or self.values.dtype.name

    @property
    def kind(self):
        return getattr(TORCH, STORAGES[self.dtype])


class Tensor:
    """A view of a storage that pickles as a tensor of torch does."""

    def __init__(self, storage, shape, strides=None, offset=0):
        self.storage, self.shape, self.offset = storage, tuple(shape), offset
        contiguous = [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]
        self.strides = tuple(contiguous if strides is None else strides)

    def __reduce_ex__(self, protocol):
        arguments = (self.storage, self.offset, self.shape, self.strides, False, collections.OrderedDict())
        return UTILS._rebuild_tensor_v2, arguments


class Parameter:
    """A tensor that is learnt."""

    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        return UTILS._rebuild_parameter, (self.data, True, collections.OrderedDict())


def tensor(array, dtype=None):
    """Make a contiguous tensor of an array."""
    return Tensor(Storage(array, dtype), np.shape(array))


def state_dict(arrays):
    """Make what `model.state_dict()` gives: an ordered dictionary with metadata as an attribute."""
    state = collections.OrderedDict((name, tensor(array)) for name, array in arrays.items())
    state._metadata = collections.OrderedDict([("", {"version": 1})])
    return state


def pickled(saved, protocol, part):
    """Pickle what is saved; give the bytes and the storages by key."""
    storages = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            if not isinstance(thing, Storage):
                return None
            key = next((key for key, storage in storages.items() if storage is thing), str(len(storages)))
            storages[key] = thing
            device = str(b"cuda:0", "ascii")  # a new string for each, as torch makes it
            return ("storage", thing.kind, key, device, len(thing.values), *part)

    stream = io.BytesIO()
    with mock.patch.dict(sys.modules, MODULES):
        Pickler(stream, protocol).dump(saved)
    return stream.getvalue(), storages


def save(path, saved, protocol=2, order="little"):
    """Write an object as torch does from 1.6 on."""
    program, storages = pickled(saved, protocol, ())
    save_program(path, program, storages, order)


def save_program(path, program, storages=(), order="little"):
    """Write an archive around a pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/byteorder", order)
        for key in storages:
            values = storages[key].values
            values = values.astype(values.dtype.newbyteorder("<" if order == "little" else ">"))
            archive.writestr(f"archive/data/{key}", values.tobytes())
        archive.writestr("archive/version", "3\n")


def save_legacy(path, saved, protocol=2):
    """Write an object as torch did before 1.6."""
    program, storages = pickled(saved, protocol, (None,))
    save_legacy_program(path, program, storages, protocol)


def save_legacy_program(path, program, storages=(), protocol=2):
    """Write the pickles of the older format, and the storages after them."""
    system = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [pickle.dumps(thing, protocol) for thing in (MAGIC, PROTOCOL, system)]
    parts += [program, pickle.dumps(list(storages), protocol)]
    for key in storages:
        values = storages[key].values
        parts += [len(values).to_bytes(8, "little"), values.tobytes()]
    path.write_bytes(b"".join(parts))


WRITERS = {"torch": save, "legacy torch": save_legacy}
PROGRAMS = {"torch": save_program, "legacy torch": save_legacy_program}
