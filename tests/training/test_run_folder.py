"""Run folders: nothing that existed is lost, and refusals say what to do."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keras_resnet.files import write_atomically
from tests.shared import ROOT
from training.config import RunConfig
from training.run_folder import REPLACED, RUN_FILES, RUN_FOLDERS, RunFolder


def some_run(path) -> RunFolder:
    folder = RunFolder(path)
    folder.create(overwrite=False)
    folder.config_file.write_text(RunConfig(epochs=3, seed=5).to_yaml(), encoding="utf-8")
    return folder


def test_create_makes_parents_and_takes_an_empty_folder(tmp_path):
    folder = RunFolder(tmp_path / "a" / "b")
    for _ in range(2):
        folder.create(overwrite=False)
        assert folder.path.is_dir()


def test_create_refuses_an_existing_run_and_leaves_it(tmp_path):
    folder = some_run(tmp_path / "run")
    with pytest.raises(ValueError, match=r"run exists\. Pass --resume to go on with it, --overwrite to start it anew"):
        folder.create(overwrite=False)
    assert folder.read_config().seed == 5


def fill(folder: RunFolder) -> None:
    """Write something under every name that a run uses."""
    for name in RUN_FILES:
        if name != "config.yaml":
            (folder.path / name).write_text("of the run", encoding="utf-8")
    for name in RUN_FOLDERS:
        (folder.path / name / "inside").mkdir(parents=True)
        (folder.path / name / "inside" / "file").write_text("of the run", encoding="utf-8")


def names_in(folder: RunFolder) -> list[str]:
    return sorted(os.listdir(folder.path))


def test_create_overwrites_a_run_when_asked(tmp_path):
    folder = some_run(tmp_path / "run")
    fill(folder)
    folder.create(overwrite=True)
    assert names_in(folder) == []


def test_create_removes_nothing_but_the_files_of_the_run(tmp_path):
    folder = some_run(tmp_path / "run")
    fill(folder)
    (folder.path / "notes.txt").write_text("mine", encoding="utf-8")
    (folder.path / "data").mkdir()
    folder.create(overwrite=True)
    assert names_in(folder) == ["data", "notes.txt"]


@pytest.mark.parametrize(
    "text",
    ["epochs: 3\nbatch_size: 8\n", "name: somebody\n", "- a list\n", "{broken", ""],
    ids=["some fields", "other fields", "list", "broken", "empty"],
)
def test_create_never_removes_a_folder_with_the_configuration_of_something_else(tmp_path, text):
    folder = RunFolder(tmp_path / "theirs")
    folder.path.mkdir()
    folder.config_file.write_text(text, encoding="utf-8")
    folder.model_file.write_text("precious", encoding="utf-8")
    with pytest.raises(ValueError, match=r"is no run folder \(it has no config.yaml that a run wrote\)"):
        folder.create(overwrite=True)
    assert names_in(folder) == ["config.yaml", "model.keras"]


@pytest.mark.parametrize("stuck", ["checkpoint.weights.h5", "config.yaml"])
def test_file_that_cannot_be_removed_leaves_the_earlier_run_whole(tmp_path, monkeypatch, stuck):
    folder, rename = some_run(tmp_path / "run"), Path.rename
    fill(folder)
    before = names_in(folder)

    def refuse(self, target):
        if self == folder.path / stuck:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match=rf"Cannot overwrite .*{stuck}: Operation not permitted\. The run there is whole"):
        folder.create(overwrite=True)
    assert [name for name in names_in(folder) if not name.startswith(REPLACED)] == before
    monkeypatch.undo()
    folder.create(overwrite=True)
    assert names_in(folder) == []


def test_process_killed_while_it_overwrites_leaves_what_can_be_overwritten(tmp_path, monkeypatch):
    rename = Path.rename
    for kept in range(len(RUN_FILES) + len(RUN_FOLDERS)):
        folder, left = some_run(tmp_path / str(kept)), iter(range(kept))
        fill(folder)

        def die(self, target, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt  # as good as a kill: nothing here catches it
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", die)
        with pytest.raises(KeyboardInterrupt):
            folder.create(overwrite=True)
        monkeypatch.undo()
        folder.create(overwrite=True)
        assert names_in(folder) == []


def test_traces_of_a_killed_start_are_in_nobodys_way(tmp_path):
    """A process that is killed while it writes the configuration leaves its lock and a part of a file."""
    for name in ("run.lock", ".part-1234abcd-config.yaml"):
        (tmp_path / name).write_text("", encoding="utf-8")
    RunFolder(tmp_path).create(overwrite=False)
    assert names_in(RunFolder(tmp_path)) == ["run.lock"]


def test_process_that_goes_on_with_a_run_clears_what_a_killed_one_left(tmp_path):
    folder = some_run(tmp_path / "run")
    (folder.path / ".part-1234abcd-model.keras").write_text("half", encoding="utf-8")
    with folder.held():
        assert names_in(folder) == ["config.yaml", "run.lock"]


def test_export_that_another_process_writes_into_a_run_meanwhile_stays(tmp_path):
    folder, mine = some_run(tmp_path / "run"), []
    with folder.held():
        write_atomically(folder.path / "x", lambda part: mine.append(part.name) or part.touch())
    living = mine[0].replace(f"-{os.getpid()}-", f"-{os.getppid()}-")
    (folder.path / living).mkdir()
    with folder.held():
        assert living in names_in(folder)


# One process at a time.

HOLD = """
import sys
from pathlib import Path
from training.run_folder import RunFolder

