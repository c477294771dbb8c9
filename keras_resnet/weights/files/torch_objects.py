"""The contents of a torch pickle: tensors, their storages, and the names that a checkpoint may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_resnet.weights.files.pickles import Global, dictionary
from keras_resnet.weights.files.raw import BFLOAT16, stored_dtype

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


@dataclass(frozen=True)
class Storage:
    """A row of values in the file."""

    key: str  # its name in the file
    dtype: str
    size: int  # number of its values, up to the last that counts
    start: int = 0  # place of the first that counts


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file, before its values are read."""

    storage: Storage
    offset: int  # place of its first value in the storage
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in values, along each axis

    def check_within(self, size: int) -> None:
        """Check that all values of the tensor lie in a storage of so many values."""
        last = self.offset + sum((count - 1) * step for count, step in zip(self.shape, self.strides))
        if 0 not in self.shape and last >= size:
            raise ValueError(f"a tensor that ends at {last + 1} in a storage of {size} values")

    def view(self, values: np.ndarray) -> np.ndarray:
        """Lay the tensor over the values that were read of its storage, whatever number of them the file claims."""
        self.check_within(len(values))
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
    if len(shape) != len(strides) or len(shape) > 32 or not _counts(offset, *shape, *strides):
        raise ValueError("a tensor of an impossible shape")
    tensor = Tensor(storage, offset + storage.start, shape, strides)
    tensor.check_within(storage.size)
    return tensor


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
    return FUNCTIONS[function.name](*arguments)


def _ordered(items: Any = ()) -> dict[Any, Any]:
    return dictionary([part for key, value in items for part in (key, value)])


def _size(shape: Any = ()) -> tuple[Any, ...]:
    return tuple(shape)


def _filled_later(kind: Callable[[], Any]) -> Callable[..., Any]:
    """Stand for a container that a pickle makes empty and fills afterwards; its arguments are ignored."""
    return lambda *arguments: kind()


# Values that training programs save beside the tensors: arguments, paths, dates, counts.
LIGHTNING = tuple(f"{package}.utilities.parsing" for package in ("pytorch_lightning", "lightning.pytorch"))
PATHS = ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
CONTAINERS = ("set", "frozenset", "list", "dict", "tuple", "slice", "range", "xrange")
BUILTINS = (*CONTAINERS, "complex", "int", "long", "float", "bool", "str", "unicode")  # some by their names in Python 2
# What a checkpoint may name. Each stands for a function of this module; the objects themselves are never touched.
FUNCTIONS: dict[str, Callable[..., Any]] = {
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
    "collections.defaultdict": _filled_later(dict),
    "collections.deque": _filled_later(list),
    **{f"{module}.AttributeDict": _filled_later(dict) for module in LIGHTNING},
    "_codecs.encode": _other,
    "numpy.dtype": _other,
    "numpy.ndarray": _other,
    **{f"numpy.{core}.multiarray.{name}": _other for core in ("core", "_core") for name in ("scalar", "_reconstruct")},
    **{f"datetime.{kind}": _other for kind in ("datetime", "date", "timedelta")},
    **{f"{module}.{kind}": _other for module in ("pathlib", "pathlib._local") for kind in PATHS},
    **{f"{module}.{kind}": _other for module in ("torch", "torch.cuda", "torch.storage") for kind in DTYPES},
    **{f"torch.{name}": _other for name in (*DTYPES.values(), "uint16", "uint32", "uint64")},
    **{f"{module}.{name}": _other for module in ("builtins", "__builtin__") for name in BUILTINS},
}


def storage_of(identity: Any) -> Storage:
    """Read a reference to a storage: ("storage", type, key, device, size), and in old files a part of it or None."""
    if not isinstance(identity, tuple) or len(identity) > 6:
        raise TypeError("a reference to what is not a storage")
    tag, kind, key, _, size, *part = identity
    if tag != "storage" or not isinstance(kind, Global) or not isinstance(key, (str, int)) or not _counts(size):
        raise ValueError("a reference to what is not a storage")
    start, count = 0, size
    if part and part[0] is not None:
        _, start, count = part[0]
        if not _counts(start, count) or start + count > size:
            raise ValueError("a part that is not in its storage")
    return Storage(str(key), DTYPES[kind.name.rsplit(".", 1)[-1]], start + count, start)
