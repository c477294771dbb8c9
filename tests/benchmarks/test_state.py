"""Where a run stands, in files: a kill between any two writes leaves a state that is whole."""

import numpy as np
import pytest

import state


def saved(epoch: int) -> state.Saved:
    arrays = {"kernel": np.full((3, 4), epoch, "float32"), "steps": np.array(epoch, "int32")}
    arrays["bias"] = np.arange(5, dtype="float32") + epoch
    return state.Saved(epoch, epoch / 3, {"loss": "cross_entropy", "schedule.milestones": [0.5]}, arrays)


def assert_is(found: state.Saved | None, expected: state.Saved) -> None:
    assert (found.epoch, found.seconds, found.config) == (expected.epoch, expected.seconds, expected.config)
    assert found.arrays.keys() == expected.arrays.keys()
    for name, array in expected.arrays.items():
        assert (found.arrays[name].dtype, found.arrays[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found.arrays[name], array)


@pytest.fixture(params=[15 * 2**20, 50], ids=["one file", "three files"])
def parts(request, monkeypatch):
    monkeypatch.setattr(state, "LARGEST", request.param)
    return 1 if request.param > 50 else 2


def test_newest_state_comes_back_and_is_the_only_one_kept(tmp_path, parts):
    assert state.load(tmp_path, "run") is None
    for epoch in (3, 9, 10):
        state.save(tmp_path, "run", saved(epoch))
    state.save(tmp_path, "run.other", saved(1))
    assert_is(state.load(tmp_path, "run"), saved(10))
    assert len(list(tmp_path.glob("run.epoch*"))) == parts and len(list(tmp_path.iterdir())) == 2 * parts


def test_what_a_killed_process_began_to_write_goes_with_the_next_state(tmp_path):
    left, others = (tmp_path / f".part-0a1b2c3d-{name}.epoch0003.1of1.safetensors" for name in ("run", "run.other"))
    for path in (left, others):
        path.write_bytes(b"half of it")
    state.save(tmp_path, "run", saved(4))
    assert not left.exists() and others.exists()
    assert_is(state.load(tmp_path, "run"), saved(4))


def test_files_stay_below_their_limit():
    arrays = {str(number): np.zeros(1000 + number, "float32") for number in range(9)}
    parts = state.packed(arrays)
    assert [name for part in parts for name in part] == list(arrays)
    assert len(parts) == 1
    limit = state.LARGEST
    state.LARGEST = 9000
    try:
        parts = state.packed(arrays)
    finally:
        state.LARGEST = limit
    assert [len(part) for part in parts] == [2, 2, 2, 2, 1]
    assert all(sum(array.nbytes for array in part.values()) <= 9000 for part in parts)


@pytest.mark.parametrize("survivors", [0, 1])
def test_kill_between_two_writes_leaves_the_state_before(tmp_path, monkeypatch, survivors):
    monkeypatch.setattr(state, "LARGEST", 50)
    state.save(tmp_path, "run", saved(1))
    write, written = state.write_atomically, []

    def killed(*arguments):
        if len(written) == survivors:
            raise KeyboardInterrupt
        written.append(write(*arguments))

    monkeypatch.setattr(state, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        state.save(tmp_path, "run", saved(2))
    assert_is(state.load(tmp_path, "run"), saved(1))
    monkeypatch.setattr(state, "write_atomically", write)
    state.save(tmp_path, "run", saved(2))
    assert_is(state.load(tmp_path, "run"), saved(2))
    assert len(list(tmp_path.iterdir())) == 2


def test_damaged_file_is_named(tmp_path):
    state.save(tmp_path, "run", saved(1))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match=rf"{path.name} is damaged .* Put back a copy, or remove it"):
        state.load(tmp_path, "run")
