"""The report of made-up studies: that it finds what was put in, and says it alike everywhere."""

import csv
import hashlib
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.tuning.helpers import fill, write_study, write_trial
from tests.tuning.report.test_page import Reader
from tuning.report.findings import Findings
from tuning.report.sentences import headline
from tuning.report.tables import leaderboard_text
from tuning.report.writing import write_report
from tuning.results import read_results
from tuning.search import check_folder
from tuning.status import read_status, status_text
from tuning.study import read_study

SPACE = {
    "activation": ["relu", {"name": "prelu", "slope": [0.25, 0.0]}, "gelu", "tanh"],
    "shortcut": ["A", "B", "none"],
    "placement": ["original", "bn_after_addition"],
}
WORTH = {"relu": 0.0, "prelu": 0.004, "gelu": 0.02, "tanh": -0.05, "A": 0.0, "B": 0.01, "none": -0.03}
POINTS = [
    {"activation": activation, "shortcut": shortcut, "placement": placement}
    for activation, shortcut, placement in itertools.product(
        ("relu", "gelu", "tanh"), ("A", "B", "none"), ("original", "bn_after_addition")
    )
]
POINTS += [
    {"activation": "prelu", "activation/prelu/slope": slope, "shortcut": shortcut, "placement": "original"}
    for slope, shortcut in itertools.product(("0.25", "0.0"), ("A", "B", "none"))
]
NAN = "The loss became nan | in epoch 3.\nTry <a lower> learning_rate."


def truth(values: dict) -> float:
    return 0.85 + WORTH[values["activation"]] + WORTH[values["shortcut"]]


