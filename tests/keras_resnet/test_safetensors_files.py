"""Files of safetensors are read by the library of that name; their header must agree with itself and the file."""

import numpy as np
import pytest

from keras_resnet.weights.files.readers import read_tensors
from tests.keras_resnet.safetensors_writer import header_of, write

ARRAYS = {
    "a": np.arange(6, dtype="float32").reshape(1, 2, 3),
    "b": np.array(3),
    "c": np.array([1.5, -2], "float16"),
    "d": np.array([True, False, True]),
    "e": np.zeros((2, 0)),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def test_all_types_and_shapes(path):
    write(path, ARRAYS)
    tensors = read_tensors(path)
    assert tensors.format == "safetensors" and list(tensors.arrays) == list(ARRAYS)
    for name, array in tensors.arrays.items():
        np.testing.assert_array_equal(array, ARRAYS[name], strict=True)


def test_the_header_names_in_any_order(path):
    header = header_of(ARRAYS)
    write(path, ARRAYS, dict(reversed(header.items())))
    arrays = read_tensors(path).arrays
    assert list(arrays) == list(ARRAYS)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, ARRAYS[name], strict=True)


def test_bfloat16_becomes_float32_by_its_bits(path):
    header = {"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}
    write(path, {"x": np.array([0x3F80, 0xC040], "uint16")}, header)
    np.testing.assert_array_equal(read_tensors(path).arrays["x"], np.array([1, -3], "float32"), strict=True)


def changed(**entry):
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **entry}}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (changed(dtype="F8_E5M2", shape=[8]), "has a tensor 'x' of type 'F8_E5M2'; convert it to one of F64"),
        (changed(shape=[3]), "invalid shape, data type, or offset"),
        (changed(shape=[-2]), "invalid value: integer `-2`"),
        (changed(shape=[True, 2]), "invalid type: boolean"),
        (changed(shape=[2**60, 2**60]), "overflow computing buffer size"),
        (changed(shape=[2, *[1] * 32]), "has 33 axes"),
        (changed(shape="2"), "invalid type: string"),
        (changed(data_offsets=[0]), "invalid length 1"),
        (changed(data_offsets=[0.0, 8.0]), "invalid type: floating point"),
        (changed(data_offsets=[4, 12]), "invalid offset for tensor `x`"),
        (changed(data_offsets=[-8, 0]), "invalid value: integer `-8`"),
        (changed(data_offsets=[0, 4]), "invalid shape, data type, or offset"),
        (changed(shape=[1], data_offsets=[0, 4]), "file not fully covered"),
        (changed(shape=[4], data_offsets=[0, 16]), "file not fully covered"),
        (changed() | {"y": changed()["x"]}, "invalid offset for tensor `"),
        ({"x": 1}, "invalid type: integer"),
        ({"__metadata__": {}}, "file not fully covered"),
    ],
)
def test_headers_that_contradict_themselves_or_the_file(path, header, words):
    write(path, {"x": np.ones(2, "float32")}, header)
    with pytest.raises(ValueError) as raised:
        read_tensors(path)
    assert words in str(raised.value) and str(raised.value).startswith(repr(str(path)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ((2**40).to_bytes(8, "little") + b"{}", "whose header of 1099511627776 bytes is too long"),
        ((2**62).to_bytes(8, "little") + b"{}", "is too long"),
        ((100).to_bytes(8, "little") + b"{}", "invalid header length"),
        ((4).to_bytes(8, "little") + b"{,,}", "invalid JSON in header"),
        ((3).to_bytes(8, "little") + b"{\xff}", "invalid UTF-8 in header"),
        ((16).to_bytes(8, "little") + b'{"x": 1, "x": 2}', "invalid JSON in header"),
        ((10**5 + 5).to_bytes(8, "little") + b'{"x":' + b"[" * 10**5, "recursion limit exceeded"),
        ((2).to_bytes(8, "little") + b"{}", "holds no tensors"),
    ],
)
def test_headers_that_are_none(path, content, words):
    path.write_bytes(content)
    with pytest.raises(ValueError) as raised:
        read_tensors(path)
    assert words in str(raised.value)
