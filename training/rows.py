"""Files of numbers, one row an epoch."""

from __future__ import annotations

import csv
from pathlib import Path

from keras_resnet.files import write_atomically


def read_rows(path: Path) -> list[dict[str, float]]:
    """Read a CSV file of numbers, one row an epoch; none where there is no file."""
    if not path.is_file():
        return []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [{name: float(value) for name, value in row.items()} for row in reader]
        if any("epoch" not in row for row in rows):
            raise ValueError("it has no column 'epoch'")
    except (ValueError, TypeError, csv.Error) as error:  # no number, too few or too many of them, no text
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is damaged ({reason}). Put back a copy; or remove it, and go on without.") from error
    return rows


def add_row(path: Path, rows: list[dict[str, float]], row: dict[str, float]) -> None:
    """Write the row of an epoch behind those of the epochs before it."""
    kept = [*(before for before in rows if before["epoch"] < row["epoch"]), row]

    def write(part: Path) -> None:
        with open(part, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row), restval="nan")  # earlier versions noted less
            writer.writeheader()
            writer.writerows({**one, "epoch": int(one["epoch"])} for one in kept)

    write_atomically(path, write)