with RunFolder(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_folder_is_held_by_one_process_until_it_ends(tmp_path):
    folder = RunFolder(tmp_path / "run")
    command, environment = [sys.executable, "-c", HOLD, str(folder.path)], {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="run is being written by another process; wait for it"), folder.held():
            pass
        other.kill()
        other.wait()
        with folder.held():
            pass


def test_folder_in_which_nothing_was_written_goes_again(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(RuntimeError), folder.held():
        raise RuntimeError
    assert os.listdir(tmp_path) == []
    with folder.held():
        folder.config_file.write_text("", encoding="utf-8")
    assert names_in(folder) == ["config.yaml", "run.lock"]


def test_folders_that_were_made_around_it_go_too(tmp_path):
    (tmp_path / "there").mkdir()
    folder = RunFolder(tmp_path / "there" / "runs" / "new" / "run")
    with folder.held():
        assert names_in(folder) == ["run.lock"]
    assert os.listdir(tmp_path) == ["there"] and os.listdir(tmp_path / "there") == []
    with folder.held(), RunFolder(folder.path.with_name("beside")).held():
        pass
    assert os.listdir(tmp_path / "there") == []


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with (
        pytest.raises(OSError, match=r"Cannot make the run folder .*file/run: Not a directory"),
        RunFolder(tmp_path / "file" / "run").held(),
    ):
        pass


@pytest.mark.parametrize("overwrite", [False, True])
def test_create_never_removes_a_folder_that_is_no_run(tmp_path, overwrite):
    treasure = tmp_path / "photos" / "treasure.txt"
    treasure.parent.mkdir()
    treasure.write_text("precious", encoding="utf-8")
    with pytest.raises(ValueError, match="is no run folder" if overwrite else "exists"):
        RunFolder(treasure.parent).create(overwrite)
    assert treasure.read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("overwrite", [False, True])
def test_create_never_removes_a_file(tmp_path, overwrite):
    path = tmp_path / "file"
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(ValueError, match="is no run folder" if overwrite else "exists"):
        RunFolder(path).create(overwrite)
    assert path.read_text(encoding="utf-8") == "precious"


def test_folder_without_configuration_is_no_run(tmp_path):
    with pytest.raises(ValueError, match=r"is no run folder: it has no config\.yaml\. `python -m training` makes one"):
        RunFolder(tmp_path).read_config()


def test_run_without_model_says_that_training_did_not_begin(tmp_path):
    with pytest.raises(ValueError, match=r"holds no model\.keras yet: its training did not begin"):
        some_run(tmp_path / "run").load_model()


def test_damaged_model_is_named_in_one_line(tmp_path):
    folder = some_run(tmp_path / "run")
    folder.model_file.write_bytes(b"no zip archive")
    with pytest.raises(ValueError, match=r"run/model\.keras' is not a \.keras file; give one") as refusal:
        folder.load_model()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "epoch,loss\n1,0.5\n2\n",
        "epoch,loss\n1,0.5,3\n",
        "epoch,loss\n1,half\n",
        "loss\n0.5\n",
        "epoch,loss\n1,\x00\n",
        b"\xff\xfe",
    ],
    ids=["short row", "long row", "words", "no epoch", "zero byte", "no text"],
)
@pytest.mark.parametrize("read", ["read_metrics", "read_times"])
def test_damaged_rows_are_named_in_one_line(tmp_path, text, read):
    folder = RunFolder(tmp_path)
    for path in (folder.metrics_file, folder.times_file):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=r"(metrics|times)\.csv is damaged \(.*\)\. Put back a copy") as refusal:
        getattr(folder, read)()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 2]",
        "null",
        "[" * 5000,
        '{"size": [8, 8]}',
        '{"size": [8, 8], "channels": 1, "mean": [0, 0], "std": [1]}',
        '{"size": [8, 8], "channels": 1, "mean": [0], "std": [0]}',
        '{"size": [8, 8], "channels": 1, "mean": [NaN], "std": [1]}',
        '{"size": 8, "channels": 1, "mean": [0], "std": [1]}',
        '{"size": [8, 8], "channels": 1, "mean": ["a"], "std": [1]}',
        '{"size": [8, 8], "channels": 1, "mean": [0], "std": [1], "crop": -1}',
        '{"size": [8, 8], "channels": 1, "mean": [0], "std": [1], "order": "XYZ"}',
    ],
)
def test_damaged_contract_is_named_in_one_line(tmp_path, text):
    folder = some_run(tmp_path / "run")
    folder.preprocessing_file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"\.json' does not hold an input contract \(.*\); put") as refusal:
        folder.read_preprocessing()
    assert "\n" not in str(refusal.value)


def test_metrics_of_a_run_that_has_none_are_empty(tmp_path):
    assert RunFolder(tmp_path).read_metrics() == []
