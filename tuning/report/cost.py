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


def cost_of(trial: TrialResult) -> dict[str, float]:
    """Give what a run of a trial costs.

    Args:
        trial: TrialResult.

    Returns:
        Dict: parameters and multiply_adds of the network, seconds of a run as a mean over the seeds; 0 where unknown.
    """
    outcomes = [run.outcome for run in trial.runs if run.outcome]
    known = {name: max((getattr(o, name) for o in outcomes), default=0) for name in ("parameters", "multiply_adds")}
    return {**known, "seconds": float(np.mean([o.seconds for o in outcomes])) if outcomes else 0.0}


def draw_cost(results: StudyResults, trials: list[TrialResult]) -> Figure:
    """Draw the score against three costs, with the trials that none is both better and cheaper than.

    Args:
        results: StudyResults.
        trials: list of TrialResults that can be compared, the best first.

    Returns:
        Figure.
    """
    from matplotlib.figure import Figure

    measure = Measure(results.study.objective)
    figure = Figure(figsize=(11, 3.9), layout="constrained")
    panels = figure.subplots(1, len(COSTS), sharey=True)
    scores = np.array([measure.factor * trial.score for trial in trials])
    ends = score_ends(scores, measure)
    margin = 0.05 * (ends[1] - ends[0])
    sign = 1 if results.study.direction == "max" else -1
    for axes, (name, label) in zip(panels, COSTS):
        costs = np.array([cost_of(trial)[name] for trial in trials], float)
        _draw_front(axes, costs, scores, sign)
        _draw_outliers(axes, costs, scores, (ends[0] - margin, ends[1] + margin))
        if costs.min() > 0 and costs.max() > 5 * costs.min():
            axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.grid(alpha=0.3, linewidth=0.5)
    panels[0].set_ylim(ends[0] - margin, ends[1] + margin)
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
    axes.scatter(costs, scores, s=22, color="C0", alpha=0.55, linewidths=0, label="a trial", zorder=2)
    axes.plot(costs[front], scores[front], color=DARK, linewidth=1, drawstyle="steps-post", zorder=1)
    axes.scatter(
        costs[front],
        scores[front],
        s=30,
        facecolors="none",
        edgecolors=DARK,
        label="none is better and cheaper",
        zorder=3,
    )
    axes.scatter(costs[:1], scores[:1], s=90, marker="*", color="C3", label="best", zorder=4)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _draw_outliers(axes: Axes, costs: np.ndarray, scores: np.ndarray, ends: tuple[float, float]) -> None:
    """Mark the trials whose scores lie beyond the axis, on its edge."""
    for beyond, edge, marker in ((scores < ends[0], ends[0], 7), (scores > ends[1], ends[1], 6)):
        if beyond.any():
            edges = np.full(beyond.sum(), edge)
            axes.scatter(costs[beyond], edges, s=28, marker=marker, color=GREY, label="beyond the axis", zorder=1)


def pareto_front(costs: np.ndarray, goodness: np.ndarray) -> np.ndarray:
    """Find the trials that no other is better than at the same or a lower cost.

    Args:
        costs: float array (trials,).
        goodness: float array (trials,), higher is better.

    Returns:
        int array of their places, the cheapest first.
    """
    front: list[int] = []
    for place in np.lexsort((-goodness, costs)):
        if not front or goodness[place] > goodness[front[-1]]:
            front.append(int(place))
    return np.array(front, int)
