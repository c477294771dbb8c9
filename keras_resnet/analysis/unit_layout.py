"""Where the layers of a unit stand on paper: rows by longest path, columns by branch, lines without crossings."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from keras_resnet.analysis.graph import Node, UnitGraph

# Inches; y grows downwards.
ROW = 0.35
CELL = 0.22
CIRCLE = 0.18
END = 0.31
GAP = 0.15

Point = tuple[float, float]
Line = tuple[Point, ...]


class Box(NamedTuple):
    """A rectangle by its centre and its sides."""

    x: float
    y: float
    width: float
    height: float

    @property
    def top(self) -> float:
        """The upper side's y."""
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        """The lower side's y."""
        return self.y + self.height / 2

    @property
    def left(self) -> float:
        """The left side's x."""
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        """The right side's x."""
        return self.x + self.width / 2


class Layout(NamedTuple):
    """A box for each layer, a line of horizontal and vertical strokes for each edge, and the size of it all."""

    boxes: dict[str, Box]
    lines: dict[tuple[str, str], Line]
    width: float
    height: float


class Column(NamedTuple):
    """A chain of layers that stand below each other, or the one edge that runs down an empty column."""

    chain: tuple[str, ...]
    edge: tuple[str, str] | None = None


def layout(graph: UnitGraph, box_width: float) -> Layout:
    """Place the layers of a unit: the longest branch on the right, the others beside it, in order of time downwards."""
    heights = {name: row * ROW for name, row in rows(graph).items()}
    columns = branches(graph)

    def place(order: list[int]) -> Layout:
        return _place(graph, heights, [columns[index] for index in order], box_width)

    order = _arrange(len(columns), lambda order: _cost(place(order)))
    return place(order)


