"""A study from top to bottom: its folder, the chief and its workers, ensembles, the finalists, the report."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import statistics
import threading
from pathlib import Path
from typing import Any

from keras_resnet.files import PART, make_folder
from training.config import make_config
from training.config.fields import flatten
from training.config.files import is_former, read_mapping
from training.hosts.addresses import parse_address
from training.locks import alone
from training.selection import is_stalled
from tuning.data_record import check_data, write_data
from tuning.engine.chief import Chief
from tuning.engine.continuing import length_matters
from tuning.engine.epochs import epochs_of_point, epochs_of_run
from tuning.engine.jobs import Job, Share, execute, visible_gpus
from tuning.engine.oracles import Proposals
from tuning.engine.pool import serve
from tuning.engine.service import Outside, read_credentials
from tuning.engine.tuners import make_oracle
from tuning.engine.workers import FAULT_FILE, data_of, planned_epochs, prepare
from tuning.ensembles import run_ensembles
from tuning.report.hparams import write_hparams
from tuning.report.tables import found_text
from tuning.report.wording import count_text, point_text
from tuning.report.writing import write_report
from tuning.results import (
    BEST_FILE,
    COMPLETED,
    FAULT,
    FINALS,
    STOPPED,
    TRIALS,
    Outcome,
    StudyResults,
    TrialResult,
    read_results,
    read_trial,
    write_text,
)
from tuning.space.reading import PLACE
from tuning.study import STUDY_FILE, Study, given_fields, make_study, without_searched
from tuning.watching import Watch

LOCK = "chief.lock"
BUDGET = ("trials", "total_epochs", "hours", "finalists")  # may be another when a study goes on, as PLACE may
WORDS = ("title", "about", "claims", "published")  # of the page, which may change too


def run_study(study: Study, folder: Path, workers: int = 1, outside: Outside | None = None) -> StudyResults:
    """Run a study, or go on with one that was stopped.

    Args:
        study: Study.
        folder: Path of its folder; the workers of other machines must see it under the same path.
        workers: int, processes on this machine that run trials.
        outside: Outside, where to serve the workers of other machines; None for nowhere.

    Returns:
        StudyResults.

    Raises:
        ValueError: the space, the data or the folder do not work, or the search itself fails.
        OSError: a file cannot be written.
        KeyboardInterrupt: the user stopped it; the same call goes on.
    """
    check_folder(folder, study)
    check_workers(workers, outside)
    source = data_of(study)
    oracle = make_oracle(study, planned_epochs(study, source))
    make_folder(folder, "study folder")
    with alone(folder / LOCK, f"{folder} is being searched by another process; wait for it, or end it."):
        facts = check_data(folder, source)
        write_text(folder / STUDY_FILE, study.to_yaml())
        write_data(folder, facts)
        _run_trials(oracle, folder, workers, outside)
        if study.ensembles:
            run_ensembles(study, folder)
        results = _run_finals(oracle, folder, max(workers, 1))
        write_hparams(results)
        write_report(folder)
    print(found_text(results))
    return results


def check_folder(folder: Path, study: Study) -> None:
    """Make sure that a folder is free, or holds this very study, with more or less of a budget."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is no folder; give another --study-dir.")
    if not folder.exists() or all(path.name == LOCK or path.name.startswith(PART) for path in folder.iterdir()):
        return  # also where a study was killed before it wrote its file
    path = folder / STUDY_FILE
    if not path.is_file():
        raise ValueError(f"{folder} is no study (it has no {STUDY_FILE}), so nothing is written there.")
    settings = read_mapping(path)
    if is_former(given_fields(settings)):
        raise ValueError(
            f"{folder} holds a study of version 0.1.0, which cannot go on, because augmentation draws other random "
            "numbers today; its report can still be written. Give another --study-dir."
        )
    before, now = (_decisive(one) for one in (make_study(settings, str(path)), study))
    changed = [name for name in now if before[name] != now[name]]
    if changed:
        raise ValueError(
            f"{folder} holds a study with another {' and '.join(changed)}; it is left as it is. Give another "
            f"--study-dir, or go on with that one by --config {path}."
        )


def _decisive(study: Study) -> dict[str, Any]:
    """Give the settings that decide what a study finds; a field that it does not name counts as its default."""
    own = {"data.validation": study.validation, "evaluation.each_epoch": True}  # which some fields need
    config = make_config({**flatten(study.fields), **own}, "the study", base={"epochs": 1})  # where they are searched
    common = without_searched(flatten(config.model_dump(mode="json")), study.space)
    fields = {path: value for path, value in common.items() if path not in (*PLACE, *own)}
    settings = study.model_dump(exclude={*BUDGET, *WORDS, "fields", "space"})
    return {"space": study.space, **settings, "fields": fields}


def check_workers(workers: int, outside: Outside | None) -> None:
    """Refuse a number of workers, an address or a certificate that could not work."""
    if workers < 0 or (workers == 0 and outside is None):
        raise ValueError(f"workers={workers} runs no trial here; give at least 1, or --chief for workers elsewhere.")
    gpus = len(visible_gpus())
    if workers > 1 and 0 < gpus < workers:
        raise ValueError(f"{workers} workers cannot share {gpus} GPUs; give at most {gpus}.")
    if outside:
        parse_address(outside.address, "--chief")
        if outside.chain:
            read_credentials(outside.chain, outside.key)


