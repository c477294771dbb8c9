"""Two networks side by side as a picture, in the manner of arXiv 1512.03385, Figure 3."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from keras_resnet.analysis.pictures import COLORS, new_figure, save
from keras_resnet.analysis.summary import Summary
from keras_resnet.analysis.tables import aligned_sizes, by_size, figure, pixels, share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 0.21  # inches of a line of text
HEAD_ROOM = 1.0  # inches for title, captions and the sentence below


def draw_comparison(left: Summary, right: Summary, path: str | os.PathLike) -> None:
    """Draw two networks side by side: what works on maps of each size, its multiply-adds and its parameters.

    Args:
        left: Summary.
        right: Summary.
        path: file to write, of any format that matplotlib knows by its ending.

    Raises:
        ImportError: matplotlib is missing.
        OSError: the file cannot be written; what stood there stays.
        ValueError: matplotlib does not know the format.

    Source: arXiv 1512.03385, Figure 3 and Table 1.
    """
    networks = [by_size(one.stages) for one in (left, right)]
    sizes = aligned_sizes((left, right))
    texts = [
        ["\n".join(text for stage in network.get(size, []) for text in stage.contents) for size in sizes]
        for network in networks
    ]
    lines = [max(text.count("\n") + 1 for text in row) + 0.8 for row in zip(*texts)]
    figure_ = new_figure((11, LINE * sum(lines) + HEAD_ROOM))
    grid = figure_.add_gridspec(1, 4, width_ratios=(3.2, 3.2, 1.6, 1.6))
    edges = [sum(lines[:index]) for index in range(len(lines) + 1)]
    for place, (one, color, column) in enumerate(zip((left, right), COLORS, texts)):
        axes = figure_.add_subplot(grid[place])
        _draw_network(axes, one, column, edges, color)
        if place == 0:
            for size, top, bottom in zip(sizes, edges[:-1], edges[1:]):
                axes.text(-0.03, (top + bottom) / 2, size, ha="right", va="center", fontsize=9, color="#666666")
    for place, measure in enumerate(("multiply_adds", "parameters"), start=2):
        axes = figure_.add_subplot(grid[place])
        costs = [[sum(getattr(s, measure) for s in network.get(size, [])) for size in sizes] for network in networks]
        _draw_bars(axes, costs, edges, measure.replace("_", "-"))
    figure_.text(0.5, 0.01, share(left, right), ha="center", va="bottom", fontsize=9)
    figure_.get_layout_engine().set(rect=(0.0, 0.045, 1.0, 0.955))
    save(figure_, path)


def _draw_network(axes: Axes, one: Summary, texts: Sequence[str], edges: Sequence[float], color: str) -> None:
    """Draw a column of boxes, one for the maps of each size."""
    from matplotlib.patches import Rectangle

    axes.set(xlim=(0, 1), ylim=(edges[-1], 0))
    axes.set_axis_off()
    depth = "" if one.depth is None else f"{one.depth} layers, "
    seen = f"receptive field {pixels(one.field.size)}"
    axes.set_title(f"{one.name}\n{depth}{seen}", fontsize=10)
    for text, top, bottom in zip(texts, edges[:-1], edges[1:]):
        if text:
            height = bottom - top - 0.2
            axes.add_patch(Rectangle((0, top + 0.1), 1, height, facecolor=color, alpha=0.16, edgecolor=color))
            axes.text(0.5, (top + bottom) / 2, text, ha="center", va="center", fontsize=9)


def _draw_bars(axes: Axes, costs: Sequence[Sequence[int]], edges: Sequence[float], title: str) -> None:
    """Draw what each network spends on the maps of each size, beside the boxes."""
    middles = [(top + bottom) / 2 for top, bottom in pairwise(edges)]
    most = max(map(max, costs)) or 1
    for offset, own, color in zip((-0.32, 0.32), costs, COLORS):
        heights = [middle + offset for middle in middles]
        axes.barh(heights, own, height=0.55, color=color)
        for height, cost in zip(heights, own):
            if cost:
                axes.text(cost + most * 0.03, height, figure(cost), va="center", fontsize=8)
    axes.set(ylim=(edges[-1], 0), xlim=(0, most * 1.5))
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()
