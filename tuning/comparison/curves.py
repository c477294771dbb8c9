"""The best score of each study so far, over its trials and over the epochs that they took."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from training.pictures import shorten
from tuning.comparison.sides import Side
from tuning.report.pictures import GRID, set_log

LABELS = ("trials ended", "epochs of training, all runs together")
LINES = ("-", "--", ":", "-.")  # after ten colors, those of the next ten
LONGEST = 105  # letters of a label


def draw_courses(sides: Sequence[Side]) -> Figure | None:
    """Draw the best so far, of accuracies the least error; a dot where the best was found. None where there is none."""
    measure = sides[0].findings.measure
    curves = [np.column_stack([side.course[:, :2], measure.fall(side.course[:, 2])]) for side in sides]
    curves = [curve[np.isfinite(curve[:, 2])] for curve in curves]
    if not any(map(len, curves)):
        return None
    figure = Figure(figsize=(10, 4 + 0.2 * len(sides)), layout="constrained")
    panels = figure.subplots(1, len(LABELS), sharey=True)
    for place, (axes, label) in enumerate(zip(panels, LABELS)):
        for number, (side, curve) in enumerate(zip(sides, curves)):
            if len(curve):
                style = {"color": f"C{number % 10}", "linestyle": LINES[number // 10 % len(LINES)], "linewidth": 1.6}
                axes.plot(curve[:, place], curve[:, 2], drawstyle="steps-post", label=label_of(side), **style)
                found = curve[curve[:, 2].argmin()]
                axes.plot(found[place], found[2], "o", color=style["color"], markersize=5)
        axes.set_xlabel(label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlim(left=0)
        axes.grid(**GRID)
    panels[0].set_ylabel(f"best so far: {measure.falling}")
    set_log(panels[0], np.concatenate([curve[:, 2] for curve in curves]))
    figure.legend(*panels[0].get_legend_handles_labels(), frameon=False, fontsize=8.5, loc="outside lower left")
    return figure


def label_of(side: Side) -> str:
    """Name a study in a legend."""
    results = side.findings.results
    name = f"{side.letter}  {results.folder.resolve().name}: {results.study.tuner} search"
    return shorten(f"{name} of {', '.join(results.study.space)}", LONGEST)
