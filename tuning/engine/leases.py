"""Which worker holds which trial, at which attempt, and until when."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic

from tuning.engine.access import Caller
from tuning.results import write_text

LEASE_FILE = "leases.json"


@dataclass
class Lease:
    """A trial in the hands of a worker."""

    trial: str
    session: str
    attempt: int
    seen: float = field(default_factory=monotonic)  # when its worker was last heard of


class Leases:
    """The leases of a study, in a file that is written before a worker hears of its trial.

    The number of an attempt is never given twice, so that a worker that was taken for lost is known when it comes back.
    """

    def __init__(self, folder: Path):
        self.file = folder / LEASE_FILE
        self.attempts: dict[str, int] = {}  # of trials that have not ended
        self.held: dict[str, Lease] = {}  # by worker
        if self.file.is_file():
            self._read()

    def _read(self) -> None:
        try:
            state = json.loads(self.file.read_text(encoding="utf-8"))
            self.attempts = dict(state["attempts"])
            self.held = {worker: Lease(**lease) for worker, lease in state["held"].items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"{self.file} is damaged ({error}). Put back a copy; or remove it, once no worker of the study runs."
            ) from error

    def _write(self) -> None:
        held = {worker: {**asdict(lease)} for worker, lease in self.held.items()}
        for lease in held.values():
            del lease["seen"]  # a clock of this process
        write_text(self.file, json.dumps({"attempts": self.attempts, "held": held}))

    def grant(self, caller: Caller, trial: str) -> Lease:
        """Give a trial to a worker, for the next attempt."""
        self.attempts[trial] = self.attempts.get(trial, 0) + 1
        self.held[caller.worker] = Lease(trial, caller.session, self.attempts[trial])
        self._write()
        return self.held[caller.worker]

    def renew(self, caller: Caller, trial: str) -> bool:
        """Note that a worker lives; False where the trial is no longer its own."""
        lease = self.held.get(caller.worker)
        if lease is None or (lease.trial, lease.session, lease.attempt) != (trial, caller.session, caller.attempt):
            return False
        lease.seen = monotonic()
        return True

    def drop(self, worker: str, ended: bool = False) -> None:
        """Take a lease back; of a trial that has ended there are no more attempts."""
        lease = self.held.pop(worker, None)
        if lease is not None:
            if ended:
                self.attempts.pop(lease.trial, None)
            self._write()

    def silent(self, seconds: float) -> list[str]:
        """Name the workers of which nothing was heard for so long."""
        return [worker for worker, lease in self.held.items() if monotonic() - lease.seen > seconds]
