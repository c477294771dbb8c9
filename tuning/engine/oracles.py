"""What all oracles have in common: no point twice or in vain, budgets, and no trial lost with its worker."""

from __future__ import annotations

import contextlib
import json
import math
import random
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import keras_tuner
from keras_tuner import synchronized
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src.engine import conditions

from keras_resnet.files import write_atomically
from tuning.engine.epochs import deciding_lengths, epochs_of_run
from tuning.results import by_number, write_text
from tuning.space.dimensions import Range, Space, signature
from tuning.study import Study

# keras-tuner 1.4.8 prints the value of each condition that it sends to a worker.
conditions.print = lambda *_: None

DRAWS = 1000  # from an infinite space before the search takes it for one without possible points
ATTEMPTS = 5  # of a trial whose runs or workers are killed, before it is given up
SPREAD = "spread"  # what a worker reports beside the objective: the standard deviation over the runs of a trial


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


class Proposals(keras_tuner.Oracle):
    """An oracle of keras-tuner's; how it searches is what `propose` says."""

    def __init__(self, study: Study, planned: int):
        self.study, self.planned = study, planned  # the epochs of a run, where no point decides them
        self.space = study.parsed_space
        self.listed: list[dict[str, Any]] | None = None  # all points of a small space
        self.fault: str | None = None  # what this search itself failed with
        self.finished = False
        self._spent, self._began = 0.0, monotonic()
        self._points_decide = bool(deciding_lengths(study))  # how long a run is
        self._lengths: dict[str, int] = {}  # the epochs of trials
        super().__init__(
            objective=keras_tuner.Objective(study.objective, "max" if study.sign > 0 else "min"),
            hyperparameters=declare(self.space),
            allow_new_entries=False,
            seed=study.seed + 1,  # keras-tuner takes 0 for none
            max_consecutive_failed_trials=10**9,
        )
        # keras-tuner writes the numbers of trials as wide as this is, so that a study which goes on with another budget
        # would have two kinds; None has four letters. What ends the search is `_is_spent`.
        self.max_trials = None
        self.verbose = 0

    def propose(self) -> dict[str, Any] | None:
        """Give the values of the next trial, tried or not; None where there is none for now."""
        raise NotImplementedError

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Propose a point that is a network and was not tried, within the budget."""
        try:
            values = None if self._is_spent() else self.propose()
            if values is not None and not self._is_new(values):
                values = self._random_values()
        except Exception as error:  # it would leave keras-tuner's lock shut, and all workers waiting for it
            self.fault, values = f"{type(error).__name__}: {error}", None
        return {"status": TrialStatus.STOPPED if values is None else TrialStatus.RUNNING, "values": values}

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
        # One that did well may be given more epochs.
        return "tuner/trial_id" in values or (not self._duplicate(values) and self._is_network(values))

    def _is_network(self, values: dict[str, Any]) -> bool:
        return self.study.problem(self.space.fields(values)) is None

    def _compute_values_hash(self, values: dict[str, Any]) -> str:
        """Tell points apart by what they make of the network, and those that go on from a trial by that trial too."""
        return signature({**self.space.active(values), "origin": values.get("tuner/trial_id", "")})

    def scores(self) -> list[tuple[Trial, float]]:
        """Give the trials that have ended, with their scores, of which more is better.

        A trial that failed counts as much as the worst of the others, so that a model keeps away from it.
        """
        ended = [self.trials[trial_id] for trial_id in sorted(self.end_order, key=by_number)]
        known = {t.trial_id: self.study.sign * t.score for t in ended if t.status == TrialStatus.COMPLETED}
        return [(trial, known.get(trial.trial_id, min(known.values()))) for trial in ended] if known else []

    def running(self) -> list[Trial]:
        """Give the trials whose scores are not known yet."""
        left = self.trials.keys() - set(self.end_order)
        return [self.trials[trial_id] for trial_id in sorted(left, key=by_number)]

    @property
    def most_trials(self) -> int | None:
        """The trials after which the search ends at the latest; None where only epochs or hours are limited."""
        return min((total for total in (self.study.trials, self.listed and len(self.listed)) if total), default=None)

    @property
    def note(self) -> str:
        """Say what a user should know of the search beside its settings; empty where there is nothing."""
        return ""

    def _is_spent(self) -> bool:
        trials, hours = self.study.trials or math.inf, self.study.hours or math.inf
        return len(self.trials) >= trials or self.epochs_left <= 0 or self.seconds >= 3600 * hours

    @property
    def epochs_left(self) -> float:
        """The epochs of a run that the budget still holds, where each trial is one run."""
        most = self.study.total_epochs
        return most / self.study.repeats - sum(map(self._epochs, self.trials.values())) if most else math.inf

    def _epochs(self, trial: Trial) -> int:
        """Count the epochs of a run of a trial, once for all: it is asked for whenever a worker asks for a trial."""
        if trial.trial_id not in self._lengths:
            values = trial.hyperparameters.values
            self._lengths[trial.trial_id] = epochs_of(values, self.length(values))
        return self._lengths[trial.trial_id]

    def length(self, values: Mapping[str, Any]) -> int:
        """Count the epochs of a run of a point at its full length."""
        if not self._points_decide:
            return self.planned
        return epochs_of_run(self.study.config(self.space.fields(values)), self.planned)

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
        return trial

    def _retry(self, trial: Trial) -> bool:
        """Run a trial again that was killed, unless it was killed too often; keras-tuner's own would print that."""
        if trial.status != TrialStatus.INVALID:
            return False
        if self._run_times[trial.trial_id] >= ATTEMPTS:
            trial.status = TrialStatus.FAILED
            return False
        self._retry_queue.append(trial.trial_id)
        return True

    @synchronized
    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Trial:
        """Take the objective of a trial, and its spread, of which keras-tuner does not know whether less is better."""
        tracker = self.trials[trial_id].metrics
        if SPREAD in metrics and not tracker.exists(SPREAD):
            tracker.register(SPREAD, "min")
        return super().update_trial(trial_id, metrics, step)

    @synchronized
    def release(self, tuner_id: str, counts: bool = True) -> str | None:
        """Take the trial of a worker back, for another unless it was lost too often; give its id, if any.

        A trial is not lost, and `counts` is False, where its worker was told to end and said so.
        """
        trial = self.ongoing_trials.get(tuner_id)
        self.tuner_ids.discard(tuner_id)
        if trial is None:
            return None
        trial.status = TrialStatus.INVALID
        if not counts:
            self._run_times[trial.trial_id] -= 1
        self.end_trial(trial)
        return trial.trial_id

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
        # keras-tuner's own takes the folder for a pattern, so that in `s[1]` it finds the trials of `s1`.
        for file in Path(self._project_dir).glob("trial_*/trial.json"):
            trial = Trial.load(str(file))
            self.trials[trial.trial_id] = trial
        super(keras_tuner.Oracle, self).reload(self._get_oracle_fname())
        self.ongoing_trials = {}
        # keras-tuner writes its state before it takes a trial that has ended from those that run.
        for trial in self.trials.values():  # one may have been noted before the state was written
            self._record_values(trial)
        again = [trial.trial_id for trial in self.trials.values() if trial.trial_id not in self.end_order]
        self._retry_queue = sorted(again, key=by_number, reverse=True)  # it is taken from the end


def random_trials(study: Study) -> int:
    """Count the trials before the model proposes any: a few more than dimensions, a quarter of all at most."""
    wanted = len(study.parsed_space.searched) + 2
    return max(min(wanted, (study.trials or 4 * wanted) // 4), 3)


def epochs_of(values: Mapping[str, Any], planned: int) -> int:
    """Count the epochs of a run of a trial, without those that it takes over from another."""
    return values.get("tuner/epochs", planned) - values.get("tuner/initial_epoch", 0)
