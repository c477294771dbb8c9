"""A study for other programs: what Optuna reads of it, and that no file is lost to an export."""

import datetime
import sqlite3

import pytest

from tests.tuning.helpers import write_study, write_trial
from tuning.__main__ import main
from tuning.exporting import export_study
from tuning.results import FAILED, STOPPED, read_results

SPACE = {
    "activation": ["relu", {"name": "trainable_swish", "beta": {"low": 0.5, "high": 2.0}}],
    "learning_rate": {"low": 0.01, "high": 1.0, "scale": "log"},
    "batch_size": {"low": 16, "high": 64, "scale": "log"},
    "placement": ["original"],
}
COMMON = {"batch_size": 32, "placement": "original"}
RELU = {"activation": "relu", "learning_rate": 1.0000000000000002, **COMMON}  # as a logarithmic draw may end
SWISH = {"activation": "trainable_swish", "activation/trainable_swish/beta": 1.5, "learning_rate": 0.1, **COMMON}


@pytest.fixture
def folder(tmp_path):
    """A study of two trials that ended well, one of them a finalist, one that failed, one stopped, one that runs."""
    folder = tmp_path / "a 50% {study}?"
    study = write_study(folder, SPACE, repeats=2)
    write_trial(folder, study, "0000", RELU, [0.5, 0.75])
    write_trial(folder, study, "0001", SWISH, [0.75, 1.0])
    write_trial(folder, study, "0002", RELU, [None, None], status=FAILED, reason="its loss\nis nan", epochs_made=2)
    write_trial(folder, study, "0003", RELU, [0.25, 0.25], status=STOPPED, epochs_made=3)
    write_trial(folder, study, "0010", SWISH, [0.5, None], epochs_made=4)
    write_trial(folder, study, "0001", SWISH, [0.625, 0.875], part="finals")
    return folder


@pytest.fixture
def optuna():
    return pytest.importorskip("optuna", reason="the extra tpe is not installed")


@pytest.fixture
def stored(folder, tmp_path, optuna):
    """The study as Optuna reads it."""
    assert main(["export", str(folder), "--to", str(tmp_path / "study.db")]) == 0
    return optuna.load_study(study_name=folder.name, storage=f"sqlite:///{tmp_path / 'study.db'}")


def test_optuna_finds_all_trials_with_their_scores_and_ends(stored):
    assert stored.direction.name == "MAXIMIZE" and stored.best_trial.user_attrs["trial"] == "0001"
    assert [(trial.state.name, trial.value) for trial in stored.trials] == [
        ("COMPLETE", 0.625),
        ("COMPLETE", 0.875),
        ("FAIL", None),
        ("PRUNED", 0.25),
        ("RUNNING", None),
    ]


def test_parameters_are_those_that_apply_in_their_scale(stored, optuna):
    relu, swish, *_ = stored.trials
    assert relu.params == {"activation": "relu", "learning_rate": 1.0, "batch_size": 32}
    assert swish.params == {
        "activation": "trainable_swish",
        "activation/trainable_swish/beta": 1.5,
        "learning_rate": 0.1,
        "batch_size": 32,
    }
    assert swish.distributions == {
        "activation": optuna.distributions.CategoricalDistribution(("relu", "trainable_swish")),
        "activation/trainable_swish/beta": optuna.distributions.FloatDistribution(0.5, 2.0),
        "learning_rate": optuna.distributions.FloatDistribution(0.01, 1.0, log=True),
        "batch_size": optuna.distributions.IntDistribution(16, 64, log=True),
    }


def test_epochs_are_intermediate_values_the_mean_over_the_runs(stored, folder):
    first, _, failed, _, running = stored.trials
    histories = [[row["val_accuracy"] for row in run.history] for run in read_results(folder).trials[0].runs]
    assert first.intermediate_values == {n: pytest.approx(sum(pair) / 2) for n, pair in enumerate(zip(*histories), 1)}
    assert (list(failed.intermediate_values), list(running.intermediate_values)) == ([1, 2], [1, 2, 3, 4])


def test_attributes_tell_of_runs_costs_and_the_finalist(stored, folder):
    first, second, failed, *_ = (trial.user_attrs for trial in stored.trials)
    assert (first["scores"], first["seeds"], first["spread"]) == ([0.5, 0.75], [0, 1], pytest.approx(0.1767767))
    assert (first["parameters"], first["multiply_adds"], first["seconds"]) == (270_000, 2_500_000, 10.5)
    assert first["folder"] == str(folder / "trials/0000") and "test_scores" not in first
    assert second["test_scores"] == [0.625, 0.875]
    assert (failed["status"], failed["reason"]) == ("failed", "its loss is nan")
    assert stored.user_attrs["definition"] == (folder / "study.yaml").read_text(encoding="utf-8")
    for trial in stored.trials[:4]:
        assert datetime.timedelta(0) <= trial.duration < datetime.timedelta(minutes=5)


