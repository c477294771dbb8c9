"""A search from its first trial to its last: the chief answers, its own workers are started and replaced."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable

from tuning.engine.access import Access
from tuning.engine.attempts import settle_ended
from tuning.engine.chief import Chief
from tuning.engine.jobs import Share, processes
from tuning.engine.service import Outside, listen, open_to
from tuning.engine.workers import FAULT_FILE, work_here
from tuning.results import KILLED, TRIALS, Outcome

LEASE = 120.0  # seconds without a heartbeat after which a worker is taken for lost
WAITING = 5.0  # seconds after which a worker that is to ask for a trial at once is taken for gone
GOODBYE = 30.0  # seconds in which workers are to hear that there are no more trials
DEATHS = 6  # of workers, without a trial ending in between, at which the search gives up


def serve(
    chief: Chief,
    workers: int,
    outside: Outside | None = None,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Hand out trials, and start workers on this machine, until there are no more trials; `watch` is called meanwhile.

    A ValueError says that the address cannot be listened at, or that the search itself fails.
    """
    access = open_to(chief.folder, outside)
    server, own = listen(chief, access, outside)
    pool = WorkerPool(chief, access._replace(address=own, certificate=None), workers)
    try:
        while not chief.finished:
            pool.replace_ended()
            check_fault(chief)
            for name in chief.silent(LEASE):
                release(chief, name)
            watch()
            time.sleep(0.1)
        check_fault(chief)
        until = time.monotonic() + GOODBYE
        while chief.is_awaited(WAITING) and time.monotonic() < until:
            time.sleep(0.1)
    finally:
        pool.end(GOODBYE if chief.finished else 0.0)
        if chief.finished:
            open_to(chief.folder, None)  # by which a worker that comes back later knows that the search has ended
        server.stop(grace=5).wait()


def check_fault(chief: Chief) -> None:
    """Stop the search where a worker or the oracle met a fault of the search itself."""
    file = chief.folder / FAULT_FILE
    reason = chief.oracle.fault or (file.read_text(encoding="utf-8") if file.is_file() else None)
    if reason:
        raise ValueError(f"The search stopped: {reason} The same command goes on with it.")


def release(chief: Chief, name: str) -> None:
    """Take the trial of a lost worker back."""
    trial_id = chief.release(name)
    if trial_id is None:
        return
    if chief.oracle.trials[trial_id].status != "FAILED":
        print(f"trial {trial_id}: its worker {name} is lost; it is run again", flush=True)
        return
    settle_ended(chief.folder / TRIALS / trial_id, Outcome(KILLED, reason="its worker was killed, again and again"))
    chief.on_end(trial_id)


class WorkerPool:
    """The workers of this machine, which are started with it."""

    def __init__(self, chief: Chief, access: Access, size: int):
        self.chief, self.access, self.size = chief, access, size
        self.deaths, self.ended = 0, 0
        self.processes: dict[str, multiprocessing.Process] = {}
        for place in range(size):
            self._start(place)

    def _start(self, place: int) -> None:
        name = f"worker{place}"
        facts = (self.chief.folder, self.chief.oracle.planned, self.access, name, Share.of(place, self.size))
        self.processes[name] = processes().Process(target=work_here, args=facts)
        self.processes[name].start()
        print(f"{name} is process {self.processes[name].pid}", flush=True)

    def replace_ended(self) -> None:
        """Start others for the workers that ended; a ValueError says that they all end without a trial done."""
        done = len(self.chief.oracle.end_order)
        if done > self.ended:
            self.deaths, self.ended = 0, done
        for place, (name, process) in enumerate(list(self.processes.items())):
            if process.is_alive() or self.chief.finished:
                continue
            check_fault(self.chief)
            release(self.chief, name)
            self.deaths += 1
            if self.deaths >= DEATHS:
                log = self.chief.folder / f"{name}.log"
                last = log.read_text(encoding="utf-8").strip().splitlines()[-1:] if log.is_file() else []
                raise ValueError(f"Workers end without a trial done; {log} ends: {' '.join(last)}")
            self._start(place)

    def end(self, seconds: float) -> None:
        """Let the workers hear that there are no more trials, then kill them; the runs that they wait for end too."""
        until = time.monotonic() + seconds
        for process in self.processes.values():
            process.join(max(0.0, until - time.monotonic()))
            process.kill()
            process.join()
