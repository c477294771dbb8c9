"""Many points for a few epochs, the best of them for more, until the budget is spent."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from tuning.engine.continuing import length_matters
from tuning.engine.oracles import Proposals, epochs_of
from tuning.results import by_number

LOOKED_AT = 100  # points of which a note tells what becomes of their epochs
FACTOR = 3  # one of so many trials of a rung goes on, for so many times the epochs


class HalvingOracle(Proposals):
    """Hyperband without waiting: a trial goes on as soon as it is among the best third of its rung.

    A bracket s begins its points with 1/3^s of the planned epochs; a new point goes to the bracket on which the fewest
    epochs were spent. All that it knows stands in the trials, so that it can be stopped at any time.

    Source: Li et al., "Hyperband", 2018, for the brackets; Li et al., "A System for Massively Parallel Hyperparameter
    Tuning", 2020, algorithm 2, for what goes on.
    """

    @property
    def most_trials(self) -> int | None:
        """The trials after which the search ends; a point may have several."""
        return self.study.trials

    def propose(self) -> dict[str, Any] | None:
        """Give a trial that did well more epochs, or begin a point; near the end of the budget nothing but the first.

        A small space whose points all began is left with the trials that did less well.
        """
        if self._is_closing():
            return self._promote(due=False) or self._begin()
        return self._promote(due=True) or self._begin() or self._promote(due=False)

    def _is_closing(self) -> bool:
        """Tell whether the budget no longer brings a new point to its full length."""
        bracket = self._next_bracket(brackets_of(self.planned))
        way = sum(rung_epochs(self.planned, bracket, number) for number in range(bracket + 1))
        trials_left = (self.study.trials or math.inf) - len(self.trials)
        return self.epochs_left < way or trials_left <= bracket

    def _next_bracket(self, brackets: list[int]) -> int:
        """Choose the bracket on which the fewest epochs were spent, the first of several."""
        spent = dict.fromkeys(brackets, 0)
        for values in (trial.hyperparameters.values for trial in self.trials.values()):
            if values["tuner/bracket"] in spent:
                spent[values["tuner/bracket"]] += epochs_of(values, self.planned)
        return min(brackets, key=spent.__getitem__)

    def _begin(self) -> dict[str, Any] | None:
        """Begin a point in a bracket whose first epochs the budget still holds."""
        brackets = [s for s in brackets_of(self.planned) if rung_epochs(self.planned, s, 0) <= self.epochs_left]
        values = self._random_values() if brackets else None
        return values and {**values, **self._rung(self._next_bracket(brackets), 0)}

    def _promote(self, due: bool) -> dict[str, Any] | None:
        """Let a trial go on whose epochs the budget still holds."""
        for trial in self._waiting(due):
            values = trial.hyperparameters.values
            rung = self._rung(values["tuner/bracket"], values["tuner/round"] + 1)
            if not self._length_matters(values):
                rung["tuner/initial_epoch"] = values["tuner/epochs"]
            if epochs_of(rung, self.planned) <= self.epochs_left:
                return {**values, **rung, "tuner/trial_id": trial.trial_id}
        return None

    def _length_matters(self, values: Mapping[str, Any]) -> str | None:
        """Say why a trial of a point cannot go on from the checkpoint of a shorter one; None where it can."""
        return length_matters(self.study.config(self.space.fields(values), epochs=self.planned))

    @property
    def note(self) -> str:
        """Say what becomes of the epochs that a trial has made when it goes on."""
        points = itertools.islice(self.space.points(coarse=True), LOOKED_AT)
        reasons = {self._length_matters(values) for values in points if self._is_network(values)}
        if reasons <= {None}:
            return "; what goes on does so from its checkpoint"
        where = "where " if None in reasons else "for "
        return f"; what goes on starts anew, {where}{min(reasons - {None})}"

    def _rung(self, bracket: int, number: int) -> dict[str, int]:
        """Say where in the search a trial stands, in keras-tuner's words."""
        epochs = rung_epochs(self.planned, bracket, number)
        return {
            "tuner/bracket": bracket,
            "tuner/round": number,
            "tuner/epochs": epochs,
            "tuner/initial_epoch": 0,
        }

    def _waiting(self, due: bool) -> list[Trial]:
        """List the trials that have not gone on, those of the most epochs first, the best of them before others.

        Those that are `due` are among the best third of the trials of their rung that have ended.
        """
        rungs: dict[tuple[int, int], list[Trial]] = defaultdict(list)
        ended, gone = set(self.end_order), set()
        for trial_id in sorted(self.trials, key=by_number):
            trial = self.trials[trial_id]
            values = trial.hyperparameters.values
            gone.add(values.get("tuner/trial_id"))
            if trial_id in ended and values["tuner/round"] < values["tuner/bracket"]:
                rungs[values["tuner/bracket"], values["tuner/round"]].append(trial)
        found = []
        for trials in rungs.values():
            scored = [trial for trial in trials if trial.status == TrialStatus.COMPLETED]
            scored.sort(key=lambda trial: -self.study.sign * trial.score)
            found += scored[: len(trials) // FACTOR] if due else scored
        waiting = [trial for trial in found if trial.trial_id not in gone]
        return sorted(waiting, key=lambda t: (-t.hyperparameters.values["tuner/epochs"], -self.study.sign * t.score))


def brackets_of(planned: int) -> list[int]:
    """List the brackets of runs of so many epochs, the one that begins with the fewest first."""
    return [s for s in range(planned.bit_length(), -1, -1) if FACTOR**s <= planned]


def shortest_rung(planned: int) -> int:
    """Give the epochs with which a search of runs of so many begins."""
    return rung_epochs(planned, brackets_of(planned)[0], 0)


def rung_epochs(planned: int, bracket: int, number: int) -> int:
    """Give the epochs of a run in a rung of a bracket, those of its last rung being the planned ones."""
    return math.ceil(planned / FACTOR ** (bracket - number))
