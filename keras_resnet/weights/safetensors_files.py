"""Files of safetensors: the length of a header, the header as JSON, and the values of each tensor."""

from __future__ import annotations

import math
from typing import Any, BinaryIO

import numpy as np

from keras_resnet.weights.budget import A_TENSOR, Budget
from keras_resnet.weights.json_text import MAX_JSON, parse_object
from keras_resnet.weights.raw import BFLOAT16, UnreadableError, damaged, decode, stored_dtype

DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": BFLOAT16,
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}


def read(file: BinaryIO, budget: Budget) -> dict[str, np.ndarray]:
    """Read the tensors of a safetensors file.

    Args:
        file: the file, opened for reading bytes.
        budget: Budget of the file.

    Returns:
        dict of arrays by name, in the header's order.

    Raises:
        UnreadableError: the header contradicts itself or the file, or asks for more than is allowed.
    """
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    size = budget.size
    if length > MAX_JSON or 8 + length > size:
        raise damaged(f"it starts like a safetensors file whose header of {length} bytes is too long")
    entries = _entries(file.read(length))
    budget.take(A_TENSOR * len(entries), "operations")
    end = 0
    for name, (dtype, shape, begin, until) in sorted(entries.items(), key=lambda entry: entry[1][2:]):
        if begin != end:
            raise damaged(f"its tensor {name!r} begins at byte {begin}, the one before ends at {end}")
        if until - begin != math.prod(shape) * stored_dtype(dtype).itemsize:
            raise damaged(f"its tensor {name!r} has {until - begin} bytes for the shape {shape} of {dtype}")
        end = until
    if 8 + length + end != size:
        raise damaged(f"it has {size} bytes, by its header {8 + length + end}")
    arrays = {}
    for name, (dtype, shape, begin, _) in entries.items():
        budget.take(math.prod(shape) * stored_dtype(dtype).itemsize, "bytes")
        file.seek(8 + length + begin)
        stored = np.fromfile(file, stored_dtype(dtype), math.prod(shape))
        arrays[name] = decode(stored, dtype).reshape(shape)
    return arrays


def _entries(header: bytes) -> dict[str, tuple[str, tuple[int, ...], int, int]]:
    """Read the header: type, shape, first byte and end of each tensor."""
    entries = parse_object(header, "safetensors header", object_pairs_hook=_unique)
    entries.pop("__metadata__", None)
    return {name: _entry(name, entry) for name, entry in entries.items()}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name stands there twice")
    return entries


def _entry(name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(begin), int(until)]}:
            pass
        case _:
            raise damaged(f"its safetensors header does not describe {name!r}")
    if dtype not in DTYPES:
        raise UnreadableError(f"has a tensor {name!r} of type {dtype!r}", f"convert it to one of {', '.join(DTYPES)}")
    if len(shape) > 32 or not all(type(axis) is int and 0 <= axis < 2**48 for axis in shape):
        raise damaged(f"its tensor {name!r} has an impossible shape")
    return DTYPES[dtype], tuple(shape), begin, until
