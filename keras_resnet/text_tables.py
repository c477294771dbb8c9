"""Tables of text: columns of equal width, for a terminal alone or in Markdown that reads as well there."""

from __future__ import annotations

from collections.abc import Container, Sequence

GAP = "  "
WIDEST = 40  # letters up to which a column of Markdown is filled; a longer cell would fill all others with blanks
Rows = Sequence[Sequence[str]]


def aligned(rows: Rows, right: Container[int] = ()) -> list[str]:
    """Fill the columns of a table up to equal widths, those of numbers (`right`) from the left; give its lines."""
    return [GAP.join(row).rstrip() for row in _filled(rows, right)]


def markdown(rows: Rows, right: Container[int] = ()) -> list[str]:
    """Write a table, of which the first row names the columns, as lines of Markdown that are aligned as text too."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]  # a bar would end the cell
    head, *others = _filled(cells, right, WIDEST)
    rules = ["-" * (len(cell) + 1) + (":" if place in right else "-") for place, cell in enumerate(head)]
    return [f"| {' | '.join(head)} |", f"|{'|'.join(rules)}|", *(f"| {' | '.join(row)} |" for row in others)]


def _filled(rows: Rows, right: Container[int], widest: int | None = None) -> list[list[str]]:
    """Fill cells up to the longest of their column, but no further than `widest`."""
    longest = [max(map(len, column)) for column in zip(*rows)]
    widths = [min(length, widest or length) for length in longest]
    fill = [str.rjust if place in right else str.ljust for place in range(len(widths))]
    return [[one(cell, width) for one, cell, width in zip(fill, row, widths)] for row in rows]
