"""The picture of the reproduction: published errors and those measured here, row by row, a series for each table."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from rows import FAIL, FAILS_ABOVE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from table import Line, Measured, Table

COLORS = ("tab:blue", "tab:cyan", "tab:orange", "tab:green", "tab:purple", "tab:brown")  # of the tables, in turn
PUBLISHED = "0.35"
Panel = tuple[str, str, list["Line"]]  # title, color, lines


def make_panels(tables: list[Table]) -> list[Panel]:
    """Divide tables into panels, one for each data set; rows of which there is no number are left out."""
    panels = []
    for table, color in zip(tables, itertools.cycle(COLORS)):
        lines = [line for line in table.lines if line.published.error is not None or line.measured]
        for dataset in dict.fromkeys(line.dataset for line in lines):
            own = [line for line in lines if line.dataset == dataset]
            panels.append((f"arXiv {table.paper}, {table.name}: {dataset}", color, own))
    return panels


def labels(lines: list[Line]) -> list[str]:
    """Name lines: by their setting where one network stands in all of them, which the title of the panel names."""
    same = len({line.network for line in lines}) == 1 < len(lines)
    return [line.published.setting if same else line.title for line in lines]


def divide(panels: list[Panel]) -> list[list[Panel]]:
    """Put panels into two columns of about the same length, in their order."""
    heights = [len(lines) + 2 for *_, lines in panels]
    split = min(range(1, len(panels) + 1), key=lambda place: max(sum(heights[:place]), sum(heights[place:])))
    return [column for column in (panels[:split], panels[split:]) if column]


def draw(tables: list[Table]) -> Figure:
    """Draw the published errors and, where a row was run, the mean with a bar of the standard deviation.

    Args:
        tables: list of Table.

    Returns:
        matplotlib Figure.
    """
    from matplotlib.figure import Figure

    columns = divide(make_panels(tables))
    rows = max(sum(len(lines) + 2.2 for *_, lines in column) for column in columns)
    figure = Figure(figsize=(6.8 * len(columns), 0.24 * rows + 0.9), layout="constrained")
    parts = figure.subfigures(1, len(columns), squeeze=False)[0]
    for part, column in zip(parts, columns):
        sizes = {"height_ratios": [len(lines) + 1.2 for *_, lines in column]}
        for axes, panel in zip(part.subplots(len(column), squeeze=False, gridspec_kw=sizes)[:, 0], column):
            draw_panel(axes, *panel)
    figure.legend(handles=legend(), loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure


def draw_panel(axes: Axes, title: str, color: str, lines: list[Line]) -> None:
    """Draw the rows of a table from top to bottom."""
    known = [value for line in lines for value in numbers(line)]
    low, high = min(known, default=0), max(known, default=20)
    margin = 0.08 * max(high - low, 1)
    has_fails = any(line.published.error == FAIL for line in lines)
    axes.set_xlim(low - margin, high + margin * (4 if has_fails else 1))
    for place, line in enumerate(lines):
        draw_line(axes, place, line, color)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_yticks(range(len(lines)), labels(lines), fontsize=8)
    networks = list(dict.fromkeys(line.network for line in lines))
    title = f"{title}, {networks[0]}" if len(networks) == 1 < len(lines) else title
    axes.set_title(title, fontsize=9.5, loc="left", color=color, fontweight="bold")
    axes.tick_params(length=0, labelsize=8)
    axes.xaxis.get_major_locator().set_params(nbins=6)
    axes.grid(axis="x", alpha=0.35, linewidth=0.6)
    axes.hlines(range(len(lines)), *axes.get_xlim(), color="0.93", linewidth=0.8, zorder=0)
    axes.spines[:].set_visible(False)


def draw_line(axes: Axes, place: int, line: Line, color: str) -> None:
    """Draw what is published of a row, and what was measured a little below it; what fails, at the end of the axis."""
    published, end = line.published, axes.get_xlim()[1]
    if published.error == FAIL:
        axes.text(end, place, "fail ▸", color=PUBLISHED, fontsize=8, ha="right", va="center")
    elif published.error is not None:
        bar = {"xerr": published.deviation, "elinewidth": 1.2, "capsize": 2.5}
        style = {"marker": "D", "markersize": 5, "markerfacecolor": "white", "color": PUBLISHED}
        axes.errorbar(published.reference, place, linestyle="none", zorder=2, **style, **bar)
    for number, one in enumerate(line.measured):
        below = place + 0.24 * (number + 1) / len(line.measured)
        if is_outside(line, one):
            axes.annotate(
                f"{one.mean:.0f} %",
                (end, place),
                (-30, 0),
                textcoords="offset points",
                color=color,
                fontsize=8,
                ha="right",
                va="center",
            )
            continue
        bar = {"xerr": one.deviation, "elinewidth": 1.6, "capsize": 3}
        axes.errorbar(one.mean, below, marker="o", markersize=5, color=color, linestyle="none", zorder=3, **bar)


def is_outside(line: Line, measured: Measured) -> bool:
    """Tell whether a mean is written at the end of the axis: that of a row that fails here as it does in the paper."""
    return line.published.error == FAIL and measured.mean > FAILS_ABOVE


def numbers(line: Line) -> list[float]:
    """List what must be within the axis, with the ends of bars."""
    reference, deviation = line.published.reference, line.published.deviation or 0
    ends = [] if reference is None else [reference - deviation, reference + deviation]
    for one in (one for one in line.measured if not is_outside(line, one)):
        ends += [one.mean - (one.deviation or 0), one.mean + (one.deviation or 0)]
    return ends


def legend() -> list:
    """Make the entries of the legend."""
    from matplotlib.lines import Line2D

    style = {"linestyle": "none", "markersize": 5}
    published, ours = "published error in %, the mean where there is one", "ours, mean ± standard deviation"
    return [
        Line2D([], [], marker="D", markerfacecolor="white", color=PUBLISHED, label=published, **style),
        Line2D([], [], marker="o", color="0.2", label=ours, **style),
    ]
