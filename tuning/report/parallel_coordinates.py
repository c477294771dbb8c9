"""All trials of a study in one picture: an axis a dimension, a line a trial, the score as its color."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tuning.report.pictures import score_ends, shorten
from tuning.report.wording import Measure
from tuning.results import StudyResults, TrialResult
from tuning.space.dimensions import Ancestors, Dimension, Range

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAND = 0.55  # share of the room between two levels in which the lines of one level lie beside each other
ABSENT = "does not apply"
FLOOR = 0.13  # height above which the numbers of an axis begin that has a place for trials without one
LEAST = 0.25  # share of the trials to which a parameter must apply to have an axis
STEPS = 24  # points of a line between two axes


@dataclass(frozen=True)
class Axis:
    """One axis of the picture."""

    title: str
    places: np.ndarray  # float (trials,) from 0 to 1, where the lines cross
    ticks: list[tuple[float, str]]  # places and labels


def draw_parallel(results: StudyResults, trials: list[TrialResult]) -> Figure:
    """Draw trials, the best first, as lines through all dimensions in which they differ, the best one on top."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    lines = make_axes(results, trials)
    figure = Figure(figsize=(min(20, 2.4 + 1.75 * len(lines)), 5.2), layout="constrained")
    axes = figure.subplots()
    # The last axis is the score's, the best at its top.
    colors = colormaps["viridis"](lines[-1].places)
    crossings = np.array([line.places for line in lines])
    for place in reversed(range(len(trials))):
        _draw_line(axes, crossings[:, place], colors[place], is_best=place == 0)
    for position, line in enumerate(lines):
        _draw_axis(axes, position, line)
    axes.set_xlim(-0.2, len(lines) - 0.45)
    axes.set_ylim(-0.05, 1.04)
    axes.set_xticks(range(len(lines)), [line.title for line in lines], fontsize=9, fontweight="bold")
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0, pad=6)
    axes.spines[:].set_visible(False)
    return figure


def make_axes(results: StudyResults, trials: list[TrialResult]) -> list[Axis]:
    """Lay out an axis for each dimension in which trials differ, in the order of the space, and one for the score.

    Parameters that apply to less than a quarter of the trials have none.
    """
    space = results.study.parsed_space
    found: dict[tuple, tuple[list[Dimension], list[Any]]] = {}
    for index, trial in enumerate(trials):
        for dimension, value, ancestors in space.walk(trial.values):
            dimensions, values = found.setdefault(_kin(dimension, ancestors), ([], [None] * len(trials)))
            dimensions.extend([] if dimension in dimensions else [dimension])
            values[index] = value
    axes = [
        (space.all_dimensions.index(dimensions[0]), _axis(dimensions, values))
        for dimensions, values in found.values()
        if len(set(values) - {None}) > 1 and values.count(None) <= (1 - LEAST) * len(values)
    ]
    axes.sort(key=lambda pair: pair[0])
    return [*(axis for _, axis in axes), _score_axis(trials, Measure(results.study.objective))]


def _kin(dimension: Dimension, ancestors: Ancestors) -> tuple:
    """Give what dimensions have in common that share an axis: parameters of one name of one choice's options."""
    scale = dimension.scale if isinstance(dimension, Range) else None
    return (*(name for name, _ in ancestors[:1]), dimension.short_name, scale)


def _axis(dimensions: list[Dimension], values: list[Any]) -> Axis:
    choice, name = dimensions[0].name.partition("/")[0], dimensions[0].short_name
    title = shorten(name, 22) if name == choice else f"{shorten(name, 22)}\nof {shorten(choice, 22)}"
    if isinstance(dimensions[0], Range):
        return _range_axis(title, dimensions, values)
    labels = {option.label: None for choice in dimensions for option in choice.options if option.label in values}
    return _choice_axis(title, list(labels), values)


def _choice_axis(title: str, labels: list[str], values: list[str | None]) -> Axis:
    """Place the levels evenly, and the lines of one level beside each other, the best on top."""
    labels = labels[::-1]
    levels = [None, *labels] if None in values else labels
    room = 1 / len(levels)
    places = np.zeros(len(values))
    ticks = []
    for index, level in enumerate(levels):
        own = [place for place, value in enumerate(values) if value == level]
        middle = (index + 0.5) * room
        reach = BAND * room / 2 * min(1, len(own) / 8)
        places[own] = np.linspace(middle + reach, middle - reach, len(own)) if len(own) > 1 else middle
        ticks.append((middle, ABSENT if level is None else shorten(level, 22)))
    return Axis(title, places, ticks)


def _range_axis(title: str, ranges: list[Range], values: list[float | None]) -> Axis:
    is_log = ranges[0].scale == "log"
    scale = np.log if is_log else np.asarray
    floor = FLOOR if None in values else 0.0
    least, most = min(part.low for part in ranges), max(part.high for part in ranges)
    low, high = float(scale(least)), float(scale(most))

    def place(value: float) -> float:
        return floor + (1 - floor) * (float(scale(value)) - low) / (high - low)

    middle = float(np.exp((low + high) / 2)) if is_log else (least + most) / 2
    ticks = [(place(value), f"{value:.3g}") for value in (least, middle, most)]
    places = np.array([0.0 if value is None else place(value) for value in values])
    return Axis(title, places, [(0.0, ABSENT), *ticks] if floor else ticks)


def _score_axis(trials: list[TrialResult], measure: Measure) -> Axis:
    scores = np.array([measure.factor * trial.score for trial in trials])
    low, high = score_ends(scores, measure)
    worst, best = (low, high) if measure.name == "accuracy" else (high, low)
    places = (scores - worst) / (best - worst)
    cut = "" if places.min() >= 0 else "≤ " if measure.name == "accuracy" else "≥ "
    ticks = [
        (index / 4, ("" if index else cut) + measure.number((worst + index / 4 * (best - worst)) / measure.factor))
        for index in range(5)
    ]
    return Axis(f"validation\n{measure.title}", np.clip(places, 0, 1), ticks)


def _draw_line(axes: Axes, crossings: np.ndarray, color: np.ndarray, is_best: bool) -> None:
    """Draw a line that is level where it crosses an axis."""
    share = np.linspace(0, 1, STEPS, endpoint=False)
    ease = share**2 * (3 - 2 * share)
    heights = [start + (end - start) * ease for start, end in itertools.pairwise(crossings)]
    heights = np.concatenate([*heights, crossings[-1:]])
    across = np.arange(len(heights)) / STEPS
    if is_best:
        axes.plot(across, heights, color="black", linewidth=4.2)
    axes.plot(across, heights, color=color, linewidth=2.6 if is_best else 1.1, alpha=1 if is_best else 0.75)


def _draw_axis(axes: Axes, position: int, line: Axis) -> None:
    box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.2}
    axes.axvline(position, ymin=0.03, ymax=0.97, color="0.25", linewidth=1, zorder=3)
    for place, label in line.ticks:
        axes.plot([position], [place], marker="_", color="0.25", markersize=8, zorder=4)
        axes.text(position + 0.05, place, label, fontsize=8, va="center", bbox=box, zorder=5)
