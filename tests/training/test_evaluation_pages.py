"""What an evaluation leaves in a folder, read back and compared with its scores; pictures pixel by pixel."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from tests.training.helpers import source_of
from training.evaluation import pictures
from training.evaluation.figures import calibrate
from training.evaluation.pages import read_mistakes, write_evaluation
from training.evaluation.pictures import draw_confusion, draw_mistakes, draw_reliability
from training.evaluation.scores import Scores

CLASSES = ("cat", "dog, large", "bird")
# The answers are cat, dog, dog, bird; there is no dog among the images.
SCORES = Scores(
    np.array([0, 0, 2, 2]),
    np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.05, 0.9, 0.05], [0.0, 0.0, 1.0]], "float32"),
)
SEVERAL_SIZES = [np.full((5 + place, 6, 3), 60 * place, "uint8") for place in range(4)]
GRAY = [np.full((4, 4, 1), 60 * place, "uint8") for place in range(4)]


def table(path) -> list[list[str]]:
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


def test_tables_and_figures_are_written(tmp_path):
    write_evaluation(tmp_path / "new" / "folder", {"loss": 0.5}, SCORES, source_of(GRAY, [0, 0, 2, 2], CLASSES))
    folder = tmp_path / "new" / "folder"
    assert json.loads((folder / "evaluation.json").read_text(encoding="utf-8")) == {"loss": 0.5}
    assert table(folder / "classes.csv") == [
        ["class", "images", "accuracy"],
        ["cat", "2", "0.5000"],
        ["dog, large", "0", ""],
        ["bird", "2", "0.5000"],
    ]
    assert table(folder / "confusion.csv") == [
        ["true class", *CLASSES],
        ["cat", "1", "1", "0"],
        ["dog, large", "0", "0", "0"],
        ["bird", "0", "1", "1"],
    ]
    for name in ("confusion", "reliability", "mistakes"):
        assert Image.open(folder / f"{name}.png").format == "PNG"
    right = Scores(np.array([0, 1, 1, 2]), SCORES.probabilities)
    write_evaluation(folder, {}, right, source_of(GRAY, [0, 1, 1, 2], CLASSES))
    assert not (folder / "mistakes.png").exists()  # those of the evaluation before are gone


@pytest.mark.parametrize("images", [SEVERAL_SIZES, GRAY], ids=["encoded", "gray"])
def test_surest_mistakes_are_shown_with_their_images(images):
    first, second = read_mistakes(SCORES, source_of(images, [0, 0, 2, 2], CLASSES))
    assert (first.truth, first.answer, second.truth, second.answer) == ("bird", "dog, large", "cat", "dog, large")
    assert (first.degree, second.degree) == ("90.0 %", "50.0 %")
    np.testing.assert_array_equal(first.image, images[2])
    np.testing.assert_array_equal(second.image, images[1])
    assert len(read_mistakes(SCORES, source_of(images, [0, 0, 2, 2], CLASSES), most=1)) == 1


def drawn(draw, path, *arguments) -> np.ndarray:
    draw(*arguments, path)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_contact_sheet_has_the_pixels_of_the_images(tmp_path):
    mistakes = read_mistakes(SCORES, source_of(SEVERAL_SIZES, [0, 0, 2, 2], CLASSES))
    sheet = drawn(draw_mistakes, tmp_path / "sheet.png", mistakes)
    left, right = np.array_split(sheet, 2, axis=1)
    for half, level in ((left, 120), (right, 60)):
        assert np.all(half == level, axis=-1).mean() > 0.2


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_images_of_any_number_of_channels_are_drawn(tmp_path, channels):
    levels = np.array([200, 40, 90, 0, 255])[:channels]
    images = [np.full((4, 4, channels), levels, "uint8") for _ in range(4)]
    mistakes = read_mistakes(SCORES, source_of(images, [0, 0, 2, 2], CLASSES))
    sheet = drawn(draw_mistakes, tmp_path / "sheet.png", mistakes)
    shown = levels[:3] if channels >= 3 else [200] * 3
    assert np.all(sheet == shown, axis=-1).mean() > 0.2


def test_confusion_matrix_is_darkest_on_its_diagonal(tmp_path):
    counts = np.array([[90, 5, 5], [0, 100, 0], [30, 0, 70]])
    picture = drawn(draw_confusion, tmp_path / "matrix.png", counts, CLASSES)
    swapped = drawn(draw_confusion, tmp_path / "swapped.png", counts[:, ::-1], CLASSES)
    dark = picture.sum(axis=-1) < 300
    assert dark.mean() > 0.05 and np.any(picture != swapped)
    many = np.eye(60, dtype=int)
    assert drawn(draw_confusion, tmp_path / "many.png", many, [str(n) for n in range(60)]).std() > 5


def test_reliability_diagram_shows_the_accuracies(tmp_path):
    first = drawn(draw_reliability, tmp_path / "first.png", calibrate(SCORES))
    assert np.array_equal(first, drawn(draw_reliability, tmp_path / "same.png", calibrate(SCORES)))
    better = calibrate(SCORES._replace(labels=np.array([0, 1, 1, 2])))
    assert np.any(first != drawn(draw_reliability, tmp_path / "better.png", better))


def test_long_names_are_cut():
    assert pictures.shorten("a" * 30, pictures.LONGEST) == "a" * 19 + "…"