def make(folder: Path, **settings):
    study = write_study(folder, SPACE, finalists=2, **settings)
    return study, fill(folder, study, POINTS, truth, noise=0.002)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A study that has ended: all points, a failed, a killed and a stopped trial, two finalists."""
    folder = tmp_path_factory.mktemp("studies") / "my study"
    study, results = make(folder)
    for place, trial in enumerate(results.ranked()[:2]):
        write_trial(folder, study, trial.id, trial.values, [0.861 - place / 100, 0.863 - place / 100], part="finals")
    point = {"activation": "tanh", "shortcut": "none", "placement": "bn_after_addition"}
    write_trial(folder, study, "0100", point, [None], status="failed", reason=NAN, epochs_made=2)
    write_trial(folder, study, "0101", point, [None], status="killed", epochs_made=0)
    write_trial(folder, study, "0102", point, [0.3], status="stopped", epochs_made=5)
    write_report(folder)
    return folder


def read(folder: Path, name: str = "report.md") -> str:
    return (folder / name).read_text(encoding="utf-8")


def table_after(page: str, heading: str, number: int = 0) -> list[dict[str, str]]:
    """Read a table of a section of a page in Markdown."""
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = [block.splitlines() for block in section.strip().split("\n\n") if block.startswith("|")][number]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in found]
    return [dict(zip(cells[0], row)) for row in cells[2:]]


def test_headline_names_the_true_best(folder):
    best = Findings(read_results(folder)).best
    assert (best.values["activation"], best.values["shortcut"]) == ("gelu", "B")
    # The other one with these two differs by its placement alone, which is worth nothing.
    other = {"original": "bn_after_addition", "bn_after_addition": "original"}[best.values["placement"]]
    expected = (
        f"**Best: activation=gelu, shortcut=B, placement={best.values['placement']}: {100 * best.score:.2f} ± "
        f"{100 * best.spread:.2f} % on the validation split (3 seeds), 86.20 ± 0.14 % on the test set. 1 other trial "
        f"is within noise of it: activation=gelu, shortcut=B, placement={other}.**"
    )
    assert expected in read(folder).splitlines()


def test_sections_stand_in_their_order(folder):
    assert re.findall(r"^#+ .*", read(folder), re.MULTILINE) == [
        "# Study of activation, shortcut and placement on digits",
        "## Test results",
        "## Leaderboard",
        "## activation × shortcut",
        "## What matters",
        "## Learning curves",
        "## All trials",
        "## Cost",
        "## Failed and stopped trials",
        "## How it was done",
    ]


def test_effects_are_recovered(folder):
    page = read(folder)
    assert "The choice of activation and shortcut changes the score by more than noise." in page
    assert "No effect can be told from noise for activation/prelu/slope and placement." in page or (
        "No effect can be told from noise for placement and activation/prelu/slope." in page
    )
    rows = {(row["factor"], row["level"]): row for row in table_after(page, "What matters", 1)}
    for factor, base in (("activation", "relu"), ("shortcut", "A")):
        reference = float(rows[factor, base]["mean, all else equal"])
        for (name, level), row in rows.items():
            if name == factor:
                found = float(row["mean, all else equal"]) - reference
                assert found == pytest.approx(100 * (WORTH[level] - WORTH[base]), abs=0.25)
                low, high = map(float, row["95 % interval"].split(" to "))
                assert low < float(row["mean, all else equal"]) < high


def test_left_out_trials_are_counted(folder):
    assert "the 24 trials that ended as planned (left out: 1 failed, 1 killed, 1 stopped early)" in read(folder)


def test_losses_are_listed_with_their_reasons(folder):
    rows = {row["trial"]: row for row in table_after(read(folder), "Failed and stopped trials")}
    facts = {name: (row["ended"], row["epochs"], row["reason"]) for name, row in rows.items()}
    assert facts == {
        "0100": ("failed", "2 of 8", r"The loss became nan \| in epoch 3. Try \<a lower> learning_rate."),
        "0101": ("killed", "0 of 8", "its process was killed"),
        "0102": ("stopped", "5 of 8", "worse than the median of the trials before it at the same epoch"),
    }


def test_finals_stand_beside_their_validation(folder):
    first, second = table_after(read(folder), "Test results")
    best = Findings(read_results(folder)).best
    validated = f"{100 * best.score:.2f} ± {100 * best.spread:.2f}"
    assert (first["validation rank"], first["validation accuracy, %"]) == ("1", validated)
    assert (first["test accuracy, %"], second["test accuracy, %"]) == ("86.20 ± 0.14", "85.20 ± 0.14")
    assert (first["test loss"], first["runs"]) == ("0.1380 ± 0.0014", "2")
    assert second["test within noise of the first"] == "no"
    assert "The test set was used once, for these only" in read(folder)


def test_noise_is_stated(folder):
    results = read_results(folder)
    found = Findings(results)
    compared = sorted(found.compared.trials, key=lambda trial: trial.score)
    assert len(compared) == 24
    better = compared[12:]
    expected = np.sqrt(np.mean([np.var(trial.scores, ddof=1) for trial in better]))
    assert found.noise.deviation == pytest.approx(expected)
    assert 0.0012 < expected < 0.0028  # 0.002 by design
    assert f"standard deviation of {100 * expected:.2f} % (24 degrees of freedom" in read(folder)


def test_page_csv_and_html_agree(folder):
    rows = list(csv.DictReader(read(folder, "leaderboard.csv").splitlines()))
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, 26)]
    board = table_after(read(folder), "Leaderboard")
    assert len(board) == 20
    reader = Reader()
    reader.feed(read(folder, "report.html"))
    cells = [text for tag, text in reader.cells if tag == "td"]
    for row, shown in zip(rows, board):
        score = f"{100 * float(row['accuracy']):.2f} ± {100 * float(row['spread']):.2f}"
        own = f"{row['activation']} (slope={row['activation/prelu/slope']})"
        assert shown["accuracy, %"] == score
        assert shown["activation"] == (own if row["activation"] == "prelu" else row["activation"])
        assert shown["within noise of the best"] == row["within_noise_of_best"]
        assert int(shown["parameters"].replace(",", "")) == int(row["parameters"]) == 270_000
        assert (shown["runs"], shown["seconds"]) == (row["runs"], "11.0")
        assert all(shown[name] in cells for name in shown)
    assert headline(Findings(read_results(folder))) in [text for tag, text in reader.cells if tag == "strong"]
    assert rows[-1]["status"] == "stopped" and rows[-1]["within_noise_of_best"] == "–"  # noqa: RUF001


def test_html_holds_its_pictures_and_no_markup_from_data(folder):
    reader = Reader()
    reader.feed(read(folder, "report.html"))
    pictures = sorted(path.stem for path in (folder / "pictures").iterdir())
    assert pictures == ["cost", "curves", "heat_map", "main_effects", "parallel_coordinates"]
    sources = [attributes["src"] for tag, attributes in reader.tags if tag == "img"]
    assert len(sources) == 5 and all(source.startswith("data:image/png;base64,") for source in sources)
    assert "a" not in {tag for tag, _ in reader.tags}
    assert " ".join(NAN.split()) in [text for tag, text in reader.cells if tag == "td"]
    assert sorted(re.findall(r"pictures/(\w+)\.png", read(folder))) == pictures


def test_the_same_folder_gives_the_same_bytes(folder):
    def digests() -> dict[str, str]:
        files = [folder / name for name in ("report.md", "report.html", "leaderboard.csv")]
        files += sorted((folder / "pictures").iterdir())
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    before = digests()
    write_report(folder)
    assert digests() == before


def test_commands_name_the_study(folder):
    page = read(folder)
    assert "python -m training --config 'my study/best.yaml'" in page
    assert "python -m tuning --config 'my study/study.yaml'" in page
    assert str(folder.parent) not in page + read(folder, "report.html")


def test_terminal_shows_the_best_five(folder):
    results = read_results(folder)
    head, *lines, rest = leaderboard_text(results).splitlines()
    assert head.split()[:4] == ["rank", "activation", "shortcut", "placement"]
    assert len(lines) == 5 and rest == "... and 20 more"
    assert lines[0].startswith("1     gelu") and lines[0].endswith("the best")


def test_an_unfinished_study_says_so(tmp_path):
    study, _ = make(tmp_path)
    write_trial(tmp_path, study, "0200", POINTS[0], [0.8, None])
    write_report(tmp_path)
    page = read(tmp_path)
    assert (
        "**This study is not finished: 1 trial has runs without an outcome and 0 of 2 finalists tested so far.**"
        in page
    )
    assert "No finalist has been tested." in page
    assert "(left out: 1 not finished)" in page
    assert "on the test set." not in headline(Findings(read_results(tmp_path)))
    rows = list(csv.DictReader(read(tmp_path, "leaderboard.csv").splitlines()))
    assert len(rows) == len(POINTS) and "running" not in {row["status"] for row in rows}


def test_a_study_that_went_on_is_finished_when_its_best_are_tested(tmp_path):
    study = write_study(tmp_path, {"activation": ["relu", "gelu", "elu", "tanh"]}, finalists=2, repeats=1)
    for number, activation in enumerate(("relu", "gelu", "elu", "tanh")):  # the last two came later, and are better
        write_trial(tmp_path, study, f"{number:04d}", {"activation": activation}, [0.5 + number / 10])
    for number, activation in enumerate(("relu", "gelu")):
        write_trial(tmp_path, study, f"{number:04d}", {"activation": activation}, [0.5 + number / 10], part="finals")

    def said() -> tuple[str | None, str]:
        write_report(tmp_path)
        page = read(tmp_path)
        unfinished = re.search(r"\*\*This study is not finished: (.*)\.\*\*", page)
        return unfinished and unfinished[1], page.split("## Test results\n\n")[1].split(" again")[0]

    assert said() == ("0 of 2 finalists tested so far", "The trials of rank 3 and 4")
    assert status_text(read_status(tmp_path)).splitlines()[-1] == "finals: 0 of 2 finalists tested"
    write_trial(tmp_path, study, "0003", {"activation": "tanh"}, [0.8], part="finals")
    assert said() == ("1 of 2 finalists tested so far", "The trials of rank 1, 3 and 4")
    write_trial(tmp_path, study, "0002", {"activation": "elu"}, [0.7], part="finals")
    assert said() == (None, "The best 4 trials")
    (tmp_path / "trials/0001/trial.json").write_text("{", encoding="utf-8")
    assert said() == (None, "The points of this table")


def test_a_study_without_repeats_does_not_know_its_noise(tmp_path):
    study = write_study(tmp_path, SPACE, repeats=1, finalists=0)
    fill(tmp_path, study, POINTS, truth, noise=0.002, seeds=1)
    write_report(tmp_path)
    page = read(tmp_path)
    assert "How much seeds alone change a score is unknown" in page
    assert "not finished" not in page
    assert {row["within noise of the best"] for row in table_after(page, "Leaderboard")} == {"the best", "unknown"}


def test_a_study_of_failures_says_why(tmp_path):
    study = write_study(tmp_path, SPACE)
    for number in range(3):
        write_trial(tmp_path, study, str(number), POINTS[number], [None], status="failed", reason=NAN, epochs_made=0)
    write_report(tmp_path)
    expected = (
        r"No trial has a score, so there is no answer: of 3 trials, 3 failed, the first with: The loss became nan \|"
    )
    assert expected in read(tmp_path)
    assert "not finished" not in read(tmp_path)
    assert len(table_after(read(tmp_path), "Failed and stopped trials")) == 3
    assert leaderboard_text(read_results(tmp_path)) == "None of 3 trials has a score."


def test_a_study_that_has_not_begun_gives_a_page(tmp_path):
    write_study(tmp_path, SPACE)
    write_report(tmp_path)
    assert "no answer: none has begun" in read(tmp_path)
    assert "This study is not finished: no trial has begun." in read(tmp_path)


def test_loss_is_better_where_it_is_lower(tmp_path):
    study = write_study(tmp_path, SPACE, objective="loss", finalists=0)
    fill(tmp_path, study, POINTS, lambda values: 1 - truth(values), noise=0.002)
    write_report(tmp_path)
    assert re.search(
        r"Best: activation=gelu, shortcut=B, placement=\w+: loss 0\.1\d{3} ± 0\.00\d\d on the", read(tmp_path)
    )
    assert table_after(read(tmp_path), "activation × shortcut")[0]["activation"] == "gelu"


def test_hyperband_compares_the_longest_only(tmp_path):
    study = write_study(tmp_path, {"activation": ["relu", "gelu", "tanh"]}, tuner="hyperband", finalists=0)
    for number, (name, epochs) in enumerate((("relu", 2), ("gelu", 2), ("tanh", 2), ("relu", 8), ("gelu", 8))):
        lucky = 0.05 * (epochs == 2)
        scores = [0.8 + WORTH[name] + lucky + seed / 1000 for seed in range(2)]
        write_trial(tmp_path, study, str(number), {"activation": name}, scores, epochs=epochs)
    write_report(tmp_path)
    assert "Best: activation=gelu: 82.05 ± 0.07 %" in read(tmp_path)
    assert "the 2 trials that ended as planned (left out: 3 given fewer than 8 epochs)" in read(tmp_path)
    verdicts = [row["within noise of the best"] for row in table_after(read(tmp_path), "Leaderboard")]
    assert verdicts == ["the best", "no", "–", "–", "–"]  # noqa: RUF001


def test_a_folder_that_is_no_study_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is no study"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())


# What version 0.1.0 wrote for a study of these choices on the recipe digits.
FORMER = """
fields: {network: ResNet8, dataset: digits, cache: true, standardize: channel, batch_size: 64, epochs: 8, momentum: 0.9,
  learning_rate: 0.1, nesterov: true, weight_decay: 0.0005, decayed: kernels, schedule: one_cycle, warmup: 0.2}
