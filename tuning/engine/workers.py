"""Workers: they ask the chief for trials over keras-tuner's oracle service, and run them in processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
import numpy as np
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FailedTrialError, FatalValueError

from training.config import RunConfig
from tuning.claims import LOSSES
from tuning.engine.access import Access, LostLeaseError
from tuning.engine.chief import HANDED_BACK
from tuning.engine.client import ChiefClient
from tuning.engine.epochs import epochs_of_point
from tuning.engine.jobs import Job, Share, execute, settle
from tuning.engine.oracles import SPREAD
from tuning.results import DIVERGED, FAILED, FAULT, KILLED, ORACLE_FOLDER, TRIALS, deviation, write_text, write_trial
from tuning.study import Study, read_study

if TYPE_CHECKING:
    from training.data.datasets import Source

PATIENCE = 600.0  # seconds for which a worker waits for a chief that is away
TOLD_TO_END = 128 + signal.SIGTERM  # the exit status that says so to a shell or a scheduler
FAULT_FILE = "fault.txt"  # where a worker says what fault of the search itself it met
# What tells keras-tuner how a run ended: with an error of its own, which ends the trial; or killed, and the trial goes
# to the next worker that asks. One from outside ends the search.
ERRORS = {DIVERGED: FailedTrialError, FAILED: FailedTrialError, KILLED: RuntimeError}


class StudyTuner(BaseTuner):
    """keras-tuner's loop over trials, as a worker goes through it; a trial is a few runs with seeds of their own."""

    def __init__(self, client: ChiefClient, study: Study, folder: Path, planned: int, share: Share):
        self.study, self.folder, self.planned, self.share = study, folder, planned, share
        super().__init__(client._oracle, directory=str(folder), project_name=ORACLE_FOLDER)
        self.oracle, self.tuner_id = client, client.tuner_id  # keras-tuner's own client is made from the environment

    def save(self) -> None:
        """Save nothing: what a study knows is the chief's."""

    def reload(self) -> None:
        """Read nothing: what a study knows is the chief's."""

    def pre_create_trial(self) -> None:
        """Pause, for a worker that is told to wait asks again at once; end, where this worker is to."""
        if self.oracle.leaving.wait(0.1):
            raise SystemExit(TOLD_TO_END)

    def run_trial(self, trial: Trial, *_: Any, **__: Any) -> dict[str, float]:
        """Run a trial with each of its seeds, with a heartbeat meanwhile; return the objective's mean and spread.

        A folder that cannot be written is no fault of the trial, and would take one trial after the other.
        """
        try:
            return self._run_seeds(trial)
        except FileNotFoundError:  # the trial's folder was removed, and it is run again
            raise
        except OSError as error:
            raise self._fault(str(error)) from error

    def _fault(self, reason: str) -> FatalValueError:
        """Tell the chief, where that can be, that something else than the trial is at fault; make the error for it."""
        with contextlib.suppress(OSError):
            write_text(self.folder / FAULT_FILE, reason)
        return FatalValueError(reason)

    def _run_seeds(self, trial: Trial) -> dict[str, float]:
        """Run a trial with each of its seeds; an OSError says that its folder cannot be written."""
        study, values, client = self.study, trial.hyperparameters.values, self.oracle
        space, epochs = study.parsed_space, values.get("tuner/epochs")
        fields = space.fields(values)
        configs = [study.config(fields, repeat, epochs) for repeat in range(study.repeats)]
        length = epochs_of_point(study, configs[0], self.planned)
        facts = {"values": space.active(values), "fields": fields, "epochs": length}
        common = {"objective": study.objective, "stop": study.stop, "grace": study.grace, "share": self.share}
        jobs = prepare(self.folder / TRIALS / trial.trial_id, facts, configs, attempt=client.attempt, **common)
        if values.get("tuner/initial_epoch"):
            past = self.folder / TRIALS / values["tuner/trial_id"]
            jobs = [job._replace(past=past / job.folder.name) for job in jobs]
        scores, diverged = [], None
        for job in jobs:
            outcome = execute(job, beat=lambda: client.get_trial(trial.trial_id), leaving=client.leaving)
            if outcome.status == FAULT:
                raise self._fault(outcome.reason)
            if outcome.status == DIVERGED and not study.validation:
                diverged = outcome  # which is an answer where nothing is chosen; the other seeds have theirs
            elif outcome.status in ERRORS:
                raise ERRORS[outcome.status](outcome.reason)
            else:
                scores.append(outcome.score)
        if diverged:
            raise ERRORS[DIVERGED](diverged.reason)
        spread = deviation(scores)
        return {study.objective: float(np.mean(scores)), **({} if spread is None else {SPREAD: spread})}

    def on_trial_end(self, trial: Trial) -> None:
        """Give a trial back: as it ended, or to be gone on with elsewhere where this worker was told to end."""
        if trial.status == TrialStatus.INVALID and self.oracle.leaving.is_set():
            trial.status = HANDED_BACK
        with contextlib.suppress(LostLeaseError):  # another has it, or the chief has heard of its end before
            self.oracle.end_trial(trial)


