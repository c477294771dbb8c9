"""Write docs/reproduction.md with its picture, and docs/cifar10-94.md, from rows and results: `make reproduction`."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import results
import rows
from results import Result
from rows import FAIL, FAILS_ABOVE, FOLDER, Published, Row

DOCS = FOLDER.parents[1] / "docs"
REPRODUCTION, INGREDIENTS = "reproduction.md", "cifar10-94.md"  # pages in docs, whose templates lie here
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

    @property
    def device(self) -> str:
        """What the runs computed on."""
        return ", ".join(dict.fromkeys(result.device for result in self.results))

    @property
    def accuracy(self) -> str:
        """What is left of 100 % by the errors, as text."""
        return self._with_spread(100 - self.mean)

    def __str__(self) -> str:
        return self._with_spread(self.mean)

    def _with_spread(self, mean: float) -> str:
        spread = "" if self.deviation is None else f" ± {self.deviation:.2f}"
        return f"{mean:.2f}{spread} ({len(self.results)})"


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
        return list_ways(self.measured, str)

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
        return signed(measured.mean - self.published.reference)


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


@dataclass(frozen=True)
class Ingredient:
    """A recipe with one thing changed, beside that in which it is not.

    Args:
        row: Row.
        measured: tuple of Measured, one for each engine and precision; empty where the row was not run.
        base: tuple of Measured of the row that it is compared with; empty where there is none.
    """

    row: Row
    measured: tuple[Measured, ...]
    base: tuple[Measured, ...]

    @property
    def accuracies(self) -> list[str]:
        """What was measured, one item for each engine and precision."""
        return list_ways(self.measured, lambda one: one.accuracy)

    @property
    def differences(self) -> list[str]:
        """How much more accurate than its base it is by the same engine at the same precision, item by item."""
        base = {one.way: one for one in self.base}
        return [signed(base[one.way].mean - one.mean) if one.way in base else "" for one in self.measured]


def list_ways(measured: Sequence[Measured], text: Callable[[Measured], str]) -> list[str]:
    """Write what was measured of a row, with engine and precision where there are several."""
    several = len(measured) > 1
    return [f"{text(one)}, {one.way}" if several else text(one) for one in measured] or ["not run"]


def signed(difference: float) -> str:
    """Write a difference with its sign, which a zero has too."""
    return f"{round(difference, 2) or 0.0:+.2f}".replace("-", MINUS)  # never -0.0


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


def make_ingredients(known: Mapping[str, Row], found: Sequence[Result]) -> list[Ingredient]:
    """Lay out rows of ingredients, each beside its base.

    Args:
        known: mapping of rows.
        found: sequence of Result.

    Returns:
        List of Ingredient, in the order of the rows.
    """
    measured = measure_rows(known, found)
    return [Ingredient(row, measured[key], measured[row.base] if row.base else ()) for key, row in known.items()]


def render(known: Mapping[str, Row], found: Sequence[Result], page: str = REPRODUCTION) -> str:
    """Write a page.

    Args:
        known: mapping of rows.
        found: sequence of Result, of these rows.
        page: str, name of the page in docs, whose template says which of tables and lines it shows.

    Returns:
        str, Markdown.
    """
    import jinja2

    layout = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    environment = jinja2.Environment(**layout, undefined=jinja2.StrictUndefined)
    template = environment.from_string((FOLDER / f"{page}.j2").read_text(encoding="utf-8"))
    measured = measure_rows(known, found)
    shown = {"tables": make_tables} if page == REPRODUCTION else {"ingredients": make_ingredients}
    return template.render(
        **{name: make(known, found) for name, make in shown.items()},
        rows=known,
        measured={key: items for key, items in measured.items() if items},
        runs=len(found),
    )


def read_pages() -> dict[str, tuple[dict[str, Row], list[Result]]]:
    """Read the rows of each page, and out of the one file of results those of its rows.

    Returns:
        Dict from the name of a page to rows and results.

    Raises:
        ValueError: a file is damaged, or a result is of no row.
    """
    found, every = results.read(), rows.read_all()
    for result in found:
        rows.pick(every, result.row)
    pages = {
        REPRODUCTION: {key: row for key, row in every.items() if row.published},
        INGREDIENTS: {key: row for key, row in every.items() if row.change},
    }
    return {page: (known, [one for one in found if one.row in known]) for page, known in pages.items()}


def main() -> int:
    """Write the pages and the picture."""
    from keras_resnet.files import write_atomically, write_text
    from picture import draw
    from tuning.report.pictures import to_png

    try:
        pages = read_pages()
        texts = {page: render(*shown, page) for page, shown in pages.items()}
        picture = to_png(draw(make_tables(*pages[REPRODUCTION])))
        for page, text in texts.items():
            write_text(DOCS / page, text)
        write_atomically(DOCS / "reproduction.png", lambda part: part.write_bytes(picture))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for page, (known, found) in pages.items():
        print(f"{DOCS / page}: {len(found)} runs of {len(known)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