space:
  activation: [relu, {name: prelu, slope: [0.25, 0.0]}]
  flip: [none, random]
  optimizer: [{name: sgd, learning_rate: {low: 0.05, high: 0.2}}, adamw]
  label_smoothing: [0.0, 0.1]
tuner: random
trials: 9
repeats: 2
finalists: 0
seed: 0
"""


def test_a_study_of_version_0_1_0_is_reported_and_does_not_go_on(tmp_path):
    (tmp_path / "study.yaml").write_text(FORMER, encoding="utf-8")
    study = read_study(tmp_path)
    for number, (activation, flip) in enumerate(itertools.product(("relu", "prelu"), ("none", "random"))):
        values = {"activation": activation, "flip": flip, "optimizer": "sgd", "optimizer/sgd/learning_rate": 0.1}
        values |= {"label_smoothing": "0.1"} | ({"activation/prelu/slope": "0.25"} if activation == "prelu" else {})
        write_trial(tmp_path, study, str(number), values, [0.8 + number / 100, 0.801 + number / 100])
    write_report(tmp_path)
    page = read(tmp_path)
    point = "activation=prelu (slope=0.25), flip=random, optimizer=sgd (learning_rate=0.1), label_smoothing=0.1"
    assert f"Best: {point}: 83.05 ± 0.07 %" in page
    assert "| data set | digits |" in page and "| network | ResNet8 |" in page
    with pytest.raises(ValueError, match=r"holds a study of version 0.1.0, which cannot go on, because augmentation"):
        check_folder(tmp_path, study)


def test_dimensions_that_nothing_is_known_of_are_named_in_a_sentence_of_their_own(tmp_path):
    study = write_study(tmp_path, {"activation": ["relu", "gelu"], "shortcut": ["A", "B"]})
    points = [{"activation": name, "shortcut": "A"} for name in ("relu", "gelu")]
    fill(tmp_path, study, points, lambda values: 0.5 + 0.1 * (values["activation"] == "gelu"), 0.01)
    write_report(tmp_path)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "ended as planned. Too few trials or levels to tell: shortcut.\n\n![" in page


def test_a_search_on_images_of_several_labels_is_reported_without_accuracies(tmp_path):
    study = write_study(tmp_path, {"activation": ["relu", "gelu"]}, objective="loss", finalists=1)
    fill(tmp_path, study, [{"activation": name} for name in ("relu", "gelu")], lambda _: 0.5, noise=0.01)
    write_trial(tmp_path, study, "0000", {"activation": "relu"}, [0.4, 0.5], part="finals")
    for file in tmp_path.glob("*/*/seed-*/outcome.json"):
        outcome = json.loads(file.read_text(encoding="utf-8"))
        del outcome["results"]["accuracy"]
        file.write_text(json.dumps(outcome), encoding="utf-8")
    for file in tmp_path.glob("*/*/seed-*/metrics.csv"):
        file.write_text(file.read_text(encoding="utf-8").replace("accuracy", "precision"), encoding="utf-8")
    write_report(tmp_path)
    (row,) = table_after(read(tmp_path), "Test results")
    assert (row["test loss"], row["test accuracy, %"], row["runs"]) == ("0.4500 ± 0.0707", "–", "2")  # noqa: RUF001
