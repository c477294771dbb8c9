"""How predictions are written: as lines to read, as CSV or as JSON lines; and what a terminal shows meanwhile."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from keras_resnet.messages import printable
from training.progress import ERASE, EVERY, duration, fitted, width_of

SEPARATOR = ";"  # of the labels of an image in a table
Prediction = dict[str, Any]
# What the ending of a file's name says of its format.
ENDINGS = {".txt": "text", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def format_of(path: Path) -> str:
    """Tell the format of a file by the ending of its name."""
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(
            f"The name of {path} does not tell how to write it: end it in {', '.join(ENDINGS)}, or give --format."
        )
    return ENDINGS[path.suffix.lower()]


def write_text(file: TextIO, predictions: Iterable[Prediction]) -> None:
    """Write the most probable classes of each image below its name, a line each."""
    for prediction in predictions:
        lines = [f"  {guess['probability']:.4f}  {printable(guess['label'])}" for guess in prediction["classes"]]
        nothing = [] if lines else [f"  none over {prediction['threshold']:g}"]
        file.write("".join(f"{line}\n" for line in (printable(prediction["image"]), *lines, *nothing)))


def write_json_lines(file: TextIO, predictions: Iterable[Prediction]) -> None:
    """Write an object a line: image, threshold where one decides, classes."""
    for prediction in predictions:
        file.write(json.dumps({**prediction, "image": encodable(prediction["image"])}) + "\n")


def write_csv(file: TextIO, predictions: Iterable[Prediction]) -> None:
    """Write predictions as rows of image, label_1, probability_1, label_2 and so on.

    Where a threshold decides how many classes there are, as rows of image, labels and probabilities, parted by `;`.
    """
    writer = csv.writer(file, lineterminator="\n")
    for number, prediction in enumerate(predictions):
        guesses = [(guess["label"], guess["probability"]) for guess in prediction["classes"]]
        if "threshold" in prediction:
            heading = ["labels", "probabilities"]
            cells = [SEPARATOR.join(map(str, values)) for values in zip(*guesses)] or ["", ""]
        else:
            heading = [f"{name}_{rank + 1}" for rank in range(len(guesses)) for name in ("label", "probability")]
            cells = [value for guess in guesses for value in guess]
        if number == 0:
            writer.writerow(["image", *heading])
        writer.writerow([encodable(str(cell)) for cell in (prediction["image"], *cells)])


WRITERS: dict[str, Callable[[TextIO, Iterable[Prediction]], None]] = {
    "text": write_text,
    "csv": write_csv,
    "jsonl": write_json_lines,
}


def without_failures(predictions: Iterable[Prediction], failures: list[str]) -> Iterator[Prediction]:
    """Pass on the predictions of images that could be read, and keep what is said of the others."""
    for prediction in predictions:
        if "error" in prediction:
            failures.append(prediction["error"])
        else:
            yield prediction


def counted(predictions: Iterable[Prediction], count: int | None, stream: TextIO) -> Iterator[Prediction]:
    """Pass on predictions, and show on a terminal how many of them there are by now; `count` may be unknown."""
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield from predictions
        return
    began = drawn = time.perf_counter()
    try:
        for done, prediction in enumerate(predictions, 1):
            if (now := time.perf_counter()) - drawn >= EVERY:
                drawn = now
                print(
                    f"\r{_state(done, count, now - began, width_of(stream) - 1)}{ERASE}",
                    end="",
                    file=stream,
                    flush=True,
                )
            yield prediction
    finally:
        print(f"\r{ERASE}", end="", file=stream, flush=True)


def _state(done: int, count: int | None, seconds: float, width: int) -> str:
    """Say how far the work is, as far as the terminal is wide."""
    speed = f"{done / seconds:,.0f} images/s"
    if count is None:
        return f"{done} images, {speed}"[:width]
    left = seconds / done * (count - done)
    return fitted("images", done, count, [f"{duration(left)} left", speed], width)


def encodable(text: str) -> str:
    """Escape the bytes of a file's name that are not text."""
    return text.encode("utf-8", "backslashreplace").decode()
