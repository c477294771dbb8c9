"""How a study stands, while it is searched: the command, the line, and the report that follows."""

import csv
import io
import json
import os
import re
import shutil
import types

import pytest

from tests.tuning.helpers import fill, write_study, write_trial
from tuning.__main__ import main
from tuning.report.runs import runs_csv
from tuning.results import BEST_FILE, FAILED, STOPPED, read_results, write_text
from tuning.status import booked, counts_text, read_status, seconds_left, status_text, total_of
from tuning.watching import Watch

SPACE = {"activation": ["relu", "gelu", "elu", "selu", "tanh"]}


@pytest.fixture
def folder(tmp_path):
    """A study of eight trials: three ended well, one failed, two run, of which one has not begun."""
    space = {"activation": [*SPACE["activation"], "silu", "mish", "sigmoid"]}
    study = write_study(tmp_path, space, trials=8, repeats=2, tuner="random")
    points = [{"activation": name} for name in ("relu", "gelu", "elu")]
    fill(tmp_path, study, points, lambda values: 0.5 + 0.2 * (values["activation"] == "gelu"), 0.01, seeds=2)
    write_trial(tmp_path, study, "0003", {"activation": "selu"}, [None, None], status=FAILED, reason="its loss is nan")
    write_trial(tmp_path, study, "0004", {"activation": "tanh"}, [0.4, None], epochs_made=3)
    oracle = tmp_path / "oracle"
    oracle.mkdir()
    state = {"end_order": ["0000", "0001", "0003", "0002"], "seconds": 100.0}
    (oracle / "oracle.json").write_text(json.dumps(state), encoding="utf-8")
    held = {
        "node7-12": {"trial": "0004", "session": "a", "attempt": 2},
        "worker0": {"trial": "0005", "session": "b", "attempt": 1},
    }
    (oracle / "leases.json").write_text(json.dumps({"attempts": {}, "held": held}), encoding="utf-8")
    return tmp_path


def test_status_says_what_ended_what_runs_and_what_is_best(folder, capsys):
    assert main(["status", str(folder)]) == 0
    head, counts, best, *running = capsys.readouterr().out.splitlines()
    assert head == f"study {folder}: random search of activation"
    score = read_results(folder).ranked()[0]
    shown = f"{100 * score.score:.2f} ± {100 * score.spread:.2f} %"
    expected = f"4 of 8 trials ended, 1 failed, 2 running, best accuracy {shown} (trial 0001), about 1:40 left"
    assert (counts, best) == (expected, "best point: activation=gelu")
    pattern = r"trial 0004 at node7-12, attempt 2 \(activation=tanh\): seed 1, 3 of 8 epochs, the last \d+ s ago"
    assert re.fullmatch(pattern, running[0])
    assert running[1:] == ["trial 0005 at worker0: about to begin"]


def test_status_of_a_study_that_chooses_nothing_names_no_best(tmp_path):
    study = write_study(tmp_path, SPACE, trials=None, tuner="grid", validation=0, finalists=0)
    fill(tmp_path, study, [{"activation": "relu"}], lambda _: 0.5, 0.01, seeds=2)
    (tmp_path / "oracle").mkdir()
    (tmp_path / "oracle/oracle.json").write_text('{"end_order": ["0000"], "seconds": 10.0}', encoding="utf-8")
    assert status_text(read_status(tmp_path)).splitlines()[1:] == ["1 of 5 trials ended, about 40 s left"]


@pytest.mark.parametrize(
    ("settings", "total"),
    [
        ({"tuner": "random", "trials": 24}, 3),
        ({"tuner": "bayesian", "trials": 2}, 2),
        ({"tuner": "tpe", "trials": None, "hours": 1}, 3),
        ({"tuner": "grid", "trials": None}, 3),
        ({"tuner": "hyperband", "trials": 24}, 24),  # which makes several trials of a point
    ],
)
def test_trials_are_no_more_than_points(tmp_path, settings, total):
    assert total_of(write_study(tmp_path, {"activation": ["relu", "gelu", "elu"]}, **settings)) == total


