"""Tables of image files: a CSV file that names them, their classes and, if it has several, their splits."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from training.data.image_files import ImageFiles, shortened, shuffled

TRAIN = "train"  # the split of all images where the table has no such column
CONTENT = "a header and the columns 'path', 'label' and, for several splits, 'split'"
DELIMITERS = ",;\t"


def open_table(file: Path | None, train: str) -> ImageFiles:
    """Find the images that a table names, shuffled as those of a folder are, for tables are often sorted by class."""
    if file is None or not file.is_file():
        raise ValueError(f"dataset 'csv' needs --data-dir, a CSV file with {CONTENT}; received {file}.")
    files: dict[str, list[tuple[str, str]]] = {}
    seen: dict[str, int] = {}
    for line, (path, label, split) in _rows(file):
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
    return shuffled(files, train, in_order)


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Put classes in the order of their names, those that are all numbers in that of the numbers."""
    labels = set(labels)
    is_numbered = all(label.isascii() and label.isdigit() for label in labels)
    return tuple(sorted(labels, key=(lambda label: (int(label), label)) if is_numbered else None))


def _rows(file: Path) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """Read (line, (path, label, split)) of a table."""
    try:
        with open(file, encoding="utf-8-sig", newline="") as lines:
            header = lines.readline()
            lines.seek(0)
            reader = csv.DictReader(lines, delimiter=max(DELIMITERS, key=header.count), strict=True)
            columns = reader.fieldnames or []
            if absent := [name for name in ("path", "label") if name not in columns]:
                raise ValueError(
                    f"{file} has no column {absent[0]!r}; it needs {CONTENT}. Its first line is "
                    f"{header[:80].strip()!r}."
                )
            for row in reader:
                values = row["path"], row["label"], row["split"] if "split" in columns else TRAIN
                if not all(values):
                    raise ValueError(f"{file}, line {reader.line_num}: a path, label or split is empty.")
                yield reader.line_num, values
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{file} is not a CSV file that can be read: {error}.") from error
