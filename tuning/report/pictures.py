"""The pictures of a study's report: learning curves, the heat map of two choices, main effects, costs."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter
from PIL import Image

from training.pictures import save, shorten
from tuning.report.effects import Effect
from tuning.report.statistics import Cell, PairTable
from tuning.report.wording import Measure, point_text
from tuning.results import StudyResults, TrialResult

LEADERS = 5  # trials that have a color of their own among the curves
GREY, DARK = "0.8", "0.3"  # of all others; of what is best for its cost
LONGEST = 105  # letters of a label
COSTS = {"parameters": "parameters", "multiply_adds": "multiply-adds of an image", "seconds": "seconds of a run"}
GRID = {"alpha": 0.3, "linewidth": 0.5}


def to_png(figure: Figure) -> bytes:
    """Draw a picture as a PNG file, the same bytes for the same picture."""
    full, small = io.BytesIO(), io.BytesIO()
    save(figure, full)
    # Two hundred lines in color are four times smaller with a palette, and look the same.
    palette = Image.open(full).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    palette.save(small, format="png", optimize=True)
    return small.getvalue()


def score_ends(scores: np.ndarray, measure: Measure) -> tuple[float, float]:
    """Choose the two ends of a scale of scores, NaN where there is none; it ends where poor outliers begin.

    One hopeless trial would otherwise leave all others a single color or place.

    Source: Tukey 1977, outliers begin one and a half interquartile ranges beyond the quartiles.
    """
    low, first, third, high = map(float, np.nanquantile(scores, (0, 0.25, 0.75, 1)))
    reach = 1.5 * (third - first)
    low, high = (max(low, first - reach), high) if measure.name == "accuracy" else (low, min(high, third + reach))
    return (low, high) if high > low else (low - 0.005 * measure.factor, high + 0.005 * measure.factor)


def draw_pair(table: PairTable, measure: Measure) -> Figure:
    """Draw the table of two choices as a heat map; each cell says its mean and spread, one not tried is hatched."""
    rows = [shorten(level, 48) for level in table.row_levels]
    columns = [shorten(level, 24) for level in table.column_levels]
    width = 2.2 + 0.08 * max(map(len, rows)) + 0.95 * len(columns)
    figure = Figure(figsize=(width, 1.7 + 0.55 * len(rows)), layout="constrained")
    axes = figure.subplots()
    cells = [[table.cells.get((row, column)) for column in table.column_levels] for row in table.row_levels]
    means = np.array([[measure.factor * cell.mean if cell else np.nan for cell in row] for row in cells])
    low, high = score_ends(means, measure)
    colors = "viridis" if measure.name == "accuracy" else "viridis_r"
    image = axes.imshow(means, cmap=colors, vmin=low, vmax=high, aspect="auto")
    for row, column in np.ndindex(means.shape):
        _write_cell(image, (column, row), cells[row][column], measure)
    is_long = max(map(len, table.column_levels)) > 9
    turn = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if is_long else {}
    axes.set_xticks(range(len(columns)), columns, fontsize=9, **turn)
    axes.set_yticks(range(len(rows)), rows, fontsize=9)
    axes.set(xlabel=table.columns, ylabel=table.rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    extend = "min" if np.nanmin(means) < low else "max" if np.nanmax(means) > high else "neither"
    figure.colorbar(image, ax=axes, label=measure.label, extend=extend, shrink=0.9)
    return figure


def _write_cell(image: AxesImage, place: tuple[int, int], cell: Cell | None, measure: Measure) -> None:
    if cell is None:
        corner = (place[0] - 0.5, place[1] - 0.5)
        image.axes.add_patch(Rectangle(corner, 1, 1, facecolor="0.96", edgecolor="0.82", hatch="///", linewidth=0))
        return
    red, green, blue, _ = image.cmap(image.norm(measure.factor * cell.mean))
    ink = "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"
    lines = [(measure.number(cell.mean), 0 if cell.spread is None else 5, 9.5)]
    lines += [] if cell.spread is None else [(f"± {measure.number(cell.spread)}", -7, 7.5)]
    for text, up, size in lines:
        style = {"ha": "center", "va": "center", "color": ink, "fontsize": size}
        image.axes.annotate(text, place, xytext=(0, up), textcoords="offset points", **style)


def draw_curves(results: StudyResults, ranked: list[TrialResult]) -> Figure | None:
    """Draw the objective over the epochs, accuracy as error; None where no trial has made an epoch.

    The leaders among the trials with a score, the best first, have a color before the rest in grey.
    """
    objective, space = results.study.objective, results.study.parsed_space
    curves = {trial.id: mean_curve(trial, objective) for trial in results.trials}
    curves = {name: curve for name, curve in curves.items() if len(curve)}
    if not curves:
        return None
    leaders = [trial for trial in ranked[:LEADERS] if trial.id in curves]
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots()
    styles = {name: {"color": GREY, "linewidth": 0.8, "label": "all others", "zorder": 1} for name in curves}
    for index, trial in reversed(list(enumerate(leaders))):
        label = f"{index + 1}  {shorten(point_text(space, trial), LONGEST)}"
        styles.pop(trial.id)  # to be drawn after the rest, the best last
        styles[trial.id] = {"color": f"C{index}", "linewidth": 1.8, "label": label, "zorder": 3}
    for name, style in styles.items():
        marks = {"marker": "o", "markersize": 3} if len(curves[name]) < 13 else {}
        axes.plot(*curves[name].T, **marks, **style)
    axes.set(xlabel="epoch", ylabel=Measure.of(results.study).falling)
    axes.xaxis.get_major_locator().set_params(integer=True)
    set_log(axes, np.concatenate([curve[:, 1] for curve in curves.values()]))
    axes.grid(**GRID)
    # Each label once, the best first.
    handles = {line.get_label(): line for line in reversed(axes.lines)}
    figure.legend(handles.values(), handles, frameon=False, fontsize=8.5, loc="outside lower left")
    return figure


def mean_curve(trial: TrialResult, objective: str) -> np.ndarray:
    """Give the epochs of a trial with their error in percent, or their loss, as an array (epochs, 2)."""
    curve = trial.curve(f"val_{objective}")
    curve[:, 1] = Measure(objective).fall(curve[:, 1])
    return curve


def set_log(axes: Axes, numbers: np.ndarray) -> None:
    """Make the score's axis logarithmic where it spans much; what is 0 then lies on its lower edge."""
    above = numbers[np.isfinite(numbers) & (numbers > 0)]
    if not len(above) or above.max() < 5 * above.min():
        return
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(0.85 * above.min(), 1.15 * np.quantile(above, 0.995))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def draw_effects(effects: list[Effect], measure: Measure) -> Figure:
    """Draw the marginal means of all factors' levels with their intervals, a panel a factor.

    A level whose mean cannot be separated is a hollow mark at its plain mean, one beyond the scale a number at its
    edge. A long list of factors is broken where its halves are about as high.
    """
    heights = np.cumsum([len(effect.levels) + 1.7 for effect in effects])
    columns, height = [effects], heights[-1]
    if height >= 35 and len(effects) > 1:
        first = int(np.argmin(np.abs(heights[:-1] - height / 2)))
        columns, height = [effects[: first + 1], effects[first + 1 :]], max(heights[first], height - heights[first])
    figure = Figure(figsize=(8 if len(columns) == 1 else 13, 0.7 + 0.28 * height), layout="constrained")
    # A scale that holds all means but outliers, and their intervals unless these are much wider.
    levels = [level for effect in effects for level in effect.levels]
    low, high = score_ends(measure.factor * np.array([level.shown for level in levels]), measure)
    reach = [measure.factor * (level.high - level.mean) for level in levels if level.high is not None]
    margin = 0.06 * (high - low) + min(max(reach, default=0.0), high - low)
    for part, column in zip(figure.subfigures(1, len(columns), squeeze=False)[0], columns):
        grid = {"height_ratios": [len(effect.levels) + 0.6 for effect in column]}
        panels = part.subplots(len(column), 1, squeeze=False, gridspec_kw=grid)[:, 0]
        for axes, effect in zip(panels, column):
            axes.set_xlim(low - margin, high + margin)
            _draw_effect(axes, effect, measure)
            axes.tick_params(axis="x", labelbottom=axes is panels[-1])
        panels[-1].set_xlabel(measure.label)
    return figure


