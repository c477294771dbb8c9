"""Studies compared: figures worked out by hand, and that what cannot be compared is refused."""

import csv
import io
import re

import numpy as np
import pytest

from keras_resnet.labels import write_labels
from keras_resnet.preprocessing import Preprocessing
from tests.tuning.helpers import FIELDS, write_study, write_trial
from tuning.__main__ import main
from tuning.comparison.comparing import compare_studies
from tuning.comparison.shared import compare_to_first, points_of
from tuning.comparison.sides import differences, read_sides
from tuning.comparison.tables import course_rows, difference_rows, headline, shared_rows, shared_sentence, study_rows
from tuning.results import FAILED

FIRST = {"activation": ["relu", "gelu", "elu"]}
OTHER = {"network.activation": ["gelu", "relu", {"name": "prelu", "slope": [0.1, 0.2]}]}  # the same field by its path
PRELU = {"network.activation": "prelu", "network.activation/prelu/slope": "0.1"}


def activation(name: str, field: str = "activation") -> dict:
    return {field: name}


@pytest.fixture
def first(tmp_path):
    """A random search of three points, of eight epochs, and one that failed."""
    folder = tmp_path / "first"
    study = write_study(folder, FIRST, tuner="random", repeats=2)
    for number, (name, scores) in enumerate((("relu", [0.8, 0.82]), ("gelu", [0.9, 0.92]), ("elu", [0.7, 0.72]))):
        write_trial(folder, study, f"{number:04d}", activation(name), scores)
    write_trial(folder, study, "0003", activation("elu"), [None], status=FAILED, reason="nan", epochs_made=2)
    return folder


@pytest.fixture
def other(tmp_path):
    """A grid of three points, of four epochs, two of them those of the first, and one that runs."""
    folder, fields = tmp_path / "other", {**FIELDS, "epochs": 4}
    study = write_study(folder, OTHER, tuner="grid", repeats=2, fields=fields)
    path = "network.activation"
    write_trial(folder, study, "0000", activation("gelu", path), [0.93, 0.95], epochs=4)
    write_trial(folder, study, "0001", activation("relu", path), [0.81, 0.83], epochs=4)
    write_trial(folder, study, "0002", PRELU, [0.5, 0.52], epochs=4)
    write_trial(folder, study, "0003", {**PRELU, "network.activation/prelu/slope": "0.2"}, [None], epochs_made=3)
    write_trial(folder, study, "0000", activation("gelu", path), [0.9, 0.92], part="finals")
    return folder


def table(rows) -> dict[str, list[str]]:
    return {name: cells for name, *cells in rows}


def test_findings_and_costs_stand_beside_each_other(first, other):
    rows = table(study_rows(read_sides([first, other])))
    assert rows[""] == ["A", "B"]
    assert rows["search"] == ["random, of activation", "grid, of network.activation"]
    assert rows["trials"] == ["4 ended, 1 failed", "3 ended, 1 running"]
    assert rows["best point"] == ["activation=gelu", "network.activation=gelu"]
    assert rows["its validation accuracy, %"] == ["91.00 ± 1.41", "94.00 ± 1.41"]
    assert rows["its test accuracy, %"] == ["–", "91.00 ± 1.41"]  # noqa: RUF001
    assert rows["epochs of training"] == ["50", "27"]  # 3 trials of 2 runs of 8, and 2; 3 of 2 of 4, and 3
    assert rows["time of training"] == ["1:13", "1:03"]


def test_course_follows_the_trials_that_ended_and_what_they_took(first, other):
    sides = read_sides([first, other])
    expected = [[1, 16, 0.81], [2, 32, 0.91], [3, 48, 0.91], [4, 50, 0.91]]
    np.testing.assert_allclose(sides[0].course, expected)
    np.testing.assert_allclose(sides[1].course, [[1, 8, 0.94], [2, 16, 0.94], [3, 24, 0.94]])
    assert course_rows(sides) == [["trials ended", "A", "B"], ["4", "91.00", "–"]]  # noqa: RUF001


