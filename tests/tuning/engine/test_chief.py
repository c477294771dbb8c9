"""The chief, without workers: who holds which trial, and that what nobody should say changes nothing."""

import json

import pytest
from keras_tuner.engine.trial import TrialStatus

from tuning.engine.access import Caller, LostLeaseError, RefusedError
from tuning.engine.chief import HANDED_BACK, Chief
from tuning.engine.oracles import ATTEMPTS
from tuning.engine.tuners import make_oracle

FOUR = {"activation": ["relu", "gelu"], "shortcut": ["A", "B"]}


@pytest.fixture
def start(study, tmp_path):
    """Start the chief of a study, which goes on from what an earlier one has left in the folder."""

    def make(space=FOUR, folder="study", **settings) -> Chief:
        return Chief(make_oracle(study(space, **settings), 2), tmp_path / folder)

    return make


class Worker:
    """A worker that speaks to a chief without a network between them."""

    def __init__(self, chief: Chief, name: str, session: str = "first"):
        self.chief, self.caller, self.trial = chief, Caller(name, session, 0), None

    def take(self) -> str:
        """Ask for a trial; return its status."""
        trial, attempt = self.chief.create(self.caller._replace(attempt=0))
        self.trial, self.caller = trial.trial_id, self.caller._replace(attempt=attempt)
        return trial.status

    def end(self, status=TrialStatus.COMPLETED, score=0.5) -> None:
        if status == TrialStatus.COMPLETED:
            self.chief.update(self.caller, self.trial, {"accuracy": score})
        self.chief.end(self.caller, self.trial, status)


def pass_time(monkeypatch, seconds: float) -> None:
    from time import monotonic

    later = monotonic() + seconds
    for module in ("leases", "chief"):
        monkeypatch.setattr(f"tuning.engine.{module}.monotonic", lambda: later)


def ended(chief: Chief) -> list[str]:
    return chief.oracle.end_order


def test_worker_that_is_taken_for_lost_and_comes_back_is_told_so(start):
    chief = start()
    lost, other = Worker(chief, "lost"), Worker(chief, "other")
    lost.take()
    chief.release("lost")
    other.take()
    assert other.trial == lost.trial and (lost.caller.attempt, other.caller.attempt) == (1, 2)
    for call in (
        lambda: chief.get(lost.caller, lost.trial),
        lambda: chief.update(lost.caller, lost.trial, {"accuracy": 1.0}),
        lambda: chief.end(lost.caller, lost.trial, TrialStatus.COMPLETED),
    ):
        with pytest.raises(LostLeaseError, match="worker lost does not hold trial '0000' at attempt 1"):
            call()
    other.end(score=0.25)
    assert chief.oracle.trials[other.trial].score == 0.25
    assert ended(chief) == [other.trial]
    lost.take()
    assert lost.trial != other.trial


def test_trial_whose_workers_are_lost_again_and_again_is_given_up(start):
    chief = start()
    for place in range(ATTEMPTS):
        worker = Worker(chief, f"host-{place}")
        worker.take()
        assert worker.trial == "0000" and worker.caller.attempt == place + 1
        chief.release(worker.caller.worker)
    assert ATTEMPTS == 5 and ended(chief) == ["0000"]
    assert chief.oracle.trials["0000"].status == TrialStatus.FAILED
    assert chief.release("nobody") is None


def test_trial_that_is_handed_back_was_not_lost(start):
    chief = start()
    for _ in range(ATTEMPTS + 2):
        worker = Worker(chief, "leaving")
        worker.take()
        worker.end(HANDED_BACK)
    assert worker.trial == "0000" and worker.caller.attempt == ATTEMPTS + 2
    worker.take()
    worker.end()
    assert ended(chief) == ["0000"] and chief.oracle.trials["0000"].status == TrialStatus.COMPLETED


def test_worker_that_asks_for_its_trial_is_alive(start, monkeypatch):
    chief = start()
    worker = Worker(chief, "one")
    worker.take()
    pass_time(monkeypatch, 100)
    assert chief.silent(60) == ["one"]
    chief.get(worker.caller, worker.trial)
    assert chief.silent(60) == []


def test_chief_knows_who_waits_for_its_last_word(start):
    chief = start({"activation": ["relu"]})
    busy, idle, gone = (Worker(chief, name) for name in ("busy", "idle", "gone"))
    assert [worker.take() for worker in (busy, idle, gone)] == ["RUNNING", "IDLE", "IDLE"]
    busy.end()
    assert idle.take() == "STOPPED" and chief.finished and chief.is_awaited(5)
    assert busy.take() == gone.take() == "STOPPED" and not chief.is_awaited(5)


