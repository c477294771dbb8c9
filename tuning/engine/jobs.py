"""One run of a trial, in a process of its own: memory that it takes, or a crash, ends with it."""

from __future__ import annotations

import contextlib
import functools
import math
import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import os
import shutil
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tuning.engine.attempts import attempt_folder, check_own, keep, take_over
from tuning.results import (
    COMPLETED,
    DIVERGED,
    FAILED,
    FAULT,
    KILLED,
    OUTCOME_FILE,
    STOPPED,
    Outcome,
    read_outcome,
    write_outcome,
)
from tuning.study import OBJECTIVES

if TYPE_CHECKING:
    import keras

HEARTBEAT = 2.0  # seconds between two of a worker while a run goes on
LEAVING = threading.Event()  # set where this process is told to end, which it does when an epoch is saved
FEWEST_RUNS = 5  # complete runs from which on their median at an epoch stops others
BELOW_MEDIAN = "worse than the median of the runs before it at the same epoch"


class LeavingError(Exception):
    """A run ends with an epoch that is saved, to be gone on with elsewhere."""


class Share(NamedTuple):
    """What a worker may use of its machine."""

    cores: tuple[int, ...] = ()  # numbers of CPU cores; empty for all
    gpus: str | None = None  # as in CUDA_VISIBLE_DEVICES; None for all

    @classmethod
    def of(cls, worker: int, workers: int) -> Share:
        """Share out cores and GPUs evenly; where there are fewer of them than workers, all have all."""
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        visible = visible_gpus()
        own = tuple(cores[worker::workers]) if workers > 1 and len(cores) >= workers else ()
        return cls(own, ",".join(visible[worker::workers]) if workers > 1 and visible else None)

    def take(self) -> None:
        """Keep this process to its share; to be called before TensorFlow starts."""
        if self.cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, self.cores)
        if self.gpus is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpus


@functools.cache
def visible_gpus() -> list[str]:
    """Name the GPUs of this machine as CUDA_VISIBLE_DEVICES does."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name and name != "-1"]
    import tensorflow as tf

    return [str(number) for number in range(len(tf.config.list_physical_devices("GPU")))]


class Job(NamedTuple):
    """One run of a trial or of a finalist; all of it can be pickled."""

    config: dict[str, Any]  # fields of RunConfig
    folder: Path  # its run folder, once it has ended
    objective: str  # a key of its results
    stop: str = "none"  # as of Study, and so is grace
    grace: int = 1
    share: Share = Share()
    attempt: int = 0  # of several workers' in turn; 0 where nobody else may make the run
    past: Path | None = None  # a shorter run, made before, that it goes on from

    @property
    def place(self) -> Path:
        """The run folder until it has ended."""
        return attempt_folder(self.folder, self.attempt)

    @property
    def log(self) -> Path:
        """What its process prints."""
        return self.folder.with_suffix(".log")


def execute(job: Job, beat: Callable[[], None] = lambda: None, leaving: threading.Event | None = None) -> Outcome:
    """Run a job in a process of its own and wait for its end; a run that has ended is not made again.

    A run that was killed, or met a fault that is not its own, goes on from its last complete epoch. `beat` is called
    meanwhile, and once more when the process has ended; whatever it raises ends the run at once. Once `leaving` is set,
    the run ends with its epoch, as one that was killed.
    """
    done = read_outcome(job.folder)
    if done is not None and done.status not in (KILLED, FAULT):
        return done
    place = take_over(job.folder, job.attempt)
    (place / OUTCOME_FILE).unlink(missing_ok=True)
    process = processes().Process(target=perform, args=(job,))
    process.start()
    try:
        while process.is_alive():
            process.join(HEARTBEAT)
            beat()
            if leaving and leaving.is_set() and process.is_alive():
                process.terminate()
    finally:
        process.kill()
        process.join()
    check_own(place, job.folder)
    outcome = read_outcome(place)
    if outcome is None:
        outcome = Outcome(KILLED, reason=_end_of(process.exitcode))
        write_outcome(place, outcome)
    if outcome.status not in (KILLED, FAULT):
        keep(place, job.folder)
    return outcome


@functools.cache
def processes() -> multiprocessing.context.BaseContext:
    """Give the context that starts processes fast: they fork from a server that has only imported TensorFlow.

    The server begins to import at once, while the caller goes on; the processes that it starts share it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["keras_resnet", "training.run", "tuning.engine.workers"])
    # The server looks for modules in the folder it starts in first: where the packages lie, not in the user's folder,
    # where a file may have the name of one of them. Its processes go to the user's folder.
    # What tells all processes of a job to end, as a scheduler does, is for those that can say so to others.
    here, told = os.open(".", os.O_RDONLY), signal.getsignal(signal.SIGTERM)
    is_main = threading.current_thread() is threading.main_thread()
    try:
        os.chdir(Path(__file__).parents[2])
        if is_main:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which its processes inherit
        multiprocessing.forkserver.ensure_running()
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, told)
        os.fchdir(here)
        os.close(here)
    return context


