"""All trials of a study in one picture: an axis a dimension, a line a trial, the score as its color."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from training.pictures import shorten
from tuning.report.pictures import score_ends
from tuning.report.wording import Measure, apart
from tuning.results import StudyResults, TrialResult
from tuning.space.dimensions import Choice, Dimension, Range

BAND = 0.55  # share of the room between two levels in which the lines of one level lie beside each other
ABSENT = "does not apply"
FLOOR = 0.13  # height above which the numbers of an axis begin that has a place for trials without one
LEAST = 0.25  # share of the trials to which a parameter must apply to have an axis
STEPS = 24  # points of a line between two axes


class Axis(NamedTuple):
    """One axis of the picture."""

    title: str
    places: np.ndarray  # float (trials,) from 0 to 1, where the lines cross
    ticks: list[tuple[float, str]]  # places and labels


def draw_parallel(results: StudyResults, trials: list[TrialResult]) -> Figure:
    """Draw trials, the best first, as lines through all dimensions in which they differ, the best one on top."""
    lines = make_axes(results, trials)
    figure = Figure(figsize=(min(20, 2.4 + 1.75 * len(lines)), 5.2), layout="constrained")
    axes = figure.subplots()
    # The last axis is the score's, the best at its top.
    colors = colormaps["viridis"](lines[-1].places)
    # A line is level where it crosses an axis.
    share = np.linspace(0, 1, STEPS, endpoint=False)[:, None]
    ease = share**2 * (3 - 2 * share)
    crossings = np.array([line.places for line in lines])
    heights = [start + (end - start) * ease for start, end in itertools.pairwise(crossings)]
    heights = np.concatenate([*heights, crossings[-1:]])
    across = np.arange(len(heights)) / STEPS
    for place in reversed(range(1, len(trials))):
        axes.plot(across, heights[:, place], color=colors[place], linewidth=1.1, alpha=0.75)
    axes.plot(across, heights[:, 0], color="black", linewidth=4.2)
    axes.plot(across, heights[:, 0], color=colors[0], linewidth=2.6)
    box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.2}
    for position, line in enumerate(lines):
        axes.axvline(position, ymin=0.03, ymax=0.97, color="0.25", linewidth=1, zorder=3)
        for place, label in line.ticks:
            axes.plot([position], [place], marker="_", color="0.25", markersize=8, zorder=4)
            axes.text(position + 0.05, place, label, fontsize=8, va="center", bbox=box, zorder=5)
    axes.set(xlim=(-0.2, len(lines) - 0.45), ylim=(-0.05, 1.04))
    axes.set_xticks(range(len(lines)), [line.title for line in lines], fontsize=9, fontweight="bold")
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0, pad=6)
    axes.spines[:].set_visible(False)
    return figure


def make_axes(results: StudyResults, trials: list[TrialResult]) -> list[Axis]:
    """Lay out an axis for each dimension in which trials differ, in the order of the space, and one for the score.

    Parameters of one name of one choice's options share an axis. Those that apply to less than a quarter of the trials
    have none.
    """
    tried = {name for trial in trials for name in trial.values}
    kin: dict[tuple, list[Dimension]] = {}
    for dimension in results.study.parsed_space.all_dimensions:
        if dimension.name in tried:
            field = dimension.name.partition("/")[0]
            kin.setdefault((field, dimension.short_name, dimension.scale), []).append(dimension)
    axes = []
    for (field, name, scale), dimensions in kin.items():
        values = [next((trial.values[d.name] for d in dimensions if d.name in trial.values), None) for trial in trials]
        if len(set(values) - {None}) > 1 and values.count(None) <= (1 - LEAST) * len(values):
            title = shorten(name, 22) if name == field else f"{shorten(name, 22)}\nof {shorten(field, 22)}"
            axes.append((_range_axis if scale else _choice_axis)(title, dimensions, values))
    return [*axes, _score_axis(trials, Measure.of(results.study))]


def _choice_axis(title: str, choices: list[Choice], values: list[str | None]) -> Axis:
    """Place the levels evenly, and the lines of one level beside each other, the best on top."""
    labels = {option.label: None for choice in choices for option in choice.options if option.label in values}
    levels = [*([None] if None in values else []), *reversed(labels)]
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
    middle = (least * most) ** 0.5 if is_log else (least + most) / 2

    def place(value: float) -> float:
        return float(np.interp(scale(value), scale([least, most]), [floor, 1]))

    marks = (least, middle, most)
    ticks = list(zip(map(place, marks), apart(marks, 3)))
    places = np.array([0.0 if value is None else place(value) for value in values])
    return Axis(title, places, [(0.0, ABSENT), *ticks] if floor else ticks)


def _score_axis(trials: list[TrialResult], measure: Measure) -> Axis:
    scores = np.array([measure.factor * trial.score for trial in trials])
    low, high = score_ends(scores, measure)
    worst, best = (low, high) if measure.name == "accuracy" else (high, low)
    places = (scores - worst) / (best - worst)
    labels = [measure.number(number / measure.factor) for number in np.linspace(worst, best, 5)]
    if places.min() < 0:
        labels[0] = ("≤ " if measure.name == "accuracy" else "≥ ") + labels[0]
    return Axis(f"{measure.split}\n{measure.title}", np.clip(places, 0, 1), list(zip(np.linspace(0, 1, 5), labels)))
