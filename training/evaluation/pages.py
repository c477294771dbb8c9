"""What an evaluation leaves in a folder: figures as JSON, tables as CSV, pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_resnet.files import make_folder, write_atomically, write_text
from keras_resnet.images import decode_image
from training.data.datasets import Source
from training.evaluation.figures import calibrate, confusion, worst_mistakes
from training.evaluation.pictures import (
    LONGEST,
    Mistake,
    draw_confusion,
    draw_mistakes,
    draw_precision_and_recall,
    draw_reliability,
)
from training.evaluation.scores import Scores
from training.evaluation.several import OVER, average_precisions, decide, losses, precision_and_recall
from training.pictures import shorten
from training.tasks import ANY

SHOWN = 24  # mistakes on the contact sheet
# The files that only a test of images with one class each leaves, and those of any number of classes.
OF_ONE, OF_ANY = ("confusion.csv", "confusion.png"), ("precision_recall.png",)
LINES = 3  # classes of an image that it names


def write_evaluation(folder: Path, results: dict[str, Any], scores: Scores, source: Source) -> None:
    """Write everything that is known of a test into a folder, over what an earlier one left there.

    Args:
        folder: Path, made if needed.
        results: dict of figures, for `evaluation.json`.
        scores: Scores of the images of the test split, for all other files.
        source: Source, to read images from that were mistaken.

    Raises:
        OSError: a file cannot be written.
    """
    make_folder(folder)
    classes = list(source.classes)
    write_text(folder / "evaluation.json", json.dumps(results, indent=2) + "\n")
    for name in OF_ONE if scores.task is ANY else OF_ANY:
        (folder / name).unlink(missing_ok=True)
    (_write_several if scores.task is ANY else _write_one)(folder, scores, classes)
    write_atomically(folder / "reliability.png", lambda part: draw_reliability(calibrate(scores), part, scores.task))
    sheet = folder / "mistakes.png"
    if mistakes := read_mistakes(scores, source):
        write_atomically(sheet, lambda part: draw_mistakes(mistakes, part))
    else:
        sheet.unlink(missing_ok=True)


def _write_one(folder: Path, scores: Scores, classes: list[str]) -> None:
    """Write the table of classes, and what is taken for what."""
    counts = confusion(scores)
    _write_rows(folder / "classes.csv", ["class", "images", "accuracy"], _class_rows(counts, classes))
    matrix = ([name, *row] for name, row in zip(classes, counts.tolist()))
    _write_rows(folder / "confusion.csv", ["true class", *classes], matrix)
    write_atomically(folder / "confusion.png", lambda part: draw_confusion(counts, classes, part))


def _write_several(folder: Path, scores: Scores, classes: list[str]) -> None:
    """Write the table and the curves of classes, of which an image may have any number."""
    found, averages = decide(scores), average_precisions(scores)
    figures = zip(averages, found.precision, found.recall, found.f1)
    rows = (
        [name, total, *(f"{value:.4f}" if total else "" for value in own)]
        for name, total, own in zip(classes, found.labels, figures)
    )
    _write_rows(
        folder / "classes.csv", ["class", "images", "average precision", "precision", "recall", "F1 score"], rows
    )
    curves = [
        (name, average, precision_and_recall(own, marks > 0))
        for name, average, own, marks in zip(classes, averages, scores.probabilities.T, scores.labels.T)
        if marks.any()
    ]
    write_atomically(folder / "precision_recall.png", lambda part: draw_precision_and_recall(curves, part))


def _class_rows(counts: np.ndarray, classes: Sequence[str]) -> Iterable[list]:
    """Give name, images and accuracy of each class; no accuracy where there is no image."""
    for name, row, right in zip(classes, counts, counts.diagonal()):
        total = int(row.sum())
        yield [name, total, f"{right / total:.4f}" if total else ""]


def read_mistakes(scores: Scores, source: Source, most: int = SHOWN) -> list[Mistake]:
    """Read the images with a wrong answer of which the network is surest, the surest first."""
    places = worst_mistakes(scores, most)
    wanted = tf.constant(places, tf.int64)
    examples = source.examples(source.test_split).enumerate()
    chosen = examples.filter(lambda place, _: tf.reduce_any(place == wanted))
    images = {}
    for place, (image, _) in chosen.take(len(places)):
        image = decode_image(image, source.shape[2]) if source.is_encoded else image
        images[int(place)] = image.numpy()
    return [Mistake(images[place], *_said(scores, place, source.classes)) for place in places.tolist()]


def _said(scores: Scores, place: int, classes: Sequence[str]) -> tuple[str, str, str]:
    """Name the classes of an image and those of the answer, and say how far the network is off."""
    row, label = scores.probabilities[place], scores.labels[place]
    if scores.task is ANY:
        truth, answer = (_listed([classes[own] for own in np.flatnonzero(marks)]) for marks in (label > 0, row > OVER))
        return truth, answer, f"loss {losses(scores)[place]:.2f}"
    answer = row.argmax()
    return shorten(classes[label], LONGEST), shorten(classes[answer], LONGEST), f"{100 * float(row[answer]):.1f} %"


def _listed(names: Sequence[str]) -> str:
    """Write a few names below one another."""
    more = len(names) - LINES
    lines = [shorten(name, LONGEST) for name in names[:LINES]]
    return "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])]) or "none"


def _write_rows(path: Path, heading: list[str], rows: Iterable[list]) -> None:
    """Write a table as CSV."""

    def write(part: Path) -> None:
        with open(part, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(heading)
            writer.writerows(rows)

    write_atomically(path, write)
