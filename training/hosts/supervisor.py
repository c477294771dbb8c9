"""The supervisor of a host: it starts the worker, and ends it where any other host ends."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from keras_resnet.interrupts import STATUS
from keras_resnet.startup import VERBOSE
from training.command_line import option
from training.hosts.addresses import HOSTS, INDEX, TIMEOUT, Hosts
from training.hosts.errors import WorkerErrors
from training.hosts.links import Link, Message
from training.hosts.meeting import SILENCE, call, gather

WORKER = "KERAS_RESNET_WORKER"  # what a worker is told, as JSON
PATIENCE = 45  # seconds to wait for other hosts where nothing else is asked for
BEAT = 2.0  # seconds between two signs of life
GRACE = 8.0  # seconds in which what looks like the end of another host is waited for
CHECKPOINT = "checkpoint.weights.h5"
# What the other hosts need of a run that is resumed.
RESUMED = (
    "config.yaml",
    CHECKPOINT,
    "model.keras",
    "best.keras",
    "metrics.csv",
    "times.csv",
    "preprocessing.json",
    "labels.txt",
    "skipped.json",
    "data.json",
)


def supervise(arguments: Sequence[str], hosts: Hosts) -> None:
    """Take part in a run on several hosts, from meeting the others to the end of all.

    Raises:
        ValueError: this host or another one fails; the same sentence on each.
        KeyboardInterrupt: the user stopped the run, here.
        SystemExit: SIGTERM came, here.
    """
    if os.environ.get("KERAS_BACKEND") != "jax":
        raise ValueError(f"{HOSTS} needs the backend JAX; set KERAS_BACKEND=jax on every host.")
    run_dir = option(list(arguments), "--run-dir")
    if run_dir is None:
        raise ValueError(f"{HOSTS} needs --run-dir, the folder of the run on the first host.")
    patience = _patience(option(list(arguments), TIMEOUT))
    with ended_by_signals(), working_folder(hosts, Path(run_dir)) as folder:
        if hosts.index:
            first, service = call(hosts, patience, folder)
            links = {0: first}
        else:
            is_resumed = "--resume" in arguments
            links, service = gather(hosts, patience, lambda: files_to_resume(folder) if is_resumed else [])
        Supervisor(hosts, folder, links).run(worker_arguments(arguments, folder), service)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM end this process by an exception, so that it leaves nothing behind.

    The first process of a container, which a supervisor often is, would not even heed SIGTERM by itself.
    """

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)  # the status with which shells report it

    before = signal.signal(signal.SIGINT, signal.default_int_handler), signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before):
            signal.signal(number, handler)


def files_to_resume(run_dir: Path) -> list[Path]:
    """List what the other hosts need of a run that is resumed; raises ValueError where there is no run."""
    present = [run_dir / name for name in RESUMED if (run_dir / name).is_file()]
    for needed in ("config.yaml", CHECKPOINT):
        if run_dir / needed not in present:
            raise ValueError(
                f"{run_dir} of host 0 holds no run to resume, for it has no {needed}. Correct --run-dir, or start the "
                "run anew with --overwrite."
            )
    return present


