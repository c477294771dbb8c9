"""A run that goes on from a shorter one is the run that would have been made, or is made anew."""

import keras
import numpy as np
import pytest

from training.config import make_config
from training.optimization.schedules import SCHEDULES, make_schedule
from training.run_folder import RunFolder
from tuning.engine.continuing import carry_over, length_matters
from tuning.engine.jobs import Job, attempt
from tuning.results import COMPLETED, write_outcome

CHOICES = [
    *({"name": name} for name in SCHEDULES),
    {"name": "constant", "warmup": 0.1},
    {"name": "constant", "warmup": 5},
    {"name": "steps", "milestones": [10, 30]},
    {"name": "steps", "milestones": [10, 30], "warmup": 0.05},
    {"name": "exponential", "every": 8},
    {"name": "exponential", "every": 8, "warmup": 3},
    {"name": "plateau", "warmup": 0.5},
]


def first_rates(choice: dict, steps: int) -> np.ndarray:
    """Give the rates of the first 40 steps of a run of so many."""
    rate = make_schedule(choice, steps)(0.1)
    return np.array([float(keras.ops.convert_to_numpy(rate(step) if callable(rate) else rate)) for step in range(40)])


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_length_matters_where_the_first_rates_of_a_longer_run_are_others(study, choice):
    config = study(fields={"schedule": choice}).config({})
    same = np.array_equal(first_rates(choice, 40), first_rates(choice, 120))
    assert (length_matters(config) is None) == same


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"averaging": "swa"}, "averaging begins at a share"),
        ({"averaging": "ema"}, None),
        ({"data.sizes": "progressive"}, "the images grow"),
        ({"schedule": "cosine"}, "the schedule cosine ends with the run"),
    ],
)
def test_what_else_depends_on_the_length_is_named(study, fields, reason):
    said = length_matters(study(fields={"schedule": "constant", **fields}).config({}))
    assert said is None if reason is None else reason in said


@pytest.fixture
def job(study, data_dir, tmp_path):
    """Describe a run of some epochs on the digits, with any fields otherwise."""

    def make(name: str, epochs: int, past: Job | None = None, **fields) -> Job:
        common = {"data_dir": str(data_dir), "data.train_split": "train[:200]", "schedule": "constant"}
        config = study(fields=common | fields).config({}, epochs=epochs)
        folder = tmp_path / "trials" / name / "seed-0"
        return Job(config.model_dump(mode="json"), folder, "accuracy", past=past and past.folder)

    return make


def done(one: Job):
    """Make a run in this process."""
    outcome = attempt(one)
    assert outcome.status == COMPLETED, outcome.reason
    write_outcome(one.folder, outcome)
    return outcome


@pytest.mark.slow
def test_longer_run_from_a_checkpoint_is_the_whole_run_to_the_bit(job, capfd):
    whole = job("whole", 3)
    expected = done(whole)
    short = job("short", 1)
    done(short)
    checkpoint = RunFolder(short.folder).checkpoint_file.read_bytes()
    capfd.readouterr()
    longer = job("longer", 3, past=short)
    outcome = done(longer)
    assert (outcome.score, outcome.epochs, outcome.results) == (expected.score, 3, expected.results)
    assert RunFolder(longer.folder).read_metrics() == RunFolder(whole.folder).read_metrics()
    assert RunFolder(longer.folder).read_config().epochs == 3
    assert "epoch 1/3" not in capfd.readouterr().out  # it was not made again
    assert RunFolder(short.folder).checkpoint_file.read_bytes() == checkpoint
    assert sorted(path.name for path in longer.folder.parent.iterdir()) == ["seed-0"]


@pytest.mark.parametrize(("schedule", "resume"), [("constant", True), ("one_cycle", False)])
def test_longer_run_begins_anew_where_the_schedule_ends_with_the_run(job, monkeypatch, schedule, resume):
    short, calls = job("short", 1, schedule=schedule), []
    short.folder.mkdir(parents=True)
    for name in ("config.yaml", "checkpoint.weights.h5"):
        (short.folder / name).touch()
    results = {"split": "validation", "accuracy": 0.5, "loss": 1.0}
    monkeypatch.setattr("training.run.train", lambda config, run, resume, **_: calls.append(resume) or results)
    monkeypatch.setattr(RunFolder, "load_model", lambda run: None)  # of which nothing is there, nor to be told
    monkeypatch.setattr("tuning.engine.jobs.sizes_of", lambda model: {})
    done(job("longer", 2, past=short, schedule=schedule))
    gone = job("gone", 1, schedule=schedule)
    done(job("without", 2, past=gone, schedule=schedule))
    assert calls == [resume, False]


def study_config(one: Job):
    """Give the configuration of a job."""
    return RunFolder(one.folder).read_config()


def test_copy_that_was_killed_halfway_is_made_anew(job, tmp_path):
    one, past = job("one", 2), tmp_path / "past"
    past.mkdir()
    for name in (
        "config.yaml",
        "checkpoint.weights.h5",
        "outcome.json",
        "run.lock",
        "report.md",
        "test.json",
        "metrics.csv",
    ):
        (past / name).write_text(f"of {name}", encoding="utf-8")
    left = one.folder.with_name(f".copy-of-{one.folder.name}")
    left.mkdir(parents=True)
    (left / "half").write_text("left by a killed process", encoding="utf-8")
    assert carry_over(past, one.folder, make_config(one.config, "a test"))
    assert sorted(path.name for path in one.folder.iterdir()) == ["checkpoint.weights.h5", "config.yaml", "metrics.csv"]
    assert study_config(one).epochs == 2
