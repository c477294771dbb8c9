"""The chief: an oracle that several workers ask, each of which holds its trial until it ends or the worker is lost."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import monotonic

from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src.engine.oracle import LOCKS, THREADS

from tuning.engine.access import OWN, Caller, LostLeaseError, RefusedError
from tuning.engine.leases import Leases
from tuning.engine.oracles import SPREAD, Proposals
from tuning.results import ORACLE_FOLDER

HANDED_BACK = TrialStatus.IDLE  # how a worker that has to leave ends its trial
ENDS = (TrialStatus.COMPLETED, TrialStatus.FAILED, TrialStatus.INVALID, HANDED_BACK)


class Chief:
    """An oracle behind one lock, and who holds which of its trials.

    Everything that workers send is checked before it reaches keras-tuner, which believes it; an error that comes from
    there is a fault of the search itself.
    """

    def __init__(self, oracle: Proposals, folder: Path):
        self.oracle, self.folder = oracle, folder
        self.on_end: Callable[[str], None] = lambda trial_id: None  # called where a trial has ended, or is to run again
        self._heard: dict[str, float] = {}  # when workers were heard of that will ask for a trial
        self._lock = threading.Lock()
        open_state(oracle, folder)
        self.leases = Leases(folder / ORACLE_FOLDER)
        self._adopt()

    def _adopt(self) -> None:
        """Leave trials with the workers of other machines, which outlive a chief; its own have ended with it."""
        for worker, lease in list(self.leases.held.items()):
            trial = self.oracle.trials.get(lease.trial)
            if OWN.fullmatch(worker) or trial is None or lease.trial in self.oracle.end_order:
                self.leases.drop(worker)
                continue
            self.oracle.ongoing_trials[worker] = trial
            self.oracle.tuner_ids.add(worker)
            if lease.trial in self.oracle._retry_queue:
                self.oracle._retry_queue.remove(lease.trial)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[Proposals]:
        """Let one in at a time; keras-tuner keeps its own lock shut where an oracle raises an error."""
        with self._lock:
            try:
                yield self.oracle
            except RefusedError:
                raise
            except Exception as error:
                self.oracle.fault = f"{error}" if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
                THREADS[self.oracle] = None
                if LOCKS[self.oracle].locked():
                    LOCKS[self.oracle].release()
                raise

    @property
    def finished(self) -> bool:
        """Whether there are no more trials."""
        return self.oracle.finished

    def create(self, caller: Caller) -> tuple[Trial, int]:
        """Give a worker its next trial and the number of the attempt; 0 with a trial that says to wait or to end."""
        with self._alone() as oracle:
            lease = self.leases.held.get(caller.worker)
            if lease and lease.session != caller.session:
                raise RefusedError(f"another worker is called {caller.worker} and holds trial {lease.trial}")
            trial = oracle.create_trial(caller.worker)
            self._heard.pop(caller.worker, None)
            if trial.status == TrialStatus.IDLE:
                self._heard[caller.worker] = monotonic()
            if trial.status != TrialStatus.RUNNING:
                return trial, 0
            lease = lease or self.leases.grant(caller, trial.trial_id)
            return trial, lease.attempt

    def get(self, caller: Caller, trial_id: str) -> Trial:
        """Give a worker the trial that it holds; by this a chief knows that it lives."""
        with self._alone() as oracle:
            self._check(caller, trial_id)
            return oracle.trials[trial_id]

    def _check(self, caller: Caller, trial_id: str) -> None:
        if not self.leases.renew(caller, trial_id):
            self._heard[caller.worker] = monotonic()
            who = f"worker {caller.worker}"
            raise LostLeaseError(f"{who} does not hold trial {trial_id[:64]!r} at attempt {caller.attempt}")

    def update(self, caller: Caller, trial_id: str, metrics: Mapping[str, float]) -> Trial:
        """Take the score of a trial."""
        with self._alone() as oracle:
            self._check(caller, trial_id)
            objective = oracle.objective.name
            if {objective} != metrics.keys() - {SPREAD} or not all(map(math.isfinite, metrics.values())):
                raise RefusedError(
                    f"a trial's score is a number, {objective}, with its {SPREAD} or without; received "
                    f"{str(dict(metrics))[:100]}"
                )
            return oracle.update_trial(trial_id, dict(metrics))

    def end(self, caller: Caller, trial_id: str, status: str | None) -> None:
        """Take a trial from its worker, as that ended it."""
        with self._alone() as oracle:
            self._check(caller, trial_id)
            trial = oracle.trials[trial_id]
            scored = trial.metrics.exists(oracle.objective.name)
            if status not in ENDS or (status == TrialStatus.COMPLETED and not scored):
                raise RefusedError(f"trial {trial_id} cannot end as {status}: it has no score yet, or that is no end")
            if status == HANDED_BACK:
                self._take_back(caller.worker, counts=False)
            else:
                trial.status = status
                oracle.end_trial(trial)
                self.leases.drop(caller.worker, ended=trial_id in oracle.end_order)
                self._heard[caller.worker] = monotonic()
        if status != HANDED_BACK:
            self.on_end(trial_id)

    def release(self, worker: str) -> str | None:
        """Take the trial of a lost worker back, for another unless it was lost too often; give its id, if any."""
        with self._alone():
            return self._take_back(worker)

    def _take_back(self, worker: str, counts: bool = True) -> str | None:
        trial_id = self.oracle.release(worker, counts)
        self.leases.drop(worker, ended=trial_id in self.oracle.end_order)
        return trial_id

    def is_awaited(self, seconds: float) -> bool:
        """Tell whether a worker that was heard of no longer ago than that is to ask for a trial, and has not yet."""
        return any(monotonic() - heard < seconds for heard in list(self._heard.values()))

    def silent(self, seconds: float) -> list[str]:
        """Name the workers with a trial of which nothing was heard for so long."""
        with self._lock:
            return self.leases.silent(seconds)


def open_state(oracle: Proposals, folder: Path) -> None:
    """Go on from the state that a study's oracle has left in its folder, or begin there.

    A ValueError says which file of it is damaged.
    """
    oracle._set_project_dir(str(folder), ORACLE_FOLDER)
    file = Path(oracle._get_oracle_fname())
    if file.is_file():
        try:
            oracle.reload()
        except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
            damaged = next(filter(_is_damaged, sorted(file.parent.glob("trial_*/trial.json"))), file)
            reason = " ".join(str(error).split())
            raise ValueError(
                f"{damaged} is damaged ({reason}). Put back a copy, or give another --study-dir."
            ) from error
    oracle.save()


def _is_damaged(file: Path) -> bool:
    try:
        Trial.load(str(file))
    except (ValueError, TypeError, KeyError, AttributeError):
        return True
    return False
