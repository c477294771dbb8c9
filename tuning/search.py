"""A study from top to bottom: its folder, the chief and its workers, the finalists, the report."""

from __future__ import annotations

import concurrent.futures
import queue
from pathlib import Path
from typing import Any

from keras_resnet.files import write_atomically
from training.config import read_fields
from training.locks import alone
from tuning.engine.jobs import Job, Share, execute, visible_gpus
from tuning.engine.oracles import Proposals, make_oracle
from tuning.engine.service import serve
from tuning.engine.workers import FAULT_FILE, StudyTuner, planned_epochs, write_trial
from tuning.report.leaderboard import leaderboard_text
from tuning.report.writing import write_report
from tuning.results import (
    FAULT,
    FINALS,
    TRIALS,
    Outcome,
    StudyResults,
    TrialResult,
    read_results,
    read_trial,
)
from tuning.study import Study, make_study

LOCAL = "127.0.0.1:0"
# What of a study, and of its fields, may be another when it goes on: how long it lasts, and where it runs.
BUDGET = ("trials", "total_epochs", "hours", "finalists")
PLACE = ("data_dir", "download", "devices")


def search(study: Study, folder: Path, workers: int = 1, address: str | None = None) -> StudyResults:
    """Run a study, or go on with one that was stopped.

    Args:
        study: Study.
        folder: Path of its folder; the workers of other machines must see it under the same path.
        workers: int, processes on this machine that run trials.
        address: str, HOST:PORT at which to serve the workers of other machines; None for none.

    Returns:
        StudyResults.

    Raises:
        ValueError: the space, the data or the folder do not work, or the search itself fails.
        OSError: a file cannot be written.
        KeyboardInterrupt: the user stopped it; the same call goes on.
    """
    check_folder(folder, study)
    check_workers(workers, address)
    oracle = make_oracle(study, planned_epochs(study))
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / "chief.lock", f"{folder} is being searched by another process; wait for it, or end it."):
        return _run(study, folder, workers, address, oracle)


def _run(study: Study, folder: Path, workers: int, address: str | None, oracle: Proposals) -> StudyResults:
    write_atomically(folder / "study.yaml", lambda part: part.write_text(study.to_yaml(), encoding="utf-8"))
    (folder / FAULT_FILE).unlink(missing_ok=True)
    StudyTuner(oracle, study, folder, oracle.planned, Share()).save()  # reads what an earlier call has left
    oracle.on_end = lambda trial_id: print(progress(oracle, folder, trial_id), flush=True)
    print(announcement(oracle, folder, workers, address), flush=True)
    serve(oracle, folder, workers, address or LOCAL)
    results = read_results(folder)
    if best := results.ranked():
        config = study.final_config(best[0].fields)
        write_atomically(folder / "best.yaml", lambda part: part.write_text(config.to_yaml(), encoding="utf-8"))
        run_finals(study, folder, best[: study.finalists], max(workers, 1))
        results = read_results(folder)
    write_hparams(results)
    write_report(folder)
    print(leaderboard_text(results))
    return results


