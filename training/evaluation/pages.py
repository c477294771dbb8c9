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
from training.evaluation.pictures import Mistake, draw_confusion, draw_mistakes, draw_reliability
from training.evaluation.scores import Scores

SHOWN = 24  # mistakes on the contact sheet


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
    classes, counts = list(source.classes), confusion(scores)
    write_text(folder / "evaluation.json", json.dumps(results, indent=2) + "\n")
    _write_rows(folder / "classes.csv", ["class", "images", "accuracy"], _class_rows(counts, classes))
    matrix = ([name, *row] for name, row in zip(classes, counts.tolist()))
    _write_rows(folder / "confusion.csv", ["true class", *classes], matrix)
    write_atomically(folder / "confusion.png", lambda part: draw_confusion(counts, classes, part))
    write_atomically(folder / "reliability.png", lambda part: draw_reliability(calibrate(scores), part))
    sheet = folder / "mistakes.png"
    if mistakes := read_mistakes(scores, source):
        write_atomically(sheet, lambda part: draw_mistakes(mistakes, part))
    else:
        sheet.unlink(missing_ok=True)


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
    answers = scores.probabilities.argmax(axis=1)
    return [
        Mistake(
            images[place],
            source.classes[scores.labels[place]],
            source.classes[answers[place]],
            float(scores.probabilities[place, answers[place]]),
        )
        for place in places.tolist()
    ]


def _write_rows(path: Path, heading: list[str], rows: Iterable[list]) -> None:
    """Write a table as CSV."""

    def write(part: Path) -> None:
        with open(part, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(heading)
            writer.writerows(rows)

    write_atomically(path, write)