def _run_trials(oracle: Proposals, folder: Path, workers: int, outside: Outside | None) -> None:
    (folder / FAULT_FILE).unlink(missing_ok=True)
    chief = Chief(oracle, folder)
    watch = Watch(oracle, folder, oracle.most_trials)
    chief.on_end = lambda trial_id: watch.say(progress(oracle, folder, trial_id))
    elsewhere = f", serving others at {outside.address}" if outside else ""
    done = f"; {len(oracle.end_order)} done before" if oracle.end_order else ""
    print(f"study {folder}: {plan_text(oracle)}, {count_text(workers, 'worker')} here{elsewhere}{done}", flush=True)
    with contextlib.closing(watch):
        serve(chief, workers, outside, watch)


def _run_finals(oracle: Proposals, folder: Path, workers: int) -> StudyResults:
    """Train the best points on the whole training set and test them, once."""
    study, results = oracle.study, read_results(folder)
    if study.validation and (ranked := results.ranked()):
        best = study.final_config(ranked[0].fields, epochs=stalled_after(study, ranked[0], oracle.planned))
        write_text(folder / BEST_FILE, best.to_yaml())
    jobs: list[Job] = []
    for trial in results.finalists(study.finalists):
        epochs = stalled_after(study, trial, oracle.planned)
        configs = [study.final_config(trial.fields, repeat, epochs) for repeat in range(study.repeats)]
        facts = {"values": trial.values, "fields": trial.fields, "epochs": epochs_of_run(configs[0], oracle.planned)}
        jobs += prepare(folder / FINALS / trial.id, facts, configs, objective=study.objective)
    pending, leaving = iter(jobs), threading.Event()  # which the workers share

    def run(worker: int) -> list[Outcome]:
        share = Share.of(worker, workers)
        return [execute(job._replace(share=share), leaving=leaving) for job in pending if not leaving.is_set()]

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        try:
            outcomes = list(itertools.chain.from_iterable(pool.map(run, range(workers))))
        except BaseException:
            # Ctrl-C in a program of the user's own: the pool waits for the runs, which end with their epoch.
            leaving.set()
            raise
    for outcome in outcomes:
        if outcome.status == FAULT:
            raise ValueError(f"The search stopped: {outcome.reason} The same command goes on with it.")
    return read_results(folder)


def stalled_after(study: Study, trial: TrialResult, planned: int) -> int | None:
    """Count the epochs after which the runs of a trial no longer improved, in the middle of them, and so ended.

    A run without a validation split cannot tell, and makes as many. None, for its own length, where most were made to
    their end, in `planned` epochs unless the point says otherwise; and where the rate follows a course, which belongs
    to that length and which no shorter run takes.

    Source: Goodfellow et al., "Deep Learning", 2016, algorithm 7.2.
    """
    config = study.config(trial.fields)
    if length_matters(config) or "milestones" in config.schedule:
        return None
    length, patience = epochs_of_point(study, config, planned), config.evaluation.patience
    ended = [run.outcome.status == COMPLETED and is_stalled(run.history, patience) for run in trial.runs]
    made = [run.outcome.epochs if is_early else length for run, is_early in zip(trial.runs, ended)]
    epochs = statistics.median_high(made)
    return epochs if epochs < length else None


def plan_text(oracle: Proposals) -> str:
    """Say what is about to be searched, as in "random search of activation: 24 trials out of a continuous space"."""
    study, points = oracle.study, oracle.listed
    is_whole = all(dimension.is_whole for dimension in study.parsed_space.all_dimensions if dimension.scale)
    size = f"a {'large' if is_whole else 'continuous'} space" if points is None else count_text(len(points), "point")
    limits = [f"{limit:g} {name}" for name, limit in (("epochs", study.total_epochs), ("hours", study.hours)) if limit]
    if study.trials and (points is None or study.trials < len(points)):
        trials = f"{count_text(study.trials, 'trial')} out of"
    else:
        trials = "trials out of" if limits else "all of"
    within = f" within {' and '.join(limits)}" if limits else ""
    fields, seeds = ", ".join(study.space), count_text(study.repeats, "seed")
    return f"{study.tuner} search of {fields}: {trials} {size}{within}, {seeds} each{oracle.note}"


def progress(oracle: Proposals, folder: Path, trial_id: str) -> str:
    """Say in a line how a trial ended."""
    study = oracle.study
    count = f"{len(oracle.end_order)} of {oracle.most_trials}" if oracle.most_trials else str(len(oracle.end_order))
    try:
        trial = read_trial(folder / TRIALS / trial_id)
    except (ValueError, OSError) as error:  # the user may remove it
        return f"[{count}] trial {trial_id}: {error}"
    head = f"[{count}] trial {trial_id} ({point_text(study.parsed_space, trial)})"
    if trial.score is None:
        return f"{head}: {trial.status}: {trial.reason}"
    spread = f" ± {trial.spread:.4f}" if trial.spread is not None else ""
    early = ", stopped early" if trial.status == STOPPED else ""
    seconds = sum(outcome.seconds for outcome in trial.outcomes)
    return f"{head}: {study.objective} {trial.score:.4f}{spread}, {seconds:.0f} s{early}"