def _draw_effect(axes: Axes, effect: Effect, measure: Measure) -> None:
    low, high = axes.get_xlim()
    for place, level in enumerate(effect.levels):
        middle = measure.factor * level.shown
        if not low <= middle <= high:
            text, edge, side = (f"◂ {middle:.4g}", 0.01, "left") if middle < low else (f"{middle:.4g} ▸", 0.99, "right")
            axes.text(edge, place, text, transform=axes.get_yaxis_transform(), ha=side, va="center", fontsize=8.5)
            continue
        if level.low is not None:
            ends = [measure.factor * level.low, measure.factor * level.high]
            axes.plot(ends, [place, place], color="C0", linewidth=1.6, alpha=0.6, solid_capstyle="butt")
        color, face = ("0.5", "none") if level.mean is None else ("C0", "C0")
        axes.plot(middle, place, "o", color=color, markerfacecolor=face, markersize=6)
    axes.set_yticks(range(len(effect.levels)), [shorten(level.label, 32) for level in effect.levels], fontsize=9)
    axes.set_ylim(len(effect.levels) - 0.5, -0.5)
    axes.set_title(effect.name, fontsize=9.5, loc="left", fontweight="bold", pad=4)
    axes.grid(**GRID)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)


def draw_cost(results: StudyResults, trials: list[TrialResult]) -> Figure:
    """Draw the score of trials, the best first, against three costs, with the Pareto front."""
    measure = Measure.of(results.study)
    figure = Figure(figsize=(11, 3.9), layout="constrained")
    panels = figure.subplots(1, len(COSTS), sharey=True)
    scores = np.array([measure.factor * trial.score for trial in trials])
    low, high = score_ends(scores, measure)
    margin = 0.05 * (high - low)
    panels[0].set_ylim(low - margin, high + margin)
    panels[0].set_ylabel(measure.label)
    leader = shorten(point_text(results.study.parsed_space, trials[0]), LONGEST)
    for axes, (name, label) in zip(panels, COSTS.items()):
        costs = np.array([trial.cost[name] for trial in trials], float)
        _draw_front(axes, costs, scores, pareto_front(costs, results.study.sign * scores), f"the best: {leader}")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        if costs.min() > 0 and costs.max() > 5 * costs.min():
            axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.grid(**GRID)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", frameon=False, fontsize=8.5)
    return figure


