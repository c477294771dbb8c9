"""Every format is told by its content, and what cannot be read is refused in one sentence."""

import json

import numpy as np
import pytest

from keras_resnet.weights.files.readers import read_tensors
from keras_resnet.weights.naming import strip_prefixes
from tests.keras_resnet import safetensors_writer, torch_writer

ARRAYS = {
    "conv1.weight": np.arange(360, dtype="float32").reshape(2, 3, 60),
    "bn1.running_var": np.linspace(0, 1, 50),
    "bn1.num_batches_tracked": np.array(7),
}
FORMATS = {
    "torch": lambda path: torch_writer.save(path, torch_writer.state_dict(ARRAYS)),
    "legacy torch": lambda path: torch_writer.save_legacy(path, torch_writer.state_dict(ARRAYS)),
    "safetensors": lambda path: safetensors_writer.write(path, ARRAYS),
    "npz": lambda path: np.savez(path.open("wb"), **ARRAYS),
}


def refusal(path):
    with pytest.raises(ValueError) as raised:
        read_tensors(path)
    sentence = str(raised.value)
    assert type(raised.value) is ValueError
    assert sentence.startswith(repr(str(path)))
    assert sentence.endswith(".") and "\n" not in sentence and "; " in sentence
    return sentence


@pytest.fixture(params=FORMATS)
def written(request, tmp_path):
    path = tmp_path / "anything.dat"
    FORMATS[request.param](path)
    return request.param, path


def test_the_content_tells_the_format(written):
    form, path = written
    tensors = read_tensors(str(path))
    assert tensors.format == form
    assert list(tensors.arrays) == list(ARRAYS)
    for name, array in tensors.arrays.items():
        np.testing.assert_array_equal(array, ARRAYS[name], strict=True)
        assert not array.flags.writeable


def test_files_cut_short_are_refused_at_every_eighth(written):
    _, path = written
    whole = path.read_bytes()
    for eighth in range(8):
        path.write_bytes(whole[: len(whole) * eighth // 8])
        sentence = refusal(path)
        assert ("is empty" if eighth == 0 else "is cut short or damaged") in sentence


def test_damaged_files_give_arrays_or_a_sentence(written):
    _, path = written
    whole, generator = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        content = bytearray(whole)
        for place in generator.integers(len(content), size=generator.integers(1, 4)):
            content[place] = generator.integers(256)
        path.write_bytes(content[: generator.choice([len(content), generator.integers(1, len(content))])])
        try:
            read_tensors(path)
        except ValueError as error:
            assert type(error) is ValueError and str(error).startswith(repr(str(path)))
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty; download or copy it again."),
        (b"<!DOCTYPE html><html><body>404</body></html>", "is a web page, not weights; download"),
        (b"\n <html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n", "is a git-LFS pointer"),
        (b'{"metadata": {"total_size": 1}, "weight_map": {}}', "is JSON"),
        (b"\x1f\x8b\x08\0", "is compressed with gzip"),
        (b"\x93NUMPY\x01\0", "is a single array without a name"),
        (bytes(257) + b"ustar\0", "is a tar archive"),
        (b"PK\x05\x06" + bytes(18), "is a zip archive of nothing"),
        (b"PK\x03\x04 and so on", "is cut short or damaged"),
        (b"hello, world", "is not a file of weights: it begins with b'hello, w'; give a file of one of the formats"),
    ],
)
def test_what_is_no_file_of_weights_is_refused(tmp_path, content, words):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    assert words in refusal(path)


def test_what_is_no_file_is_refused(tmp_path):
    assert "is not a file; give the path of a weights file" in refusal(tmp_path / "missing.pth")
    assert "is not a file" in refusal(tmp_path)


def test_arrays_of_objects_are_never_read(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, x=np.ones(3), y=np.array([{}, None]))
    assert "has an array 'y.npy' of Python objects, which are never read" in refusal(path)


def test_text_beside_the_arrays_of_an_archive_is_left_out(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez_compressed(path, names=np.array(["cat", "dog"]), x=np.arange(3, dtype=">f4"))
    arrays = read_tensors(path).arrays
    assert list(arrays) == ["x"]
    np.testing.assert_array_equal(arrays["x"], np.arange(3, dtype="float32"), strict=True)
    np.savez(path, names=np.array(["cat"]))
    assert "holds no tensors" in refusal(path)


def test_members_that_unpack_without_end_are_refused(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez_compressed(path, x=np.zeros(2**25 + 2**20))
    assert "asks for more than" in refusal(path)


def test_json_of_a_length_is_told_from_safetensors(tmp_path):
    path = tmp_path / "weights.safetensors"
    for padding in range(256):  # whatever byte the length begins with, that of HTML, zip and pickles among them
        safetensors_writer.write(path, {"x": np.ones(1)}, padding=padding)
        assert read_tensors(path).format == "safetensors"
    path.write_text(json.dumps({"x": {}}))
    assert "is JSON" in refusal(path)


@pytest.mark.parametrize(
    ("names", "stripped"),
    [
        (["module.a", "module.b.c"], ["a", "b.c"]),
        (["_orig_mod.module.a", "_orig_mod.module.b"], ["a", "b"]),
        (["model.backbone.a", "model.fc.b"], ["backbone.a", "fc.b"]),
        (["module.a", "b"], ["module.a", "b"]),
        (["modules.a"], ["modules.a"]),
        (["encoder.", "encoder.x"], ["encoder.", "encoder.x"]),
        (["resnet.encoder.x"], ["x"]),
        (["n_averaged", "module.a", "module.b"], ["a", "b"]),
        ([], []),
    ],
)
def test_prefixes_that_all_share_are_stripped(names, stripped):
    arrays = {name: np.array(number) for number, name in enumerate(names)}
    result = strip_prefixes(arrays)
    assert list(result) == stripped
    assert list(arrays) == names
    kept = [array for name, array in arrays.items() if name != "n_averaged"]
    assert all(after is before for after, before in zip(result.values(), kept, strict=True))
