"""What accuracy costs: the score of each trial against the size, the work and the time of its network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuning.report.pictures import GREY, score_ends, shorten
from tuning.report.wording import Measure, point_text
from tuning.results import StudyResults, TrialResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DARK = "0.3"
COSTS = (("parameters", "parameters"), ("multiply_adds", "multiply-adds of an image"), ("seconds", "seconds of a run"))


def draw_cost(results: StudyResults, trials: list[TrialResult]) -> Figure:
    """Draw the score of trials, the best first, against three costs, with the Pareto front."""
    from matplotlib.figure import Figure

    measure = Measure(results.study.objective)
    figure = Figure(figsize=(11, 3.9), layout="constrained")
    panels = figure.subplots(1, len(COSTS), sharey=True)
    scores = np.array([measure.factor * trial.score for trial in trials])
    low, high = score_ends(scores, measure)
    margin = 0.05 * (high - low)
    ends = low - margin, high + margin
    for axes, (name, label) in zip(panels, COSTS):
        costs = np.array([trial.cost[name] for trial in trials], float)
        _draw_front(axes, costs, scores, 1 if results.study.direction == "max" else -1)
        _draw_outliers(axes, costs, scores, ends)
        if costs.min() > 0 and costs.max() > 5 * costs.min():
            axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.grid(alpha=0.3, linewidth=0.5)
    panels[0].set_ylim(ends)
    panels[0].set_ylabel(f"validation {measure.title}")
    leader = shorten(point_text(results.study.parsed_space, trials[0]))
    handles, labels = panels[0].get_legend_handles_labels()
    labels = [f"the best: {leader}" if label == "best" else label for label in labels]
    figure.legend(handles, labels, loc="outside lower left", ncols=1, frameon=False, fontsize=8.5)
    return figure


def _draw_front(axes: Axes, costs: np.ndarray, scores: np.ndarray, sign: int) -> None:
    """Draw all trials, the best first among them, and the front."""
    from matplotlib.ticker import EngFormatter

    front = pareto_front(costs, sign * scores)
    ring = {"s": 30, "facecolors": "none", "edgecolors": DARK, "label": "none is better and cheaper"}
    axes.scatter(costs, scores, s=22, color="C0", alpha=0.55, linewidths=0, label="a trial", zorder=2)
    axes.plot(costs[front], scores[front], color=DARK, linewidth=1, drawstyle="steps-post", zorder=1)
    axes.scatter(costs[front], scores[front], **ring, zorder=3)
    axes.scatter(costs[:1], scores[:1], s=90, marker="*", color="C3", label="best", zorder=4)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _draw_outliers(axes: Axes, costs: np.ndarray, scores: np.ndarray, ends: tuple[float, float]) -> None:
    """Mark the trials whose scores lie beyond the axis, on its edge."""
    for beyond, edge, marker in ((scores < ends[0], ends[0], 7), (scores > ends[1], ends[1], 6)):
        if beyond.any():
            edges = np.full(beyond.sum(), edge)
            axes.scatter(costs[beyond], edges, s=28, marker=marker, color=GREY, label="beyond the axis", zorder=1)


def pareto_front(costs: np.ndarray, goodness: np.ndarray) -> np.ndarray:
    """Find the places of the points that no other is better than at the same or a lower cost, the cheapest first."""
    order = np.lexsort((-goodness, costs))
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], goodness[order][:-1]]))
    return order[goodness[order] > best_before]