def _end_of(code: int | None) -> str:
    if code is not None and code < 0:
        advice = "; perhaps out of memory" if -code == signal.SIGKILL else ""
        return f"its process was killed by {signal.Signals(-code).name}{advice}"
    return f"its process ended with status {code}"


def perform(job: Job) -> None:
    """Do a job, in the process that was made for it, and write how it ended."""
    settle(job.log)
    signal.signal(signal.SIGTERM, lambda *_: LEAVING.set())
    job.share.take()
    write_outcome(job.place, attempt(job))


def settle(log: Path) -> None:
    """Set up a process that was made for a job: it writes to a log, and ends with the process that started it."""
    from keras_resnet.startup import quieten

    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the chief, which ends its workers itself
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a", encoding="utf-8") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    quieten()


def _end_with_parent() -> None:
    """End this process when the one that started it has ended: two must never write into one run folder."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def attempt(job: Job) -> Outcome:
    """Train as a job says; the outcome is FAULT where something else than the trial is at fault."""
    from training.config import make_config
    from training.divergence import DivergedError
    from training.run import train
    from training.run_folder import RunFolder
    from tuning.engine.continuing import carry_over

    run, observer, began = RunFolder(job.place), observing(job), time.perf_counter()
    config = make_config(job.config, "the trial")
    resume = run.checkpoint_file.is_file() and run.config_file.is_file()
    try:
        if not resume:
            shutil.rmtree(job.place, ignore_errors=True)
            resume = job.past is not None and carry_over(job.past, job.place, config)
        began -= sum(row["seconds"] for row in run.read_times())  # of epochs that are done
        results = train(config, run, resume=resume, callbacks=[observer])
        if not math.isfinite(results[job.objective]):
            raise DivergedError(f"its {job.objective} on the {results['split']} is {results[job.objective]}")
    except LeavingError as error:
        return Outcome(KILLED, reason=str(error))
    except OSError as error:
        if observer.sizes and not run.config_file.is_file():
            return Outcome(KILLED, reason=f"{run.path} was removed while it ran")
        return Outcome(FAULT, reason=_sentence(error))
    except DivergedError as error:
        made, seconds = len(run.read_metrics()), time.perf_counter() - began
        return Outcome(DIVERGED, epochs=made, seconds=seconds, reason=error.what, **observer.sizes)
    except Exception as error:  # a network may fail in as many ways as Keras and TensorFlow know
        return Outcome(FAILED, reason=_sentence(error), seconds=time.perf_counter() - began)
    return Outcome(
        status=STOPPED if observer.stopped else COMPLETED,
        score=results[job.objective],
        results=results,
        epochs=len(run.read_metrics()),
        seconds=time.perf_counter() - began,
        reason=BELOW_MEDIAN if observer.stopped else "",
        **(observer.sizes or sizes_of(run.load_model())),  # a run whose epochs were all made trains no more
    )


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return (text if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: {text}")[:500]


def sizes_of(model: keras.Model) -> dict[str, int]:
    """Tell what a network costs."""
    from keras_resnet.analysis import count_multiply_adds, count_parameters

    return {"parameters": count_parameters(model), "multiply_adds": count_multiply_adds(model)}


def observing(job: Job) -> keras.callbacks.Callback:
    """Make the callback that notes what a network costs, and applies the median stopping rule."""
    import keras

    class Observer(keras.callbacks.Callback):
        sizes, stopped = {}, False

        def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
            self.sizes = sizes_of(self.model)

        def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
            if LEAVING.is_set():
                raise LeavingError("its worker was told to end")
            if job.stop == "median" and epoch + 1 >= job.grace and is_below_median(job, epoch + 1, logs):
                self.stopped = self.model.stop_training = True

    return Observer()


def is_below_median(job: Job, epoch: int, logs: Mapping[str, float]) -> bool:
    """Tell whether a run is worse than the median of all complete runs of its study at the same epoch.

    Source: Golovin et al., "Google Vizier", 2017, section 3.2.1, with the objective of the epoch itself.
    """
    name = f"val_{job.objective}"
    folders = [file.parent for file in job.folder.parents[1].glob(f"*/seed-*/{OUTCOME_FILE}")]
    rows = [row for folder in folders for row in complete_history(folder) if row["epoch"] == epoch]
    if len(rows) < FEWEST_RUNS:
        return False
    return OBJECTIVES[job.objective] * (logs[name] - statistics.median(row[name] for row in rows)) < 0


def complete_history(folder: Path) -> list[dict[str, float]]:
    """Give the metrics of a complete run by epoch; none of another, of one whose file is damaged or that is removed."""
    from training.run_folder import RunFolder

    outcome = read_outcome(folder)
    with contextlib.suppress(ValueError, OSError):
        return RunFolder(folder).read_metrics() if outcome and outcome.status == COMPLETED else []
    return []