def rows(graph: UnitGraph) -> dict[str, int]:
    """Give each layer its row: midway between the earliest that its inputs allow and the latest that its users do.

    It grows along every edge by at least the size of the layer above: both bounds do, hence so does their mean.
    """
    size, earliest, latest = sizes(graph), {}, {}
    for node in graph.nodes:
        ends = [earliest[source] + size[source] for source, target in graph.edges if target == node.name]
        earliest[node.name] = max(ends, default=0)
    last = graph.nodes[-1].name
    for node in reversed(graph.nodes):
        starts = [latest[target] - size[node.name] for source, target in graph.edges if source == node.name]
        latest[node.name] = min(starts, default=earliest[last])
    return {name: (earliest[name] + latest[name]) // 2 for name in earliest}


def sizes(graph: UnitGraph) -> dict[str, int]:
    """Give the rows that each layer takes: one a cell, and one for the fork below where several layers use the output.

    A tensor that enters the unit takes two.
    """
    users = [source for source, _ in graph.edges]
    forks = {node.name: users.count(node.name) > 1 and node.cells[0].kind != "tensor" for node in graph.nodes}
    return {node.name: len(node.cells) + forks[node.name] for node in graph.nodes}


def branches(graph: UnitGraph) -> list[Column]:
    """Cut the graph into chains, always the longest that is left, and columns for the edges that no chain can carry.

    Length is counted in layers, then in rows, so that the residual branch outlasts a gate of as many rows. An edge
    runs in the column of its target where that begins a chain, else in that of its source where that ends one. The
    longest chain, that from the unit's input to its output, comes first.
    """
    size, free, columns = sizes(graph), [node.name for node in graph.nodes], []

    def length(path: tuple[str, ...]) -> tuple[int, int]:
        return len(path), sum(size[name] for name in path)

    while free:
        paths: dict[str, tuple[str, ...]] = {}
        for name in free:
            before = [paths[source] for source, target in graph.edges if target == name and source in paths]
            paths[name] = (*max(before, key=length, default=()), name)
        chain = max(paths.values(), key=length)
        columns.append(Column(chain))
        free = [name for name in free if name not in chain]
    inner = {pair for column in columns for pair in pairwise(column.chain)}
    heads = {column.chain[0] for column in columns}
    tails = {column.chain[-1] for column in columns}
    lone = (edge for edge in graph.edges if edge not in inner and edge[1] not in heads and edge[0] not in tails)
    return columns + [Column((), edge) for edge in lone]


def _arrange(count: int, cost: Callable[[list[int]], tuple]) -> list[int]:
    """Order the columns, the first on the right; move one at a time to where it costs least, while that helps."""
    order = list(range(count))[::-1]
    while True:
        moved = [order]
        for column in order[:-1]:
            rest = [other for other in order if other != column]
            moved += [[*rest[:place], column, *rest[place:]] for place in range(count - 1)]
        best = min(moved, key=cost)
        if cost(best) >= cost(order):
            return order
        order = best


def _place(graph: UnitGraph, heights: dict[str, float], columns: list[Column], box_width: float) -> Layout:
    nodes = {node.name: node for node in graph.nodes}
    boxes, centres, edge = {}, {}, 0.0
    for column in columns:
        width = max((_size(nodes[name], box_width)[0] for name in column.chain), default=0.0)
        for key in column.chain or (column.edge,):
            centres[key] = edge + width / 2
        edge += width + GAP
    for name, node in nodes.items():
        width, height = _size(node, box_width)
        top = heights[name] if height != CIRCLE else heights[name] + (CELL - CIRCLE) / 2
        boxes[name] = Box(centres[name], top + height / 2, width, height)
    heads = {column.chain[0] for column in columns if column.chain}
    lines = {}
    for source, target in graph.edges:
        x = centres.get((source, target), centres[target if target in heads else source])
        lines[source, target] = _line(boxes[source], boxes[target], x)
    return Layout(boxes, lines, edge - GAP, max(box.bottom for box in boxes.values()))


def _size(node: Node, box_width: float) -> tuple[float, float]:
    kind = node.cells[0].kind
    if kind == "operator":
        return CIRCLE, CIRCLE
    return box_width, END if kind == "tensor" else CELL * len(node.cells)


def _line(source: Box, target: Box, x: float) -> Line:
    """Leave the source downwards, run down at x, and enter the target from above, or from the side beside it."""
    fork = source.bottom + (ROW - CELL) / 2
    points = [(source.x, source.bottom)]
    if x != source.x:
        points += [(source.x, fork), (x, fork)]
    if x == target.x:
        return (*points, (x, target.top))
    return (*points, (x, target.y), (target.left if x < target.x else target.right, target.y))


def _cost(drawn: Layout) -> tuple[int, int, float]:
    """Rate a layout: above all no conflicts, then lines that enter from the left, then short ones."""
    strokes = [(*start, *end) for line in drawn.lines.values() for start, end in pairwise(line)]
    rightmost = sum(line[-2][0] > line[-1][0] for line in drawn.lines.values())
    return conflicts(drawn), rightmost, round(sum(abs(x - to_x) for x, _, to_x, _ in strokes), 6)


def conflicts(drawn: Layout) -> int:
    """Count where a line runs through a box or another line, or along a line that it has no end in common with."""
    strokes = [(edge, *stroke) for edge, line in drawn.lines.items() for stroke in pairwise(line)]
    level = [(edge, min(a[0], b[0]), max(a[0], b[0]), a[1]) for edge, a, b in strokes if a[1] == b[1]]
    upright = [(edge, a[0], a[1], b[1]) for edge, a, b in strokes if a[0] == b[0]]
    crossed = sum(left < x < right and top < y < bottom for _, left, right, y in level for _, x, top, bottom in upright)
    hit = sum(
        name not in edge and box.top < y < box.bottom and left < box.right and right > box.left
        for edge, left, right, y in level
        for name, box in drawn.boxes.items()
    )
    along = sum(
        edge < other and not set(edge) & set(other) and y == to_y and left < to_right and to_left < right
        for edge, left, right, y in level
        for other, to_left, to_right, to_y in level
    )
    return crossed + hit + along