def test_loss_is_minimized(tmp_path, optuna):
    study = write_study(tmp_path / "study", SPACE, objective="loss", repeats=1)
    for number, loss in enumerate((0.5, 0.25, 0.75)):
        write_trial(tmp_path / "study", study, f"{number:04d}", RELU, [loss])
    assert export_study(tmp_path / "study", tmp_path / "study.sqlite3") == ("storage", "")
    stored = optuna.load_study(study_name="study", storage=f"sqlite:///{tmp_path / 'study.sqlite3'}")
    assert (stored.direction.name, stored.best_value) == ("MINIMIZE", 0.25)


@pytest.mark.parametrize("name", ["runs.csv", "study.db"])
def test_file_that_is_there_is_replaced_only_where_that_is_asked_for(folder, tmp_path, capsys, name):
    if name.endswith(".db"):
        pytest.importorskip("optuna", reason="the extra tpe is not installed")
    file = tmp_path / name
    file.write_text("mine", encoding="utf-8")
    assert main(["export", str(folder), "--to", str(file)]) == 1
    assert capsys.readouterr().err == f"error: {file} exists; pass --overwrite to replace it, or give another --to.\n"
    assert file.read_text(encoding="utf-8") == "mine"
    assert main(["export", str(folder), "--to", str(file), "--overwrite"]) == 0
    assert file.read_bytes()[:4] in (b"part", b"SQLi")


@pytest.mark.parametrize(("name", "what"), [("runs.csv", "runs"), ("study.db", "storage")])
def test_trials_that_are_left_out_are_counted_and_named(folder, tmp_path, capsys, name, what):
    if name.endswith(".db"):
        pytest.importorskip("optuna", reason="the extra tpe is not installed")
    command = ["export", str(folder), "--to", str(tmp_path / name), "--overwrite"]
    assert main(command) == 0
    assert capsys.readouterr().out == f"{what} {tmp_path / name}\n"
    (folder / "trials/0000/trial.json").write_text("{", encoding="utf-8")
    (folder / "trials/0003/seed-1/metrics.csv").write_text("epoch,loss\n1,low\n", encoding="utf-8")
    assert main(command) == 0
    first, second, *others = capsys.readouterr().out.splitlines()
    assert (first, second) == (f"{what} {tmp_path / name}", "left out: 2 trials whose files cannot be used")
    assert [line.split(" is damaged", 1)[0].strip() for line in others] == [
        str(folder / "trials/0000/trial.json"),
        str(folder / "trials/0003/seed-1/metrics.csv"),
    ]


@pytest.mark.parametrize("share", [0.2, 0.99])  # of the pages that it takes: its tables fail, or one of its trials
def test_storage_that_cannot_be_written_leaves_what_was_there(folder, tmp_path, optuna, monkeypatch, share):
    file, connect = tmp_path / "study.db", sqlite3.connect
    export_study(folder, file)
    (pages,) = connect(file).execute("PRAGMA page_count").fetchone()

    def small(path):
        """Connect to a file on a disk that is soon full."""
        connection = connect(path)
        connection.execute(f"PRAGMA max_page_count = {int(share * pages)}")
        return connection

    monkeypatch.setattr("tuning.optuna_storage.sqlite3.connect", small)
    monkeypatch.setattr("optuna.storages._rdb.storage.time.sleep", lambda _: None)
    before = file.read_bytes()
    with pytest.raises(OSError, match=r"^Cannot save .*study\.db: database or disk is full\. What was saved before"):
        export_study(folder, file, overwrite=True)
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name, "study.db"]


def test_storage_that_something_writes_to_is_left_alone(folder, tmp_path, optuna):
    file = tmp_path / "study.db"
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE own (number)")
    other.execute("BEGIN")
    other.execute("INSERT INTO own VALUES (1)")
    before = file.read_bytes()
    with pytest.raises(ValueError, match=r"study\.db is in use: study\.db-journal lies there\. End what writes to it"):
        export_study(folder, file, overwrite=True)
    assert file.read_bytes() == before
    other.close()


def test_trial_that_is_no_point_of_the_space_is_left_out_and_named(folder, tmp_path, optuna):
    text = (folder / "study.yaml").read_text(encoding="utf-8").replace("- relu", "- gelu")
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    _, left_out = export_study(folder, tmp_path / "study.db")
    assert left_out.startswith("left out: 3 trials whose files cannot be used\n")
    assert "trials/0000/trial.json is no point of the space (activation is relu)" in left_out
    stored = optuna.load_study(study_name=folder.name, storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert [trial.user_attrs["trial"] for trial in stored.trials] == ["0001", "0010"]


def test_without_optuna_the_way_out_is_named(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tuning.optuna_storage.find_spec", lambda name: None)
    assert main(["export", str(folder), "--to", str(tmp_path / "study.db")]) == 1
    assert "needs Optuna. Install it with: pip install 'keras-resnet-suite[tpe]'; or" in capsys.readouterr().err
    assert not (tmp_path / "study.db").exists()


@pytest.mark.parametrize("name", ["runs", "runs.txt", "runs.xlsx"])
def test_other_endings_are_refused(folder, tmp_path, name):
    with pytest.raises(ValueError, match=r"does not tell what to write: end it in \.csv for a row a run, in \.db"):
        export_study(folder, tmp_path / name)
    assert not (tmp_path / name).exists()
