"""Learning curves of compared configurations over one another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.comparison.seeds import Configuration
from training.pictures import save, shorten
from training.report import show_epochs

COLORS = 10  # of Matplotlib's cycle; more configurations have them again with another line
STYLES = ("-", "--", ":", "-.")
LONGEST = 140  # letters of a configuration in the legend


def draw_comparison(configurations: Sequence[Configuration], path: Path) -> None:
    """Draw training loss and test figure: a thin line for each seed, a thick one for the mean, a band of deviation."""
    figure = Figure(figsize=(10, 4 + 0.2 * len(configurations)), layout="constrained")
    task = configurations[0].runs[0].task
    panels = (("loss", "training loss", True), ("val_figure", f"test {task.figure}, %", task.is_error))
    for axes, (name, label, falls) in zip(figure.subplots(1, 2), panels):
        for number, own in enumerate(configurations):
            _draw(axes, own, name, f"C{number % COLORS}", STYLES[number // COLORS % len(STYLES)])
        show_epochs(axes, label, falls)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", frameon=False, fontsize=9)
    save(figure, path)


def _draw(axes: Axes, configuration: Configuration, name: str, color: str, style: str) -> None:
    """Draw the curves of a configuration; the mean goes as far as its shortest run."""
    label = shorten(configuration.label, LONGEST)
    curves = [run.curve(name) for run in configuration.runs]
    first, *_ = configuration.runs
    shared = min(map(len, curves))
    epochs = first.curve("epoch")[:shared]
    together = np.array([curve[:shared] for curve in curves])
    mean = together.mean(axis=0)
    if len(curves) > 1:
        for run, curve in zip(configuration.runs, curves):
            axes.plot(run.curve("epoch"), curve, style, color=color, linewidth=0.6, alpha=0.5)
        spread = together.std(axis=0, ddof=1)
        # The scale is logarithmic: no band reaches below what a run has.
        axes.fill_between(
            epochs, np.maximum(mean - spread, together.min(axis=0)), mean + spread, color=color, alpha=0.15, linewidth=0
        )
    alone = "o" if np.isfinite(mean).sum() == 1 else None  # of which no line can be drawn
    axes.plot(epochs, mean, style, color=color, linewidth=1.6, label=label, marker=alone)