def test_course_is_told_after_ever_twice_as_many_trials(tmp_path):
    for name, count in (("long", 23), ("short", 10)):
        study = write_study(tmp_path / name, {"learning_rate": {"low": 0.0, "high": 1.0}}, objective="loss", repeats=1)
        for number in range(count):
            values = {"learning_rate": number / 100}
            write_trial(tmp_path / name, study, f"{number:04d}", values, [0.5 - number / 100])
    rows = course_rows(read_sides([tmp_path / "long", tmp_path / "short"]))
    assert [row[0] for row in rows[1:]] == ["5", "10", "20", "23"]
    assert [row[2] for row in rows[1:]] == ["0.4600", "0.4100", "–", "–"]  # noqa: RUF001


def test_what_differs_is_told_of_settings_fields_and_space(first, other):
    sides = read_sides([first, other])
    assert differences(sides) == ["tuner", "epochs", "activation"]
    rows = table(difference_rows(sides))
    assert rows["epochs"] == ["8", "4"]
    assert rows["activation"] == [
        "searched: [relu, gelu, elu]",
        "searched: [gelu, relu, {name: prelu, slope: [0.1, 0.2]}]",
    ]


def test_field_that_one_study_searches_and_another_has_fixed_is_one_row(first, tmp_path):
    fields = {**FIELDS, "activation": "gelu", "optimizer": {"name": "sgd", "momentum": 0.5}}
    write_study(tmp_path / "fixed", {"shortcut": ["A", "B"]}, tuner="random", repeats=2, fields=fields)
    rows = table(difference_rows(read_sides([first, tmp_path / "fixed"])))
    assert rows["activation"] == ["searched: [relu, gelu, elu]", "gelu"]
    assert rows["shortcut"] == ["−", "searched: [A, B]"]
    assert rows["optimizer.momentum"] == ["0.9", "0.5"]
    assert set(rows) == {"", "activation", "shortcut", "optimizer.momentum"}


def test_same_definitions_have_no_differences(first, tmp_path):
    write_study(tmp_path / "again", FIRST, tuner="random", repeats=2)
    sides = read_sides([first, tmp_path / "again"])
    assert difference_rows(sides) == []
    assert "Their definitions are the same." in compare_studies([first, tmp_path / "again"])


def test_points_in_common_are_paired_and_told_from_noise(first, other):
    sides = read_sides([first, other])
    points = points_of(sides)
    rows = shared_rows(sides, points)
    assert rows[0] == ["point", "A, accuracy, %", "B, accuracy, %", "B − A", "B within noise of A"]
    assert rows[1:] == [
        ["activation=gelu", "91.00 ± 1.41", "94.00 ± 1.41", "+3.00", "yes"],
        ["activation=relu", "81.00 ± 1.41", "82.00 ± 1.41", "+1.00", "yes"],
    ]
    (found,) = compare_to_first(sides, points)
    # The mean of 3 and 1, and t = 12.706 of one degree of freedom times their standard error, 1.
    assert (found.points, found.mean, found.reach) == (2, pytest.approx(0.02), pytest.approx(0.12706, rel=1e-4))
    # Equal points differ by 2.776 times 1.414 % once in twenty times: t of the four degrees of freedom of both.
    assert (found.better, found.beyond_noise) == (2, (0, 0))
    assert shared_sentence(found, sides[0]) == (
        "B has 2 points in common with A. There its accuracy differs by +2.00 % in the mean (95 % interval −10.71 to "
        "+14.71) and is better in 2; by more than noise it is better in 0 and worse in 0."
    )
    assert headline(sides) == (
        "The best accuracy is that of B: 94.00 ± 1.41 % on the validation split, network.activation=gelu. "
        "That of A is within noise of it."
    )


