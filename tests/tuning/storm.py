"""A search whose runs take a moment and compute nothing, with a storm over its processes; `test_search_storm` runs it.

    python -m tests.tuning.storm FOLDER SEED EVERY

The chief and three workers are processes of their own. Whenever EVERY more trials have ended, and a moment has passed,
a worker is killed, or a run is, or the chief is killed and started again, or a worker is stopped past its lease and
continued; with 0 they are left in peace. So the storm is the same on a slow machine.
"""

import json
import multiprocessing
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # runs are forked from workers here, and speak to nobody

from training.run_folder import RunFolder
from tuning.engine import client, jobs, pool
from tuning.engine.access import read_access
from tuning.engine.chief import Chief
from tuning.engine.jobs import Job, Share
from tuning.engine.service import Outside
from tuning.engine.tuners import make_oracle
from tuning.engine.workers import work
from tuning.results import COMPLETED, Outcome, write_outcome
from tuning.study import STUDY_FILE, Study, make_study

TRIALS, WORKERS, BEATS, BEAT = 40, 3, 6, 0.05
RUNS = "runs.txt"
LEASE, STOPPED = 4.0, 6.0  # seconds

forking = multiprocessing.get_context("fork")


def described() -> Study:
    rate = {"low": 0.01, "high": 0.5}
    fields = {"network": "ResNet8", "dataset": "digits", "epochs": 2}
    return make_study({"fields": fields, "space": {"learning_rate": rate}, "trials": TRIALS, "seed": 5}, "a storm")


def perform(job: Job) -> None:
    """Note some beats in the folder of a run, going on from those that are there; its score follows from its point."""
    jobs.settle(job.log)
    with open(job.folder.parents[2] / RUNS, "a", encoding="utf-8") as notes:
        notes.write(f"{os.getpid()}\n")
    place = RunFolder(job.place)
    place.path.mkdir(parents=True, exist_ok=True)
    file = place.path / "beats.txt"
    done = len(file.read_text(encoding="utf-8")) if file.is_file() else 0
    for _ in range(BEATS - done):
        with open(file, "a", encoding="utf-8") as notes:
            notes.write(".")
        time.sleep(BEAT)
    rate = job.config["optimizer"]["learning_rate"]
    write_outcome(job.place, Outcome(COMPLETED, 1 - abs(rate - 0.2), epochs=2))


def be_chief(folder: Path, address: str) -> None:
    chief = Chief(make_oracle(described(), 2), folder)
    pool.serve(chief, 0, Outside(address))


def be_worker(folder: Path, name: str) -> None:
    work(folder, 2, read_access(folder), name, share=Share(), patience=60.0, find=lambda: read_access(folder))


def started(function: Callable, *arguments) -> multiprocessing.Process:
    process = forking.Process(target=function, args=arguments)
    process.start()
    return process


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


class Storm:
    """The processes of a search, and what happens to them."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.address, self.random = folder, free_address(), random.Random(seed)
        self.chief = started(be_chief, folder, self.address)
        while not (folder / "chief.json").is_file():
            time.sleep(0.05)
        self.names = (f"host-{number}" for number in range(10**6))
        self.workers = [self.start_worker() for _ in range(WORKERS)]
        self.events = [self.kill_worker, self.kill_run, self.kill_chief, self.stop_worker]

    def start_worker(self) -> multiprocessing.Process:
        return started(be_worker, self.folder, next(self.names))

    def kill_worker(self) -> None:
        place = self.random.randrange(WORKERS)
        self.workers[place].kill()
        self.workers[place].join()
        self.workers[place] = self.start_worker()

    def kill_run(self) -> None:
        if runs := [pid for worker in self.workers for pid in children(worker.pid)]:
            os.kill(self.random.choice(runs), signal.SIGKILL)

    def kill_chief(self) -> None:
        self.chief.kill()
        self.chief.join()
        self.chief = started(be_chief, self.folder, self.address)

    def stop_worker(self) -> None:
        worker = self.random.choice(self.workers)
        os.kill(worker.pid, signal.SIGSTOP)
        threading.Timer(STOPPED, lambda: worker.is_alive() and os.kill(worker.pid, signal.SIGCONT)).start()

    def rage(self, every: int) -> list[str]:
        """Let something happen whenever so many more trials have ended, until all have; return what happened."""
        happened, due = [], every
        while self.chief.exitcode is None:
            self.chief.join(0.05)
            if every and self.ended() >= due:
                due = self.ended() + every
                time.sleep(self.random.uniform(0, BEATS * BEAT))
                event = self.random.choice(self.events)
                event()
                happened.append(event.__name__)
        return happened

    def ended(self) -> int:
        """Count the trials that have ended."""
        return len(json.loads((self.folder / "oracle/oracle.json").read_text(encoding="utf-8"))["end_order"])


def children(pid: int) -> Iterator[int]:
    """Name the processes that a process has started."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    except OSError:
        return
    yield from map(int, text.split())


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def main(folder: Path, seed: int, every: int) -> None:
    folder.mkdir(parents=True)
    (folder / STUDY_FILE).write_text(described().to_yaml(), encoding="utf-8")
    jobs.HEARTBEAT, jobs.processes, jobs.perform = 0.1, lambda: forking, perform
    pool.LEASE, client.AGAIN = LEASE, 0.1
    storm = Storm(folder, seed)
    happened = storm.rage(every)
    assert storm.chief.exitcode == 0, storm.chief.exitcode
    time.sleep(STOPPED if every else 0)  # until all workers that were stopped go on
    for worker in storm.workers:
        worker.join(20)
    runs = map(int, (folder / RUNS).read_text(encoding="utf-8").split())
    left = [pid for pid in (*(worker.pid for worker in storm.workers), *runs) if is_alive(pid)]
    print("happened", *happened)
    print("left", *left, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