@contextlib.contextmanager
def working_folder(hosts: Hosts, run_dir: Path) -> Iterator[Path]:
    """Give the folder that the worker writes its run to: on all hosts but the first one of no lasting."""
    if hosts.index == 0:
        yield run_dir
        return
    folder = Path(tempfile.mkdtemp(prefix="keras-resnet-host-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _patience(given: str | None) -> float:
    try:
        patience = float(PATIENCE if given is None else given)
    except ValueError:
        patience = -1.0
    if not 0 < patience < float("inf"):
        raise ValueError(f"{TIMEOUT} is in seconds, above 0; received {given!r}.")
    return patience


def worker_arguments(arguments: Sequence[str], folder: Path) -> list[str]:
    """Give the arguments of the worker: those of the command but for the hosts, and its own folder."""
    kept, skip = [], False
    for argument in arguments:
        name = argument.partition("=")[0]
        if skip:
            skip = False
        elif name in (HOSTS, INDEX, TIMEOUT, "--run-dir"):
            skip = "=" not in argument
        else:
            kept.append(argument)
    return [*kept, "--run-dir", str(folder)]


def command() -> list[str]:
    """Give what this process was called as, without its arguments."""
    return [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]]


class JobError(Exception):
    """Why all hosts end the run."""


class Supervisor:
    """Watches the worker of a host and the links to others: of the first host to all, of all others to the first.

    Args:
        hosts: Hosts.
        folder: Path of the folder that the worker writes to.
        links: dict of Link by host.
    """

    def __init__(self, hosts: Hosts, folder: Path, links: dict[int, Link]):
        self.hosts, self.folder, self.links = hosts, folder, links
        self.selector = selectors.DefaultSelector()
        self.facts: dict[str, dict[int, Mapping]] = {}
        self.done: set[int] = set()  # hosts whose workers have done all
        self.may_leave = False  # whether the first host says that all have
        self.beaten = self.failed = 0.0  # when it last gave a sign of life, and when its worker failed
        self.stopped = 0.0  # when Ctrl-C came

    def run(self, arguments: list[str], service: str) -> None:
        """Start the worker, and watch until all hosts are done; raise what ends the run before."""
        own, other = socket.socketpair()
        told = {
            "descriptor": other.fileno(),
            "host": self.hosts.index,
            "hosts": len(self.hosts.addresses),
            "service": service,
            "folder": str(self.folder) if self.hosts.index else None,
        }
        quiet = {"stdout": subprocess.DEVNULL} if self.hosts.index else {}
        self.worker = subprocess.Popen(
            [*command(), *arguments],
            env={**os.environ, WORKER: json.dumps(told)},
            pass_fds=[other.fileno()],
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C comes here, and is passed on once
            **quiet,
        )
        other.close()
        self.line, self.errors = Link(own, SILENCE), WorkerErrors(self.worker.stderr, VERBOSE in arguments)
        before = signal.signal(signal.SIGINT, self._stop)
        try:
            self._watch()
        except JobError as failure:
            self._end_others(str(failure))
            raise ValueError(str(failure)) from failure
        except SystemExit:
            self._end_others(f"{self._own_name()} was told to end, by SIGTERM. {self._how_to_go_on()}")
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                self.worker.kill()
            self.worker.wait()
            signal.signal(signal.SIGINT, before)
            for link in (self.line, *self.links.values()):
                link.close()

    def _stop(self, *_: object) -> None:
        """Pass Ctrl-C on to the worker, as the handler of the signal."""
        self.stopped = self.stopped or time.monotonic()
        self.worker.send_signal(signal.SIGINT)

    def _own_name(self) -> str:
        """Name this host at the beginning of a sentence."""
        return self.hosts.name(self.hosts.index).capitalize()

    def _end_others(self, why: str) -> None:
        """Tell all hosts that this one is linked to why they end."""
        for link in self.links.values():
            link.send(end=why)

    def _watch(self) -> None:
        self.selector.register(self.worker.stderr, selectors.EVENT_READ, self._read_errors)
        self.selector.register(self.line, selectors.EVENT_READ, self._read_worker)
        for index, link in self.links.items():
            self.selector.register(link, selectors.EVENT_READ, lambda index=index: self._read_host(index))
        while not self._is_over():
            for key, _ in self.selector.select(0.2):
                key.data()
            self._beat()
            self._check_worker()

    def _is_over(self) -> bool:
        """Tell whether all hosts are done; the first one tells the others."""
        if self.hosts.index:
            return self.may_leave
        if len(self.done) < len(self.hosts.addresses):
            return False
        for link in self.links.values():
            link.send(leave=True)
        return True

    def _beat(self) -> None:
        """Give a sign of life, and look for those of the others."""
        now = time.monotonic()
        if now - self.beaten > BEAT:
            for link in self.links.values():
                link.send(beat=True)
            self.beaten = now
        for index, link in self.links.items():
            if link.is_open and now - link.heard > SILENCE:
                raise JobError(self._lost(index, f"has been silent for {SILENCE:g} s"))

    def _read_host(self, index: int) -> None:
        link = self.links[index]
        for message in link.receive():
            self._heed(index, message)
        if not link.is_open:
            self.selector.unregister(link)
            if not (self.may_leave or index in self.done):
                raise JobError(self._lost(index, "is gone"))

    def _heed(self, index: int, message: Message) -> None:
        """Act on what another host says."""
        if "end" in message:
            raise JobError(str(message["end"]))
        if "facts" in message:
            self._collect(index, message)
        elif "agreed" in message:
            self.line.send(agreed=message["agreed"])
        elif "done" in message:
            self.done.add(index)
        self.may_leave = self.may_leave or "leave" in message

    def _lost(self, index: int, how: str) -> str:
        """Say that a host is lost, and how to go on."""
        return (
            f"{self.hosts.name(index).capitalize()} {how}: it was killed, or its machine or network failed. "
            f"{self._how_to_go_on()}"
        )

    def _how_to_go_on(self) -> str:
        """Say what is to be done once all hosts have ended."""
        begun = (self.folder / CHECKPOINT).is_file()
        again = "start it again with --resume on every host" if begun else "start it anew"
        return f"All hosts have ended the run; {again}."

    def _read_worker(self) -> None:
        for message in self.line.receive():
            if self.hosts.index:
                self.links[0].send(**message)
            else:
                self._collect(0, message)
        if not self.line.is_open:
            self.selector.unregister(self.line)

    def _collect(self, index: int, message: Message) -> None:
        """Note what the worker of a host is about to do; where all are known and agree, let all go on."""
        about, known = message["about"], self.facts.setdefault(message["about"], {})
        known[index] = message["facts"]
        if len(known) < len(self.hosts.addresses):
            return
        for other in sorted(known):
            if different := differences(known[0], known[other]):
                raise JobError(f"{self.hosts.name(other).capitalize()} has other {about} than host 0: {different}.")
        self.line.send(agreed=about)
        for link in self.links.values():
            link.send(agreed=about)

    def _read_errors(self) -> None:
        self.errors.read()
        if not self.errors.is_open:
            self.selector.unregister(self.worker.stderr)

    def _check_worker(self) -> None:
        """Act on the end of the worker: it is done, or it failed by itself, or because another host's did."""
        status, index = self.worker.poll(), self.hosts.index
        self._check_stopped(status)
        if status is None or index in self.done:
            return
        self.errors.read()
        if status == 0:
            self.done.add(index)
            if index:
                self.links[0].send(done=True)
            return
        self.failed = self.failed or time.monotonic()
        is_secondary = status == -signal.SIGABRT or self.errors.is_of_connections
        if is_secondary and time.monotonic() - self.failed < GRACE:
            return
        ended = f"it was ended by {signal.Signals(-status).name}." if status < 0 else f"it ended with status {status}."
        raise JobError(f"{self._own_name()} failed: {self.errors.sentence or ended}")

    def _check_stopped(self, status: int | None) -> None:
        """End with the worker that Ctrl-C has ended, or without one that cannot heed it: done, or deep in C++ code."""
        is_unheeded = self.stopped and (status == 0 or time.monotonic() - self.stopped > GRACE)
        if status == STATUS or is_unheeded:
            self.errors.read()
            self._end_others(f"{self._own_name()} was stopped by its user.")
            raise KeyboardInterrupt


def differences(first: Mapping, other: Mapping) -> str:
    """Name what differs in the facts of two hosts."""
    names = [name for name in dict.fromkeys([*first, *other]) if first.get(name) != other.get(name)]
    return ", ".join(f"{name} {other.get(name)!r} instead of {first.get(name)!r}" for name in names)
