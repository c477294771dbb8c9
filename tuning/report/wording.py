"""How points and scores are put into words, alike on all pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuning.results import TrialResult
from tuning.space.dimensions import Choice, Range, Space

NONE = "–"  # noqa: RUF001 - what stands in a cell without a value


@dataclass(frozen=True)
class Measure:
    """The objective as it is written: accuracy in percent, loss as it is.

    Args:
        name: str, "accuracy" or "loss".
    """

    name: str

    @property
    def factor(self) -> int:
        """By what a score is multiplied to be shown."""
        return 100 if self.name == "accuracy" else 1

    @property
    def unit(self) -> str:
        """What stands behind a number."""
        return " %" if self.name == "accuracy" else ""

    @property
    def title(self) -> str:
        """The name with its unit, for the head of a column or an axis."""
        return f"{self.name}, %" if self.name == "accuracy" else self.name

    def number(self, value: float | None) -> str:
        """Write a score without its unit."""
        return NONE if value is None else f"{self.factor * value:.{2 if self.factor == 100 else 4}f}"

    def with_spread(self, value: float | None, spread: float | None) -> str:
        """Write a score and, where there is one, its spread, without the unit."""
        return self.number(value) if spread is None else f"{self.number(value)} ± {self.number(spread)}"


def searched(space: Space) -> list[Choice | Range]:
    """Give the dimensions in which points can differ, parameters of options included in theirs."""
    return [
        dimension
        for dimension in space.dimensions
        if isinstance(dimension, Range) or len(dimension.options) > 1 or dimension.options[0].parameters
    ]


def value_text(dimension: Choice | Range, values: Mapping[str, Any]) -> str:
    """Write the value of a dimension at a point.

    Args:
        dimension: Choice or Range.
        values: mapping of names of dimensions to labels and numbers.

    Returns:
        str, as in "gelu", "0.1" or "trainable_swish (beta=0.83)".
    """
    value = values[dimension.name]
    if isinstance(dimension, Range):
        return number_text(value)
    parameters = dimension.option(value).parameters
    inner = ", ".join(f"{short_name(part.name)}={value_text(part, values)}" for part in parameters)
    return f"{value} ({inner})" if inner else str(value)


def point_text(space: Space, trial: TrialResult) -> str:
    """Write the point of a trial in one line, as in "activation=gelu, shortcut=B"."""
    parts = [f"{dimension.name}={value_text(dimension, trial.values)}" for dimension in searched(space)]
    return ", ".join(parts) or "the only point"


def short_name(name: str) -> str:
    """Give the last part of a dimension's name."""
    return name.rpartition("/")[2]


def number_text(value: float) -> str:
    """Write a number of a range with at most four digits that count."""
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def count_text(count: int, one: str, several: str | None = None) -> str:
    """Write a number of things, as in "1 trial" or "3 trials"."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def listing(items: list[str]) -> str:
    """Join words, as in "a, b and c"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1] if items else ""]))