def test_status_of_a_search_of_all_points_says_nothing_of_time(tmp_path):
    study = write_study(tmp_path, SPACE, trials=24, repeats=2)
    points = [{"activation": name} for name in SPACE["activation"]]
    fill(tmp_path, study, points, lambda _: 0.5, 0.0, seeds=2)
    state = {"end_order": [f"{number:04d}" for number in range(5)], "seconds": 100.0}
    write_text(tmp_path / "oracle/oracle.json", json.dumps(state))
    assert counts_text(read_status(tmp_path)).startswith("5 of 5 trials ended, best accuracy 50.00 ± 0.00 % (trial 00")
    assert "left" not in counts_text(read_status(tmp_path))


def test_search_that_ended_before_its_budget_says_nothing_of_time(tmp_path):
    """A Hyperband search ends when its few points are trained, and leaves epochs that are too few for another."""
    study = write_study(tmp_path, SPACE, tuner="hyperband", trials=None, total_epochs=40, repeats=1)
    write_trial(tmp_path, study, "0000", {"activation": "gelu"}, [0.5])
    note = tmp_path / "oracle/oracle.json"
    write_text(note, '{"end_order": ["0000"], "seconds": 10.0}')
    assert counts_text(read_status(tmp_path)).endswith(", about 40 s left")
    write_text(tmp_path / BEST_FILE, "the best")
    os.utime(note, ns=(0, 0))
    assert counts_text(read_status(tmp_path)).endswith("(trial 0000)")
    os.utime(tmp_path / BEST_FILE, ns=(0, 0))
    os.utime(note)  # it goes on
    assert counts_text(read_status(tmp_path)).endswith(", about 40 s left")


def test_epochs_that_a_rule_saved_are_gone_from_the_budget(tmp_path):
    """Of 64 epochs two trials of two runs were to make 32, and made 20; a third, which runs, has made 4."""
    study = write_study(tmp_path, SPACE, trials=None, total_epochs=64, repeats=2, stop="median")
    write_trial(tmp_path, study, "0000", {"activation": "gelu"}, [0.5, 0.5])
    write_trial(tmp_path, study, "0001", {"activation": "relu"}, [0.2, 0.2], status=STOPPED, epochs_made=2)
    assert booked(read_results(tmp_path)) == 32
    write_trial(tmp_path, study, "0002", {"activation": "tanh"}, [None, None], epochs_made=2)
    assert booked(read_results(tmp_path)) == 36
    assert seconds_left(read_results(tmp_path), 2, None, 36.0) == pytest.approx(28.0)


def test_status_of_a_study_that_is_about_to_begin(folder):
    for name in ("trials", "oracle"):
        shutil.rmtree(folder / name)
    assert status_text(read_status(folder)).splitlines()[1:] == ["0 of 8 trials ended"]
    (folder / "oracle").mkdir()
    (folder / "oracle/oracle.json").write_text("{", encoding="utf-8")
    assert counts_text(read_status(folder)) == "0 of 8 trials ended"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("oracle.json", "[]", "0 of 8 trials ended, 2 running"),
        ("oracle.json", '{"end_order": 3}', "0 of 8 trials ended, 2 running"),
        ("oracle.json", '{"end_order": ["0000"], "seconds": NaN}', "0 of 8 trials ended, 2 running"),
        ("leases.json", '{"held": []}', "4 of 8 trials ended, 1 failed, best accuracy"),
        ("leases.json", '{"held": {"node7": {"trial": 4, "attempt": 1}}}', "4 of 8 trials ended, 1 failed, best"),
    ],
)
def test_note_of_the_chief_that_is_damaged_tells_nothing(folder, name, text, expected):
    (folder / "oracle" / name).write_text(text, encoding="utf-8")
    assert counts_text(read_status(folder)).startswith(expected)


@pytest.mark.parametrize(
    ("settings", "ended", "expected"),
    [
        ({"trials": 8}, 2, 300.0),
        ({"trials": 8, "hours": 0.05}, 2, 80.0),  # five ninths of the time are gone
        ({"trials": 8}, 0, None),
        ({"trials": 8}, 8, 0.0),
        ({"total_epochs": 64}, 2, 100.0),  # four runs of eight epochs
    ],
)
def test_time_left_follows_from_the_share_of_the_budget_that_is_spent(tmp_path, settings, ended, expected):
    study = write_study(tmp_path, SPACE, **{"trials": None, "tuner": "random", **settings})
    fill(tmp_path, study, [{"activation": "relu"}, {"activation": "gelu"}], lambda _: 0.5, 0.01, seeds=2)
    left = seconds_left(read_results(tmp_path), ended, study.trials, 100.0)
    assert left == pytest.approx(expected)


