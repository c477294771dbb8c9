"""The page of a study that chooses nothing: claims, both errors, what is published."""

import re
import shutil

import matplotlib
import pytest
from PIL import Image

from tests.tuning.helpers import write_study, write_trial
from tuning.report.tables import found_text
from tuning.report.training_curves import draw_training
from tuning.report.writing import write_report
from tuning.results import read_results

SPACE = {"shortcut": ["none", "A"], "network": ["ResNet20", "ResNet56"]}
CLAIMED = {**SPACE, "shortcut": ["none", "A", "B"]}  # of which B is not trained yet
NOT_BEGUN = "missing: " + "; ".join(f"shortcut=B, network={name} (without a result)" for name in SPACE["network"])
DEEP = [{"shortcut": shortcut, "network": "ResNet56"} for shortcut in SPACE["shortcut"]]
CLAIM = {
    "claim": "Deep plain networks err more.",
    "source": "arXiv 1512.03385, Figure 6",
    "higher": DEEP[0],
    "lower": DEEP[1],
    "published": [9.1, 6.97],
}
SETTINGS = {
    "fields": {"dataset": "digits", "epochs": 8},
    "tuner": "grid",
    "repeats": 2,
    "validation": 0,
    "finalists": 0,
    "title": "Degradation",
    "about": "Depth alone is no gain.",
    "claims": [CLAIM, {**CLAIM, "higher": {"shortcut": "B"}, "published": None}],
    "published": [{"where": DEEP[1], "error": "6.97"}],
}
ACCURACIES = {("none", "ResNet20"): 0.9, ("none", "ResNet56"): 0.5, ("A", "ResNet20"): 0.92, ("A", "ResNet56"): 0.94}


@pytest.fixture
def folder(tmp_path):
    study = write_study(tmp_path / "study", CLAIMED, trials=None, **SETTINGS)
    for number, ((shortcut, network), accuracy) in enumerate(ACCURACIES.items()):
        values = {"shortcut": shortcut, "network": network}
        write_trial(tmp_path / "study", study, f"{number:04d}", values, [accuracy, accuracy + 0.02])
    write_report(tmp_path / "study")
    return tmp_path / "study"


def row(page: str, *begin: str) -> list[str]:
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {' | '.join(begin)} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_page_tells_claim_figures_and_verdict(folder):
    page = (folder / "report.md").read_text(encoding="utf-8")
    assert page.startswith("# Degradation\n\nDepth alone is no gain.\n")
    lines = [line for line in page.splitlines() if line.startswith("| Deep plain networks err more.")]
    # Both sides are 2 points apart from seed to seed, so Welch's t has 2 degrees of freedom: 4.303 times a root of 2.
    assert lines[0].split("|")[3:-1] == [
        " 9.1 % against 6.97 % ",
        " test error 49.00 % against 5.00 % ",
        " 44.00 % ± 6.08 % ",
        " holds ",
    ]
    assert lines[1].endswith(f"| – | {NOT_BEGUN} | – | not run |")  # noqa: RUF001


def test_page_tells_both_errors_beside_what_is_published(folder):
    page = (folder / "report.md").read_text(encoding="utf-8")
    assert row(page, "shortcut")[2:6] == ["training error, %", "test error, %", "published error, %", "runs"]
    assert row(page, "A", "ResNet56")[2:6] == ["5.00 ± 1.41", "5.00 ± 1.41", "6.97", "2"]
    assert row(page, "none", "ResNet20")[4] == "–"  # noqa: RUF001
    assert "Published errors are those of the papers' own networks on their images." in page
    assert "validation" not in page and "best" not in page.lower()


def test_page_says_of_what_diverged_that_it_did(tmp_path):
    study = write_study(tmp_path, CLAIMED, trials=None, **SETTINGS)
    lost = {"status": "diverged", "reason": "The loss became nan", "epochs_made": 0}
    write_trial(tmp_path, study, "0000", DEEP[0], [None, None], **lost)
    write_trial(tmp_path, study, "0001", DEEP[1], [0.94, 0.96])
    write_report(tmp_path)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert row(page, "none", "ResNet56")[2:6] == ["diverged (2 of 2)", "diverged (2 of 2)", "–", "2"]  # noqa: RUF001
    claim = next(line for line in page.splitlines() if line.startswith("| Deep plain networks err more."))
    assert "test error 100.00 % against 5.00 %" in claim and claim.endswith("| holds |")
    assert "A run that diverged counts as wrong on every image, at any epoch." in page
    assert "A run that diverged is drawn as far as it came." in page
    assert "| none, ResNet56 |" in page.replace("shortcut=", "").replace("network=", "")  # among the failed ones
    assert "**This study is not finished: 4 points are not tried yet.**" in page  # and nothing is said of the lost runs


