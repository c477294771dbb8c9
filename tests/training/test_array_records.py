"""Sets of TFDS in ArrayRecord files, whose records can be read one by one: the same examples, and no others read."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.data_sources.base import BaseDataSource

from training.config import RunConfig
from training.data import batches
from training.data.datasets import Source, open_source
from training.data.facts import FIRST, data_facts
from training.data.shares import Share
from training.data.standardization import make_preprocessing
from training.session import prepare_session

AUGMENTATION = ["rand_augment", {"name": "pad_crop", "pixels": 1}, {"name": "mixup", "share": 0.5}]


@pytest.fixture(scope="module")
def records(data_dir, tmp_path_factory):
    """Folder in which TFDS has prepared the digits as ArrayRecord files."""
    pytest.importorskip("array_record", reason="TFDS installs it on Linux only")
    folder = tmp_path_factory.mktemp("records")
    tfds.builder("digits", data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


@pytest.fixture
def numbers(monkeypatch) -> list[int]:
    """The numbers of the records that are read, as they are."""
    found, read = [], BaseDataSource.__getitem__

    def noting(self, number):
        found.append(int(number))
        return read(self, number)

    monkeypatch.setattr(BaseDataSource, "__getitem__", noting)
    return found


def examples(source: Source, split: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*source.examples(split).as_numpy_iterator())
    return np.stack(images), np.array(labels)


def test_examples_are_those_of_other_files(tiny, records, numbers):
    for more in ({}, {"validation": 0.2}):
        fields = {"data.train_split": "train[10:150]", "test_split": "test[:30]", **more}
        theirs, ours = open_source(tiny(**fields).data), open_source(tiny(data_dir=records, **fields).data)
        for split in (theirs.train_split, theirs.test_split):
            for own, other in zip(examples(ours, split), examples(theirs, split), strict=True):
                np.testing.assert_array_equal(own, other)
            np.testing.assert_array_equal(ours.labels(split), theirs.labels(split))
    assert numbers
    numbers.clear()
    members = np.arange(theirs.count(theirs.train_split)) % 7 == 3
    chosen = [label for _, label in ours.chosen(theirs.train_split, members).as_numpy_iterator()]
    np.testing.assert_array_equal(chosen, theirs.labels(theirs.train_split)[members])
    assert len(numbers) == members.sum()


def training_batches(source: Source, config: RunConfig, share: Share) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read two epochs, or the share of a host."""
    prepare_session(config)
    preprocessing = make_preprocessing(source, config.data, config.evaluation.test_crop, (8, 8))
    own = {"augmentation": config.augmentation, "batch_size": config.batch_size, "seed": config.seed, "share": share}
    return [*batches.training_batches(source, preprocessing, config.data, range(2), **own).as_numpy_iterator()]


@pytest.mark.slow
def test_each_host_reads_its_own_records_of_the_batches_of_one(tiny, records, numbers):
    fields = {"data": {"train_split": "train[:100]", "cache": False}, "batch_size": 32, "augmentation": AUGMENTATION}
    whole = training_batches(open_source(tiny(**fields).data), tiny(**fields), Share())
    source, shares = open_source(tiny(data_dir=records, **fields).data), []
    rows = [Share(host, 2).rows(32, in_pairs=True) for host in range(2)]
    assert len(whole) == 6
    for host in range(2):
        moments = len(numbers)
        shares.append(training_batches(source, tiny(data_dir=records, **fields), Share(host, 2)))
        assert len(numbers) - moments == 100 + 6 * 16  # of the moments all, and of each batch its share
        for own, both in zip(shares[host], whole, strict=True):
            for part, of_all in zip(own, both, strict=True):
                np.testing.assert_allclose(part, of_all[rows[host]], atol=1e-5)


def test_data_are_told_from_others_without_reading_all(tiny, records, numbers):
    config = tiny(data_dir=records)
    facts = data_facts(open_source(config.data))
    assert 2 * FIRST <= len(numbers) < 4 * FIRST  # some ahead of need; there are 1,797
    assert facts == data_facts(open_source(config.data))
    other = tiny(data_dir=records, **{"data.train_split": "train[1:]+train[:1]"})
    assert facts["labels"] != data_facts(open_source(other.data))["labels"]
    assert facts["labels"] != data_facts(open_source(tiny().data))["labels"]  # which may come in another order
