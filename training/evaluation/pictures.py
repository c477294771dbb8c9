"""The pictures of a test: confusion matrix, reliability diagram, and the mistakes of which a network is surest."""

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
from training.pictures import save, shorten

NAMED, COUNTED = 50, 20  # classes up to which they are named, and their counts written, in the confusion matrix
COLUMNS = 6  # of the contact sheet
LONGEST = 20  # letters of a class


class Mistake(NamedTuple):
    """A wrong answer.

    Args:
        image: uint8 array (height, width, channels), of 1 or 3 channels.
        truth: str, the true class.
        answer: str, the predicted class.
        probability: float, of the answer.
    """

    image: np.ndarray
    truth: str
    answer: str
    probability: float


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


def draw_reliability(calibration: Calibration, path: Path) -> None:
    """Draw accuracy over confidence, which is a diagonal where a network is as often right as it says."""
    figure = Figure(figsize=(4.6, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    number = len(calibration.counts)
    width = 1 / number
    middles = (np.arange(number) + 0.5) * width
    above.bar(middles, 100 * np.nan_to_num(calibration.accuracies), width, edgecolor="white", label="accuracy")
    above.plot(
        calibration.confidences,
        100 * calibration.confidences,
        "o",
        color="0.2",
        ms=4,
        label="mean confidence",
        clip_on=False,
    )
    above.plot([0, 1], [0, 100], "--", color="0.5", linewidth=1)
    above.set(ylabel="right answers, %", xlim=(0, 1), ylim=(0, 100))
    above.set_title(f"expected calibration error {100 * calibration.error:.1f} %", fontsize=10)
    above.legend(frameon=False, loc="upper left")
    below.bar(middles, calibration.counts, width, edgecolor="white", color="0.6")
    below.set(xlabel="confidence: probability of the answer", ylabel="images")
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
    image = mistake.image
    axes.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255)
    axes.set_title(shorten(mistake.truth, LONGEST), fontsize=9)
    axes.set_xlabel(
        f"{shorten(mistake.answer, LONGEST)}\n{100 * mistake.probability:.1f} %", fontsize=9, color="firebrick"
    )
    axes.set(xticks=[], yticks=[])