def test_terminal_tells_what_became_of_the_claims(folder):
    text = found_text(read_results(folder))
    assert text.splitlines() == [
        "holds: Deep plain networks err more.",
        f"not run: Deep plain networks err more. ({NOT_BEGUN})",
    ]


def test_claim_of_which_a_point_lacks_is_not_judged_and_the_point_named(tmp_path):
    """The shortcut makes no difference here; that of the deep plain network is not known."""
    claim = {**CLAIM, "higher": {"shortcut": "A"}, "lower": {"shortcut": "none"}}
    study = write_study(tmp_path, SPACE, trials=None, **{**SETTINGS, "claims": [claim]})
    points = [{"shortcut": shortcut, "network": network} for shortcut, network in ACCURACIES]
    for number, values in enumerate(points):
        accuracy = 0.9 if values["network"] == "ResNet20" else 0.7
        scores, lost = ([accuracy, accuracy + 0.01], {}) if number != 1 else ([None, None], {"status": "failed"})
        write_trial(tmp_path, study, f"{number:04d}", values, scores, **lost)

    def found() -> str:
        write_report(tmp_path)
        page = (tmp_path / "report.md").read_text(encoding="utf-8")
        assert "A claim is judged when all points of both sides have ended." in page
        (line,) = (line for line in page.splitlines() if line.startswith("| Deep plain"))
        assert line.endswith(" | – | not judged |")  # noqa: RUF001
        return line.split(" | ")[3]

    named = "missing: shortcut=none, network=ResNet56"
    assert found() == f"{named} (failed)"
    text = found_text(read_results(tmp_path))
    assert text == f"not judged: Deep plain networks err more. ({named} (failed))"
    (tmp_path / "trials/0001/trial.json").write_text("{", encoding="utf-8")
    assert found() == f"{named} (without a result)"
    shutil.rmtree(tmp_path / "trials/0000")
    shutil.rmtree(tmp_path / "trials/0002")
    points = "shortcut=none, network=ResNet20 (without a result); shortcut=none, network=ResNet56 (without a result)"
    write_report(tmp_path)
    assert f"| missing: {points} and 1 more | – | not run |" in (tmp_path / "report.md").read_text("utf-8")  # noqa: RUF001


def test_page_draws_both_errors(folder):
    results = read_results(folder)
    left, right = draw_training(results).axes
    assert (left.get_title(), right.get_title()) == ("training error", "test error")
    assert [line.get_label() for line in left.lines] == [f"{a}, {b}" for a, b in ACCURACIES]
    assert left.lines[1].get_ydata()[-1] == pytest.approx(49.0)
    assert {line.get_linestyle() for line in left.lines} == {"-", "--"}
    assert Image.open(folder / "pictures" / "training.png").size[0] > 900
    assert sorted(path.name for path in (folder / "pictures").iterdir()) == ["training.png"]


def test_curves_of_three_choices_can_be_told_apart(tmp_path):
    space = {**SPACE, "batch_size": [16, 64]}
    study = write_study(tmp_path, space, trials=None, **{**SETTINGS, "claims": [], "published": []})
    for number, values in enumerate(study.parsed_space.points()):
        write_trial(tmp_path, study, f"{number:04d}", values, [0.9, 0.8])
    figure = draw_training(read_results(tmp_path))
    lines = figure.axes[0].lines
    assert len({(line.get_linestyle(), tuple(line.get_color())) for line in lines}) == len(lines) == 8
    assert {line.get_linestyle() for line in lines} == {"-", "--"}  # of the first choice
    write_report(tmp_path)
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["training.png"]  # no two choices alone


