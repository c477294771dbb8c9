"""What is read from a study folder in which files are damaged, missing, or of another space."""

import json
import re
import shutil

import pytest
import yaml

from tests.tuning.helpers import fill, write_study, write_trial
from tuning.__main__ import main
from tuning.report.writing import write_report
from tuning.results import FAILED, FAULT, Outcome, by_number, read_results, read_trial, spent, write_outcome
from tuning.space.reading import parse_space
from tuning.status import read_status, seconds_left, status_text

SPACE = {"activation": ["relu", "gelu", "elu", "selu"]}
RANGE = {"low": 16, "high": 64}


@pytest.fixture
def folder(tmp_path):
    """A study of four points."""
    study = write_study(tmp_path, SPACE)
    points = [{"activation": name} for name in SPACE["activation"]]
    fill(tmp_path, study, points, lambda values: 0.5 + 0.1 * (values["activation"] == "gelu"), 0.01)
    return tmp_path


@pytest.mark.parametrize(
    "text",
    ["", '{"status": "comp', "[]", '{"status": "completed", "sore": 1}', '{"status": "pruned", "score": 0.5}']
    + [f'{{"status": "completed", "score": {score}}}' for score in ("null", "NaN", '"high"', "[0.5]")]
    + ['{"status": "failed", "seconds": null}', '{"status": "failed", "reason": 3}'],
)
def test_one_damaged_outcome_is_named_in_the_report_of_all_others(folder, text):
    file = folder / "trials/0002/seed-1/outcome.json"
    file.write_text(text, encoding="utf-8")
    write_report(folder)
    results = read_results(folder)
    assert [trial.status for trial in results.trials].count(FAULT) == 1 and len(results.ranked()) == 3
    page = (folder / "report.md").read_text(encoding="utf-8")
    assert "trials/0002/seed-1/outcome.json is damaged" in page.replace("\\_", "_")
    assert "left out: 1 met a fault" in page


@pytest.mark.parametrize(
    "text",
    ["", '{"values": {', "[]", '{"values": {}}']
    + [
        f'{{"values": {values}, "fields": {{}}, "epochs": {epochs}, "seeds": {seeds}}}'
        for values, epochs, seeds in (("{}", 8, 0), ("[]", 8, "[0]"), ("{}", '"many"', "[0]"), ("{}", 8, '["../0001"]'))
    ],
)
def test_one_damaged_trial_is_left_out_and_named(folder, text):
    file = folder / "trials/0002/trial.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"trials/0002/trial\.json is damaged \("):
        read_trial(file.parent)
    write_report(folder)
    page = (folder / "report.md").read_text(encoding="utf-8")
    assert "Left out: " in page and "trials/0002/trial.json is damaged" in page
    assert len(read_results(folder).trials) == 3


def test_terminal_names_what_is_left_out_as_the_page_does(folder, tmp_path, capsys):
    (folder / "trials/0002/trial.json").write_text("", encoding="utf-8")
    sentence = (
        rf"left out: 1 trial whose files cannot be used\n  {re.escape(str(folder))}/trials/0002/trial\.json is dam"
    )
    for command in ("report", "status"):
        assert main([command, str(folder)]) == 0
        assert re.search(rf"^{sentence}", capsys.readouterr().out, re.MULTILINE)
    whole = tmp_path / "whole"
    write_trial(whole, write_study(whole, SPACE), "0000", {"activation": "gelu"}, [0.5])
    assert main(["compare", str(whole), str(folder), "--to", str(tmp_path / "page")]) == 0
    assert re.search(rf"^B, {sentence}", capsys.readouterr().out, re.MULTILINE)
    page = (tmp_path / "page/comparison.md").read_text(encoding="utf-8")
    assert "Left out of B: " in page and "Left out of A: " not in page and "trials/0002/trial.json is damaged" in page


@pytest.mark.parametrize(
    ("space", "reason"),
    [
        ({"activation": ["relu", "gelu", "elu"]}, "activation is selu"),
        ({**SPACE, "shortcut": ["A", "B"]}, "it has no shortcut"),
        ({"shortcut": ["A", "B"]}, "it has no shortcut"),
        ({"batch_size": [16, 64]}, "it has no batch_size"),
    ],
)
def test_trial_that_is_no_point_of_a_changed_space_is_left_out_and_named(folder, space, reason):
    described = yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))
    (folder / "study.yaml").write_text(yaml.safe_dump({**described, "space": space}), encoding="utf-8")
    results = read_results(folder)
    assert len(results.unread) == 4 - len(results.trials) == (1 if "selu" in reason else 4)
    assert f"trials/0003/trial.json is no point of the space ({reason}). Put back the study.yaml" in results.unread[-1]
    write_report(folder)
    assert reason in (folder / "report.md").read_text(encoding="utf-8")
    assert "left out: " in status_text(read_status(folder))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"optimizer": "adamw", "batch_size": 16}, None),
        ({"optimizer": "sgd", "optimizer/sgd/momentum": 0.9000000001, "batch_size": 64}, None),  # six digits count
        ({"optimizer": "sgd", "batch_size": 16}, "it has no optimizer/sgd/momentum"),
        ({"optimizer": "sgd", "optimizer/sgd/momentum": 0.95, "batch_size": 16}, "optimizer/sgd/momentum is 0.95"),
        ({"optimizer": "sgd", "optimizer/sgd/momentum": "0.5", "batch_size": 16}, "optimizer/sgd/momentum is 0.5"),
        ({"optimizer": "adamw", "batch_size": 16.5}, "batch_size is 16.5"),
        ({"optimizer": "adamw", "batch_size": 16, "shortcut": "A"}, "shortcut is not searched"),
        ({"optimizer": "adamw", "optimizer/sgd/momentum": 0.5, "batch_size": 16}, "optimizer/sgd/momentum is not"),
    ],
)
def test_values_that_are_no_point_of_a_space_are_told(values, reason):
    momentum = {"low": 0.5, "high": 0.9}
    space = parse_space({"optimizer": [{"name": "sgd", "momentum": momentum}, "adamw"], "batch_size": RANGE})
    assert space.misfit(values) is None if reason is None else space.misfit(values).startswith(reason)