def prepare(folder: Path, facts: Mapping[str, Any], configs: list[RunConfig], **common: Any) -> list[Job]:
    """Write what a trial is, and make the jobs of its runs, which have the rest in common."""
    write_trial(folder, {**facts, "seeds": [config.seed for config in configs]})
    return [Job(config.model_dump(mode="json"), folder / f"seed-{config.seed}", **common) for config in configs]


def usual_config(study: Study) -> RunConfig:
    """Describe a run of a study, that of the first point of its space."""
    space = study.parsed_space
    return study.config(space.fields(next(space.points(coarse=True))))


def data_of(study: Study) -> Source:
    """Open the data of a study."""
    from training.data.datasets import open_source  # imports TensorFlow Datasets

    return open_source(usual_config(study).data)


def planned_epochs(study: Study, source: Source) -> int:
    """Give the epochs of a run; a ValueError says that the data set, the fields or the lengths of runs do not work."""
    from training.data.datasets import check_trained  # imports TensorFlow Datasets
    from training.plan import Plan
    from tuning.engine.lengths import check_lengths

    config = usual_config(study)
    check_trained(source, config.data)
    if study.objective not in ("loss", source.task.measure):
        raise ValueError(
            f"The objective {study.objective} is for images of one class each, and those of {source.name!r} may have "
            "any number; choose the objective loss."
        )
    errors = [claim.claim for claim in study.claims if claim.measure not in LOSSES]
    if errors and source.task.measure != "accuracy":
        raise ValueError(
            f"The claim {errors[0]!r} is of an error, and the images of {source.name!r} may have several classes each; "
            f"measure {' or '.join(LOSSES)}."
        )
    planned = Plan.of(source, config).epochs
    check_lengths(study, source, planned)
    return planned


def work(
    folder: Path,
    planned: int,
    access: Access,
    name: str,
    *,
    share: Share,
    patience: float = PATIENCE,
    find: Callable[[], Access] | None = None,
) -> None:
    """Run trials for a chief until it has no more; a ValueError says that something else is at fault.

    `planned` are the epochs of a run; no other worker has this one's name, and all see the folder of the study. One
    that gets SIGTERM ends its run with the epoch, hands the trial back and exits with status 143. `find` says where the
    chief is once it is away.
    """
    for variable in ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"):
        os.environ.pop(variable, None)  # which would make keras-tuner speak to a chief of its own
    study = read_study(folder)
    objective = keras_tuner.Objective(study.objective, "max" if study.sign > 0 else "min")
    client = ChiefClient(keras_tuner.Oracle(objective), access, name, patience, find)
    signal.signal(signal.SIGTERM, lambda *_: client.leaving.set())
    StudyTuner(client, study, folder, planned, share).search()


def work_here(folder: Path, planned: int, access: Access, name: str, share: Share) -> None:
    """Be a worker of this machine, in the process that was made for it."""
    settle(folder / f"{name}.log")
    with contextlib.suppress(FatalValueError):  # the chief reads of it in FAULT_FILE
        work(folder, planned, access, name, share=share)
