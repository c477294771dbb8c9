"""Files of safetensors are read by their header, which must agree with itself and with the file."""

import numpy as np
import pytest

from keras_resnet.weights import read_tensors
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
    assert list(arrays) == list(reversed(ARRAYS))
    np.testing.assert_array_equal(arrays["a"], ARRAYS["a"])


def test_bfloat16_becomes_float32_by_its_bits(path):
    header = {"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}
    write(path, {"x": np.array([0x3F80, 0xC040], "uint16")}, header)
    np.testing.assert_array_equal(read_tensors(path).arrays["x"], np.array([1, -3], "float32"), strict=True)


def changed(**entry):
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **entry}}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (changed(dtype="F8_E5M2"), "has a tensor 'x' of type 'F8_E5M2'; convert it to one of F64"),
        (changed(shape=[3]), "has 8 bytes for the shape (3,)"),
        (changed(shape=[-2]), "impossible shape"),
        (changed(shape=[True, 2]), "impossible shape"),
        (changed(shape=[2**60, 2**60]), "impossible shape"),
        (changed(shape="2"), "does not describe 'x'"),
        (changed(data_offsets=[0]), "does not describe 'x'"),
        (changed(data_offsets=[0.0, 8.0]), "does not describe 'x'"),
        (changed(data_offsets=[4, 12]), "begins at byte 4, the one before ends at 0"),
        (changed(data_offsets=[-8, 0]), "begins at byte -8"),
        (changed(data_offsets=[0, 4]), "has 4 bytes for the shape (2,)"),
        (changed(shape=[1], data_offsets=[0, 4]), "by its header"),
        (changed(shape=[4], data_offsets=[0, 16]), "by its header"),
        (changed() | {"y": changed()["x"]}, "begins at byte 0, the one before ends at 8"),
        ({"x": 1}, "does not describe 'x'"),
        ({"__metadata__": {}}, "by its header"),
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
        ((100).to_bytes(8, "little") + b"{}", "whose header of 100 bytes is too long"),
        ((4).to_bytes(8, "little") + b"{,,}", "header is not JSON"),
        ((3).to_bytes(8, "little") + b"{\xff}", "header is not JSON"),
        ((16).to_bytes(8, "little") + b'{"x": 1, "x": 2}', "a name stands there twice"),
        ((10**5 + 5).to_bytes(8, "little") + b'{"x":' + b"[" * 10**5, "header is not JSON"),
        ((2).to_bytes(8, "little") + b"{}", "holds no tensors"),
    ],
)
def test_headers_that_are_none(path, content, words):
    path.write_bytes(content)
    with pytest.raises(ValueError) as raised:
        read_tensors(path)
    assert words in str(raised.value)