def test_trial_whose_folder_was_removed_is_no_more(folder):
    shutil.rmtree(folder / "trials/0002")
    write_report(folder)
    assert [trial.id for trial in read_results(folder).trials] == ["0000", "0001", "0003"]


def test_trials_come_by_number_whatever_zeros_stand_before_it(tmp_path):
    study = write_study(tmp_path, SPACE, repeats=1)
    for name, activation in zip(("9", "0011", "10", "0"), SPACE["activation"]):
        write_trial(tmp_path, study, name, {"activation": activation}, [0.5])
    results = read_results(tmp_path)
    assert [trial.id for trial in results.trials] == ["0", "9", "10", "0011"]
    assert [trial.id for trial in results.ranked()] == ["0", "9", "10", "0011"]  # of equal scores the first
    assert sorted(["10000", "9999", "0000", "000007"], key=by_number) == ["0000", "000007", "9999", "10000"]


def test_epochs_that_a_trial_took_over_are_counted_once(tmp_path):
    study = write_study(tmp_path, SPACE, tuner="hyperband", repeats=2, trials=None, total_epochs=72)
    write_trial(tmp_path, study, "0000", {"activation": "gelu"}, [0.5, 0.6], epochs=3, seconds=10.0)
    write_trial(tmp_path, study, "0001", {"activation": "gelu"}, [0.7, None], epochs=9, seconds=30.0)
    assert spent(read_results(tmp_path)) == [(6, 20.0), (18, 30.0)]
    file = tmp_path / "oracle/trial_0001/trial.json"
    file.parent.mkdir(parents=True)
    values = {"activation": "gelu", "tuner/trial_id": "0000", "tuner/initial_epoch": 3}
    file.write_text(json.dumps({"hyperparameters": {"values": values}}), encoding="utf-8")
    assert spent(read_results(tmp_path)) == [(6, 20.0), (12, 20.0)]  # the second run has made its epochs, and no end
    assert seconds_left(read_results(tmp_path), 1, None, 100.0) == pytest.approx(300.0)  # 18 of 72 epochs
    file.write_text("{", encoding="utf-8")
    assert spent(read_results(tmp_path)) == [(6, 20.0), (18, 30.0)]


def test_epochs_that_a_failed_run_made_are_counted(tmp_path):
    study = write_study(tmp_path, SPACE, repeats=1)
    write_trial(tmp_path, study, "0000", {"activation": "gelu"}, [None], epochs=5, status=FAILED, seconds=9.0)
    run = tmp_path / "trials/0000/seed-0"
    write_outcome(run, Outcome(FAILED, seconds=9.0, reason="its loss is nan"))  # as a run writes it
    assert spent(read_results(tmp_path)) == [(5, 9.0)]
