"""Workers: they ask the chief for trials over keras-tuner's oracle service, and run them in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.errors import FailedTrialError, FatalError

from keras_resnet.files import write_atomically
from tuning.engine.jobs import Job, Share, execute, settle
from tuning.engine.oracles import ORACLE_FOLDER, ORACLES
from tuning.results import FAILED, FAULT, KILLED, TRIAL_FILE, TRIALS, Outcome
from tuning.study import Study, read_study

# Seconds between the signs of life that a worker gives while a trial runs.
HEARTBEAT = 5.0
# Where a worker says what fault of the search itself it met.
FAULT_FILE = "fault.txt"


class StudyTuner(BaseTuner):
    """keras-tuner's loop over trials; a trial is a few runs with seeds of their own.

    Args:
        oracle: keras_tuner.Oracle.
        study: Study.
        folder: Path of the study.
        planned: int, epochs of a run.
        share: Share of the machine for its runs.
    """

    def __init__(self, oracle: keras_tuner.Oracle, study: Study, folder: Path, planned: int, share: Share):
        self.study, self.folder, self.planned, self.share = study, folder, planned, share
        with contextlib.redirect_stdout(None):  # it says that it reloads
            super().__init__(oracle, directory=str(folder), project_name=ORACLE_FOLDER)

    def pre_create_trial(self) -> None:
        """Take breath: a worker that is told to wait asks again at once."""
        threading.Event().wait(0.1)

    def run_trial(self, trial: keras_tuner.engine.trial.Trial, *_: Any, **__: Any) -> dict[str, float]:
        """Run a trial with each of its seeds, giving signs of life meanwhile.

        Returns:
            Dict of the objective's mean.

        Raises:
            FailedTrialError: a run failed.
            RuntimeError: a run was killed; the oracle gives the trial to the next worker that asks.
            FatalError: something else than the trial is at fault.
        """
        scores = []
        with self._beating(trial.trial_id):
            for job in self._jobs(trial):
                outcome = execute(job)
                self._check(outcome)
                scores.append(outcome.score)
        return {self.study.objective: float(np.mean(scores))}

    def _jobs(self, trial: keras_tuner.engine.trial.Trial) -> list[Job]:
        values = trial.hyperparameters.values
        space, epochs = self.study.parsed_space, values.get("tuner/epochs")
        fields, folder = space.fields(values), self.folder / TRIALS / trial.trial_id
        configs = [self.study.config(fields, repeat, epochs) for repeat in range(self.study.repeats)]
        seeds = [config.seed for config in configs]
        asked = configs[0].epochs or self.planned
        facts = {"values": space.active(values), "fields": fields, "epochs": asked, "seeds": seeds}
        write_trial(folder, facts)
        return [
            Job(
                config=config.model_dump(mode="json"),
                folder=str(folder / f"seed-{config.seed}"),
                objective=self.study.objective,
                stop=self.study.stop,
                grace=self.study.grace,
                share=self.share,
            )
            for config in configs
        ]

    def _check(self, outcome: Outcome) -> None:
        if outcome.status == FAILED:
            raise FailedTrialError(outcome.reason)
        if outcome.status == KILLED:
            raise RuntimeError(outcome.reason)
        if outcome.status == FAULT:
            write_atomically(self.folder / FAULT_FILE, lambda part: part.write_text(outcome.reason, encoding="utf-8"))
            raise FatalError(outcome.reason)

    @contextlib.contextmanager
    def _beating(self, trial_id: str) -> Iterator[None]:
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


def write_trial(folder: Path, facts: dict[str, Any]) -> None:
    """Write what a trial is, for `results.read_results`.

    Args:
        folder: Path of the trial.
        facts: dict of values, fields, epochs and seeds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / TRIAL_FILE, lambda part: part.write_text(json.dumps(facts), encoding="utf-8"))


def planned_epochs(study: Study) -> int:
    """Tell how many epochs a run of a study has, and by that whether its data can be read.

    Args:
        study: Study.

    Returns:
        int.

    Raises:
        ValueError: the data set or the fields do not work.
    """
    from training import datasets  # imports TensorFlow Datasets
    from training.plan import Plan

    config = study.config({})
    return Plan.of(datasets.open_source(config), config).epochs


def work(study: Study, folder: Path, planned: int, chief: str, name: str, share: Share) -> None:
    """Run trials for a chief until it has no more.

    Args:
        study: Study.
        folder: Path of the study, which the chief and all its workers must see.
        planned: int, epochs of a run.
        chief: str, HOST:PORT.
        name: str, unlike that of any other worker.
        share: Share of this machine.

    Raises:
        ValueError: something else than a trial is at fault.
    """
    try:
        _work(study, folder, planned, chief, name, share)
    except FatalError as error:
        raise ValueError(str(error)) from error


def _work(study: Study, folder: Path, planned: int, chief: str, name: str, share: Share) -> None:
    host, _, port = chief.rpartition(":")
    os.environ |= {"KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": port, "KERASTUNER_TUNER_ID": name}
    proxied = ORACLES[study.tuner](study, planned)  # keras-tuner puts a client of the chief's in its place
    StudyTuner(proxied, study, folder, planned, share).search()


def work_here(folder: str, planned: int, chief: str, name: str, share: Share) -> None:
    """Be a worker of this machine, in the process that was made for it.

    Args:
        folder: str, of the study.
        planned: int, epochs of a run.
        chief: str, HOST:PORT.
        name: str, unlike that of any other worker.
        share: Share of this machine.
    """
    settle(Path(folder, f"{name}.log"))
    with contextlib.suppress(FatalError):  # the chief reads of it in FAULT_FILE
        _work(read_study(Path(folder)), Path(folder), planned, chief, name, share)
