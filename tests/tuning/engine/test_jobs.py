"""Runs in processes of their own: how they end, and what is left."""

import multiprocessing
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from training.divergence import diverged
from training.run_folder import RunFolder
from tuning.engine.jobs import FEWEST_RUNS, Job, Share, attempt, execute, is_below_median
from tuning.results import COMPLETED, DIVERGED, FAILED, FAULT, KILLED, Outcome, write_outcome


@pytest.fixture
def job(study, data_dir, tmp_path):
    """Describe a run of a moment on the digits, with any fields otherwise."""

    def make(name="seed-0", fields=None, **settings) -> Job:
        config = study(fields={"data_dir": str(data_dir), "data.train_split": "train[:200]", "epochs": 1}).config(
            fields or {}
        )
        return Job(config.model_dump(mode="json"), tmp_path / "trials/0000" / name, "accuracy", **settings)

    return make


@pytest.mark.slow
def test_run_leaves_its_folder_and_its_outcome_and_is_not_made_again(job):
    one = job()
    outcome = execute(one)
    assert outcome.status == COMPLETED and outcome.reason == ""
    assert outcome.results["split"] == "validation of train[:200]"
    assert (outcome.score, outcome.epochs) == (outcome.results["accuracy"], 1)
    assert outcome.parameters == 75_002 and outcome.multiply_adds > 0 and outcome.seconds > 0
    model = RunFolder(one.folder).model_file
    written = model.stat().st_mtime_ns
    assert execute(one) == outcome
    assert model.stat().st_mtime_ns == written
    (one.folder / "outcome.json").unlink()  # as if it was killed between its last epoch and its end
    again = execute(one)
    assert replace(again, seconds=0) == replace(outcome, seconds=0)
    assert again.seconds >= sum(row["seconds"] for row in RunFolder(one.folder).read_times()) > 0


@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"learning_rate": 1e30}, DIVERGED, "The loss became nan in epoch 1"),
        ({"batch_size": 5000}, FAILED, "has 180 examples, fewer than batch_size=5000"),
    ],
)
@pytest.mark.slow
def test_run_that_fails_says_why(job, fields, status, sentence):
    outcome = execute(job(fields=fields))
    assert outcome.status == status and sentence in outcome.reason
    assert outcome.score is None
    assert (outcome.parameters > 0) == (status == DIVERGED)  # the network was built


def test_reason_of_a_run_that_diverged_is_no_advice_and_names_no_folder(job, monkeypatch):
    def fail(config, run, **_):
        raise diverged("The loss became inf in epoch 3, step 2 of 4", SimpleNamespace(optimizer=None), run, 2)

    monkeypatch.setattr("training.run.train", fail)
    outcome = attempt(job())
    assert (outcome.status, outcome.reason) == (DIVERGED, "The loss became inf in epoch 3, step 2 of 4")


@pytest.mark.slow
def test_full_disk_is_not_the_trials_fault(job, monkeypatch):
    def fail(*_, **__):
        raise OSError("Cannot save model.keras: no space left on device.")

    monkeypatch.setattr("training.run.train", fail)
    outcome = attempt(job())
    assert (outcome.status, outcome.reason) == (FAULT, "Cannot save model.keras: no space left on device.")


@pytest.mark.slow
def test_fault_is_tried_again_and_a_score_that_is_no_number_is_divergence(job, monkeypatch):
    write_outcome(job().folder, Outcome(FAULT, reason="no space left on device"))
    assert execute(job()).status == COMPLETED
    results = {"split": "validation of train", "accuracy": 0.5, "loss": float("nan")}
    monkeypatch.setattr("training.run.train", lambda *_, **__: results)
    outcome = attempt(job("other")._replace(objective="loss"))
    assert (outcome.status, outcome.reason) == (DIVERGED, "its loss on the validation of train is nan")


@pytest.mark.slow
def test_run_that_is_killed_is_told_and_goes_on_when_it_is_asked_for_again(job):
    whole, parts = job("whole", {"epochs": 12}), job("parts", {"epochs": 12})

    def kill() -> None:
        metrics = RunFolder(parts.folder).metrics_file
        while not metrics.is_file():
            time.sleep(0.01)
        os.kill(children_of_the_server(parts)[0], signal.SIGKILL)

    expected = execute(whole)
    killer = threading.Thread(target=kill)
    killer.start()
    outcome = execute(parts)
    killer.join()
    assert outcome.status == KILLED
    assert outcome.reason == "its process was killed by SIGKILL; perhaps out of memory"
    again = execute(parts)
    assert (again.status, again.score, again.epochs) == (COMPLETED, expected.score, 12)
    assert (again.parameters, again.multiply_adds) == (expected.parameters, expected.multiply_adds)


