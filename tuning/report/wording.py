"""How points and scores are put into words, alike on all pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tuning.results import StudyResults, TrialResult
from tuning.space.dimensions import DIGITS, Dimension, Range, Space
from tuning.study import Study

NEAR = 1e-3  # of a range, as near as a number that is written comes to its place
NONE = "–"  # noqa: RUF001 - what stands in a cell without a value
SPLITS = {"validation": "validation split", "test": "test set"}
VERDICTS = {None: "unknown", True: "yes", False: "no"}  # whether something is within noise


class Measure:
    """The objective as it is written: accuracy in percent, loss as it is."""

    def __init__(self, name: str, split: str = "validation"):
        self.name, self.split = name, split
        self.factor, self.digits, self.unit = (100, 2, " %") if name == "accuracy" else (1, 4, "")
        self.title = f"{name}, %" if name == "accuracy" else name  # the head of a column or an axis
        self.label = f"{split} {self.title}"  # the same of trials
        self.falling = f"{split} error, %" if name == "accuracy" else self.label  # what is the better the lower it is
        self.place = f"on the {SPLITS[split]}"

    @classmethod
    def of(cls, study: Study) -> Measure:
        """Give the objective of a study, on the split that its trials are tested on."""
        return cls(study.objective, "validation" if study.validation else "test")

    def fall(self, scores: np.ndarray) -> np.ndarray:
        """Give scores as what is the better the lower it is: of accuracies the errors in percent."""
        return self.factor * (1 - scores) if self.name == "accuracy" else scores

    def number(self, value: float | None) -> str:
        """Write a score without its unit."""
        return NONE if value is None else f"{self.factor * value:.{self.digits}f}"

    def with_spread(self, value: float | None, spread: float | None) -> str:
        """Write a score and, where there is one, its spread, without the unit."""
        return self.number(value) if spread is None else f"{self.number(value)} ± {self.number(spread)}"


def value_text(dimension: Dimension, values: Mapping[str, Any]) -> str:
    """Write the value of a dimension at a point, as in "gelu", "0.1" or "trainable_swish (beta=0.83)"."""
    value = values[dimension.name]
    if isinstance(dimension, Range):
        return str(value) if isinstance(value, int) else range_text(dimension, value)
    parameters = dimension.option(value).parameters
    inner = ", ".join(f"{part.short_name}={value_text(part, values)}" for part in parameters)
    return f"{value} ({inner})" if inner else str(value)


def range_text(dimension: Range, value: float) -> str:
    """Write a number of a range to four digits, or to as many as show its place there: 0.99995 is not 1."""
    texts = [f"{value:.{digits}g}" for digits in range(4, DIGITS + 1)]
    place = dimension.place(value)
    return next((text for text in texts if abs(dimension.place(float(text)) - place) < NEAR), texts[-1])


def apart(numbers: Sequence[float], digits: int) -> list[str]:
    """Write numbers to so many digits, or to as many as tell them apart; whole ones as they are."""
    for count in range(digits, DIGITS + 1):
        texts = [str(number) if isinstance(number, int) else f"{number:.{count}g}" for number in numbers]
        if len(set(texts)) == len(set(numbers)):
            break
    return texts


def point_text(space: Space, trial: TrialResult) -> str:
    """Write the point of a trial in one line, as in "activation=gelu, shortcut=B"."""
    parts = [f"{dimension.name}={value_text(dimension, trial.values)}" for dimension in space.searched]
    return ", ".join(parts) or "the only point"


def left_out_text(results: StudyResults) -> str:
    """Say for the terminal how many trials are left out of a study, and why each is; empty where none is."""
    lines = [f"left out: {count_text(len(results.unread), 'trial')} whose files cannot be used", *results.unread]
    return "\n  ".join(lines) if results.unread else ""


def count_text(count: int, one: str, several: str | None = None) -> str:
    """Write a number of things, as in "1 trial" or "3 trials"."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def listing(items: list[str]) -> str:
    """Join words, as in "a, b and c"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))
