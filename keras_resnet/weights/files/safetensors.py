"""Files of safetensors, by the library of that name; its reader bounds everything but the length of a header."""

from __future__ import annotations

from typing import BinaryIO

import ml_dtypes  # noqa: F401 - gives NumPy the type bfloat16, by which the library reads it
import numpy as np
from safetensors import safe_open

from keras_resnet.weights.files.budget import A_TENSOR, Budget
from keras_resnet.weights.files.json_text import MAX_JSON
from keras_resnet.weights.files.raw import UnreadableError, damaged

# Types of values that NumPy has, and bfloat16.
DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")
_MAX_AXES = 32


def read(file: BinaryIO, budget: Budget) -> dict[str, np.ndarray]:
    """Read the tensors of a safetensors file, in the order of their values; bfloat16 becomes float32."""
    length = int.from_bytes(file.read(8), "little")
    # The library takes headers of 100 MB, and more than a gigabyte of memory to parse one of many small tensors.
    if length > MAX_JSON:
        raise damaged(f"it starts like a safetensors file whose header of {length} bytes is too long")
    with safe_open(file.name, framework="np") as stored:
        names = stored.offset_keys()
        budget.take(A_TENSOR * len(names), "operations")
        return {name: _array(stored, name, budget) for name in names}


def _array(stored: safe_open, name: str, budget: Budget) -> np.ndarray:
    described = stored.get_slice(name)
    dtype, shape = described.get_dtype(), described.get_shape()
    if dtype not in DTYPES:
        raise UnreadableError(f"has a tensor {name!r} of type {dtype!r}", f"convert it to one of {', '.join(DTYPES)}")
    if len(shape) > _MAX_AXES:
        raise damaged(f"its tensor {name!r} has {len(shape)} axes")
    array = stored.get_tensor(name)
    budget.take(array.nbytes, "bytes")
    return array.astype("float32") if dtype == "BF16" else array
