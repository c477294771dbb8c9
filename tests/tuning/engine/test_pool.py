"""The workers of a machine: others come for those that end, until it is plain that all of them do."""

from types import SimpleNamespace

import pytest

from tuning.engine.pool import DEATHS, WorkerPool


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """A worker that ends as soon as it is started; its chief, and how often it was started and its trial taken back."""
    started, released = [], []

    def process(target, args):
        return SimpleNamespace(start=lambda: started.append(args[3]), pid=1, is_alive=lambda: False)

    def release(name: str) -> None:
        released.append(name)

    monkeypatch.setattr("tuning.engine.pool.processes", lambda: SimpleNamespace(Process=process))
    oracle = SimpleNamespace(end_order=[], planned=2, fault=None)
    chief = SimpleNamespace(folder=tmp_path, oracle=oracle, finished=False, release=release)
    return WorkerPool(chief, SimpleNamespace(), 1), chief, started, released


def test_search_ends_where_its_workers_end_without_a_trial_done(pool, tmp_path):
    one, _, started, released = pool
    (tmp_path / "worker0.log").write_text("Traceback\nImportError: no such module\n", encoding="utf-8")
    for _ in range(DEATHS - 1):
        one.replace_ended()
    assert started == ["worker0"] * DEATHS and released == ["worker0"] * (DEATHS - 1)
    with pytest.raises(ValueError, match=r"Workers end without a trial done; .*worker0\.log ends: ImportError: no"):
        one.replace_ended()


def test_workers_that_end_now_and_then_are_replaced_without_end(pool):
    one, chief, started, _ = pool
    for number in range(3 * DEATHS):
        chief.oracle.end_order.append(str(number))
        one.replace_ended()
    assert len(started) == 3 * DEATHS + 1
    chief.finished = True
    one.replace_ended()
    assert len(started) == 3 * DEATHS + 1
