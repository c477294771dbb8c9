"""The files of `torch.save`, read without torch: named tensors, and nothing that could run.

Both formats hold a pickle of the saved object, in which each tensor refers to a storage by a key. The newer one is a
zip archive with a member for each storage; the older one is a row of pickles, and then the storages, one after
another.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from keras_resnet.weights.pickles import ForbiddenError, Global, dictionary, read_pickle
from keras_resnet.weights.raw import (
    BFLOAT16,
    UnreadableError,
    check_member,
    damaged,
    decode,
    read_member,
    stored_dtype,
)

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
# Where training programs put the tensors when they save more than these, the likeliest first.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "state_dict_ema")
DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "UntypedStorage": "uint8",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}
_MAX_DEPTH = 8


@dataclass(frozen=True)
class Storage:
    """A row of values in the file.

    Args:
        key: str, its name in the file.
        dtype: str, type of its values.
        size: int, number of its values, up to the last that counts.
        start: int, place of the first that counts.
    """

    key: str
    dtype: str
    size: int
    start: int = 0


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file, before its values are read.

    Args:
        storage: Storage that holds its values.
        offset: int, place of its first value in the storage.
        shape: tuple of int.
        strides: tuple of int, steps in values along each axis.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def view(self, values: np.ndarray) -> np.ndarray:
        """Lay the tensor over the values of its storage.

        Args:
            values: array (storage.size,).

        Returns:
            Array of the tensor's shape, a view.
        """
        if 0 in self.shape:
            return np.empty(self.shape, values.dtype)
        strides = [step * values.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, strides)


class _Other:
    """Whatever stands beside the tensors of a checkpoint: its value is not looked at."""


def _other(*arguments: Any) -> _Other:
    return _Other()


def _counts(*values: Any) -> bool:
    return all(type(value) is int and 0 <= value < 2**62 for value in values)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *others: Any) -> Tensor:
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise TypeError("a tensor without storage or shape")
    if not _counts(offset, *shape, *strides) or len(shape) != len(strides) or len(shape) > 32:
        raise ValueError("a tensor of an impossible shape")
    offset += storage.start
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides))
    if 0 not in shape and last >= storage.size:
        raise ValueError(f"a tensor that ends at {last + 1} in a storage of {storage.size} values")
    return Tensor(storage, offset, shape, strides)


def _tensor_of_type(storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, hooks: Any, dtype: Any, *_: Any):
    """Rebuild a tensor whose type has no storage of its own; its strides are in values, its storage in bytes."""
    name = dtype.name.removeprefix("torch.")
    size = stored_dtype(name).itemsize
    return _tensor(Storage(storage.key, name, storage.size // size), offset, shape, strides)


def _parameter(data: Any, *others: Any) -> Tensor:
    if not isinstance(data, Tensor):
        raise TypeError("a parameter without a tensor")
    return data


def _subclass(function: Any, kind: Any, arguments: Any, *others: Any) -> Any:
    if not isinstance(function, Global) or not function.name.startswith("torch._utils."):
        raise TypeError("a tensor that is made by something else")
    return _FUNCTIONS[function.name](*arguments)


def _ordered(items: Any = ()) -> dict[Any, Any]:
    return dictionary([part for key, value in items for part in (key, value)])


def _size(shape: Any = ()) -> tuple[Any, ...]:
    return tuple(shape)


# What a checkpoint may name. Each stands for a function of this module; the objects themselves are never touched.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered,
    "torch.Size": _size,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_type,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _subclass,
    "torch.nn.parameter.Parameter": _parameter,
    "torch.autograd.variable.Variable": _parameter,
    "torch.Tensor": _other,
    "torch.device": _other,
    "argparse.Namespace": _other,
    "collections.Counter": _other,
    "_codecs.encode": _other,
    "numpy.dtype": _other,
    "numpy.core.multiarray.scalar": _other,
    "numpy._core.multiarray.scalar": _other,
    **{f"{module}.{kind}": _other for module in ("torch", "torch.cuda", "torch.storage") for kind in DTYPES},
    **{f"torch.{name}": _other for name in (*DTYPES.values(), "uint16", "uint32", "uint64")},
    **{f"{module}.{name}": _other for module in ("builtins", "__builtin__") for name in ("set", "frozenset")},
}


def _storage(identity: Any) -> Storage:
    """Read a reference to a storage: ("storage", type, key, device, number of values, part of it or None)."""
    tag, kind, key, _, size, *part = identity
    if tag != "storage" or not isinstance(kind, Global) or not isinstance(key, (str, int)) or not _counts(size):
        raise ValueError("a reference to what is not a storage")
    start, count = 0, size
    if part and part[0] is not None:
        _, start, count = part[0]
        if not _counts(start, count) or start + count > size:
            raise ValueError("a part that is not in its storage")
    return Storage(str(key), DTYPES[kind.name.rsplit(".", 1)[-1]], start + count, start)


def is_program(name: str) -> bool:
    """Tell whether a member of an archive is the pickle of torch.save.

    Args:
        name: str, its full name.

    Returns:
        bool.
    """
    return name.rsplit("/", 1)[-1] == "data.pkl"


def read_archive(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """Read the tensors of a zip archive that `torch.save` wrote.

    Args:
        archive: zipfile.ZipFile.

    Returns:
        dict of arrays by name, in the file's order.

    Raises:
        UnreadableError: it holds none, or what cannot be read without running it.
    """
    pickled = min((name for name in archive.namelist() if is_program(name)), key=len)
    folder = pickled.removesuffix("data.pkl")
    if f"{folder}constants.pkl" in archive.NameToInfo:
        raise UnreadableError("is a TorchScript program", "save its `state_dict()` with torch.save instead")
    order = "little"
    if f"{folder}byteorder" in archive.NameToInfo:
        order = read_member(archive, f"{folder}byteorder").decode("ascii")
    program = read_member(archive, pickled)
    with _whole_models_told_apart(program.find):
        tensors = _named_tensors(read_pickle(io.BytesIO(program), _FUNCTIONS, _storage))

    def read(storage: Storage) -> np.ndarray:
        name = f"{folder}data/{storage.key}"
        check_member(archive, name)
        dtype = stored_dtype(storage.dtype, order)
        if archive.getinfo(name).file_size < storage.size * dtype.itemsize:
            raise damaged(f"its member {name!r} has fewer than {storage.size} values")
        return decode(np.frombuffer(archive.read(name), dtype, storage.size), storage.dtype)

    return _read_each(tensors, read)


def read_legacy(file: BinaryIO) -> dict[str, np.ndarray]:
    """Read the tensors of a file of the format before torch 1.6: pickles, then storages.

    Args:
        file: the file, opened for reading bytes.

    Returns:
        dict of arrays by name, in the file's order.

    Raises:
        UnreadableError: it holds none, or what cannot be read without running it.
    """
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as stream:
        with _whole_models_told_apart(stream.find):
            magic = read_pickle(stream, _FUNCTIONS)
            if magic != MAGIC:
                found = "is a pickle, but not one of torch.save"
                raise UnreadableError(found, "save named arrays as .npz or .safetensors instead")
            if read_pickle(stream, {}) != PROTOCOL:
                raise damaged("it is of a protocol that no torch writes")
            read_pickle(stream, {})  # sizes of C types on the machine that wrote it; storages are little-endian on all
            storages: dict[str, Storage] = {}

            def storage_of(identity: Any) -> Storage:
                storage = _storage(identity)
                return storages.setdefault(storage.key, storage) and storage

            tensors = _named_tensors(read_pickle(stream, _FUNCTIONS, storage_of))
        places = _find_storages(stream, read_pickle(stream, {}), storages)

    def read(storage: Storage) -> np.ndarray:
        file.seek(places[storage.key])
        stored = np.fromfile(file, stored_dtype(storage.dtype), storage.size)
        return decode(stored, storage.dtype)

    return _read_each(tensors, read)


def _find_storages(stream: mmap.mmap, keys: Any, storages: dict[str, Storage]) -> dict[str, int]:
    """Find where the values of each storage begin: each has its number of values before it."""
    places = {}
    place = stream.tell()
    for key in map(str, keys):
        if key not in storages:
            raise damaged(f"it has a storage {key!r} that no tensor refers to")
        size = int.from_bytes(stream[place : place + 8], "little")
        places[key] = place + 8
        place += 8 + size * stored_dtype(storages[key].dtype).itemsize
        if place > len(stream) or size < storages[key].size:
            raise damaged(f"storage {key!r} ends at byte {place} of {len(stream)}")
    missing = sorted(storages.keys() - places.keys())
    if missing:
        raise damaged(f"it has no storage {missing[0]!r}")
    return places


@contextlib.contextmanager
def _whole_models_told_apart(find: Callable[[bytes, int], int]):
    """Say of a pickled module that it is one, instead of which of its classes came first."""
    try:
        yield
    except ForbiddenError as error:
        if find(b"torch.nn.modules.", 0) < 0:
            raise
        found = f"holds a whole pickled model ({error.name!r}), which nothing can read without running its code"
        raise UnreadableError(found, "load it where it was made and save `model.state_dict()`") from error


def _named_tensors(saved: Any, depth: int = 0) -> dict[str, Tensor]:
    """Find the tensors in what was saved: a dictionary of them, or one that has it under some key."""
    if not isinstance(saved, dict) or depth > _MAX_DEPTH:
        advice = "save `model.state_dict()`, a dictionary of tensors"
        raise UnreadableError(f"holds no dictionary of tensors but a {_kind(saved)}", advice)
    inner = {key: value for key, value in saved.items() if isinstance(value, dict) and _holds_tensors(value)}
    for key in WRAPPERS:
        if key in inner:
            return _named_tensors(inner[key], depth + 1)
    tensors = {key: value for key, value in saved.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if tensors:
        return tensors
    if len(inner) == 1:
        return _named_tensors(next(iter(inner.values())), depth + 1)
    keys = ", ".join(repr(key)[:40] for key in list(inner or saved)[:8])
    if inner:
        raise UnreadableError(f"holds several sets of tensors, {keys}", f"save the right one under {WRAPPERS[0]!r}")
    found = f"is a checkpoint without tensors (its keys: {keys})" if saved else "is a checkpoint without anything in it"
    raise UnreadableError(found, "give one that holds a `state_dict`")


def _holds_tensors(saved: dict[Any, Any], depth: int = 0) -> bool:
    """Tell whether a dictionary holds named tensors, itself or under the key of a wrapper."""
    if any(isinstance(key, str) and isinstance(value, Tensor) for key, value in saved.items()):
        return True
    wrapped = (saved[key] for key in WRAPPERS if isinstance(saved.get(key), dict))
    return depth < _MAX_DEPTH and any(_holds_tensors(value, depth + 1) for value in wrapped)


def _kind(saved: Any) -> str:
    return "single tensor" if isinstance(saved, Tensor) else type(saved).__name__.strip("_").lower()


def _read_each(tensors: dict[str, Tensor], read: Callable[[Storage], np.ndarray]) -> dict[str, np.ndarray]:
    """Read each storage once, and lay its tensors over it."""
    storages: dict[Storage, np.ndarray] = {}
    arrays = {}
    for name, tensor in tensors.items():
        if tensor.storage not in storages:
            storages[tensor.storage] = read(tensor.storage)
        arrays[name] = tensor.view(storages[tensor.storage])
    return arrays
