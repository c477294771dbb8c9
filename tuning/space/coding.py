"""Points as rows of numbers, by which a model tells how far apart two of them are."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

from tuning.space.dimensions import Choice, Range, Space, Values

NEUTRAL = 0.5  # of an ordered dimension that does not apply: the middle of its scale
ABSENT = -1.0  # of an unordered one: unlike each of its options
AVERAGED = 256  # points over which the number of dimensions that apply is averaged
STEP = 0.15  # standard deviation of a small change of an ordered dimension, whose scale is 1 long


class Coding:
    """Rows for the points of a space: one number for each dimension in which points can differ.

    A range is its place on its scale, from 0 to 1, and a choice among numbers its rank, likewise. Any other choice is
    the index of its option, which says whether two points have the same one and nothing else, as one-hot vectors do.
    """

    def __init__(self, space: Space):
        self.space = space
        self.dimensions = [one for one in space.all_dimensions if isinstance(one, Range) or len(one.options) > 1]
        self.unordered = np.array([isinstance(one, Choice) and one.ranks is None for one in self.dimensions], bool)
        self.options = np.array([len(one.options) for one in self.dimensions])  # 0 of a range
        # A parameter that several options of a choice have, such as a rate, changes about as much for each of them.
        names = [(one.ancestors[:1] and one.ancestors[0][0], one.short_name) for one in self.dimensions]
        kinds = list(zip(names, self.unordered.tolist()))
        self.alike = [list(dict.fromkeys(kinds)).index(kind) for kind in kinds]
        self.absent = np.where(self.unordered, ABSENT, NEUTRAL)
        columns = {dimension.name: place for place, dimension in enumerate(self.dimensions)}
        self.conditions = [
            [
                (columns[choice], self.dimensions[columns[choice]].place(label))
                for choice, label in one.ancestors
                if choice in columns  # a choice of a single option is never another
            ]
            for one in self.dimensions
        ]

    @cached_property
    def applying(self) -> float:
        """The number of dimensions that apply at a point, in the mean."""
        return float(self._applies(self.draw(np.random.default_rng(0), AVERAGED)).sum(axis=1).mean())

    def rows(self, points: Iterable[Values]) -> np.ndarray:
        """Code points, a row each."""
        coded = [
            [
                one.place(values[one.name]) if dict(one.ancestors).items() <= values.items() else absent
                for one, absent in zip(self.dimensions, self.absent)
            ]
            for values in points
        ]
        return np.array(coded, float).reshape(-1, len(self.dimensions))

    def values(self, row: np.ndarray) -> dict[str, Any]:
        """Give the point of a row, in the order of the space, with the values that apply only."""
        places = {dimension.name: float(place) for dimension, place in zip(self.dimensions, row)}
        values: dict[str, Any] = {}
        for one in self.space.all_dimensions:
            if dict(one.ancestors).items() <= values.items():
                values[one.name] = one.at(places.get(one.name, 0.0))
        return values

    def draw(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Draw points, each option as probable as its like and each range even on its scale."""
        return self._settled(self._drawn(generator, count))

    def changed(self, generator: np.random.Generator, rows: np.ndarray) -> np.ndarray:
        """Change each point a little: one of the dimensions that apply or a few, ordered ones by a small step."""
        fresh = self._drawn(generator, len(rows))
        applies, lots = self._applies(rows), generator.random(rows.shape)
        first = (applies * lots).argmax(axis=1)[:, None] == np.arange(rows.shape[1])
        chosen = first | (lots < 0.5 / applies.sum(axis=1, keepdims=True))
        moved = np.clip(rows + STEP * generator.standard_normal(rows.shape), 0, 1)
        changed = np.where(chosen, np.where(self.unordered, fresh, moved), rows)
        return self._settled(np.where(applies, changed, fresh))  # what comes to apply has no value yet

    def _drawn(self, generator: np.random.Generator, count: int) -> np.ndarray:
        shares = generator.random((count, len(self.dimensions)))
        return np.where(self.unordered, np.floor(shares * self.options), shares)

    def _applies(self, rows: np.ndarray) -> np.ndarray:
        """Tell which dimensions apply at each point."""
        applies = np.ones(rows.shape, bool)
        for place, conditions in enumerate(self.conditions):
            for column, index in conditions:
                applies[:, place] &= applies[:, column] & (rows[:, column] == index)
        return applies

    def _settled(self, rows: np.ndarray) -> np.ndarray:
        """Move the places of ordered dimensions to those that they can have, and clear what does not apply."""
        settled = rows.copy()
        for place, dimension in enumerate(self.dimensions):
            if not self.unordered[place]:
                settled[:, place] = dimension.nearest(settled[:, place])
        return np.where(self._applies(settled), settled, self.absent)