def test_chief_does_not_wait_for_workers_that_are_gone(start, monkeypatch):
    chief = start({"activation": ["relu"]})
    busy, gone = (Worker(chief, name) for name in ("busy", "gone"))
    assert [worker.take() for worker in (busy, gone)] == ["RUNNING", "IDLE"]
    busy.end()
    assert busy.take() == "STOPPED" and chief.is_awaited(5)
    pass_time(monkeypatch, 6)
    assert not chief.is_awaited(5)


def test_answer_that_did_not_arrive_is_given_again_but_not_to_another_of_the_name(start):
    chief = start()
    worker = Worker(chief, "one")
    worker.take()
    before = (worker.trial, worker.caller.attempt)
    worker.take()
    assert (worker.trial, worker.caller.attempt) == before
    with pytest.raises(RefusedError, match="another worker is called one and holds trial 0000"):
        Worker(chief, "one", "second").take()


def test_worker_goes_on_with_its_trial_under_a_chief_that_was_started_again(start):
    first = start()
    outlives, dies = Worker(first, "node7"), Worker(first, "worker0")
    outlives.take()
    dies.take()
    second = start()  # the first was killed
    outlives.chief = second
    outlives.end()
    again = Worker(second, "worker0", "second")
    order = [outlives.trial]
    while again.take() == TrialStatus.RUNNING:
        order.append(again.trial)
        again.end()
    assert order[1] == dies.trial and ended(second) == order and sorted(order) == ["0000", "0001", "0002", "0003"]
    with pytest.raises(LostLeaseError):
        dies.chief = second
        dies.end()
    assert start().leases.held == {} == second.leases.attempts


def test_lease_of_a_trial_that_has_ended_is_forgotten(start, tmp_path):
    chief = start()
    worker = Worker(chief, "node7")
    worker.take()
    leases = chief.leases.file.read_text(encoding="utf-8")
    worker.end()
    chief.leases.file.write_text(leases, encoding="utf-8")  # as if the chief was killed between its two files
    again = start()
    assert again.leases.held == {} and ended(again) == ["0000"]
    with pytest.raises(LostLeaseError):
        again.end(worker.caller, "0000", TrialStatus.COMPLETED)


@pytest.mark.parametrize(
    ("metrics", "status"),
    [({"accuracy": float("nan")}, None), ({"loss": 0.1}, None), ({}, None), (None, TrialStatus.COMPLETED)]
    + [({"spread": 0.1}, None), ({"accuracy": 0.5, "spread": float("inf")}, None)]
    + [(None, status) for status in (None, TrialStatus.RUNNING, TrialStatus.STOPPED)],
)
def test_what_no_worker_says_is_refused_and_changes_nothing(start, metrics, status):
    chief = start()
    worker = Worker(chief, "one")
    worker.take()
    with pytest.raises(RefusedError):
        if metrics is None:
            chief.end(worker.caller, worker.trial, status)
        else:
            chief.update(worker.caller, worker.trial, metrics)
    assert chief.oracle.fault is None and ended(chief) == []
    worker.end()
    assert ended(chief) == ["0000"]


def test_spread_of_the_runs_comes_with_the_score(start):
    chief = start()
    worker = Worker(chief, "one")
    worker.take()
    chief.update(worker.caller, worker.trial, {"accuracy": 0.5, "spread": 0.25})
    assert chief.oracle.trials["0000"].metrics.get_best_value("spread") == 0.25


def test_error_within_the_oracle_leaves_no_lock_shut(start, monkeypatch):
    chief = start()

    def fail(*_):
        raise OSError("Cannot save oracle.json: no space left on device.")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="no space left"):
        patched.setattr(chief.oracle, "save", fail)
        Worker(chief, "one").take()
    assert chief.oracle.fault == "Cannot save oracle.json: no space left on device."
    worker = Worker(chief, "two")
    worker.take()
    worker.end()
    assert worker.trial in ended(chief)


@pytest.mark.parametrize("name", ["oracle.json", "trial_0000/trial.json", "leases.json"])
@pytest.mark.parametrize("text", ["", '{"trial_id": "00', "[]", "{}"])
def test_damaged_file_of_the_state_is_named(start, tmp_path, name, text):
    chief = start()
    Worker(chief, "one").take()
    file = tmp_path / "study/oracle" / name
    json.loads(file.read_text(encoding="utf-8"))
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"oracle/{name} is damaged .*Put back a copy"):
        start()