def test_less_loss_is_better_and_without_repeats_noise_is_unknown(tmp_path):
    for name, losses in (("one", (0.5, 0.25)), ("two", (0.75, 0.125))):
        study = write_study(tmp_path / name, FIRST, objective="loss", repeats=1)
        for number, (activation_, loss) in enumerate(zip(("relu", "gelu"), losses)):
            write_trial(tmp_path / name, study, f"{number:04d}", activation(activation_), [loss])
    sides = read_sides([tmp_path / "one", tmp_path / "two"])
    (found,) = compare_to_first(sides, points_of(sides))
    assert (found.mean, found.better, found.beyond_noise) == (0.0625, 1, None)
    assert shared_sentence(found, sides[0]).endswith("what of that is noise is unknown, because no trial was repeated.")
    assert headline(sides).endswith("That of A is no better, and whether by more than noise is unknown.")


def test_several_studies_are_compared_with_the_first(first, other, tmp_path):
    write_study(tmp_path / "empty", FIRST, tuner="random", repeats=2)
    sides = read_sides([first, other, tmp_path / "empty"])
    rows = shared_rows(sides, points_of(sides))
    assert rows[0][-2:] == ["C − A", "C within noise of A"]
    assert rows[1][3:] == ["–", "+3.00", "yes", "–", "–"]  # noqa: RUF001
    assert "C has no point in common with A." in compare_studies([first, other, tmp_path / "empty"])
    assert study_rows(sides)[5][-1] == "–"  # noqa: RUF001 - the best point of no trial


def test_scores_of_other_images_are_not_held_against_each_other(first, tmp_path):
    write_study(tmp_path / "seed", FIRST, tuner="random", repeats=2, seed=7)
    sides = read_sides([first, tmp_path / "seed"])
    assert headline(sides).startswith("Their scores are of other images and say nothing beside each other")
    assert headline(sides).endswith("they differ in seed.")


FOLDER = {**FIELDS, "dataset": "image_folder", "image_size": 8}


def note_images(folder, mean: float = 100.5, classes: tuple = ("cat", "dog")) -> None:
    """Leave what the runs of a study note of their images."""
    for run in folder.glob("trials/*/seed-*"):
        Preprocessing((8, 8), 1, np.array([mean]), np.array([50.0])).save(run / "preprocessing.json")
        write_labels(run / "labels.txt", classes)


def write_images(folder, data_dir: str, **settings):
    """Write a study of an image folder, with a trial of two runs."""
    usual = {"tuner": "random", "repeats": 2, "fields": {**FOLDER, "data_dir": data_dir}}
    write_trial(folder, write_study(folder, FIRST, **{**usual, **settings}), "0000", activation("relu"), [0.7, 0.9])
    return folder


@pytest.mark.parametrize("dataset", ["image_folder", "csv"])
def test_image_files_of_another_place_are_other_images(tmp_path, dataset):
    pair = [write_images(tmp_path / name, f"/data/{name}") for name in ("cats", "xrays")]
    for folder in pair:
        (folder / "study.yaml").write_text((folder / "study.yaml").read_text().replace("image_folder", dataset))
    sides = read_sides(pair)
    assert table(difference_rows(sides))["data_dir"] == ["/data/cats", "/data/xrays"]
    assert headline(sides).endswith("they differ in data_dir.")
    for name, folder in zip(("cats", "xrays"), pair):  # what is noted of them is not the same either
        note_images(folder, classes=(name, "others"))
    assert differences(read_sides(pair)) == ["data_dir"]


def test_image_files_that_were_moved_are_the_same(tmp_path):
    pair = [write_images(tmp_path / name, f"/{name}/flowers") for name in ("old", "new")]
    note_images(pair[0])
    note_images(pair[1], mean=100.5 + 1e-9)  # added up in another order
    assert differences(read_sides(pair)) == []
    assert headline(read_sides(pair)).startswith("The best accuracy is that of A")
    note_images(pair[1], mean=101.5)
    assert differences(read_sides(pair)) == ["data_dir"]
    (pair[1] / "trials/0000/seed-0/preprocessing.json").write_text("{")
    (pair[1] / "trials/0000/seed-1/labels.txt").unlink()
    assert differences(read_sides(pair)) == ["data_dir"]


