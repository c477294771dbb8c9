"""Data sets: what is read, and what is said where nothing can be read."""

import resource
import shutil
import time

import numpy as np
import pytest
import requests
import tensorflow_datasets as tfds

from keras_resnet.images import decode_image
from tests.training.helpers import folder_config, read_pixels
from training.config import Data
from training.data import datasets, registered
from training.data.arrays import make_arrays
from training.data.datasets import open_source

# Image folders.


def test_image_folder_is_described(image_dir):
    source = open_source(folder_config(image_dir).data)
    assert source.classes == ("cat", "dog")
    assert (source.count("train"), source.count("val"), source.test_split) == (6, 3, "val")
    assert source.is_encoded and source.shape == (None, None, 3)


def test_image_folder_decodes_grey_jpeg_and_rgb_png_like_pil(image_dir):
    source = open_source(folder_config(image_dir).data)
    files = [
        (image_dir / "train" / name / f"{number}.{kind}", label)
        for label, (name, kind) in enumerate((("cat", "jpg"), ("dog", "png")))
        for number in range(3)
    ]
    expected = sorted((read_pixels(path).shape, read_pixels(path).tobytes(), label) for path, label in files)
    decoded = [(decode_image(image, 3).numpy(), int(label)) for image, label in source.examples("train")]
    actual = sorted((image.shape, image.tobytes(), label) for image, label in decoded)
    for left, right in zip(actual, expected, strict=True):
        assert left[0] == right[0] and left[2] == right[2]
        # The decoders of JPEG may round differently.
        pair = (np.frombuffer(part[1], "uint8").astype(int) for part in (left, right))
        assert np.abs(np.subtract(*pair)).max() <= 2


def test_unknown_split_is_named(image_dir, tiny):
    with pytest.raises(ValueError, match=r"train_split of 'image_folder': 'trai'\. Did you mean 'train'\?"):
        open_source(folder_config(image_dir, **{"data.train_split": "trai"}).data)
    with pytest.raises(ValueError, match=r"test_split of 'digits': 'val'\. Allowed: (test, train|train, test)\."):
        open_source(tiny(test_split="val").data)


# Registered data sets that are not there.


def test_unknown_data_set_suggests_the_nearest(tiny):
    with pytest.raises(ValueError, match=r"Unknown data set 'cifr10'\. Did you mean 'cifar10' or") as refusal:
        open_source(tiny(dataset="cifr10").data)
    assert len(str(refusal.value)) < 200


def test_misspelt_digits_suggest_the_embedded_set(tiny):
    with pytest.raises(ValueError, match=r"Unknown data set 'digit'\. Did you mean 'digits'\?"):
        open_source(tiny(dataset="digit").data)


def test_unprepared_data_set_is_refused_without_download_and_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.setattr(requests, "head", lambda *_, **__: pytest.fail("asked the network"))
    began = time.perf_counter()
    with pytest.raises(ValueError) as refusal:
        open_source(Data(dataset="cifar10", data_dir=tmp_path))
    assert time.perf_counter() - began < 30
    sentence = str(refusal.value)
    assert f"looked in {tmp_path}/cifar10/" in sentence and "--data-dir" in sentence
    # The size and address of TFDS's record of checksums.
    assert "--download would fetch 162 MiB from https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz" in sentence
    assert str(tmp_path / "downloads" / "manual") in sentence


@pytest.mark.parametrize("failure", [requests.ConnectionError, requests.Timeout])
def test_download_without_a_network_names_the_manual_folder_at_once(tmp_path, monkeypatch, failure):
    def unreachable(url, **_):
        raise failure("no network")

    monkeypatch.setattr(requests, "head", unreachable)
    began = time.perf_counter()
    with pytest.raises(ValueError, match=r"https://www\.cs\.toronto\.edu/.* cannot be reached") as refusal:
        open_source(Data(dataset="cifar10", data_dir=tmp_path, download=True))
    assert time.perf_counter() - began < 30
    assert f"put the original files into {tmp_path / 'downloads' / 'manual'}" in str(refusal.value)


@pytest.mark.parametrize("command", ["evaluate", "inspect", "export"])
def test_every_command_that_reads_data_sets_may_download_them(refused, trained, tmp_path, monkeypatch, command):
    def unreachable(url, **_):
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(requests, "head", unreachable)
    run = shutil.copytree(trained.folder.path, tmp_path / "run")
    text = (run / "config.yaml").read_text(encoding="utf-8").replace("dataset: digits", "dataset: cifar10")
    (run / "config.yaml").write_text(text, encoding="utf-8")
    form = ("--format", "onnx", "--precision", "int8") if command == "export" else ()
    given = (command, run, *form, "--data-dir", tmp_path)
    assert "--download would fetch 162 MiB" in refused(*given)
    assert "cannot be reached" in refused(*given, "--download")


def test_version_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ValueError, match="only: 3"):
        open_source(Data(dataset="cifar10:9.9.9", data_dir=tmp_path))


def test_configuration_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^dataset 'cifar10/foo': .*BuilderConfig foo not found") as refusal:
        open_source(Data(dataset="cifar10/foo", data_dir=tmp_path))
    assert "\n" not in str(refusal.value)


