"""Tables of image files: a CSV file that names them, their classes and, if it has several, their splits."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from training.data.image_files import ImageFiles, Label, shortened, shuffled
from training.tasks import ANY, ONE, Task

TRAIN = "train"  # the split of all images where the table has no such column
PATH, LABEL, SPLIT = "path", "label", "split"
CONTENT = "a header and the columns 'path', 'label' and, for several splits, 'split'"
DELIMITERS = ",;\t"
SEPARATORS = ";|"  # what tables of several labels often have between them
Row = dict[str, str | None]


class Form(NamedTuple):
    """How a table says what its images show."""

    task: Task
    read: Callable[[Row], Label]  # raises ValueError with what is wrong in a row
    in_order: Callable[[Iterable[str]], tuple[str, ...]]  # of the classes


def open_table(file: Path | None, train: str, separator: str | None = None) -> ImageFiles:
    """Find the images that a table names, shuffled as those of a folder are, for tables are often sorted by class."""
    if file is None or not file.is_file():
        raise ValueError(f"dataset 'csv' needs --data-dir, a CSV file with {CONTENT}; received {file}.")
    columns, rows = _read(file)
    form = _form_of(file, columns, separator)
    files: dict[str, list[tuple[str, Label]]] = {}
    seen: dict[str, int] = {}
    for line, row in rows:
        try:
            _check_width(row)
            path, label, split = row[PATH], form.read(row), row.get(SPLIT, TRAIN)
            if not (path and split):
                raise ValueError("a path, label or split is empty")
        except ValueError as error:
            raise ValueError(f"{file}, line {line}: {error}.") from error
        path = os.path.normpath(file.parent / path)
        if path in seen:
            raise ValueError(f"{file}, line {line}: {path} stands in line {seen[path]} already. Remove one of them.")
        seen[path] = line
        files.setdefault(split, []).append((path, label))
    if missing := [path for path in seen if not os.path.isfile(path)]:
        raise ValueError(
            f"{len(missing)} of {len(seen)} files that {file} names do not exist: {shortened(missing)}. A path is "
            "absolute or begins at the folder of the table."
        )
    found = shuffled(files, train, form.in_order, form.task)
    if not found.classes:
        raise ValueError(f"{file} names no image that has a label; there is nothing to learn.")
    if form.task is ONE:
        _ask_about(found.classes)
    return found


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Put classes in the order of their names, those that are all numbers in that of the numbers."""
    labels = set(labels)
    is_numbered = all(label.isascii() and label.isdigit() for label in labels)
    return tuple(sorted(labels, key=(lambda label: (int(label), label)) if is_numbered else None))


def _read(file: Path) -> tuple[list[str], list[tuple[int, Row]]]:
    """Read the columns of a table, and its rows with their lines."""
    try:
        with open(file, encoding="utf-8-sig", newline="") as lines:
            header = lines.readline()
            lines.seek(0)
            reader = csv.DictReader(lines, delimiter=max(DELIMITERS, key=header.count), strict=True)
            columns = list(reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{file} is not a CSV file that can be read: {error}.") from error
    needed = (PATH,) if set(columns) - {PATH, SPLIT} else (PATH, LABEL)
    if absent := [name for name in needed if name not in columns]:
        raise ValueError(
            f"{file} has no column {absent[0]!r}; it needs {CONTENT}. Its first line is {header[:80].strip()!r}."
        )
    return columns, rows


def _check_width(row: Row) -> None:
    """Refuse a row with something behind the last column, as labels that the delimiter of the table parts."""
    if beyond := [cell for cell in row.get(None, ()) if cell.strip()]:
        raise ValueError(
            f"{beyond[0]!r} stands behind the last column; a cell that holds what parts the cells must be in quotes"
        )


def _form_of(file: Path, columns: list[str], separator: str | None) -> Form:
    """Tell by its columns how a table says what its images show."""
    if LABEL not in columns:
        names = [name for name in columns if name not in (PATH, SPLIT)]
        if separator is not None:
            raise ValueError(f"label_separator parts the labels in a column 'label', and {file} has none: {columns}.")
        if doubled := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"{file} has two columns {doubled[0]!r}. Remove or rename one of them.")
        return Form(ANY, lambda row: _marked(row, names), lambda found: _all_of(names, found))
    if separator is not None:
        return Form(ANY, lambda row: _parted(row[LABEL], separator), in_order)
    return Form(ONE, lambda row: _single(row[LABEL]), in_order)


def _all_of(names: list[str], found: Iterable[str]) -> tuple[str, ...]:
    """Give the columns of the classes; refuse one that no image has."""
    if absent := [name for name in names if name not in found]:
        raise ValueError(f"The column {absent[0]!r} is 1 for no image to train on. Remove it, or add images of it.")
    return tuple(names)


def _ask_about(classes: Iterable[str]) -> None:
    """Point out on stderr classes that look like several labels."""
    for separator in SEPARATORS:
        if joined := [name for name in classes if separator in name]:
            print(
                f"{len(joined)} classes have a {separator!r} in their name, as {joined[0]!r}. If these are several "
                f"labels, pass --data.label-separator {separator!r}.",
                file=sys.stderr,
                flush=True,
            )


def _single(cell: str | None) -> str:
    """Read a label that stands alone."""
    if not cell:
        raise ValueError(
            "a path, label or split is empty; an image may be without a label only where --data.label-separator says "
            "what parts several"
        )
    return cell


def _parted(cell: str | None, separator: str) -> tuple[str, ...]:
    """Read the labels of a cell; none of an empty one."""
    if cell is None:
        raise ValueError("it ends before the column 'label', which is empty where an image has no label")
    if not cell.strip():
        return ()
    labels = tuple(label.strip() for label in (cell.split(separator) if separator.strip() else cell.split()))
    if "" in labels:
        raise ValueError(f"a label is empty in {cell!r}, which {separator!r} parts")
    if doubled := [label for label in labels if labels.count(label) > 1]:
        raise ValueError(f"the label {doubled[0]!r} stands twice in {cell!r}; an image has a class once")
    return labels


def _marked(row: Row, names: list[str]) -> tuple[str, ...]:
    """Read 0 and 1 of one column a class."""
    for name in names:
        if (row[name] or "").strip() not in ("0", "1"):
            raise ValueError(
                f"{name!r} is {row[name]!r}, and a table without a column 'label' has 0 or 1 in a column for each class"
            )
    return tuple(name for name in names if row[name].strip() == "1")
