"""keras-tuner's oracles with what they lack: no point twice or in vain, budgets, and no trial lost with its worker."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner import synchronized
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.oracles import BayesianOptimizationOracle, HyperbandOracle, RandomSearchOracle
from keras_tuner.src.engine import conditions

from keras_resnet.files import write_atomically
from tuning.results import write_text
from tuning.space.dimensions import LISTED, Range, Space, possible_points, signature
from tuning.study import Study

# keras-tuner 1.4.8 prints the value of each condition that it sends to a worker.
conditions.print = lambda *_: None

DRAWS = 1000  # from an infinite space before the search takes it for one without possible points
ATTEMPTS = 2  # of a trial whose runs or workers are killed, before it is given up
ORACLE_FOLDER = "oracle"


def declare(space: Space) -> keras_tuner.HyperParameters:
    """Declare a space to keras-tuner: a parameter under the condition that its option is chosen."""
    declared = keras_tuner.HyperParameters()
    for dimension in space.all_dimensions:
        with contextlib.ExitStack() as scopes:
            for choice, label in dimension.ancestors:
                scopes.enter_context(declared.conditional_scope(choice, [label]))
            if isinstance(dimension, Range):
                number = declared.Int if dimension.is_whole else declared.Float
                number(dimension.name, dimension.low, dimension.high, sampling=dimension.scale)
            else:
                declared.Choice(dimension.name, [option.label for option in dimension.options])
    return declared


class Proposals:
    """What all oracles here have in common; a mixin before one of keras-tuner's, whose arguments `kwargs` are."""

    def __init__(self, study: Study, planned: int, **kwargs: Any):
        self.study, self.planned = study, planned  # the epochs of a run
        self.space = study.parsed_space
        self.listed: list[dict[str, Any]] | None = None  # all points of a small space
        self.fault: str | None = None  # what this search itself failed with
        self.finished = False
        self.on_end: Callable[[str], None] = lambda trial_id: None
        self._seen: dict[str, float] = {}  # when a worker was last heard of
        self._spent, self._began = 0.0, monotonic()
        super().__init__(
            objective=keras_tuner.Objective(study.objective, "max" if study.sign > 0 else "min"),
            hyperparameters=declare(self.space),
            allow_new_entries=False,
            seed=study.seed + 1,  # keras-tuner takes 0 for none
            max_retries_per_trial=ATTEMPTS - 1,
            max_consecutive_failed_trials=10**9,
            **kwargs,
        )
        self.max_trials = study.trials
        self.verbose = 0

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Propose a point that is a network and was not tried, within the budget."""
        try:
            if self._is_spent():
                return {"status": TrialStatus.STOPPED}
            response = super().populate_space(trial_id)
            if response["status"] == TrialStatus.RUNNING and not self._is_new(response["values"]):
                values = self._random_values()
                return {"status": TrialStatus.RUNNING if values else TrialStatus.STOPPED, "values": values}
            return response
        except Exception as error:  # it would leave keras-tuner's lock shut, and all workers waiting for it
            self.fault = f"{type(error).__name__}: {error}"
            return {"status": TrialStatus.STOPPED}

    def _random_values(self) -> dict[str, Any] | None:
        """Draw a point that is a network and was not tried; None where there is none left."""
        if self.listed is not None:
            left = [values for values in self.listed if not self._duplicate(values)]
            self._seed_state += 1
            return dict(random.Random(self._seed_state).choice(left)) if left else None
        for _ in range(DRAWS):
            values = super()._random_values()
            if values is None or self._is_network(values):
                return values
        return None

    def _is_new(self, values: dict[str, Any]) -> bool:
        # Hyperband gives a point that did well more epochs.
        return "tuner/trial_id" in values or (not self._duplicate(values) and self._is_network(values))

    def _is_network(self, values: dict[str, Any]) -> bool:
        return self.study.problem(self.space.fields(values)) is None

    def _compute_values_hash(self, values: dict[str, Any]) -> str:
        """Tell points apart by what they make of the network, and those of Hyperband by their origin too."""
        return signature({**self.space.active(values), "origin": values.get("tuner/trial_id", "")})

    def _is_spent(self) -> bool:
        epochs = sum(trial.hyperparameters.values.get("tuner/epochs", self.planned) for trial in self.trials.values())
        most, hours = self.study.total_epochs, self.study.hours
        return bool((most and epochs * self.study.repeats >= most) or (hours and self.seconds >= hours * 3600))

    @property
    def seconds(self) -> float:
        """What the search has taken, interruptions not counted."""
        return self._spent + monotonic() - self._began

    @synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """Give a worker its next trial; while others still run and may come back, tell it to wait."""
        trial = super().create_trial(tuner_id)
        if trial.status == TrialStatus.STOPPED and (self.ongoing_trials or self._retry_queue):
            trial.status = TrialStatus.IDLE
        self.finished = trial.status == TrialStatus.STOPPED
        if trial.status == TrialStatus.RUNNING:
            self._seen[tuner_id] = monotonic()
        return trial

    def get_trial(self, trial_id: str) -> Trial:
        """Give a trial; a worker that asks for its own is alive."""
        for tuner_id, trial in list(self.ongoing_trials.items()):
            if trial.trial_id == trial_id:
                self._seen[tuner_id] = monotonic()
        return super().get_trial(trial_id)

    @synchronized
    def end_trial(self, trial: Trial) -> None:
        """Take a trial back."""
        super().end_trial(trial)
        self.on_end(trial.trial_id)

    @synchronized
    def release(self, tuner_id: str) -> str | None:
        """Take the trial of a lost worker back, for another unless it was lost too often; give its id, if any."""
        trial = self.ongoing_trials.get(tuner_id)
        self.tuner_ids.discard(tuner_id)
        if trial is None:
            return None
        trial.status = TrialStatus.INVALID
        with contextlib.redirect_stdout(None):  # it says that it tries again
            super().end_trial(trial)
        return trial.trial_id

    def silent(self, lease: float) -> list[str]:
        """Name the workers with a trial of which no heartbeat came for `lease` seconds."""
        now = monotonic()
        return [tuner_id for tuner_id in list(self.ongoing_trials) if now - self._seen.get(tuner_id, now) > lease]

    def save(self) -> None:
        """Write the state, whole or not at all: the process may be killed at any time."""
        write_text(Path(self._get_oracle_fname()), json.dumps(self.get_state()))

    def _save_trial(self, trial: Trial) -> None:
        path = Path(self._get_trial_dir(trial.trial_id), "trial.json")
        write_atomically(path, lambda part: trial.save(str(part)))

    def get_state(self) -> dict[str, Any]:
        """Return the state."""
        return {**super().get_state(), "seconds": self.seconds}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        super().set_state(state)
        self._spent = state["seconds"]

    def reload(self) -> None:
        """Read the state; trials that were running when it was written run again."""
        super().reload()
        # keras-tuner writes its state before it takes a trial that has ended from those that run.
        again = [trial.trial_id for trial in self.trials.values() if trial.trial_id not in self.end_order]
        self._retry_queue = sorted(again, reverse=True)  # it is taken from the end


class RandomOracle(Proposals, RandomSearchOracle):
    """Points at random."""


class GridOracle(Proposals, RandomSearchOracle):
    """All points, in their order."""

    def _random_values(self) -> dict[str, Any] | None:
        return next((dict(values) for values in self.listed if not self._duplicate(values)), None)


class BayesianOracle(Proposals, BayesianOptimizationOracle):
    """Points at which a Gaussian process expects the best score."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Propose a point; the same one whenever as much is known."""
        self._random_state = np.random.RandomState(self.seed + len(self.trials))
        return super().populate_space(trial_id)


