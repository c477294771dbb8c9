"""Arrays in memory: a run on them is that on the same images elsewhere, and what cannot be meant is refused."""

import numpy as np
import pytest

import training
from tests.training.helpers import same_weights
from training.data.arrays import make_arrays
from training.data.datasets import open_source
from training.run_folder import RunFolder

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), "uint8")
LABELS = np.arange(10) % 2
TINY = {"network": {"name": "ResNet8"}, "batch_size": 5, "epochs": 2}


def read(source, split):
    return [(image.tolist(), int(label)) for image, label in source.examples(split).as_numpy_iterator()]


def data_of(**fields):
    from training.config import make_config

    return make_config({"dataset": "arrays", "epochs": 1, **fields}).data


def test_examples_are_those_of_the_arrays():
    arrays = make_arrays((IMAGES, LABELS), (IMAGES[:4], LABELS[:4]), ["even", "odd"])
    source = open_source(data_of(), arrays)
    assert source.classes == ("even", "odd") and source.shape == (8, 8, 3)
    assert read(source, "train") == list(zip(IMAGES.tolist(), LABELS))
    assert read(source, "train[:2]+train[8:]") == list(zip(IMAGES[[0, 1, 8, 9]].tolist(), LABELS[[0, 1, 8, 9]]))
    parted = open_source(data_of(validation=0.4), make_arrays((IMAGES, LABELS)))
    assert parted.classes == ("0", "1")
    both = read(parted, parted.train_split) + read(parted, parted.test_split)
    assert parted.count(parted.test_split) == 4 and sorted(both) == sorted(zip(IMAGES.tolist(), LABELS))


def test_grey_images_and_columns_of_labels_are_taken():
    source = open_source(data_of(), make_arrays((IMAGES[..., 0], LABELS[:, np.newaxis]), (IMAGES[..., :1], LABELS)))
    assert source.shape == (8, 8, 1) and read(source, "train") == read(source, "test")


def test_digest_tells_other_data():
    same = make_arrays((IMAGES, LABELS)).digest
    assert same == make_arrays((IMAGES.copy(), LABELS.astype("int32"))).digest
    others = [(IMAGES[::-1], LABELS), (IMAGES, 1 - LABELS), (IMAGES.astype("float32"), LABELS)]
    assert len({same, *(make_arrays(one).digest for one in others)}) == 4


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        (IMAGES, r"train: received ndarray\. Give \(images, labels\)"),
        ((IMAGES[0, 0], LABELS), r"received images of shape \(8, 3\) and type uint8"),
        ((IMAGES[:0], LABELS[:0]), r"received images of shape \(0, 8, 8, 3\)"),
        ((IMAGES, LABELS[:3]), r"labels of shape \(3,\) and type int64 for 10 images"),
        ((IMAGES, np.eye(10)), r"labels of shape \(10, 10\) and type float64"),
        ((IMAGES, LABELS.astype("float32")), "labels of shape .* and type float32"),
        ((IMAGES / 255, LABELS), "values of images must be 0 to 255; received 0 to 1"),
        ((IMAGES - 128.0, LABELS), "must be 0 to 255; received -128 to 127"),
        ((np.full((2, 8, 8, 3), np.nan), LABELS[:2]), "must be 0 to 255; received nan to nan"),
        ((IMAGES, LABELS - 1), "labels are numbered from 0; received -1"),
    ],
)
def test_what_is_no_labelled_images_is_refused(train, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_arrays(train)


def test_labels_and_shapes_must_fit():
    with pytest.raises(ValueError, match="A label is 1, and there are 1 classes"):
        make_arrays((IMAGES, LABELS), classes=["a"])
    with pytest.raises(ValueError, match=r"same shape; received \[\(4, 4, 3\), \(8, 8, 3\)\]"):
        make_arrays((IMAGES, LABELS), (IMAGES[:, :4, :4], LABELS))
    with pytest.raises(ValueError, match=r"images to test on have the labels \[1\], which none to train on has\. Add"):
        make_arrays((IMAGES, LABELS * 0), (IMAGES, LABELS), ["a", "b"])
    with pytest.raises(ValueError, match="'arrays' has one class, '0'"):
        open_source(data_of(), make_arrays((IMAGES, LABELS * 0), (IMAGES, LABELS * 0)))
    with pytest.raises(ValueError, match="test and classes are those of arrays; give arrays to train on too"):
        training.train("run", test=(IMAGES, LABELS))


def test_arrays_cannot_be_named_alone():
    with pytest.raises(ValueError, match="dataset 'arrays' is for arrays in memory, which no run keeps"):
        open_source(data_of())


@pytest.mark.slow
def test_run_on_arrays_is_that_on_the_data_set_and_resumes_with_the_same_ones(tmp_path):
    from training.config import make_config

    digits = open_source(make_config({"epochs": 1}).data)
    parts = {}
    for split in ("train", "test"):
        images, labels = zip(*digits.examples(f"{split}[:50]").as_numpy_iterator())
        parts[split] = np.stack(images), np.array(labels)
    named = {"data": {"train_split": "train[:50]"}, "test_split": "test[:50]"}
    elsewhere = training.train(tmp_path / "digits", **TINY, **named)
    classes = digits.classes
    here = training.train(tmp_path / "arrays", **parts, classes=classes, **TINY)
    assert {**here, "split": None} == {**elsewhere, "split": None}
    folders = RunFolder(tmp_path / "digits"), RunFolder(tmp_path / "arrays")
    assert same_weights(*folders) and folders[1].read_labels() == list(classes)
    again = training.train(tmp_path / "arrays", **parts, classes=classes, resume=True, **TINY)
    assert again == here
    images, labels = parts["train"]
    with pytest.raises(ValueError, match=r"cannot be resumed with other settings: data\.arrays was "):
        training.train(tmp_path / "arrays", train=(images, (labels + 1) % 10), test=parts["test"], resume=True, **TINY)
