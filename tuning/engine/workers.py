"""Workers: they ask the chief for trials over keras-tuner's oracle service, and run them in processes of their own."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.errors import FailedTrialError, FatalValueError

from training.config import RunConfig
from tuning.engine.jobs import Job, Share, execute, settle
from tuning.engine.oracles import ORACLE_FOLDER
from tuning.engine.tuners import ORACLES
from tuning.results import FAILED, FAULT, KILLED, TRIALS, write_text, write_trial
from tuning.study import Study, read_study

HEARTBEAT = 5.0  # seconds between two of a worker while a trial runs
FAULT_FILE = "fault.txt"  # where a worker says what fault of the search itself it met
# What tells keras-tuner how a run ended: with an error of its own, which ends the trial; killed, and the trial goes to
# the next worker that asks; with an error from outside, which ends the search.
ERRORS = {FAILED: FailedTrialError, KILLED: RuntimeError, FAULT: FatalValueError}


class StudyTuner(BaseTuner):
    """keras-tuner's loop over trials; a trial is a few runs with seeds of their own."""

    def __init__(self, oracle: keras_tuner.Oracle, study: Study, folder: Path, planned: int, share: Share):
        self.study, self.folder, self.planned, self.share = study, folder, planned, share
        with contextlib.redirect_stdout(None):  # it says that it reloads
            super().__init__(oracle, directory=str(folder), project_name=ORACLE_FOLDER)

    def pre_create_trial(self) -> None:
        """Pause: a worker that is told to wait asks again at once."""
        threading.Event().wait(0.1)

    def run_trial(self, trial: keras_tuner.engine.trial.Trial, *_: Any, **__: Any) -> dict[str, float]:
        """Run a trial with each of its seeds, with a heartbeat meanwhile; return the objective's mean."""
        study, values, scores = self.study, trial.hyperparameters.values, []
        space, epochs = study.parsed_space, values.get("tuner/epochs")
        fields = space.fields(values)
        configs = [study.config(fields, repeat, epochs) for repeat in range(study.repeats)]
        facts = {"values": space.active(values), "fields": fields, "epochs": configs[0].epochs or self.planned}
        common = {"objective": study.objective, "stop": study.stop, "grace": study.grace, "share": self.share}
        with self._heartbeat(trial.trial_id):
            for job in prepare(self.folder / TRIALS / trial.trial_id, facts, configs, **common):
                outcome = execute(job)
                if outcome.status == FAULT:
                    write_text(self.folder / FAULT_FILE, outcome.reason)
                if outcome.status in ERRORS:
                    raise ERRORS[outcome.status](outcome.reason)
                scores.append(outcome.score)
        return {study.objective: float(np.mean(scores))}

    @contextlib.contextmanager
    def _heartbeat(self, trial_id: str) -> Iterator[None]:
        """Ask for the trial again and again, by which the chief knows that this worker lives."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(HEARTBEAT):
                self.oracle.get_trial(trial_id)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def prepare(folder: Path, facts: Mapping[str, Any], configs: list[RunConfig], **common: Any) -> list[Job]:
    """Write what a trial is, and make the jobs of its runs, which have the rest in common."""
    write_trial(folder, {**facts, "seeds": [config.seed for config in configs]})
    return [Job(config.model_dump(mode="json"), folder / f"seed-{config.seed}", **common) for config in configs]


def planned_epochs(study: Study) -> int:
    """Give the epochs of a run; a ValueError says that the data set or the fields do not work."""
    from training.data.datasets import open_source  # imports TensorFlow Datasets
    from training.plan import Plan

    space = study.parsed_space
    config = study.config(space.fields(next(space.points(coarse=True))))
    source = open_source(config.data)
    if study.objective not in ("loss", source.task.measure):
        raise ValueError(
            f"The objective {study.objective} is for images of one class each, and those of {source.name!r} may have "
            "any number; choose the objective loss."
        )
    return Plan.of(source, config).epochs


def work(folder: Path, planned: int, chief: str, name: str, share: Share) -> None:
    """Run trials for a chief at HOST:PORT until it has no more; a ValueError says that something else is at fault.

    `planned` are the epochs of a run; no other worker has this one's name, and all see the folder of the study.
    """
    host, _, port = chief.rpartition(":")
    os.environ |= {"KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": port, "KERASTUNER_TUNER_ID": name}
    study = read_study(folder)
    proxied = ORACLES[study.tuner](study, planned)  # keras-tuner puts a client of the chief's in its place
    StudyTuner(proxied, study, folder, planned, share).search()


def work_here(folder: Path, planned: int, chief: str, name: str, share: Share) -> None:
    """Be a worker of this machine, in the process that was made for it."""
    settle(folder / f"{name}.log")
    with contextlib.suppress(FatalValueError):  # the chief reads of it in FAULT_FILE
        work(folder, planned, chief, name, share)