@pytest.mark.slow
def test_run_of_a_worker_that_is_told_to_end_goes_on_after_a_whole_epoch(job):
    parts, leaving = job("parts", {"epochs": 40}), threading.Event()

    def leave() -> None:
        if RunFolder(parts.folder).metrics_file.is_file():
            leaving.set()

    outcome = execute(parts, leave, leaving)
    assert (outcome.status, outcome.reason) == (KILLED, "its worker was told to end")
    rows = RunFolder(parts.folder).read_metrics()
    assert 1 <= len(rows) < 40
    again = execute(parts)
    assert (again.status, again.epochs) == (COMPLETED, 40)
    assert RunFolder(parts.folder).read_metrics()[: len(rows)] == rows


def children_of_the_server(job) -> list[int]:
    """Find the processes that have a run's log open."""
    log, found = str(job.folder.with_suffix(".log")), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "fd/1") == log:
                found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no affinity of processes")
def test_workers_share_out_the_cores():
    cores = sorted(os.sched_getaffinity(0))
    assert Share.of(0, 1).cores == ()
    shares = [Share.of(place, len(cores)).cores for place in range(len(cores))] if len(cores) > 1 else [tuple(cores)]
    assert sorted(core for share in shares for core in share) == cores
    assert Share.of(0, len(cores) + 1).cores == ()


def test_workers_share_out_the_gpus(monkeypatch):
    monkeypatch.setattr("tuning.engine.jobs.visible_gpus", lambda: ["0", "1", "2"])
    assert [Share.of(place, 2).gpus for place in (0, 1)] == ["0,2", "1"]
    assert Share.of(0, 1).gpus is None


def test_share_is_taken_in_a_process(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    core = min(os.sched_getaffinity(0))
    queue = multiprocessing.get_context("fork").SimpleQueue()

    def child() -> None:
        Share((core,), "1").take()
        queue.put((os.sched_getaffinity(0), os.environ["CUDA_VISIBLE_DEVICES"]))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    assert queue.get() == ({core}, "1")
    process.join()


@pytest.mark.parametrize(("objective", "better"), [("accuracy", max), ("loss", min)])
def test_run_below_the_median_at_its_epoch_is_below_median(tmp_path, objective, better):
    values = [0.2, 0.4, 0.5, 0.6, 0.8]
    for number, value in enumerate(values):
        folder = tmp_path / f"{number:04d}" / "seed-0"
        write_outcome(folder, Outcome(COMPLETED, 0.5))
        (folder / "metrics.csv").write_text(f"epoch,val_{objective}\n1,0.9\n2,{value}\n", encoding="utf-8")
    job = Job({}, tmp_path / "0009" / "seed-0", objective, "median", 2)
    hopeless = {value: is_below_median(job, 2, {f"val_{objective}": value}) for value in (0.45, 0.5, 0.55)}
    assert hopeless == {0.45: better is max, 0.5: False, 0.55: better is min}
    for name in ("0007", "0008"):  # one whose file is damaged, and one that is about to be removed
        write_outcome(tmp_path / name / "seed-0", Outcome(COMPLETED, 0.5))
    (tmp_path / "0007" / "seed-0" / "metrics.csv").write_text("epoch,val_accuracy\n1,high\n", encoding="utf-8")
    assert {value: is_below_median(job, 2, {f"val_{objective}": value}) for value in hopeless} == hopeless
    write_outcome(tmp_path / "0000" / "seed-0", Outcome(FAILED))
    assert FEWEST_RUNS == 5 and not is_below_median(job, 2, {f"val_{objective}": 0.0 if better is max else 1.0})


@pytest.mark.slow
def test_hopeless_run_is_stopped_early_and_keeps_its_score(job, tmp_path):
    for number in range(FEWEST_RUNS):
        folder = tmp_path / "trials" / f"{number + 1:04d}" / "seed-0"
        write_outcome(folder, Outcome(COMPLETED, 1.0))
        rows = "".join(f"{epoch},1.0\n" for epoch in range(1, 5))
        (folder / "metrics.csv").write_text(f"epoch,val_accuracy\n{rows}", encoding="utf-8")
    outcome = execute(job(fields={"epochs": 4}, stop="median", grace=2))
    assert (outcome.status, outcome.epochs) == ("stopped", 2)
    assert outcome.score == outcome.results["accuracy"]
