"""A study goes on with its own data only, wherever they lie."""

import re
import shutil

import pytest

from tests.training.helpers import write_image
from training.config import Data
from training.data.datasets import open_source
from tuning.data_record import DATA_FILE, check_data, write_data
from tuning.engine.workers import data_of
from tuning.search import run_study


@pytest.fixture
def images(tmp_path):
    """A folder of images of two classes."""
    for number in range(8):
        for split in ("train", "val"):
            write_image(tmp_path / "images" / split / ("cat", "dog")[number % 2] / f"{number}.png", (8, 8), seed=number)
    return tmp_path / "images"


def source_at(place):
    return open_source(Data(dataset="image_folder", data_dir=str(place), image_size=8))


def test_study_goes_on_with_its_data_that_were_moved(images, tmp_path):
    write_data(tmp_path, check_data(tmp_path, source_at(images)))  # of a study without a record
    images.rename(tmp_path / "moved")
    check_data(tmp_path, source_at(tmp_path / "moved"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda folder: shutil.copy(folder / "train/cat/0.png", folder / "train/cat/9.png"),
            "7 images to train on instead of 6",
        ),
        (lambda folder: (folder / "train/dog/1.png").unlink(), "5 images to train on instead of 6"),
        (lambda folder: write_image(folder / "train/cat/0.png", (8, 8), seed=99), "other first images, or in another"),
        (
            lambda folder: [(folder / split / "cat").rename(folder / split / "ape") for split in ("train", "val")],
            "other names of classes, or in another order",
        ),
    ],
    ids=["more", "fewer", "others", "renamed"],
)
def test_study_on_other_data_is_refused_and_left_alone(images, tmp_path, study, change, told):
    folder, fields = tmp_path / "study", {"dataset": "image_folder", "image_size": 8, "batch_size": 2}
    described = study({"activation": ["relu", "gelu"]}, {**fields, "data_dir": str(images)}, validation=0.25)
    folder.mkdir()
    (folder / "study.yaml").write_text(described.to_yaml(), encoding="utf-8")
    write_data(folder, check_data(folder, data_of(described)))
    change(images)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match=re.escape(f"{folder} are not those that it began with: {told}")):
        run_study(described, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {**before, "chief.lock": b""}


def test_damaged_record_is_named(images, tmp_path):
    (tmp_path / DATA_FILE).write_text("[", encoding="utf-8")
    with pytest.raises(ValueError, match=r"data\.json is damaged\. Put back a copy; or remove it, and go on without\."):
        check_data(tmp_path, source_at(images))
