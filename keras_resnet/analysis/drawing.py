"""Pictures of residual units, drawn from the graph that Keras holds, in the manner of arXiv 1603.05027, Figure 4."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_resnet.analysis.graph import Cell, Node, UnitGraph
from keras_resnet.analysis.pictures import check_format, write
from keras_resnet.analysis.unit_layout import CELL, CIRCLE, END, ROW, Box, Layout, Line, Point, layout
from keras_resnet.files import write_atomically

# Fill and frame of a box by what stands in it: tints that stay apart under the common kinds of color blindness.
COLOURS: dict[str, tuple[str, str]] = {
    "convolution": ("#cfe2f3", "#3d6f9e"),
    "norm": ("#fbf0c4", "#a98a1d"),
    "activation": ("#f8d5c2", "#b8623a"),
    "other": ("#ececec", "#808080"),
}
INK = "#333333"
PALE = "#666666"
FONT = "DejaVu Sans"  # comes with matplotlib, so that a picture is the same on every machine
POINTS = 9
DPI, PALETTE = 200, 64
# Inches.
MARGIN = 0.12
BETWEEN = 0.2
PADDING = 0.05
TITLE = 0.17
ARROW = 0.07


@dataclass(frozen=True)
class Panel:
    """One unit with its title, which may have several lines; x = 0 is the left side of its leftmost column."""

    title: list[str]
    graph: UnitGraph
    layout: Layout

    @property
    def span(self) -> Point:
        """Leftmost and rightmost x that anything reaches."""
        halves = [(self.middle, text_width(line, "bold") / 2) for line in self.title]
        for name, lines in self.ends.items():
            halves += [(self.layout.boxes[name].x, text_width(line) / 2) for line in lines]
        return min(0.0, *(x - half for x, half in halves)), max(self.layout.width, *(x + half for x, half in halves))

    @property
    def middle(self) -> float:
        """The x of the unit's output, of its longest branch and of its title."""
        return self.layout.boxes[self.graph.nodes[-1].name].x

    @property
    def width(self) -> float:
        """Inches from the left to the right end."""
        return self.span[1] - self.span[0]

    @property
    def height(self) -> float:
        """Inches from the input's name to the output's shape."""
        return self.layout.height + ROW - CELL + END

    @property
    def ends(self) -> dict[str, tuple[str, str]]:
        """Name and shape of the tensors that enter and leave the unit, by the layer that gives them."""
        inputs = [node for node in self.graph.nodes if node.cells[0].kind == "tensor"]
        return {node.name: (node.name, node.shape) for node in (*inputs, self.graph.nodes[-1])}


def draw_units(panels: Sequence[Mapping[str, UnitGraph]], path: str | os.PathLike, width: float | None = None) -> None:
    """Draw units side by side, and rows of them below each other.

    Args:
        panels: for each row a dict of title -> UnitGraph; a title may have several lines.
        path: file to write, of any format that matplotlib knows by its ending.
        width: float, inches, over which the panels of a row are spread; those that find no room in their row begin
            another. Default as narrow as the rows go.

    Raises:
        ImportError: matplotlib is missing.
        OSError: the file cannot be written; what stood there stays.
        ValueError: matplotlib does not know the format, or a panel needs more width.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f"Drawing needs matplotlib ({error}). Install it with: pip install 'keras-resnet-suite[draw]'."
        ) from error
    check_format(path)
    box_width = _box_width([graph for row in panels for graph in row.values()])
    rows = [
        [Panel(title.splitlines(), graph, layout(graph, box_width)) for title, graph in row.items()] for row in panels
    ]
    if width is None:
        width = max(map(_least_width, rows))
    rows = [part for row in rows for part in _wrapped(row, width)]
    if width < (least := max(map(_least_width, rows))):
        raise ValueError(f"These panels need a width of {least:.2f} inches; received {width}.")
    heights = [_row_height(row) for row in rows]
    figure = Figure(figsize=(width, sum(heights)), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(sum(heights), 0))
    axes.set_axis_off()
    for index, row in enumerate(rows):
        _draw_row(axes, row, width, sum(heights[:index]))
    write_atomically(path, lambda part: write(figure, part, DPI, PALETTE))


def text_width(text: str, weight: str = "normal") -> float:
    """Measure a line of text as it is drawn, "normal" or "bold", in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family=FONT, size=POINTS, weight=weight)
    return TextPath((0, 0), text, prop=font).get_extents().width / 72


def _box_width(graphs: list[UnitGraph]) -> float:
    cells = {cell for graph in graphs for node in graph.nodes for cell in node.cells if cell.kind in COLOURS}
    return max((text_width(cell.text) for cell in cells), default=0) + 2 * PADDING


def _least_width(row: list[Panel]) -> float:
    return sum(panel.width for panel in row) + (len(row) + 1) * BETWEEN