class HalvingOracle(Proposals, HyperbandOracle):
    """Many points for a few epochs, the best of them for more."""

    def __init__(self, study: Study, planned: int):
        super().__init__(study, planned, max_epochs=planned)


ORACLES: dict[str, type[Proposals]] = {
    "random": RandomOracle,
    "grid": GridOracle,
    "bayesian": BayesianOracle,
    "hyperband": HalvingOracle,
}


def make_oracle(study: Study, planned: int) -> Proposals:
    """Make the oracle of a study whose runs take the planned epochs, a keras_tuner.Oracle too.

    A ValueError says that an option fits nothing in the space, or that a grid has more points than the budget.
    """
    oracle, space = ORACLES[study.tuner](study, planned), study.parsed_space
    if study.tuner == "grid" or space.is_listable:
        oracle.listed = possible_points(space, space.points(), study.problem)
    else:
        possible_points(space, itertools.islice(space.points(coarse=True), LISTED), study.problem)
    points = len(oracle.listed or ())
    epochs = points * study.repeats * planned
    if study.tuner == "grid" and study.trials is not None and study.trials < points:
        raise ValueError(
            f"The grid has {points} points and the budget is {study.trials} trials, which would cover the first "
            "options only. Give as many trials, a smaller space, or the random tuner."
        )
    if study.tuner == "grid" and study.total_epochs is not None and study.total_epochs < epochs:
        raise ValueError(
            f"The grid has {points} points, which take {epochs} epochs, and the budget is {study.total_epochs}. "
            "Give as many, a smaller space, or the random tuner."
        )
    return oracle
