"""The data of a run: on which it is gone on with, and on which it is not."""

import json
import shutil

import pytest

from tests.training.helpers import folder_config, write_image
from training.data.datasets import open_source
from training.data.facts import read_facts
from training.data_record import check_classes, check_data, check_steps, write_data
from training.exporting import ExportOptions, open_data
from training.plan import Plan
from training.run import train
from training.run_folder import RunFolder


def opened(data, **fields):
    return open_source(folder_config(data, **fields).data)


@pytest.fixture
def folder(image_dir, tmp_path) -> RunFolder:
    """A run that has begun on an image folder."""
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.config_file.write_text(folder_config(image_dir).to_yaml(), encoding="utf-8")
    write_data(folder, opened(image_dir))
    return folder


def test_data_that_were_moved_are_the_same(folder, image_dir, tmp_path):
    check_data(folder, opened(image_dir))
    check_data(folder, opened(image_dir.rename(tmp_path / "elsewhere")))


def rename_class(images) -> None:
    for split in ("train", "val"):
        (images / split / "cat").rename(images / split / "lion")


def move_image(images) -> None:
    (images / "val" / "dog" / "more.PNG").rename(images / "val" / "cat" / "more.PNG")


CHANGES = {
    "one class is another": (
        rename_class,
        r"other classes than the network of .*run was.*: new lion; missing cat\. Put",
    ),
    "one class more": (
        lambda images: write_image(images / "train/ape/0.png", (4, 4)),
        r"trained on: new ape\. Put back",
    ),
    "one image more": (
        lambda images: write_image(images / "train/cat/9.png", (4, 4)),
        r"run cannot be resumed: its data are not those that it began with: 7 images to train on instead of 6\. Put",
    ),
    "one test image less": (lambda images: (images / "val/dog/more.PNG").unlink(), "2 images to test instead of 3"),
    "one label is another": (move_image, r"began with: other labels and first images, or in another order\. Put"),
    "one image is another": (
        lambda images: write_image(images / "val/dog/more.PNG", (16, 16), seed=9),
        r"began with: other first images, or in another order\. Put them back, give their place by --data-dir, or",
    ),
    "another split is tested on": (
        lambda images: shutil.copytree(images / "train", images / "test"),
        "6 images to test instead of 3",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_other_data_are_refused(folder, image_dir, what):
    change, sentence = CHANGES[what]
    change(image_dir)
    with pytest.raises(ValueError, match=sentence):
        check_data(folder, opened(image_dir))


def test_other_order_of_the_classes_is_refused(folder, image_dir):
    folder.labels_file.write_text("dog\ncat\n", encoding="utf-8")
    with pytest.raises(ValueError, match="trained on: they are in another order"):
        check_classes(folder, opened(image_dir))


def test_export_is_not_fitted_to_other_classes(folder, image_dir):
    open_data(folder, ExportOptions(folder.path))
    rename_class(image_dir)
    with pytest.raises(ValueError, match="new lion; missing cat"):
        open_data(folder, ExportOptions(folder.path))


def test_run_on_other_data_stays_as_it_is(trained, tiny, tmp_path):
    folder = RunFolder(shutil.copytree(trained.folder.path, tmp_path / "run"))
    folder.data_file.write_text(
        json.dumps({**read_facts(folder.data_file), "images to train on": 1432}), encoding="utf-8"
    )
    before = {path: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    with pytest.raises(ValueError, match="1433 images to train on instead of 1432"):
        train(tiny(), folder, resume=True)
    assert {path: path.read_bytes() for path in folder.path.iterdir() if path.is_file()} == before


def test_record_that_is_damaged_is_named(folder, image_dir):
    for text in ("{", "[]"):
        folder.data_file.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"data\.json is damaged\. Put back a copy; or remove it, and go on"):
            check_data(folder, opened(image_dir))


# Runs of earlier versions have no record.


def test_run_without_a_record_is_known_by_its_classes(folder, image_dir):
    folder.data_file.unlink()
    CHANGES["one image more"][0](image_dir)
    check_data(folder, opened(image_dir))
    rename_class(image_dir)
    with pytest.raises(ValueError, match="new lion; missing cat"):
        check_data(folder, opened(image_dir))


@pytest.mark.parametrize(
    ("done", "rows", "is_refused"),
    [(11, 1, True), (12, 1, False), (0, 1, False), (22, 2, True), (24, 2, False), (30, 3, False), (11, 0, False)],
)
def test_run_without_a_record_is_known_by_the_steps_of_its_epochs(folder, done, rows, is_refused):
    folder.data_file.unlink()
    text = "".join(f"{epoch},0.5\n" for epoch in range(1, rows + 1))
    folder.metrics_file.write_text(f"epoch,loss\n{text}", encoding="utf-8")
    plan = Plan(steps=12, epochs=3, iterations=30, phases=())
    if not is_refused:
        return check_steps(folder, plan, done)
    with pytest.raises(ValueError, match=rf"an epoch has 12 steps now, and it made {done} in {rows}\. Put them back"):
        check_steps(folder, plan, done)
