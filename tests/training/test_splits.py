"""Splits and slices as TFDS reads them, and the sentences for those it should not have read."""

import pytest
import tensorflow_datasets as tfds

from training.data.datasets import open_source
from training.data.splits import check_split, slices

SPLITS = {
    name: tfds.core.SplitInfo(name=name, shard_lengths=[count], num_bytes=0)
    for name, count in (("train", 1433), ("test", 364))
}


@pytest.mark.parametrize("split", ["test", "test[:50%]", "test[10%:50%]", "test[-10:]", "test[7:8]", "test[:33%]"])
def test_slices_hold_as_many_examples_as_tfds_reads(tiny, split):
    source = open_source(tiny(test_split=split).data)
    ((name, part),) = slices(split, source.reader.splits)
    assert (name, part.stop - part.start) == ("test", source.count(split))
    assert source.count(split) == len(list(source.examples(split)))


def test_slices_may_be_added():
    assert slices("train[:10]+test", SPLITS) == [("train", slice(0, 10)), ("test", slice(0, 364))]


@pytest.mark.parametrize(
    ("split", "start", "stop"),
    [("test[50%:10%]", 182, 36), ("test[:0]", 0, 0), ("test[5:5]", 5, 5), ("train[:9]+test[9:3]", 9, 3)],
)
def test_slices_without_an_example_are_refused(split, start, stop):
    sentence = rf"{start} to {stop}, an empty range; the second number must be greater, as in '\w+\[10%:50%\]'\.$"
    with pytest.raises(ValueError, match=sentence) as refusal:
        check_split("test_split of 'digits'", split, SPLITS)
    assert str(refusal.value).startswith(f"test_split of 'digits': {split!r} asks for examples ")


@pytest.mark.parametrize("split", ["test[", "test[5]", "test[:999]", "test[a:b]"])
def test_what_is_no_slice_is_refused_in_a_line(split):
    with pytest.raises(ValueError, match=r"^test_split: 'test\[.*' cannot be read: ") as refusal:
        check_split("test_split", split, SPLITS)
    assert "\n" not in str(refusal.value)


def test_reversed_slices_are_refused_when_a_data_set_is_opened(tiny):
    with pytest.raises(ValueError, match=r"test_split of 'digits': 'test\[50%:10%\]' asks for examples 182 to 36"):
        open_source(tiny(test_split="test[50%:10%]").data)
    with pytest.raises(ValueError, match=r"train_split of 'digits': 'train\[:0\]' asks for examples 0 to 0"):
        open_source(tiny(data={"train_split": "train[:0]"}).data)
