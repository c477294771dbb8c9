"""Write docs/reproduction.md and its picture from the rows and their results: `make reproduction`."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import results
import rows
from results import Result
from rows import FAIL, FAILS_ABOVE, FOLDER, Published, Row

DOCS = FOLDER.parents[1] / "docs"
TEMPLATE = FOLDER / "reproduction.md.j2"
MINUS = "−"


@dataclass(frozen=True)
class Measured:
    """What runs of a row by one engine at one precision have given.

    Args:
        results: tuple of Result, one a seed.
    """

    results: tuple[Result, ...]

    @property
    def errors(self) -> list[float]:
        """Test errors, in %."""
        return [result.error for result in self.results]

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.fmean(self.errors)

    @property
    def deviation(self) -> float | None:
        """Their standard deviation, with one degree of freedom less than runs; None of a single run."""
        return statistics.stdev(self.errors) if len(self.errors) > 1 else None

    @property
    def seconds(self) -> float:
        """Mean time of a seed."""
        return statistics.fmean(result.seconds for result in self.results)

    @property
    def way(self) -> str:
        """Precision and engine."""
        return f"{self.results[0].precision}, {self.results[0].engine}"

    def __str__(self) -> str:
        spread = "" if self.deviation is None else f" ± {self.deviation:.2f}"
        return f"{self.mean:.2f}{spread} ({len(self.results)})"


@dataclass(frozen=True)
class Line:
    """A line of a paper's table beside what was measured.

    Args:
        row: Row.
        published: Published, of this table.
        measured: tuple of Measured, one for each engine and precision; empty where the row was not run.
    """

    row: Row
    published: Published
    measured: tuple[Measured, ...]

    @cached_property
    def dataset(self) -> str:
        """Name of the data set, as the papers write it."""
        return self.row.config().data.dataset.upper().replace("CIFAR", "CIFAR-")

    @property
    def network(self) -> str:
        """Name of the network, as the papers write it; the setting says whether it is pre-activated."""
        return self.row.network.removesuffix("V2").replace("ResNet", "ResNet-").replace("Plain", "plain-")

    @property
    def title(self) -> str:
        """Network and setting."""
        return self.network if self.published.setting == "plain" else f"{self.network}, {self.published.setting}"

    @property
    def figure(self) -> str:
        """What the paper publishes."""
        error, mean, deviation = self.published.error, self.published.mean, self.published.deviation
        if error is None:
            return "a curve"
        figure = f"fail (> {FAILS_ABOVE})" if error == FAIL else f"{error:.2f}"
        spread = "" if deviation is None else f" ± {deviation:.2f}"
        return figure if mean is None else f"{figure} (mean {mean:.2f}{spread})"

    @property
    def ours(self) -> list[str]:
        """What was measured, one item for each engine and precision."""
        several = len(self.measured) > 1
        return [f"{one}, {one.way}" if several else str(one) for one in self.measured] or ["not run"]

    @property
    def differences(self) -> list[str]:
        """How far it is from what the paper publishes, item by item."""
        return [self.difference(one) for one in self.measured]

    def difference(self, measured: Measured) -> str:
        """Say how far a mean is from the paper's mean, or else from its figure."""
        if self.published.error == FAIL:
            return "fails too" if measured.mean > FAILS_ABOVE else "does not fail"
        if self.published.reference is None:
            return ""
        difference = round(measured.mean - self.published.reference, 2) or 0.0  # never -0.0
        return f"{difference:+.2f}".replace("-", MINUS)


@dataclass(frozen=True)
class Table:
    """A table of a paper.

    Args:
        paper: str, arXiv number.
        name: str, as in "Table 6".
        lines: list of Line.
    """

    paper: str
    name: str
    lines: list[Line]


def measure(found: Iterable[Result]) -> tuple[Measured, ...]:
    """Gather results of one row by engine and precision."""
    ways: dict[tuple[str, str], list[Result]] = {}
    for result in found:
        ways.setdefault((result.engine, result.precision), []).append(result)
    return tuple(Measured(tuple(sorted(items, key=lambda result: result.seed))) for items in ways.values())


def measure_rows(known: Mapping[str, Row], found: Sequence[Result]) -> dict[str, tuple[Measured, ...]]:
    """Gather results by row.

    Args:
        known: mapping of rows.
        found: sequence of Result.

    Returns:
        Dict from key to tuple of Measured, empty for a row that was not run.

    Raises:
        ValueError: a result is of a row that does not exist.
    """
    for result in found:
        rows.pick(known, result.row)
    return {key: measure(result for result in found if result.row == key) for key in known}


def make_tables(known: Mapping[str, Row], found: Sequence[Result]) -> list[Table]:
    """Lay rows and results out as the papers' tables.

    Args:
        known: mapping of rows.
        found: sequence of Result.

    Returns:
        List of Table, by paper and in the order in which the rows name them.
    """
    measured = measure_rows(known, found)
    tables: dict[tuple[str, str], list[Line]] = {}
    for key, row in known.items():
        for item in row.published:
            tables.setdefault((item.paper, item.table), []).append(Line(row, item, measured[key]))
    ordered = sorted(tables, key=lambda place: place[0])  # stable within a paper
    return [Table(paper, name, tables[paper, name]) for paper, name in ordered]


def render(known: Mapping[str, Row], found: Sequence[Result]) -> str:
    """Write the page.

    Args:
        known: mapping of rows.
        found: sequence of Result.

    Returns:
        str, Markdown.
    """
    import jinja2

    layout = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    environment = jinja2.Environment(**layout, undefined=jinja2.StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    measured = measure_rows(known, found)
    return template.render(
        tables=make_tables(known, found),
        rows=known,
        measured={key: items for key, items in measured.items() if items},
        runs=len(found),
    )


def main() -> int:
    """Write the page and the picture."""
    from keras_resnet.files import write_atomically, write_text
    from picture import draw
    from tuning.report.pictures import to_png

    try:
        known, found = rows.read_rows(), results.read()
        text, picture = render(known, found), to_png(draw(make_tables(known, found)))
        write_text(DOCS / "reproduction.md", text)
        write_atomically(DOCS / "reproduction.png", lambda part: part.write_bytes(picture))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{DOCS / 'reproduction.md'}: {len(found)} runs of {len(known)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