def test_export_has_a_row_a_run(folder, tmp_path, capsys):
    assert main(["export", str(folder), "--to", str(tmp_path / "runs.csv")]) == 0
    text = (tmp_path / "runs.csv").read_text(encoding="utf-8")
    assert text == runs_csv(read_results(folder)) and f"runs {tmp_path / 'runs.csv'}" in capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["trial"], row["seed"]) for row in rows] == [
        (f"{n:04d}", str(seed)) for n in range(5) for seed in (0, 1)
    ]
    first, failed, running = rows[0], rows[6], rows[9]
    run = read_results(folder).trials[0].runs[0]
    assert float(first["score"]) == run.outcome.score and first["activation"] == "relu"
    assert (failed["status"], failed["score"], failed["reason"]) == ("failed", "", "its loss is nan")
    assert (running["status"], running["epochs"], running["score"]) == ("running", "3", "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def watch(folder, monkeypatch):
    """Watch the study, with a clock of the test's; what is printed and which reports are written is noted."""
    now, written = [1000.0], []
    monkeypatch.setattr("tuning.watching.time", types.SimpleNamespace(monotonic=lambda: now[0]))

    def write(folder) -> None:
        written.append(now[0])
        now[0] += 7  # that a report takes

    monkeypatch.setattr("tuning.watching.write_report", write)
    monkeypatch.setattr("tuning.watching.write_hparams", lambda results: None)
    oracle = types.SimpleNamespace(end_order=["0000"])
    return Watch(oracle, folder, 8, Terminal()), oracle.end_order, now, written


def test_report_is_renewed_as_trials_end_and_not_too_often(watch):
    one, ended, now, written = watch
    now[0] += 60
    one()
    assert written == []  # nothing has ended since
    ended.append("0001")
    one()
    ended.append("0002")
    for _ in range(100):
        now[0] += 1
        one()
    assert written == [1060.0, 1137.0]  # a report that takes 7 seconds is written every 70


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError("Cannot save report.md: no space left on device."), "Cannot save report.md: no space left on device."),
        (KeyError("accuracy"), "KeyError: 'accuracy'"),
    ],
)
def test_report_that_cannot_be_written_is_told_once_and_stops_nothing(watch, monkeypatch, error, told):
    one, ended, now, _ = watch

    def fail(_) -> None:
        raise error

    monkeypatch.setattr("tuning.watching.write_report", fail)
    for number in range(3):
        ended.append(str(number))
        now[0] += 60
        one()
    assert one.stream.getvalue().count(f"the report is not renewed: {told}\n") == 1


def test_line_is_drawn_on_a_terminal_and_makes_room_for_sentences(watch, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    one, *_ = watch
    one.is_drawn = True
    one()
    drawn = one.stream.getvalue()
    assert drawn.startswith("\r4 of 8 trials ended, 1 failed, 2 running, best accuracy ")
    one()
    assert one.stream.getvalue() == drawn  # it is fresh
    one.say("[5 of 8] trial 0004")
    assert one.stream.getvalue().endswith("\r\x1b[K[5 of 8] trial 0004\n")
    one()
    one.close()
    assert one.stream.getvalue().endswith("\r\x1b[K")


def test_line_that_cannot_be_drawn_is_told_once_and_stops_nothing(watch, folder):
    one, _, now, _ = watch
    one.is_drawn = True
    (folder / "study.yaml").unlink()
    for _ in range(3):
        one()
        now[0] += 60
    assert one.stream.getvalue().count("the line is not drawn: ") == 1


def test_no_line_is_drawn_into_a_file(folder):
    stream = io.StringIO()
    one = Watch(types.SimpleNamespace(end_order=[]), folder, 8, stream)
    one()
    one.say("[5 of 8] trial 0004")
    one.close()
    assert stream.getvalue() == "[5 of 8] trial 0004\n"
