"""The pictures of a test: confusion matrix, curves of precision, reliability diagram, and the worst mistakes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from training.evaluation.figures import Calibration
from training.pictures import drawable, save, shorten
from training.tasks import ANY, ONE, Task

NAMED, COUNTED = 50, 20  # classes up to which they are named, and their counts written, in the confusion matrix
COLUMNS = 6  # of the contact sheet
LONGEST = 20  # letters of a class
TOLD = 10  # classes up to which they are told apart by color in the curves of precision
# What a reliability diagram calls shares and their bars, probabilities and their means, and counts.
RELIABILITY = {
    ONE: ("right answers, %", "accuracy", "confidence: probability of the answer", "mean confidence", "images"),
    ANY: ("images of the class, %", "frequency", "probability of a class", "mean probability", "images × classes"),
}


class Mistake(NamedTuple):
    """A wrong answer.

    Args:
        image: array (height, width, channels), values 0 to 255; `pictures.drawable` says which channels are drawn.
        truth: str, the true class or classes, as they are shown.
        answer: str, the predicted class or classes, as they are shown.
        degree: str, how sure or how wrong the answer is.
    """

    image: np.ndarray
    truth: str
    answer: str
    degree: str


def draw_confusion(counts: np.ndarray, classes: Sequence[str], path: Path) -> None:
    """Draw a confusion matrix: as color the share of each true class, as number the images."""
    number = len(classes)
    side = min(max(3.2, 0.5 * number), 10)
    figure = Figure(figsize=(side + 2.2, side + 1), layout="constrained")
    axes = figure.subplots()
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # Few mistakes would hardly differ from none on a linear scale.
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.4, 0, 100))
    axes.set(xlabel="predicted class", ylabel="true class")
    if number <= NAMED:
        names = [shorten(name, LONGEST) for name in classes]
        is_long = max(map(len, names)) > 3
        turn = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if is_long else {}
        size = 9 if number <= COUNTED else 6
        axes.set_xticks(range(number), names, fontsize=size, **turn)
        axes.set_yticks(range(number), names, fontsize=size)
    if number <= COUNTED:
        for row, column in np.argwhere(counts):
            color = "white" if shares[row, column] > 30 else "black"
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", fontsize=8, color=color)
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, label="% of the images of the true class", shrink=0.8)
    bar.set_ticks([0, 1, 5, 20, 50, 100])
    save(figure, path)


def draw_precision_and_recall(curves: Sequence[tuple[str, float, tuple[np.ndarray, np.ndarray]]], path: Path) -> None:
    """Draw the precision of each class over its recall, of (name, average precision, (precision, recall))."""
    figure = Figure(figsize=(5.6, 4.8), layout="constrained")
    axes = figure.subplots()
    named = len(curves) <= TOLD
    for name, average, (precision, recall) in curves:
        label = f"{shorten(name, LONGEST)}, {100 * average:.1f} %" if named else None
        # The precision of a recall is that at which it is reached first.
        axes.step(
            100 * np.append(0, recall),
            100 * np.append(precision[0], precision),
            where="pre",
            label=label,
            color=None if named else "C0",
            linewidth=1.6 if named else 0.6,
        )
    axes.set(xlabel="recall, %", ylabel="precision, %", xlim=(0, 101), ylim=(0, 102))
    mean = 100 * np.mean([average for _, average, _ in curves])
    axes.set_title(f"mean average precision {mean:.1f} %", fontsize=10)
    axes.grid(alpha=0.3, linewidth=0.5)
    if named:
        axes.legend(frameon=False, loc="lower left", fontsize=9)
    save(figure, path)


def draw_reliability(calibration: Calibration, path: Path, task: Task = ONE) -> None:
    """Draw accuracy over confidence, which is a diagonal where a network is as often right as it says."""
    shares, bars, probabilities, means, units = RELIABILITY[task]
    figure = Figure(figsize=(4.6, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    number = len(calibration.counts)
    width = 1 / number
    middles = (np.arange(number) + 0.5) * width
    above.bar(middles, 100 * np.nan_to_num(calibration.accuracies), width, edgecolor="white", label=bars)
    above.plot(
        calibration.confidences,
        100 * calibration.confidences,
        "o",
        color="0.2",
        ms=4,
        label=means,
        clip_on=False,
    )
    above.plot([0, 1], [0, 100], "--", color="0.5", linewidth=1)
    above.set(ylabel=shares, xlim=(0, 1), ylim=(0, 100))
    above.set_title(f"expected calibration error {100 * calibration.error:.1f} %", fontsize=10)
    above.legend(frameon=False, loc="upper left")
    below.bar(middles, calibration.counts, width, edgecolor="white", color="0.6")
    below.set(xlabel=probabilities, ylabel=units)
    for axes in (above, below):
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.set_axisbelow(True)
    save(figure, path)


def draw_mistakes(mistakes: Sequence[Mistake], path: Path) -> None:
    """Draw wrong answers as a contact sheet: image, true class, predicted class and its probability."""
    columns = min(COLUMNS, len(mistakes))
    rows = math.ceil(len(mistakes) / columns)
    figure = Figure(figsize=(1.75 * columns, 2.6 * rows), layout="constrained")
    sheet = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, mistake in zip(sheet, mistakes):
        _show(axes, mistake)
    for axes in sheet[len(mistakes) :]:
        axes.set_axis_off()
    save(figure, path)


def _show(axes: Axes, mistake: Mistake) -> None:
    """Show an image with its true class above and the answer below it."""
    axes.imshow(drawable(mistake.image), cmap="gray", vmin=0, vmax=255)
    axes.set_title(mistake.truth, fontsize=9)
    axes.set_xlabel(f"{mistake.answer}\n{mistake.degree}", fontsize=9, color="firebrick")
    axes.set(xticks=[], yticks=[])
