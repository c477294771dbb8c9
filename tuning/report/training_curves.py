"""Training error beside test error over the epochs, as the papers draw them: each point of a study in its own line."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from training.pictures import shorten
from tuning.claims import ERRORS
from tuning.report.pictures import GRID
from tuning.report.wording import value_text
from tuning.results import StudyResults, TrialResult

LINES = ("-", "--", ":", "-.")  # of the levels of the first dimension, where there are two or more
# Of the levels of the other dimensions: a scale where they are steps of one thing, as depths are, else colors apart.
SCALE, APART = "viridis", "tab10"
LONGEST = 60  # letters of a label, of which two stand side by side


def draw_training(results: StudyResults) -> Figure | None:
    """Draw both errors of all points; None where none has made an epoch, or the data have no errors.

    Source: as arXiv 1512.03385, Figures 1, 4 and 6.
    """
    trials = [trial for trial in results.trials if any(len(trial.curve(column)) for column in ERRORS.values())]
    if not trials:
        return None
    dimensions = results.study.parsed_space.searched
    words = [[value_text(dimension, trial.values) for dimension in dimensions] for trial in trials]
    labels = [shorten(", ".join(word) or "the only point", LONGEST) for word in words]
    firsts = [word[0] if len(word) > 1 else "" for word in words]
    others = [", ".join(word[1:] or word) for word in words]
    lines, colors = _levels(firsts), _levels(others)
    shades = _shades(colors)
    columns = 2 if max(map(len, labels)) > 22 else 4
    figure = Figure(figsize=(10, 4 + 0.2 * math.ceil(len(labels) / columns)), layout="constrained")
    panels = figure.subplots(1, len(ERRORS), sharey=True)
    for axes, (name, column) in zip(panels, ERRORS.items()):
        for trial, label, first, other in zip(trials, labels, firsts, others):
            line = LINES[lines.index(first) % len(LINES)]
            style = {"linestyle": line, "color": shades[colors.index(other)], "linewidth": 1.4}
            epochs, errors = _mean_error(trial, column)
            mark = {"marker": "o", "markersize": 4} if len(epochs) == 1 else {}  # of one place there is no line
            axes.plot(epochs, errors, label=label, **style, **mark)
        axes.set(xlabel="epoch", title=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(**GRID)
    panels[0].set_ylabel("error, %")
    panels[0].set_ylim(bottom=0)
    style = {"ncols": columns, "frameon": False, "fontsize": 8.5}
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", **style)
    return figure


def _levels(words: Sequence[str]) -> list[str]:
    """List what occurs, each once, in its order."""
    return list(dict.fromkeys(words))


def _shades(levels: Sequence[str]) -> np.ndarray:
    """Choose the colors of levels, which are steps of one thing where they differ in their numbers alone."""
    apart = matplotlib.colormaps[APART]
    if len({re.sub(r"[\d.]+", "0", level) for level in levels}) > 1 and len(levels) <= apart.N:
        return apart(np.arange(len(levels)))
    return matplotlib.colormaps[SCALE](np.linspace(0, 0.88, len(levels)))


def _mean_error(trial: TrialResult, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Give the epochs of a trial, and an error in percent after each, the mean over the seeds."""
    epochs, shares = trial.curve(column).T
    return epochs, 100 * (1 - shares)