def _wrapped(row: list[Panel], width: float) -> list[list[Panel]]:
    """Begin another row where a panel finds no room."""
    rows: list[list[Panel]] = []
    for panel in row:
        if rows and _least_width([*rows[-1], panel]) <= width:
            rows[-1].append(panel)
        else:
            rows.append([panel])
    return rows


def _title_height(row: list[Panel]) -> float:
    return 1.5 * MARGIN + TITLE * max(len(panel.title) for panel in row)


def _row_height(row: list[Panel]) -> float:
    return _title_height(row) + max(panel.height for panel in row) + 2 * MARGIN


def _draw_row(axes: Any, row: list[Panel], width: float, y: float) -> None:
    """Spread the panels of a row evenly, their inputs at one height."""
    space = (width - sum(panel.width for panel in row)) / (len(row) + 1)
    x, below = space, y + _title_height(row)
    for panel in row:
        for index, line in enumerate(panel.title[::-1]):
            middle = x - panel.span[0] + panel.middle, below - MARGIN / 2 - (index + 0.5) * TITLE
            _write(axes, middle, line, weight="bold")
        _draw_panel(axes, panel, (x - panel.span[0], below))
        x += panel.width + space


def _draw_panel(axes: Any, panel: Panel, origin: Point) -> None:
    def at(point: Point) -> Point:
        return origin[0] + point[0], origin[1] + point[1]

    last = panel.layout.boxes[panel.graph.nodes[-1].name]
    leaving = ((last.x, last.bottom), (last.x, last.y + max(last.height, CELL) / 2 + ROW - CELL))
    for line in (*panel.layout.lines.values(), leaving):
        _arrow(axes, [at(point) for point in line])
    for node in panel.graph.nodes:
        box = panel.layout.boxes[node.name]
        _node(axes, node, Box(*at((box.x, box.y)), box.width, box.height))
    _end(axes, panel.graph.nodes[-1], at((last.x, leaving[1][1] + END / 2)))


def _node(axes: Any, node: Node, box: Box) -> None:
    kind = node.cells[0].kind
    if kind == "tensor":
        _end(axes, node, (box.x, box.y))
    elif kind == "operator":
        _operator(axes, node.cells[0].text, box)
    else:
        height = box.height / len(node.cells)
        for index, cell in enumerate(node.cells):
            _cell(axes, cell, Box(box.x, box.top + (index + 0.5) * height, box.width, height))


def _end(axes: Any, node: Node, middle: Point) -> None:
    for line, text in ((-0.25, node.name), (0.25, node.shape)):
        _write(axes, (middle[0], middle[1] + line * END), text, color=PALE)


def _cell(axes: Any, cell: Cell, box: Box) -> None:
    from matplotlib.patches import Rectangle

    fill, frame = COLOURS[cell.kind]
    corner = (box.left, box.top)
    axes.add_patch(Rectangle(corner, box.width, box.height, facecolor=fill, edgecolor=frame, linewidth=0.9))
    _write(axes, (box.x, box.y), cell.text)


def _operator(axes: Any, sign: str, box: Box) -> None:
    """Draw a sum or a product as strokes in a circle, which no font sets in the middle."""
    from matplotlib.patches import Circle

    axes.add_patch(Circle((box.x, box.y), CIRCLE / 2, facecolor="white", edgecolor=INK, linewidth=1.1))
    reach = 0.05
    strokes = ((1, 0), (0, 1)) if sign == "+" else ((0.75, 0.75), (0.75, -0.75))
    for dx, dy in strokes:
        xs, ys = (box.x - reach * dx, box.x + reach * dx), (box.y - reach * dy, box.y + reach * dy)
        axes.plot(xs, ys, color=INK, linewidth=1.1, solid_capstyle="butt")


def _arrow(axes: Any, line: Line | list[Point]) -> None:
    from matplotlib.patches import Polygon

    (from_x, from_y), (x, y) = line[-2:]
    across = from_y == y
    sign = 1 if (x > from_x or y > from_y) else -1
    back, half = sign * ARROW, ARROW * 0.42
    head = [(x - back, y - half), (x - back, y + half)] if across else [(x - half, y - back), (x + half, y - back)]
    neck = (x - back / 2, y) if across else (x, y - back / 2)
    axes.plot(*zip(*line[:-1], neck), color=INK, linewidth=1.1, solid_joinstyle="round", solid_capstyle="butt")
    axes.add_patch(Polygon([(x, y), *head], facecolor=INK, linewidth=0))


def _write(axes: Any, middle: Point, text: str, color: str = INK, weight: str = "normal") -> None:
    axes.text(
        *middle, text, ha="center", va="center_baseline", family=FONT, fontsize=POINTS, color=color, weight=weight
    )
