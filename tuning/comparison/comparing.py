"""Studies compared, as a text for the terminal and as files in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_resnet.files import make_folder, write_atomically
from keras_resnet.text_tables import aligned
from training.pictures import shorten
from tuning.comparison import tables
from tuning.comparison.curves import draw_courses
from tuning.comparison.shared import Point, compare_to_first, points_of
from tuning.comparison.sides import Side, read_sides
from tuning.report.pictures import to_png
from tuning.report.tables import Rows
from tuning.report.wording import left_out_text
from tuning.report.writing import templates, tidy, to_html
from tuning.results import write_text

IN_TERMINAL, ON_PAGE = 10, 50  # points that studies have in common, at most; the CSV file holds all
WIDEST = 60  # letters of a cell in the terminal
PICTURE = "best_so_far"


def compare_studies(folders: Sequence[Path], to: Path | None = None) -> str:
    """Compare studies, ended or not, the others with the first.

    Args:
        folders: sequence of Paths of two studies or more.
        to: Path of a folder for `comparison.md`, `comparison.html`, `comparison.csv` and the picture, made if needed;
            None for none.

    Returns:
        str: what they found at what cost, what differs in their definitions, the best score as trials ended, and the
        scores of the points that they have in common.

    Raises:
        ValueError: there are fewer than two, one is named twice or is no study, or what decides is not the same.
        OSError: a file cannot be written.
    """
    sides = read_sides(folders)
    points = points_of(sides)
    if to:
        write_comparison(sides, points, to)
    return comparison_text(sides, points)


def write_comparison(sides: Sequence[Side], points: Sequence[Point], to: Path) -> None:
    """Write the page of a comparison, its picture, and the scores of all points as CSV."""
    figure = draw_courses(sides) if sides[0].findings.study.validation else None
    pictures = {PICTURE: to_png(figure)} if figure else {}
    rows = tables.shared_rows(sides, points)
    shared = {"shared": rows[: ON_PAGE + 1], "more": len(rows) - 1 - ON_PAGE}
    said = {"sides": sides, "comparison": tables, "sentences": shared_sentences(sides, points), "pictures": pictures}
    page = tidy(templates().get_template("comparison.md.j2").render(**said, **shared))
    make_folder(to / "pictures")
    for name, data in pictures.items():
        write_atomically(to / "pictures" / f"{name}.png", lambda part, data=data: part.write_bytes(data))
    write_text(to / "comparison.md", page)
    write_text(to / "comparison.html", to_html(page, pictures))
    write_text(to / "comparison.csv", tables.points_csv(sides, points))


def shared_sentences(sides: Sequence[Side], points: Sequence[Point]) -> list[str]:
    """Say how the studies differ from the first in the points that both have."""
    return [tables.shared_sentence(one, sides[0]) for one in compare_to_first(sides, points)]


def comparison_text(sides: Sequence[Side], points: Sequence[Point]) -> str:
    """Write a comparison for the terminal."""
    differing, rows = tables.difference_rows(sides), tables.shared_rows(sides, points)
    parts = [tables.headline(sides), shown(tables.study_rows(sides))]
    parts.append(f"What differs\n{shown(differing)}" if differing else "Their definitions are the same.")
    if sides[0].findings.study.validation:
        parts.append(f"Best so far, {sides[0].findings.measure.label}\n{shown(tables.course_rows(sides))}")
    parts.append("\n".join(shared_sentences(sides, points)))
    if len(rows) > 1:
        more = len(rows) - 1 - IN_TERMINAL
        parts.append(shown(rows[: IN_TERMINAL + 1]) + (f"\n... and {more} more" if more > 0 else ""))
    parts += [f"{side.letter}, {text}" for side in sides if (text := left_out_text(side.findings.results))]
    return "\n\n".join(filter(None, parts))


def shown(rows: Rows) -> str:
    """Write a table for the terminal, with what is long cut."""
    return "\n".join(aligned([[shorten(cell, WIDEST) for cell in row] for row in rows]))
