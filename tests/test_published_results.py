"""The data of docs/published.png against the published tables."""

import csv
import re

import pytest

from tests.shared import ROOT, shared_file


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


ROWS = rows_of(ROOT / "docs" / "published.csv")


def source_of(row):
    """Paper, table and model of a row, as the published tables name them."""
    paper, table = re.match(r"([\d.]+), Table (\d+)", row["source"]).groups()
    return paper, table, row["model"].removesuffix(" pre-act")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['model']} {row['layers']}")
def test_row_is_published(row):
    published = rows_of(shared_file("reference/published.csv"))
    unit = "pre-activation unit" if row["model"].endswith("pre-act") else ""
    matching = [
        other
        for other in published
        if (other["paper"], other["table"], other["model"]) == source_of(row)
        and unit in other["setting"]
        and "mean" not in other["metric"]
        and (row["benchmark"] != "CIFAR-10" or (other["dataset"] == "CIFAR-10" and other["layers"] == row["layers"]))
    ]
    assert [float(other["value"]) for other in matching] == [float(row["error"])]


def test_rows_are_all_of_tables_5_and_6():
    published = rows_of(shared_file("reference/published.csv"))
    tables = [row for row in published if row["paper"] == "1512.03385" and row["table"] in ("5", "6")]
    wanted = {(row["model"], row["value"]) for row in tables if "mean" not in row["metric"]}
    assert wanted <= {(row["model"], row["error"]) for row in ROWS}


def test_years_are_in_order():
    years = [int(row["year"]) for row in ROWS]
    assert years == sorted(years[:6]) + sorted(years[6:]) and set(years) <= set(range(2013, 2017))