@pytest.mark.parametrize(
    ("space", "colors"), [({"batch_size": [16, 64]}, "viridis"), ({"shortcut": ["none", "A"]}, "tab10")]
)
def test_curves_are_colored_by_a_scale_where_their_points_are_steps_of_one_thing(tmp_path, space, colors):
    study = write_study(tmp_path, space, trials=None, **{**SETTINGS, "claims": [], "published": []})
    for number, values in enumerate(study.parsed_space.points()):
        write_trial(tmp_path, study, f"{number:04d}", values, [0.9, 0.8])
    lines = draw_training(read_results(tmp_path)).axes[0].lines
    expected = matplotlib.colormaps[colors]([0.0, 0.88] if colors == "viridis" else [0, 1])
    assert [tuple(line.get_color()) for line in lines] == [tuple(color) for color in expected]


def test_curve_of_an_only_point_is_drawn(tmp_path):
    study = write_study(tmp_path, {"shortcut": ["A"]}, trials=None, **{**SETTINGS, "claims": [], "published": []})
    write_trial(tmp_path, study, "0000", {"shortcut": "A"}, [0.9, 0.8])
    (line,) = draw_training(read_results(tmp_path)).axes[0].lines
    assert line.get_label() == "the only point" and line.get_marker() == "None"


def test_curve_of_an_only_epoch_is_a_mark(tmp_path):
    study = write_study(tmp_path, SPACE, trials=None, **{**SETTINGS, "claims": [], "published": []})
    write_trial(tmp_path, study, "0000", DEEP[0], [0.5, 0.6], epochs=1)
    write_trial(tmp_path, study, "0001", DEEP[1], [0.9, 0.8], epochs=2)
    lines = draw_training(read_results(tmp_path)).axes[0].lines
    assert [line.get_marker() for line in lines] == ["o", "None"]


def test_page_of_an_unfinished_study_says_so(tmp_path):
    study = write_study(tmp_path, SPACE, trials=None, **{**SETTINGS, "title": "", "claims": [], "published": []})
    write_trial(tmp_path, study, "0000", DEEP[0], [0.5, None])
    write_report(tmp_path)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert page.startswith("# Study of shortcut and network on digits\n")
    said = "1 trial has runs without an outcome and 3 points are not tried yet"
    assert f"**This study is not finished: {said}.**" in page
    assert "claimed" not in page and "published" not in page.lower()


@pytest.mark.parametrize(
    ("budget", "left"),
    [
        ({"trials": None}, "2 points are not tried yet"),
        ({"trials": 3}, "1 point is not tried yet"),
        ({"trials": 2}, None),
        ({"trials": None, "hours": 1.0}, None),  # within which no more could be tried
        ({"trials": None, "tuner": "random", "total_epochs": 32}, None),
    ],
)
def test_grid_that_was_killed_between_trials_is_not_finished(tmp_path, budget, left):
    chosen = {"fields": SETTINGS["fields"], "tuner": "grid", "repeats": 2, "finalists": 0, **budget}
    study = write_study(tmp_path, SPACE, **chosen)
    for number, values in enumerate(DEEP):
        write_trial(tmp_path, study, f"{number:04d}", values, [0.5, 0.6])
    write_report(tmp_path)
    told = re.findall(r"This study is not finished: (.*)\.\*\*", (tmp_path / "report.md").read_text(encoding="utf-8"))
    assert told == ([left] if left else [])


def test_page_of_images_of_several_labels_has_no_errors(tmp_path):
    claims = [{**CLAIM, "published": None}, {**CLAIM, "published": None, "measure": "test loss"}]
    study = write_study(tmp_path, SPACE, trials=None, **{**SETTINGS, "objective": "loss", "claims": claims})
    for number, (values, losses) in enumerate(zip(DEEP, ([0.5, 0.6], [0.1, 0.11]))):
        write_trial(tmp_path, study, f"{number:04d}", values, losses)
    for file in tmp_path.glob("trials/*/seed-*/metrics.csv"):
        file.write_text(file.read_text(encoding="utf-8").replace("accuracy", "precision"), encoding="utf-8")
    write_report(tmp_path)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert row(page, "A", "ResNet56")[2:6] == ["–", "–", "6.97", "2"]  # noqa: RUF001
    assert [line.split(" | ")[-1] for line in page.splitlines() if line.startswith("| Deep plain")] == [
        "not run |",
        "undecided |",  # 0.445 ± 0.63
    ]
    assert "training.png" not in page
