"""Raw images in files: what is written is read, and what is not whole is refused."""

import re

import numpy as np
import pytest

import data
import export_data
from training.config import make_config
from training.data.datasets import open_source


def some_images(name: str = "cifar10") -> data.Images:
    generator = np.random.default_rng(0)
    splits = [(generator.integers(0, 256, (n, 3, 2, 3), "uint8"), np.arange(n, dtype="int32") % 2) for n in (11, 5)]
    return data.Images(name, ("cat", "dog"), *splits)


def equal(one: data.Images, other: data.Images) -> bool:
    pairs = zip((*one.train, *one.test), (*other.train, *other.test), strict=True)
    same = all(left.dtype == right.dtype and np.array_equal(left, right) for left, right in pairs)
    return same and (one.name, one.classes) == (other.name, other.classes)


@pytest.mark.parametrize("parts", [1, 3])
def test_images_come_back_from_their_parts_in_any_order(tmp_path, parts):
    written = data.write_images(tmp_path / "set.npz", some_images(), parts)
    assert len(written) == parts
    assert equal(data.read_images(written[::-1]), some_images())


def test_parts_that_are_missing_or_of_two_sets_are_refused(tmp_path):
    written = data.write_images(tmp_path / "set.npz", some_images(), 3)
    with pytest.raises(ValueError, match=r"each of the 3 parts of one data set once; received parts 1, 3 of cifar10"):
        data.read_images([written[0], written[2]])
    other = data.write_images(tmp_path / "other.npz", some_images("cifar100"), 3)
    with pytest.raises(ValueError, match="received parts 1, 2, 3 of cifar10, cifar10, cifar100"):
        data.read_images([*written[:2], other[2]])


def test_files_of_something_else_are_refused(tmp_path):
    path = tmp_path / "set.npz"
    with pytest.raises(ValueError, match=r"set\.npz is not a file of export_data\.py \(No such file"):
        data.read_images([path])
    path.write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match=r"is not a file of export_data\.py"):
        data.read_images([path])
    np.savez(path, images=np.zeros(3))
    with pytest.raises(ValueError, match=r"name is not a file in the archive"):
        data.read_images([path])
    images = some_images()
    data.write_images(
        path, data.Images("x", images.classes, (images.train[0].astype("float32"), images.train[1]), images.test)
    )
    with pytest.raises(ValueError, match=re.escape("train must be uint8 images (count, height, width, channels)")):
        data.read_images([path])


def test_damaged_files_are_refused_wherever_the_damage_is(tmp_path):
    path = tmp_path / "set.npz"
    data.write_images(path, some_images())
    whole = path.read_bytes()
    places = range(0, len(whole), 7)
    refused = 0
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            data.read_images([path])  # some bytes of a zip archive say nothing
        except ValueError:
            refused += 1
    assert refused > len(places) / 2
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"set\.npz is not a file of export_data\.py \("):
        data.read_images([path])


def test_export_writes_what_training_reads(tmp_path, capsys):
    command = ["digits", "--data-dir", str(tmp_path / "tfds"), "-o", str(tmp_path / "digits.npz"), "--parts", "2"]
    assert export_data.main(command) == 0
    paths = [tmp_path / f"digits-{number}of2.npz" for number in (1, 2)]
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()[-2:]] == list(map(str, paths))
    images = data.read_images(paths)
    source = open_source(make_config({"data_dir": tmp_path / "tfds", "epochs": 1}).data)
    assert images.classes == source.classes and images.shape == source.shape
    for split in data.SPLITS:
        pixels, labels = zip(*source.examples(split).as_numpy_iterator())
        np.testing.assert_array_equal(getattr(images, split)[0], pixels)
        np.testing.assert_array_equal(getattr(images, split)[1], labels)


def test_export_says_what_is_wrong(tmp_path, capsys):
    assert export_data.main(["digits", "--data-dir", str(tmp_path), "-o", "digits.npy"]) == 1
    assert capsys.readouterr().err == "error: the file must end in .npz; received digits.npy.\n"
