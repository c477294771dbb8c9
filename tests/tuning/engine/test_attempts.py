"""Attempts at a run: what a lost worker still writes reaches nobody, and one of them ends the run."""

import multiprocessing
import os
import signal
import threading
import time

import pytest

from training.locks import alone
from tuning.engine.access import LostLeaseError
from tuning.engine.attempts import attempt_folder, keep, settle_ended, take_over
from tuning.engine.jobs import Job, execute
from tuning.results import COMPLETED, FAULT, KILLED, Outcome, read_outcome, read_trial, write_outcome, write_trial

DONE = Outcome(COMPLETED, 0.5)
FACTS = {"values": {}, "fields": {}, "epochs": 2, "seeds": [0]}


def begin(ended, attempt, text="1"):
    """Begin an attempt, as a worker's run does."""
    place = take_over(ended, attempt)
    place.mkdir(exist_ok=True)
    (place / "epochs.txt").write_text(text, encoding="utf-8")
    return place


def test_next_attempt_takes_over_what_the_one_before_has_left(tmp_path):
    ended = tmp_path / "seed-0"
    first = begin(ended, 1)
    with alone(first / "run.lock", "held"):  # by a process that is stopped
        second = take_over(ended, 3)
        with alone(second / "run.lock", "held"):
            pass
    assert (second / "epochs.txt").read_text(encoding="utf-8") == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["attempt-3-seed-0"]
    with pytest.raises(FileNotFoundError):
        (first / "epochs.txt").write_text("2", encoding="utf-8")


def test_only_the_attempt_that_has_the_folder_ends_the_run(tmp_path):
    ended = tmp_path / "seed-0"
    first, second = begin(ended, 1), take_over(ended, 2)
    with pytest.raises(LostLeaseError):
        keep(first, ended)
    begin(ended.with_name("seed-1"), 1)
    write_outcome(first, DONE)  # which makes the folder anew
    keep(second, ended)
    with pytest.raises(LostLeaseError):
        keep(first, ended)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["attempt-1-seed-1", "seed-0"]


def test_run_is_read_where_its_newest_attempt_is(tmp_path):
    write_trial(tmp_path, FACTS)
    ended = tmp_path / "seed-0"
    assert read_trial(tmp_path).runs[0].folder == ended
    for attempt in (2, 10):
        begin(ended.with_name("other"), attempt)
        (tmp_path / f"attempt-{attempt}-seed-0").mkdir()
    assert read_trial(tmp_path).runs[0].folder == attempt_folder(ended, 10)
    settle_ended(tmp_path, Outcome(KILLED, reason="again and again"))
    (run,) = read_trial(tmp_path).runs
    assert (run.folder, run.outcome.reason) == (ended, "again and again")
    assert not list(tmp_path.glob("attempt-*-seed-0"))


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Describe runs that train nothing: a number of beats of a fiftieth of a second, each noted in a file."""
    monkeypatch.setattr("tuning.engine.jobs.processes", lambda: multiprocessing.get_context("fork"))
    monkeypatch.setattr("tuning.engine.jobs.HEARTBEAT", 0.05)
    monkeypatch.setattr("tuning.engine.jobs.perform", perform)

    def make(attempt: int, beats: int = 3) -> Job:
        return Job({"beats": beats}, tmp_path / "seed-0", "accuracy", attempt=attempt)

    return make


def perform(job: Job) -> None:
    leaving = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: leaving.set())
    job.place.mkdir(exist_ok=True)
    file = job.place / "beats.txt"
    done = len(file.read_text(encoding="utf-8")) if file.is_file() else 0
    for _ in range(job.config["beats"] - done):
        with open(file, "a", encoding="utf-8") as notes:
            notes.write(".")
        if leaving.is_set():
            return write_outcome(job.place, Outcome(KILLED, reason="told"))
        time.sleep(0.02)
    return write_outcome(job.place, DONE)


def test_run_that_ends_lies_in_its_place_and_is_not_made_again(job):
    assert execute(job(1)) == DONE == execute(job(2))
    assert job(1).folder.is_dir() and not job(1).place.is_dir() and not job(2).place.is_dir()


def test_worker_that_has_lost_its_trial_ends_the_run_at_once(job):
    slow, beats = job(1, beats=10**6), []

    def beat() -> None:
        beats.append(1)
        if len(beats) == 3:
            raise LostLeaseError("another has it")

    with pytest.raises(LostLeaseError):
        execute(slow, beat)
    noted = (slow.place / "beats.txt").read_text(encoding="utf-8")
    time.sleep(0.2)
    assert (slow.place / "beats.txt").read_text(encoding="utf-8") == noted  # its process is gone
    assert execute(job(2, beats=len(noted) + 2)) == DONE


def test_outcome_of_a_run_is_worth_nothing_where_the_trial_was_lost_meanwhile(job):
    def lose() -> None:
        take_over(job(2).folder, 2)
        raise LostLeaseError("another has it")

    with pytest.raises(LostLeaseError):
        execute(job(1, beats=1), lose)
    assert not job(1).folder.is_dir()
    with pytest.raises(LostLeaseError):  # taken over after the last heartbeat
        execute(job(3, beats=1), lambda: take_over(job(4).folder, 4))


def test_run_of_a_worker_that_is_to_leave_is_gone_on_with_by_the_next(job):
    leaving = threading.Event()
    leaving.set()
    assert execute(job(1, beats=10**6), leaving=leaving).reason == "told"
    noted = len((job(1).place / "beats.txt").read_text(encoding="utf-8"))
    assert execute(job(2, beats=noted + 1)) == DONE
    assert len((job(2).folder / "beats.txt").read_text(encoding="utf-8")) == noted + 1


def test_run_whose_outcome_is_damaged_goes_on(job):
    execute(job(1, beats=2))
    file = job(1).folder / "outcome.json"
    file.write_text('{"status": "comp', encoding="utf-8")
    damaged = read_outcome(job(1).folder)
    assert damaged.status == FAULT and f"{file} is damaged (" in damaged.reason
    assert execute(job(2, beats=3)) == DONE
    assert len((job(2).folder / "beats.txt").read_text(encoding="utf-8")) == 3
    assert os.listdir(job(1).folder.parent) == ["seed-0"]