def test_failed_download_is_one_sentence(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise tfds.download.DownloadError("the server\nhung up")

    monkeypatch.setattr(requests, "head", lambda *_, **__: None)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(ValueError, match=r"Preparing 'cifar10' in .* failed: the server hung up\. Without a"):
        open_source(Data(dataset="cifar10", data_dir=tmp_path, download=True))


def test_full_disk_ends_preparation_in_one_sentence_and_can_be_repeated(tmp_path):
    data = Data(dataset="digits", data_dir=tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))  # as on a full disk
    try:
        with pytest.raises(
            ValueError, match=rf"^Preparing 'digits' in {tmp_path}/.* failed: .*Make room or"
        ) as refusal:
            open_source(data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(refusal.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert open_source(data).count("train") == 1433


def test_set_that_another_process_prepares_meanwhile_is_read(data_dir, tmp_path, monkeypatch):
    def come_late(builder, **_):
        shutil.copytree(data_dir / "digits", tmp_path / "digits")
        raise FileExistsError(f"Destination {builder.data_dir} already exists")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", come_late)
    assert open_source(Data(dataset="digits", data_dir=tmp_path)).count("train") == 1433


def test_data_set_without_labels_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(registered, "prepare", lambda *_: None)
    with pytest.raises(ValueError, match=r"'div2k' is not a set of labelled images: its features are \['lr', 'hr'\]"):
        open_source(Data(dataset="div2k", data_dir=tmp_path))


class Heights(tfds.core.GeneratorBasedBuilder):
    """Images with a number instead of a class."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"image": tfds.features.Image(shape=(2, 2, 1)), "label": tfds.features.Scalar(np.int64)}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(), "test": self._generate_examples()}

    def _generate_examples(self):
        yield 0, {"image": np.zeros((2, 2, 1), "uint8"), "label": 170}


def test_data_set_whose_label_is_no_class_is_refused(tmp_path, monkeypatch):
    builder = Heights(data_dir=tmp_path)
    builder.download_and_prepare()
    monkeypatch.setattr(tfds, "builder", lambda *_, **__: builder)
    with pytest.raises(ValueError, match="'heights' is not a set of labelled images"):
        open_source(Data(dataset="heights", data_dir=tmp_path))


# A validation split of the training set.


def labels_of(source, split: str) -> list[int]:
    return [int(label) for _, label in source.examples(split)]


@pytest.mark.slow
def test_validation_takes_the_same_share_of_each_class_and_no_example_twice(tiny):
    whole, parted = open_source(tiny().data), open_source(tiny(validation=0.2).data)
    kept, rest = (labels_of(parted, split) for split in (parted.test_split, parted.train_split))
    every = np.bincount(labels_of(whole, "train"))
    np.testing.assert_array_equal(np.bincount(kept), [round(0.2 * count) for count in every])
    np.testing.assert_array_equal(np.bincount(kept) + np.bincount(rest), every)
    assert (parted.count(parted.test_split), parted.count(parted.train_split)) == (len(kept), len(rest))
    images = [
        {image.numpy().tobytes() for image, _ in parted.examples(split)}
        for split in (parted.test_split, parted.train_split)
    ]
    assert not images[0] & images[1]


def test_sizes_of_both_parts_are_known_before_they_are_read(tiny):
    # Keras warns that the data have run out where it does not know how many there are.
    source = open_source(tiny(validation=0.2).data)
    for split in (source.train_split, source.test_split):
        assert int(source.examples(split).cardinality()) == source.count(split)


@pytest.mark.slow
def test_validation_depends_on_its_seed_alone(tiny):
    def kept(**fields):
        source = open_source(tiny(validation=0.2, **fields).data)
        return [image.numpy().tobytes() for image, _ in source.examples(source.test_split)]

    assert kept() == kept(seed=5, batch_size=32) != kept(data={"validation_seed": 1})


def test_named_test_split_is_tested_on_beside_a_validation_split(tiny):
    source = open_source(tiny(validation=0.2, test_split="test[:50%]").data)
    assert source.test_split == "test[:50%]"
    assert source.count(source.train_split) < 1433


def test_validation_of_encoded_images(image_dir):
    source = open_source(folder_config(image_dir, validation=0.34).data)
    assert (source.count(source.train_split), sorted(labels_of(source, source.test_split))) == (4, [0, 1])
    datasets.check_images(source, source.train_split, source.test_split)


def test_class_without_images_is_no_fault_of_the_validation_split():
    labels, names = np.repeat([0, 2], 4), ("cat", "cow", "dog")
    arrays = make_arrays((np.zeros((8, 4, 4, 3), "uint8"), labels), classes=names)
    for share, lost in ((0.75, ()), (0.9, ("cat", "dog"))):
        source = open_source(Data(dataset="arrays", validation=share), arrays)
        assert source.untrained == lost and source.classes == names


def test_validation_that_leaves_no_example_is_refused(tiny):
    with pytest.raises(
        ValueError, match=r"validation=0.0001 of 1433 examples in 10 classes leaves none; give a larger"
    ):
        open_source(tiny(validation=0.0001).data)