def _draw_front(axes: Axes, costs: np.ndarray, scores: np.ndarray, front: np.ndarray, leader: str) -> None:
    """Draw all trials, the best first among them, and the front; those beyond the axis are marked on its edge."""
    ring = {"s": 30, "facecolors": "none", "edgecolors": DARK, "label": "none is better and cheaper"}
    axes.scatter(costs, scores, s=22, color="C0", alpha=0.55, linewidths=0, label="a trial", zorder=2)
    axes.plot(costs[front], scores[front], color=DARK, linewidth=1, drawstyle="steps-post", zorder=1)
    axes.scatter(costs[front], scores[front], **ring, zorder=3)
    axes.scatter(costs[:1], scores[:1], s=90, marker="*", color="C3", label=leader, zorder=4)
    low, high = axes.get_ylim()
    for beyond, edge, marker in ((scores < low, low, 7), (scores > high, high, 6)):
        if beyond.any():
            edges = np.full(beyond.sum(), edge)
            axes.scatter(costs[beyond], edges, s=28, marker=marker, color=GREY, label="beyond the axis", zorder=1)


def pareto_front(costs: np.ndarray, goodness: np.ndarray) -> np.ndarray:
    """Find the places of the points that no other is better than at the same or a lower cost, the cheapest first."""
    order = np.lexsort((-goodness, costs))
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], goodness[order][:-1]]))
    return order[goodness[order] > best_before]
