"""The chief's side: keras-tuner's oracle service, and the workers of this machine."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tuning.engine.jobs import Share, processes
from tuning.engine.oracles import Proposals
from tuning.engine.workers import FAULT_FILE, work_here
from tuning.results import KILLED, TRIALS, Outcome, read_trial, write_outcome

if TYPE_CHECKING:
    import grpc

LEASE = 120.0  # seconds without a heartbeat after which a worker is taken for lost
GOODBYE = 30.0  # seconds in which workers are to hear that there are no more trials
DEATHS = 6  # of workers, without a trial ending in between, at which the search gives up


def serve(oracle: Proposals, folder: Path, workers: int, address: str) -> None:
    """Hand out trials at HOST:PORT, port 0 for any, and start workers on this machine, until there are no more trials.

    A ValueError says that the address cannot be listened at, or that the search itself fails.
    """
    server, port = listen(oracle, address)
    pool = WorkerPool(oracle, folder, f"{address.rpartition(':')[0]}:{port}", workers)
    try:
        while not oracle.finished:
            pool.replace_ended()
            check_fault(oracle, folder)
            for name in oracle.silent(LEASE):
                release(oracle, folder, name)
            time.sleep(0.1)
        check_fault(oracle, folder)
    finally:
        pool.end(GOODBYE if oracle.finished else 0.0)
        server.stop(grace=5).wait()


def listen(oracle: Proposals, address: str) -> tuple[grpc.Server, int]:
    """Answer calls at HOST:PORT; return the server and its port. A ValueError says that the address is not to be had."""
    import grpc
    from keras_tuner.src import protos
    from keras_tuner.src.distribute.oracle_chief import OracleServicer

    # Without the option several servers of a machine share a port, and their calls.
    options = [("grpc.so_reuseport", 0)]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4), options=options)
    protos.get_service_grpc().add_OracleServicer_to_server(OracleServicer(oracle), server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ValueError(f"Cannot listen at {address}: is it an address of this machine, and free?") from error
    server.start()
    return server, port


def check_fault(oracle: Proposals, folder: Path) -> None:
    """Stop the search where a worker or the oracle met a fault of the search itself."""
    file = folder / FAULT_FILE
    reason = oracle.fault or (file.read_text(encoding="utf-8") if file.is_file() else None)
    if reason:
        raise ValueError(f"The search stopped: {reason} The same command goes on with it.")


def release(oracle: Proposals, folder: Path, name: str) -> None:
    """Take the trial of a lost worker back."""
    trial_id = oracle.release(name)
    if trial_id is None:
        return
    if oracle.trials[trial_id].status != "FAILED":
        print(f"trial {trial_id}: its worker {name} is lost; it is run again", flush=True)
        return
    for run in read_trial(folder / TRIALS / trial_id).runs:
        if run.outcome is None:
            write_outcome(run.folder, Outcome(KILLED, reason="its worker was killed, and again"))
    oracle.on_end(trial_id)


class WorkerPool:
    """The workers of this machine, which are started with it."""

    def __init__(self, oracle: Proposals, folder: Path, chief: str, size: int):
        self.oracle, self.folder, self.chief, self.size = oracle, folder, chief, size
        self.deaths, self.ended = 0, 0
        self.processes: dict[str, multiprocessing.Process] = {}
        for place in range(size):
            self._start(place)

    def _start(self, place: int) -> None:
        name = f"worker{place}"
        facts = (self.folder, self.oracle.planned, self.chief, name, Share.of(place, self.size))
        self.processes[name] = processes().Process(target=work_here, args=facts)
        self.processes[name].start()
        print(f"{name} is process {self.processes[name].pid}", flush=True)

    def replace_ended(self) -> None:
        """Start others for the workers that ended; a ValueError says that they all end without a trial done."""
        done = len(self.oracle.end_order)
        if done > self.ended:
            self.deaths, self.ended = 0, done
        for place, (name, process) in enumerate(list(self.processes.items())):
            if process.is_alive() or self.oracle.finished:
                continue
            check_fault(self.oracle, self.folder)
            release(self.oracle, self.folder, name)
            self.deaths += 1
            if self.deaths >= DEATHS:
                log = self.folder / f"{name}.log"
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
