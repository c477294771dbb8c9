"""Whole studies, each in a process of its own: what they leave, and what they survive."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml

from tests.shared import ROOT
from training.config import make_config, read_fields
from training.config.fields import flatten, nest
from training.config.files import read_mapping
from training.data import batches
from training.evaluation.candidates import evaluate_run, open_run
from training.locks import alone
from training.run_folder import RunFolder
from tuning.__main__ import read_search
from tuning.engine.service import Outside
from tuning.engine.tuners import make_oracle
from tuning.results import COMPLETED, DIVERGED, FAILED, read_results
from tuning.search import check_folder, check_workers, plan_text, run_study
from tuning.study import read_study

RUN = {"network": "ResNet8", "epochs": 3, "data.cache": True, "data.train_split": "train[:400]"}


class Command:
    """A command of tuning that runs, and what it has printed."""

    def __init__(self, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "tuning", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []

    def until(self, pattern: str) -> re.Match:
        """Read on to a line that matches."""
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if match := re.search(pattern, line):
                return match
        raise AssertionError("\n".join([*self.lines, self.process.stderr.read()]))

    def finish(self) -> str:
        """Read to the end; a failure fails the test."""
        out, error = self.process.communicate(timeout=400)
        self.lines += out.splitlines()
        assert self.process.returncode == 0, "\n".join([*self.lines, error])
        return "\n".join(self.lines)


@pytest.fixture(scope="module")
def describe(data_dir, tmp_path_factory):
    """Write a study file."""

    def make(space, **settings) -> Path:
        path = tmp_path_factory.mktemp("described") / "study.yaml"
        fields = {**RUN, "data_dir": str(data_dir), **settings.pop("fields", {})}
        described = {"recipe": "digits", "fields": fields, "space": space, "validation": 0.2, **settings}
        path.write_text(yaml.safe_dump(described), encoding="utf-8")
        return path

    return make


FOUR = {"activation": ["relu", "gelu"], "shortcut": ["A", "B"]}


@pytest.fixture(scope="module")
def complete(describe, tmp_path_factory):
    """A study that nothing disturbed: its file, its folder and what it printed. No test may write into the folder."""
    path, folder = describe(FOUR, tuner="random", trials=4, repeats=2), tmp_path_factory.mktemp("studies") / "complete"
    return path, folder, Command("--config", path, "--study-dir", folder, "--workers", 2).finish()


def scores(folder: Path) -> dict[str, list[float]]:
    return {trial.id: trial.scores for trial in read_results(folder).trials}


@pytest.mark.slow
def test_study_leaves_what_it_promises(complete):
    _, folder, printed = complete
    results = read_results(folder)
    assert [trial.status for trial in results.trials] == [COMPLETED] * 4
    assert len({json.dumps(trial.fields) for trial in results.trials}) == 4
    assert all(len(trial.scores) == 2 and trial.scores[0] != trial.scores[1] for trial in results.trials)
    files = {path.name for path in folder.iterdir()}
    assert {"study.yaml", "best.yaml", "report.md", "report.html", "leaderboard.csv", "tensorboard"} <= files
    assert f"train the best: python -m training --config {folder / 'best.yaml'}" in printed
    assert (
        len(re.findall(r"^\[\d of 4\] trial \d+ \(activation=\w+, shortcut=\w\): accuracy 0\.\d{4} ± ", printed, re.M))
        == 4
    )


@pytest.mark.slow
def test_best_by_validation_is_trained_on_everything_and_tested(complete):
    _, folder, _ = complete
    results = read_results(folder)
    best = results.ranked()[0]
    assert best.score == max(trial.score for trial in results.trials)
    assert {trial.id for trial in results.finals} == {trial.id for trial in results.ranked()[:3]}
    final = next(trial for trial in results.finals if trial.id == best.id)
    assert [run.outcome.results["split"] for run in final.runs] == ["test", "test"]
    for run in final.runs:  # the test set is used once, when training has ended
        tested = [row["val_accuracy"] for row in run.history]
        assert np.isnan(tested[:-1]).all() and tested[-1] == pytest.approx(run.outcome.score, abs=1e-6)
    written = read_fields(folder / "best.yaml")
    assert make_config(best.fields, base=written) == make_config(written)
    assert written == read_fields(final.runs[0].folder / "config.yaml")


@pytest.mark.slow
def test_score_of_the_best_network_is_reproduced_from_its_file(complete):
    _, folder, _ = complete
    results = read_results(folder)
    for trial in (results.ranked()[0], results.finals[0]):
        run = trial.runs[0]
        model = keras.models.load_model(run.folder / "model.keras", safe_mode=True)
        assert model.output_shape == (None, 10)
        evaluated = evaluate_run(RunFolder(run.folder), {})
        assert evaluated["accuracy"] == pytest.approx(run.outcome.score, abs=1e-6)
        assert evaluated["split"] == run.outcome.results["split"]


@pytest.mark.slow
def test_complete_study_is_not_run_again(complete):
    path, folder, _ = complete
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("outcome.json")}
    printed = Command("--config", path, "--study-dir", folder, "--workers", 1).finish()
    assert "4 done before" in printed and "trial 0" not in printed.split("done before")[1].split("rank")[0]
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("outcome.json")} == before


@pytest.mark.slow
def test_report_is_written_again_by_its_command(complete):
    _, folder, _ = complete
    page = (folder / "report.md").read_bytes()
    (folder / "report.md").unlink()
    assert f"report {folder / 'report.html'}" in Command("report", folder).finish()
    assert (folder / "report.md").read_bytes() == page


@pytest.mark.slow
def test_killed_chief_takes_its_workers_along_and_goes_on_to_the_same_end(complete, describe, tmp_path):
    path, folder, _ = complete
    command = Command("--config", path, "--study-dir", tmp_path / "study", "--workers", 2)
    workers = [int(command.until(r"worker\d is process (\d+)")[1]) for _ in range(2)]
    command.until(r"^\[1 of 4\] trial ")
    ended = list((tmp_path / "study/trials").glob("*/seed-0/outcome.json"))
    before = {file: file.stat().st_mtime_ns for file in ended}
    os.kill(command.process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while any(is_alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(is_alive(pid) for pid in workers)
    Command("--config", path, "--study-dir", tmp_path / "study", "--workers", 2).finish()
    results = read_results(tmp_path / "study")
    assert [trial.status for trial in results.trials] == [COMPLETED] * 4
    assert [trial.fields for trial in results.trials] == [trial.fields for trial in read_results(folder).trials]
    assert scores(tmp_path / "study") == scores(folder)
    assert {file: file.stat().st_mtime_ns for file in before} == before


@pytest.mark.slow
def test_networks_of_a_study_answer_together_with_the_mean_of_their_probabilities(describe, tmp_path):
    both = {"name": "both", "of": [{"activation": "relu"}, {"activation": "gelu"}]}
    settings = {"tuner": "grid", "validation": 0, "finalists": 0, "ensembles": [both], "fields": {"epochs": 1}}
    path, folder = describe({"activation": ["relu", "gelu"]}, **settings), tmp_path / "study"
    printed = Command("--config", path, "--study-dir", folder, "--workers", 2).finish()
    results, answers = read_results(folder), []
    for trial in results.trials:
        candidate = open_run(RunFolder(trial.runs[0].folder), {})
        source, split = candidate.source, candidate.source.test_split
        images, labels = next(
            iter(batches.test_batches(source, split, candidate.preprocessing, source.count(split), 1))
        )
        answers.append(candidate.model.predict(images.numpy(), verbose=0))
    expected = np.mean(np.argmax(np.mean(answers, axis=0), axis=-1) == labels.numpy())
    (together,) = results.ensembles
    assert together.scores == [pytest.approx(expected, abs=1e-6)]
    assert f"ensemble both, seed 0: accuracy {expected:.4f}" in printed
    assert together.cost["parameters"] == 2 * results.trials[0].cost["parameters"] > 0
    assert "## Ensembles" in (folder / "report.md").read_text(encoding="utf-8")


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] != "Z"
    return False


@pytest.mark.slow
def test_killed_worker_raising_trial_and_nan_leave_a_complete_study(describe, tmp_path):
    # One point in four learns: the others have too large a batch, a rate that ends in NaN, or both.
    space = {"batch_size": [64, 5000], "learning_rate": [0.1, 1e30]}
    path, folder = describe(space, tuner="grid", finalists=1, fields={"epochs": 30}), tmp_path / "study"
    command = Command("--config", path, "--study-dir", folder, "--workers", 2)
    first = int(command.until(r"worker0 is process (\d+)")[1])
    while not list(folder.glob("trials/0000/attempt-*-seed-0/metrics.csv")):  # an epoch is done, and the run goes on
        time.sleep(0.02)
        assert command.process.poll() is None, command.process.stderr.read()
    owner = owner_of(folder, first)
    os.kill(owner, signal.SIGKILL)
    printed = command.finish()
    assert re.search(r"trial 0000: its worker worker\d is lost; it is run again", printed)
    trials = {tuple(trial.values.values()): trial for trial in read_results(folder).trials}
    assert len(trials) == 4
    good, nan, large, both = (
        trials[key] for key in (("64", "0.1"), ("64", "1e+30"), ("5000", "0.1"), ("5000", "1e+30"))
    )
    assert good.status == COMPLETED and good.runs[0].outcome.epochs == 30
    assert nan.status == DIVERGED and "The loss became nan in epoch 1" in nan.reason
    for trial in (large, both):
        assert trial.status == FAILED and "fewer than batch_size=5000" in trial.reason
    assert read_results(folder).finals[0].status == COMPLETED
    assert "fewer than batch_size" in (folder / "report.md").read_text(encoding="utf-8")


def owner_of(folder: Path, first: int) -> int:
    """Find the worker that has trial 0000, as the chief notes it."""
    state = json.loads((folder / "oracle/oracle.json").read_text(encoding="utf-8"))
    name = next(name for name, trial in state["ongoing_trials"].items() if trial == "0000")
    log = (folder / f"{name}.log").resolve()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(process / "fd/1") == str(log):
                return int(process.name)
    return first


@pytest.mark.slow
def test_worker_of_another_host_gets_trials_too(describe, tmp_path):
    # Another host is another process here that knows the chief by its address alone.
    path, folder = describe({"activation": ["relu", "gelu"]}, tuner="grid", finalists=0), tmp_path / "study"
    address = f"127.0.0.1:{free_port()}"
    chief = Command("--config", path, "--study-dir", folder, "--workers", 0, "--chief", address)
    chief.until(r"0 workers here, serving others at 127")
    worker = Command("work", folder, "--chief", address, "--name", "elsewhere")
    chief.finish()
    worker.finish()
    assert [trial.status for trial in read_results(folder).trials] == [COMPLETED] * 2


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_folder_of_another_study_is_refused_and_left_alone(complete, study):
    _, folder, _ = complete
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(ValueError, match=r"holds a study with another space and .* and fields; it is left as it is"):
        check_folder(folder, study())
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.slow
def test_study_may_go_on_with_another_budget_elsewhere(complete, data_dir):
    _, folder, _ = complete
    before = read_study(folder)
    check_folder(folder, before.model_copy(update={"trials": 9, "hours": 1.0, "finalists": 1}))
    check_folder(
        folder, before.model_copy(update={"fields": nest({**flatten(before.fields), "data.data_dir": "elsewhere"})})
    )
    with pytest.raises(ValueError, match="holds a study with another fields;"):
        check_folder(folder, before.model_copy(update={"fields": {**before.fields, "epochs": 9}}))


def test_study_goes_on_where_its_file_lacks_a_field_that_came_later(tmp_path):
    space = {"optimizer": ["adamw", {"name": "sgd", "learning_rate": [0.1, 0.2]}], "epochs": [1, 2]}
    _, described = read_search({"recipe": "digits", "space": space, "tuner": "grid"}, [])  # names every field
    fields = {path: value for path, value in flatten(described.fields).items() if path != "hardware.remat"}
    stored = described.model_copy(update={"fields": nest(fields)})
    (tmp_path / "study.yaml").write_text(stored.to_yaml(), encoding="utf-8")
    check_folder(tmp_path, described)
    for change in ({"hardware.remat": True}, {"optimizer.momentum": 0.5}, {"test_split": "test[:50%]"}):
        other = described.model_copy(update={"fields": {**flatten(described.fields), **change}})
        with pytest.raises(ValueError, match="holds a study with another fields;"):
            check_folder(tmp_path, other)


@pytest.mark.parametrize("text", ["{recipe: digits, space: {activation: [relu, gelu]}, tuner: grid}", None])
def test_study_that_python_made_or_a_user_wrote_goes_on_by_the_command(tmp_path, study, text):
    file = tmp_path / "study.yaml"
    file.write_text(text or study({"activation": ["relu", "gelu"]}).to_yaml(), encoding="utf-8")
    _, described = read_search(read_mapping(file), ["--config", str(file), "--study-dir", str(tmp_path)], str(file))
    check_folder(tmp_path, described)
    assert described != read_study(tmp_path)  # which does not name every field


def test_study_with_tuples_is_that_of_its_file(tmp_path, study):
    spaces = {"start.freeze": [(), ("conv1",)], "data.image_size": (8, 16)}
    made = study(spaces, fields={"network.choices": {"blocks": (1, 1, 1)}, "data_dir": tmp_path})
    (tmp_path / "study.yaml").write_text(made.to_yaml(), encoding="utf-8")
    check_folder(tmp_path, made)
    assert read_study(tmp_path) == made and len(list(made.parsed_space.points())) == 4


RATE = {"low": 0.02, "high": 0.5, "scale": "log", "points": 3}
CHOICE = ["relu", "gelu"]


@pytest.mark.parametrize(
    ("space", "settings", "plan"),
    [
        ({"activation": CHOICE}, {"repeats": 2}, "grid search of activation: all of 2 points, 2 seeds each"),
        (
            {"activation": CHOICE, "learning_rate": RATE},
            {},
            "grid search of activation, learning_rate: all of 6 points",
        ),
        (
            {"learning_rate": RATE},
            {"tuner": "random", "trials": 24},
            ": 24 trials out of a continuous space, 1 seed each",
        ),
        (
            {"optimizer": [{"name": "adamw", "learning_rate": RATE}]},
            {"tuner": "random", "trials": 1},
            "random search of optimizer: 1 trial out of a continuous space",
        ),
        ({"batch_size": {"low": 16, "high": 64}}, {"tuner": "random", "trials": 2}, ": 2 trials out of a large space"),
        ({"activation": CHOICE}, {"tuner": "random", "trials": 24}, "random search of activation: all of 2 points"),
        (
            {"activation": CHOICE},
            {"tuner": "random", "hours": 1.5},
            ": trials out of 2 points within 1.5 hours, 1 seed",
        ),
        (
            {"learning_rate": RATE},
            {"tuner": "hyperband", "trials": 9, "total_epochs": 40, "hours": 2},
            "search of learning_rate: 9 trials out of a continuous space within 40 epochs and 2 hours, 1 seed each",
        ),
    ],
)
def test_plan_says_how_many_trials_out_of_what(space, settings, plan, study):
    assert plan in plan_text(make_oracle(study(space, **settings), 2))


def test_study_is_searched_by_one_chief_at_a_time(tmp_path, study):
    (tmp_path / "study.yaml").write_text(study().to_yaml(), encoding="utf-8")
    with alone(tmp_path / "chief.lock", ""), pytest.raises(ValueError, match="is being searched by another process"):
        run_study(study(), tmp_path)


def test_folder_of_something_else_is_refused(tmp_path, study):
    check_folder(tmp_path, study())
    check_folder(tmp_path / "new", study())
    for name in ("chief.lock", ".part-here-1-12345678-study.yaml"):  # of one that was killed at its first file
        (tmp_path / name).touch()
    check_folder(tmp_path, study())
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match=r"is no study .*nothing is written there"):
        check_folder(tmp_path, study())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0, None), "workers=0 runs no trial here; give at least 1, or --chief"),
        ((-1, Outside("host:1")), "workers=-1 runs no trial here"),
        ((1, Outside("host")), "--chief takes HOST:PORT, as in node1:29400; received 'host'"),
        ((3, None), "3 workers cannot share 2 GPUs; give at most 2"),
    ],
)
def test_impossible_workers_are_refused(arguments, sentence, monkeypatch):
    monkeypatch.setattr("tuning.search.visible_gpus", lambda: ["0", "1"])
    with pytest.raises(ValueError, match=re.escape(sentence)):
        check_workers(*arguments)
