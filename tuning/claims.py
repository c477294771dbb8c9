"""Claims about what a study finds, as data: which of two choices has more of a measure, and where it is said."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tuning.space.dimensions import label_of

# What is measured, and the column of metrics.csv that it is found in; an error, in percent, is what lacks to accuracy.
ERRORS = {"training error": "accuracy", "test error": "val_accuracy"}
LOSSES = {"training loss": "loss", "test loss": "val_loss"}
MEASURES = {**ERRORS, **LOSSES}
TESTED = ("test error", "test loss")  # of them, those of what is not trained
Where = dict[str, Any]  # values of dimensions, by name: the trials that have them all
ENSEMBLE = "ensemble"  # what stands for a dimension in a side that is an ensemble


class Claim(BaseModel):
    """One side has more of a measure than the other.

    A side is the trials that have the values it names, or two such, of which the second is taken off the first: "what
    more layers add to the error of a plain network is more than what they add to that of a residual one". It may be an
    ensemble of the study too, by its name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    claim: str = Field(description="what is claimed, a sentence")
    source: str = Field(description="where: paper, section, equation, figure or table")
    measure: Literal[tuple(MEASURES)] = Field("test error", description="what there is more of")
    at: float = Field(1.0, gt=0, le=1, description="share of the epochs after which it is measured, at the nearest one")
    higher: Where | tuple[Where, Where] = Field(description="the side that is claimed to have more")
    lower: Where | tuple[Where, Where] = Field(description="the side that is claimed to have less")
    published: tuple[float, float] | None = Field(None, description="the measure of both sides in the source")

    @property
    def ensembles(self) -> set[str]:
        """The ensembles that it speaks of."""
        return {str(where[ENSEMBLE]) for side in self.sides for where in side if ENSEMBLE in where}

    @property
    def wheres(self) -> tuple[Where, ...]:
        """What it speaks of."""
        return (*self.sides[0], *self.sides[1])

    @property
    def sides(self) -> tuple[tuple[Where, ...], tuple[Where, ...]]:
        """Both sides, each as what is added and what is taken off."""
        return tuple(side if isinstance(side, tuple) else (side,) for side in (self.higher, self.lower))


class Ensemble(BaseModel):
    """Networks of several points, which are tested together too: the mean of their probabilities is the answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="by which claims name it, as in {ensemble: all depths}")
    of: tuple[Where, ...] = Field(min_length=1, description="the points")

    @property
    def wheres(self) -> tuple[Where, ...]:
        """What it is of."""
        return self.of


class Published(BaseModel):
    """An error that is published of a point of the space."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: Where = Field(description="values of the dimensions that decide it")
    error: str = Field(description="as it is published, in percent")

    @property
    def wheres(self) -> tuple[Where, ...]:
        """What it is published of."""
        return (self.where,)


def has(values: Mapping[str, Any], where: Where) -> bool:
    """Tell whether a point has values, which are written as in the space, or by their labels; 0 is 0.0 too."""
    return all(name in values and _is_same(values[name], value) for name, value in where.items())


def _is_same(one: Any, other: Any) -> bool:
    return label_of(one) == label_of(other) or None is not _number(one) == _number(other)


def _number(value: Any) -> float | None:
    """Read a number, or the label of one; None where it is none."""
    with contextlib.suppress(ValueError, OverflowError):
        return float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    return None


def absent(statement: Claim | Published | Ensemble, points: Iterable[Mapping[str, Any]]) -> Where | None:
    """Give the values that a statement speaks of and no point has; None where there are points for all of it."""
    return next((where for where in statement.wheres if not any(has(point, where) for point in points)), None)
