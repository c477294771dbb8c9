"""Ensembles of a study: which networks answer together, what is refused, and what the page says of them."""

import pytest

from tests.tuning.helpers import write_study, write_trial
from tuning.ensembles import run_ensembles
from tuning.report.tables import found_text
from tuning.report.verdicts import judge
from tuning.report.writing import write_report
from tuning.results import COMPLETED, Outcome, read_results
from tuning.study import make_study

SPACE = {"network": ["ResNet8", "ResNet14", "ResNet20"]}
BOTH = {"name": "both", "of": [{"network": "ResNet8"}, {"network": "ResNet20"}]}
CLAIM = {
    "claim": "Alone they err more.",
    "source": "arXiv 1512.03385, Table 5",
    "higher": {"network": "ResNet20"},
    "lower": {"ensemble": "both"},
}
SETTINGS = {
    "fields": {"dataset": "digits", "epochs": 8},
    "tuner": "grid",
    "trials": None,
    "repeats": 2,
    "validation": 0,
    "finalists": 0,
    "ensembles": [BOTH],
    "claims": [CLAIM],
}


@pytest.fixture
def folder(tmp_path):
    """A study whose trials have ended: accuracies 0.8, 0.85, 0.9, and 0.02 more with the second seed."""
    study = write_study(tmp_path, SPACE, **SETTINGS)
    for number, network in enumerate(SPACE["network"]):
        accuracy = 0.8 + 0.05 * number
        write_trial(tmp_path, study, f"{number:04d}", {"network": network}, [accuracy, accuracy + 0.02])
    return tmp_path


@pytest.fixture
def asked(monkeypatch):
    """What is tested together instead of being tested: the folders of the runs, by call."""
    calls = []

    def test(runs, study):
        calls.append([run.folder.relative_to(run.folder.parents[2]).as_posix() for run in runs])
        accuracy = 0.95 + 0.01 * runs[0].seed
        return Outcome(COMPLETED, accuracy, {"split": "test", "accuracy": accuracy, "loss": 1 - accuracy})

    monkeypatch.setattr("tuning.ensembles.tested_together", test)
    return calls


def test_networks_of_one_seed_are_tested_together_and_once(folder, asked):
    study = read_results(folder).study
    run_ensembles(study, folder)
    run_ensembles(study, folder)
    assert asked == [[f"trials/{trial}/seed-{seed}" for trial in ("0000", "0002")] for seed in (0, 1)]


@pytest.mark.parametrize("place", [{"data.data_dir": "elsewhere", "hardware.devices": ["CPU:0"]}, {}])
def test_networks_are_tested_on_the_data_where_these_lie_now(folder, monkeypatch, place):
    opened = []

    def together(candidates):
        opened.extend(candidates)
        return {"ensemble": {"accuracy": 0.9, "loss": 0.1}, "split": "test", "examples": 1}

    monkeypatch.setattr("training.evaluation.candidates.open_run", lambda run, changes: (run.path.parent.name, changes))
    monkeypatch.setattr("training.evaluation.ensembles.evaluate_together", together)
    study = read_results(folder).study
    run_ensembles(study.model_copy(update={"fields": {**study.fields, **place}}), folder)
    changes = {"data.data_dir": None, "data.download": False, "hardware.devices": None, **place}
    assert opened == [(name, changes) for name in ("0000", "0002")] * 2


def test_claim_sets_a_network_against_the_ensemble(folder, asked):
    run_ensembles(read_results(folder).study, folder)
    results = read_results(folder)
    verdict = judge(results.study.claims[0], [*results.trials, *results.ensembles])
    assert verdict.sides == pytest.approx((9, 4.5))  # 90 and 92 % alone, 95 and 96 % together
    assert found_text(results) == "undecided: Alone they err more."  # 4.5 ± 6.9, of two seeds
    write_report(folder)
    page = (folder / "report.md").read_text(encoding="utf-8")
    assert "| both | network=ResNet8 | 19.00 ± 1.41 | 4.50 ± 0.71 | 2 |" in page
    assert "| both | network=ResNet20 | 9.00 ± 1.41 | 4.50 ± 0.71 | 2 |" in page
    assert "network=ResNet14" not in page


def test_test_that_was_cut_short_is_made_again(folder, asked):
    study = read_results(folder).study
    run_ensembles(study, folder)
    (folder / "ensembles/0000/seed-1/outcome.json").write_text('{"status": "comp', encoding="utf-8")
    run_ensembles(study, folder)
    assert len(asked) == 3 and read_results(folder).ensembles[0].scores == [0.95, 0.96]


@pytest.mark.parametrize("status", ["failed", "diverged", None])
def test_without_all_of_its_networks_an_ensemble_is_not_tested(tmp_path, asked, capsys, status):
    study = write_study(tmp_path, SPACE, **SETTINGS)
    write_trial(tmp_path, study, "0000", {"network": "ResNet8"}, [0.8, 0.82])
    if status:
        write_trial(tmp_path, study, "0002", {"network": "ResNet20"}, [None, None], status=status, epochs_made=0)
    run_ensembles(study, tmp_path)
    assert asked == [] and "ensemble both: not tested" in capsys.readouterr().out
    write_report(tmp_path)
    assert "## Ensembles" not in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert found_text(read_results(tmp_path)).startswith("not run")


def test_an_ensemble_is_of_all_points_that_it_names(tmp_path, asked, capsys):
    """Of ResNet20 one of two points has not begun: the ensemble is not tested without it."""
    study = write_study(tmp_path, {**SPACE, "shortcut": ["A", "B"]}, **SETTINGS)
    points = [{"network": network, "shortcut": shortcut} for network in SPACE["network"] for shortcut in "AB"]
    for number, values in enumerate(points):
        if number != 5:
            write_trial(tmp_path, study, f"{number:04d}", values, [0.8, 0.82])
    run_ensembles(study, tmp_path)
    assert asked == [] and "ensemble both: not tested" in capsys.readouterr().out
    write_trial(tmp_path, study, "0005", points[5], [0.8, 0.82])
    run_ensembles(study, tmp_path)
    assert [len(runs) for runs in asked] == [4, 4]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"validation": 0.1}, "ensembles are tested on the test set, which chooses nothing; set validation: 0"),
        ({"claims": [{**CLAIM, "lower": {"ensemble": "bot"}}]}, "Unknown ensemble 'bot'. Did you mean 'both'"),
        ({"ensembles": []}, r"Unknown ensemble 'both'. Allowed: \(none\)"),
        ({"claims": [{**CLAIM, "measure": "training error"}]}, "needs one of the measures test error, test loss, and"),
        ({"claims": [{**CLAIM, "at": 0.5}]}, "and no at; received test error, at 0.5"),
        ({"ensembles": [{**BOTH, "of": [{"network": "ResNet8"}]}]}, "ensemble 'both' is of a single point"),
        (
            {"ensembles": [{**BOTH, "of": [{"network": "ResNet9"}, {"network": "ResNet8"}]}]},
            "ensemble 'both': no point of the space has {network: ResNet9}",
        ),
    ],
)
def test_what_is_no_ensemble_is_refused_in_words(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_study({**SETTINGS, "space": SPACE, **changes}, "a test")