def test_place_of_registered_data_and_a_default_split_by_its_name_are_no_differences(tmp_path):
    plain = {"tuner": "grid", "trials": None, "validation": 0, "finalists": 0}
    splits = {"default": {}, "named": {"test_split": "test"}, "other": {"test_split": "train[:10%]"}}
    for name, split in splits.items():
        write_images(tmp_path / name, name, **plain, fields={**FIELDS, "data_dir": f"/{name}", **split})
    for file in (tmp_path / "other").glob("trials/*/seed-*/outcome.json"):
        file.write_text(file.read_text().replace('"split": "test"', '"split": "train[:10%]"'))
    default, named, other = read_sides([tmp_path / name for name in splits])
    assert differences([default, named]) == []
    assert headline([default, other]).endswith("they differ in test_split.")


def test_comparison_is_written_as_a_page_with_its_picture_and_as_csv(first, other, tmp_path, capsys):
    assert main(["compare", str(first), str(other), "--to", str(tmp_path / "both")]) == 0
    printed = capsys.readouterr().out
    assert "B has 2 points in common with A." in printed
    assert printed.endswith(f"comparison {tmp_path / 'both/comparison.html'}\n")
    names = {str(file.relative_to(tmp_path / "both")) for file in (tmp_path / "both").rglob("*") if file.is_file()}
    assert names == {"comparison.md", "comparison.html", "comparison.csv", "pictures/best_so_far.png"}
    page = (tmp_path / "both/comparison.md").read_text(encoding="utf-8")
    assert "| activation=gelu | 91.00 ± 1.41 | 94.00 ± 1.41 | +3.00 | yes |" in page
    assert 'src="data:image/png;base64,' in (tmp_path / "both/comparison.html").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "both/comparison.csv").read_text(encoding="utf-8"))))
    assert [(row["A_trial"], row["B_trial"]) for row in rows] == [
        ("0001", "0000"),
        ("0000", "0001"),
        ("0002", ""),
        ("", "0002"),
    ]
    assert float(rows[0]["B_score"]) == pytest.approx(0.94)
    columns = ["activation", "activation/prelu/slope"]  # one for each field, which B searches by its path
    assert list(rows[0])[:3] == [*columns, "A_trial"]
    points = [[row[name] for name in columns] for row in rows]
    assert points == [["gelu", ""], ["relu", ""], ["elu", ""], ["prelu", "0.1"]]


def test_names_of_folders_are_shown_and_not_read_as_markup(first, tmp_path):
    write_study(tmp_path / "a|<script>", FIRST, tuner="random", repeats=2)
    compare_studies([first, tmp_path / "a|<script>"], tmp_path / "both")
    assert "<script>" not in (tmp_path / "both/comparison.html").read_text(encoding="utf-8")
    assert "a\\|\\<script>" in (tmp_path / "both/comparison.md").read_text(encoding="utf-8")


def test_studies_that_choose_nothing_have_no_best(tmp_path):
    for name in ("one", "two"):
        settings = {"tuner": "grid", "trials": None, "validation": 0, "finalists": 0, "repeats": 2}
        study = write_study(tmp_path / name, FIRST, **settings)
        write_trial(tmp_path / name, study, "0000", activation("relu"), [0.5, 0.75])
    text = compare_studies([tmp_path / "one", tmp_path / "two"], tmp_path / "both")
    assert "Best so far" not in text and "B has 1 point in common with A." in text
    assert not any("best" in row[0] for row in study_rows(read_sides([tmp_path / "one", tmp_path / "two"])))
    assert not (tmp_path / "both/pictures/best_so_far.png").exists()


def test_what_cannot_be_compared_is_refused_in_a_sentence(first, tmp_path):
    write_study(tmp_path / "loss", FIRST, objective="loss")
    write_study(tmp_path / "test", FIRST, tuner="grid", trials=None, validation=0, finalists=0)
    for others, sentence in (
        ([], "A comparison is of two studies or more; received 1. Name their folders."),
        ([first.parent / "other/../first"], "is named twice; name each study once."),
        ([tmp_path / "nowhere"], "nowhere is no study: it has no study.yaml"),
        ([tmp_path / "loss"], "loss by loss on the validation split; their scores cannot be compared. Leave one of"),
        ([tmp_path / "test"], "first is decided by accuracy on the validation split and"),
    ):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            compare_studies([first, *others])
