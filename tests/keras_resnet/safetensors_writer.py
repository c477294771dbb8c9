"""Files of safetensors, written without it."""

import json

TYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "uint8": "U8", "bool": "BOOL"}


def header_of(arrays):
    """Describe arrays that lie one after another."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": TYPES[array.dtype.name],
            "shape": array.shape,
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    return header


def write(path, arrays, header=None, padding=0):
    """Write arrays one after another, under their own header or another."""
    text = json.dumps(header_of(arrays) if header is None else header).encode() + b" " * padding
    values = b"".join(array.tobytes() for array in arrays.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + values)
