"""Tables of image files: what a CSV file names is read as it says, and what is wrong with it is said by line."""

import csv

import numpy as np
import pytest

from keras_resnet.images import decode_image
from tests.training.helpers import folder_config, read_pixels, write_image
from training.data.datasets import open_source
from training.data.image_table import in_order

ROWS = [("a/0.png", "cat", "train"), ("a/1.png", "dog", "train"), ("2.png", "cat", "train"), ("3.png", "dog", "val")]


@pytest.fixture
def folder(tmp_path):
    """Four images of one color each, by which they are known."""
    for number, (path, *_) in enumerate(ROWS):
        write_image(tmp_path / path, (4, 4), seed=number)
    return tmp_path


def table(folder, rows=ROWS, header=("path", "label", "split"), encoding="utf-8", **form):
    """Write a table beside the images."""
    with open(folder / "table.csv", "w", encoding=encoding, newline="") as file:
        csv.writer(file, **form).writerows([header, *rows])
    return folder_config(folder / "table.csv", dataset="csv")


@pytest.mark.parametrize("form", [{}, {"delimiter": ";", "encoding": "utf-8-sig"}, {"delimiter": "\t"}])
def test_images_are_those_of_the_rows(folder, form):
    source = open_source(table(folder, **form).data)
    assert source.classes == ("cat", "dog") and (source.train_split, source.test_split) == ("train", "val")
    found = {
        decode_image(image, 3).numpy().tobytes(): int(label)
        for split in ("train", "val")
        for image, label in source.examples(split)
    }
    assert found == {read_pixels(folder / path).tobytes(): int(label == "dog") for path, label, _ in ROWS}
    assert [source.count(split) for split in ("train", "val")] == [3, 1]


def test_table_without_splits_is_parted_by_validation(folder):
    rows = [(str(folder / path), label, "ignored") for path, label, _ in ROWS]
    data = table(folder, rows, header=("path", "label", "photographer")).data
    source = open_source(data.model_copy(update={"validation": 0.5}))
    assert (source.count(source.train_split), source.count(source.test_split)) == (2, 2)
    with pytest.raises(ValueError, match=r"'csv' has no split to test on: keep a share .* by --validation 0\.2"):
        open_source(data)
    with pytest.raises(ValueError, match=r"'csv' has no split to test on: name one of \['train'\] by --test-split\.$"):
        open_source(data, only_test=True)  # an evaluation keeps no share


def test_order_is_not_that_of_the_table_and_never_changes(folder):
    rows = []
    for number in range(20):
        write_image(folder / f"{number}.png", (2, 2), seed=number)
        rows.append((f"{number}.png", str(number // 10), "train"))
    data = table(folder, [*rows, (ROWS[1][0], "0", "val")]).data
    orders = [open_source(data).reader.labels("train") for _ in range(2)]
    np.testing.assert_array_equal(*orders)
    assert sorted(orders[0]) == [0] * 10 + [1] * 10 and sorted(orders[0]) != orders[0].tolist()


@pytest.mark.parametrize(("separator", "label"), [(None, "cow"), (";", "dog;cow")])
def test_classes_are_those_of_all_training_splits(folder, separator, label):
    data = table(folder, [*ROWS[:2], (ROWS[2][0], label, "extra"), ROWS[3]]).data
    changes = {"train_split": "train+extra", "label_separator": separator}
    source = open_source(data.model_copy(update=changes))
    assert source.classes == ("cat", "cow", "dog")
    assert len(source.labels(source.train_split)) == 3


def test_numbered_classes_are_in_the_order_of_their_numbers():
    assert in_order(["10", "9", "2"]) == ("2", "9", "10")
    assert in_order(["10", "9", "x"]) == ("10", "9", "x")


@pytest.mark.parametrize(
    ("rows", "header", "sentence"),
    [
        (
            ROWS,
            ("file", "label", "split"),
            r"has no column 'path'; it needs a header .* first line is 'file,label,split'",
        ),
        ([*ROWS, ("a/0.png", "dog", "val")], None, r"line 6: .*a/0\.png stands in line 2 already"),
        ([*ROWS, ("a/../2.png", "cat", "train")], None, r"line 6: .*2\.png stands in line 4 already"),
        ([*ROWS, ("9.png", "", "train")], None, "line 6: a path, label or split is empty"),
        ([*ROWS, ("9.png",)], None, "line 6: a path, label or split is empty"),
        (
            [*ROWS, ("9.png", "cat", "val", "", "dog")],
            None,
            r"line 6: 'dog' stands behind the last column; a cell that",
        ),
        (
            [*ROWS, ("8.png", "cat", "val"), ("9.png", "cat", "val")],
            None,
            r"2 of 6 files .* do not exist: .*8\.png, .*9\.png",
        ),
        (ROWS[:1], None, "'csv' has one class, 'cat'"),
        ([*ROWS[:3], ("3.png", "cow", "val")], None, r"split 'val' has classes that the training split lacks: cow"),
        ([(*row[:2], "val" if row == ROWS[0] else "training") for row in ROWS], None, r"train_split of 'csv': 'train'"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(folder, rows, header, sentence):
    config = table(folder, rows, header or ("path", "label", "split"))
    with pytest.raises(ValueError, match=sentence):
        open_source(config.data)


def test_what_is_no_table_is_named(folder):
    with pytest.raises(ValueError, match="dataset 'csv' needs --data-dir, a CSV file with a header"):
        open_source(folder_config(folder, dataset="csv").data)
    with pytest.raises(ValueError, match=r"0\.png is not a CSV file that can be read"):
        open_source(folder_config(folder / "a" / "0.png", dataset="csv").data)