def check_folder(folder: Path, study: Study) -> None:
    """Make sure that a folder is free, or holds this very study, with more or less of a budget.

    Args:
        folder: Path.
        study: Study.

    Raises:
        ValueError: it holds another study, or something else.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return
    path = folder / "study.yaml"
    if not path.is_file():
        raise ValueError(f"{folder} is no study (it has no study.yaml), so nothing is written there.")
    before, now = make_study(read_fields(path), str(path)).model_dump(), study.model_dump()
    changed = [name for name in now if name not in (*BUDGET, "fields") and before[name] != now[name]]
    if _learning(before["fields"]) != _learning(now["fields"]):
        changed.append("fields")
    if changed:
        raise ValueError(
            f"{folder} holds a study with another {' and '.join(changed)}; it is left as it is. Give another "
            "--study-dir, or go on with that one by --config " + str(path) + "."
        )


def _learning(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in PLACE}


def check_workers(workers: int, address: str | None) -> None:
    """Refuse numbers of workers that could not work.

    Args:
        workers: int.
        address: str, HOST:PORT, or None.

    Raises:
        ValueError: there are none, or they have no GPU each where there are GPUs, or the address is none.
    """
    if workers < 0 or (workers == 0 and address is None):
        raise ValueError(f"workers={workers} runs no trial here; give at least 1, or --chief for workers elsewhere.")
    gpus = len(visible_gpus())
    if workers > 1 and 0 < gpus < workers:
        raise ValueError(f"{workers} workers cannot share {gpus} GPUs; give at most {gpus}.")
    if address is not None and not address.rpartition(":")[2].isdecimal():
        raise ValueError(f"--chief must be HOST:PORT, as in 10.0.0.1:7000; received {address!r}.")


def run_finals(study: Study, folder: Path, best: list[TrialResult], workers: int) -> None:
    """Train the best points on the whole training set and test them, once.

    Args:
        study: Study.
        folder: Path of the study.
        best: list of TrialResults.
        workers: int, how many runs at a time.

    Raises:
        ValueError: something else than a run is at fault.
    """
    shares: queue.SimpleQueue[Share] = queue.SimpleQueue()
    for place in range(workers):
        shares.put(Share.of(place, workers))

    def run(config, path: Path) -> Outcome:
        share = shares.get()
        try:
            return execute(Job(config.model_dump(mode="json"), str(path), study.objective, share=share))
        finally:
            shares.put(share)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        pending = []
        for trial in best:
            configs = [study.final_config(trial.fields, repeat) for repeat in range(study.repeats)]
            place = folder / FINALS / trial.id
            facts = {"values": trial.values, "fields": trial.fields, "epochs": trial.epochs}
            write_trial(place, {**facts, "seeds": [config.seed for config in configs]})
            pending += [pool.submit(run, config, place / f"seed-{config.seed}") for config in configs]
        outcomes = [future.result() for future in pending]
    for outcome in outcomes:
        if outcome.status == FAULT:
            raise ValueError(f"The search stopped: {outcome.reason} The same command goes on with it.")


def write_hparams(results: StudyResults) -> None:
    """Write every trial for TensorBoard's HParams page.

    Args:
        results: StudyResults.
    """
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    for trial in results.ranked():
        place = results.folder / "tensorboard" / trial.id
        if place.exists():
            continue
        with tf.summary.create_file_writer(str(place)).as_default():
            api.hparams(trial.values, trial_id=trial.id)
            tf.summary.scalar(results.study.objective, trial.score, step=0)


def announcement(oracle: Proposals, folder: Path, workers: int, address: str | None) -> str:
    """Say in a line what is about to be searched.

    Args:
        oracle: Proposals.
        folder: Path of the study.
        workers: int.
        address: str, HOST:PORT, or None.

    Returns:
        str.
    """
    study = oracle.study
    size = f"{len(oracle.listed):,} points" if oracle.listed is not None else "endless"
    limits = {"trials": study.trials, "epochs": study.total_epochs, "hours": study.hours}
    budget = ", ".join(f"{value:g} {name}" for name, value in limits.items() if value) or "all points"
    done = f"; {len(oracle.end_order)} done before" if oracle.end_order else ""
    elsewhere = f", serving others at {address}" if address else ""
    return (
        f"study {folder}: {', '.join(study.space)} ({size}); {study.tuner}, {budget}, {study.repeats} "
        f"seed{'s' if study.repeats > 1 else ''} each, "
        f"{workers} worker{'' if workers == 1 else 's'} here{elsewhere}{done}"
    )


def progress(oracle: Proposals, folder: Path, trial_id: str) -> str:
    """Say in a line how a trial ended.

    Args:
        oracle: Proposals.
        folder: Path of the study.
        trial_id: str.

    Returns:
        str.
    """
    trial = read_trial(folder / TRIALS / trial_id)
    known = [total for total in (oracle.max_trials, oracle.listed and len(oracle.listed)) if total]
    count = f"{len(oracle.end_order)} of {min(known)}" if known else str(len(oracle.end_order))
    values = ", ".join(f"{name}={value}" for name, value in trial.values.items())
    seconds = sum(run.outcome.seconds for run in trial.runs if run.outcome)
    if trial.score is None:
        return f"[{count}] trial {trial_id} ({values}): {trial.status}: {trial.reason}"
    spread = f" ± {trial.spread:.4f}" if trial.spread is not None else ""
    early = ", stopped early" if trial.status == "stopped" else ""
    score = f"{oracle.study.objective} {trial.score:.4f}{spread}"
    return f"[{count}] trial {trial_id} ({values}): {score}, {seconds:.0f} s{early}"
