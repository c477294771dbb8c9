"""Compared runs: which are repetitions, what the table says of them by hand, and what is drawn."""

import csv
import json
import statistics

import numpy as np
import pytest
from PIL import Image

from keras_resnet.labels import write_labels
from keras_resnet.preprocessing import Preprocessing
from training.comparison.comparing import compare_runs
from training.comparison.curves import draw_comparison
from training.comparison.seeds import read_run, sort_by_configuration
from training.comparison.tables import as_latex, as_markdown, deviation
from training.config import make_config
from training.run_folder import RunFolder

COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


@pytest.fixture
def run(tmp_path):
    """Make the function that makes the folder of a run with given test accuracies, one an epoch."""

    def make(name: str, accuracies, finished: bool = True, measure: str = "accuracy", **fields) -> RunFolder:
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir()
        config = make_config({"epochs": len(accuracies), "network": "ResNet8", **fields})
        folder.config_file.write_text(config.to_yaml(), encoding="utf-8")
        rows = [(epoch, 1 / epoch, 0.9, 2 / epoch, value, 0.1) for epoch, value in enumerate(accuracies, 1)]
        columns = [column.replace("accuracy", measure) for column in COLUMNS]
        text = "\n".join(",".join(map(str, row)) for row in (columns, *rows))
        folder.metrics_file.write_text(text, encoding="utf-8")
        if finished:
            folder.report_file.touch()
        return folder

    return make


@pytest.fixture
def runs(run) -> list[RunFolder]:
    """Three seeds of one configuration, data and devices of which lie elsewhere, and one run of another."""
    return [
        run("a1", [0.5, 0.90], seed=1),
        run("b", [0.6, 0.97], optimizer={"name": "adamw", "learning_rate": 0.01}, activation="gelu"),
        run("a0", [0.5, 0.92], seed=0, data_dir="elsewhere"),
        run("a2", [0.7, 0.91], seed=2, devices=["CPU:0"]),
    ]


def test_runs_that_differ_in_seed_and_machine_alone_are_one_configuration(runs):
    first, second = sort_by_configuration([read_run(folder) for folder in runs])
    assert [own.folder.path.name for own in first.runs] == ["a0", "a1", "a2"]
    assert (first.letter, second.letter) == ("A", "B")
    assert first.differing["network.activation.name"] is None
    assert (first.differing["optimizer.name"], first.differing["optimizer.momentum"]) == ("sgd", 0.9)
    assert second.differing["network.activation.name"] == "gelu" and second.differing["optimizer.momentum"] is None
    assert (first.label, second.label) == ("A: optimizer sgd", "B: activation gelu, optimizer adamw")


def test_runs_of_another_image_folder_are_no_other_seed_unless_it_was_only_moved(run):
    fields = {"dataset": "image_folder", "image_size": 8}
    folders = [run(f"s{seed}", [0.9], seed=seed, data_dir=f"/data/{seed}", **fields) for seed in range(3)]
    configurations = sort_by_configuration([read_run(folder) for folder in folders])
    assert [own.label for own in configurations] == [f"{a}: data_dir /data/{i}" for i, a in enumerate("ABC")]
    assert "The configurations differ in data_dir: their errors are of other images." in as_markdown(configurations)
    for folder, classes in zip(folders, (("cat", "dog"), ("hand", "foot"), ("cat", "dog"))):
        Preprocessing((8, 8), 1, np.array([100.5]), np.array([50.0])).save(folder.preprocessing_file)
        write_labels(folder.labels_file, classes)
        folder.test_file.write_text(json.dumps({"split": "test", "examples": 360, "accuracy": 0.9}))
    moved, other = sort_by_configuration([read_run(folder) for folder in folders])
    assert [own.seed for own in moved.runs] == [0, 2] and [own.seed for own in other.runs] == [1]


def test_records_tell_which_image_folders_are_the_same(run):
    fields = {"dataset": "image_folder", "image_size": 8}
    places = ("/cats", "/cars", "/moved", "/cats", "/cats", "/cats")
    folders = [run(f"s{seed}", [0.9], seed=seed, data_dir=place, **fields) for seed, place in enumerate(places)]
    for folder, record in zip(folders[:5], ("ab", "cd", "ab", "ef", "ab")):
        Preprocessing((8, 8), 1, np.array([100.5]), np.array([50.0])).save(folder.preprocessing_file)
        write_labels(folder.labels_file, ("cat", "dog"))  # as those of the others, and as many images
        folder.test_file.write_text(json.dumps({"split": "test", "examples": 360, "accuracy": 0.9}))
        folder.data_file.write_text(json.dumps({"classes": 2, "labels": record}))
    cats, cars, changed = sort_by_configuration([read_run(folder) for folder in folders])
    assert [own.seed for own in cats.runs] == [0, 2, 4, 5]  # the last one without a record, by its place
    assert cars.differing == {"data.data_dir": "/cars"} and changed.differing == {"data.data_dir": "/cats (2)"}


def test_other_parts_of_one_image_folder_are_told_by_their_fields_alone(run):
    fields = {"dataset": "image_folder", "data_dir": "/cats"}
    folders = [run(f"v{share}", [0.9], validation=share, **fields) for share in (0, 0.2)]
    for folder in folders:
        folder.data_file.write_text(json.dumps({"labels": folder.path.name}))
    assert list(sort_by_configuration([read_run(folder) for folder in folders])[0].differing) == ["data.validation"]


def test_augmentations_are_told_by_their_names_unless_these_are_the_same(run):
    folders = [run("a", [0.5], augmentation=["pad_crop", "flip"]), run("b", [0.5], augmentation=["flip"])]
    first, second = sort_by_configuration([read_run(folder) for folder in folders])
    assert (first.label, second.label) == ("A: augmentation pad_crop+flip", "B: augmentation flip")
    third = run("c", [0.5], augmentation=[{"name": "flip", "alternating": True}])
    labels = [own.label for own in sort_by_configuration([read_run(folder) for folder in (folders[1], third)])]
    assert labels[1] == "B: augmentation [{name: flip, alternating: true}]"
    plain = sort_by_configuration([read_run(folder) for folder in (run("d", [0.5]), folders[1])])
    assert [own.label for own in plain] == ["A: augmentation none", "B: augmentation flip"]


def cells(line: str) -> str:
    """Give a line of a table without what fills its columns."""
    return " ".join(line.split())


def test_table_says_mean_and_deviation_of_the_last_epoch(runs, tmp_path):
    printed = compare_runs(runs, tmp_path / "new" / "out")
    rows = list(csv.DictReader((tmp_path / "new" / "out" / "comparison.csv").read_text(encoding="utf-8").splitlines()))
    errors = [8.0, 10.0, 9.0]
    assert (rows[0]["test error, %"], rows[0]["deviation"]) == ("9.00", f"{statistics.stdev(errors):.2f}")
    assert (rows[0]["seeds"], rows[0]["epochs"], rows[0]["test loss"]) == ("0 1 2", "2", "1.0000")
    assert (rows[1]["test error, %"], rows[1]["deviation"], rows[1]["training error, %"]) == ("3.00", "", "10.00")
    assert (rows[0]["activation"], rows[1]["activation"]) == ("−", "gelu")
    lines = printed.splitlines()
    assert cells(lines[2]) == "| A | ResNet8 | digits | 0 1 2 | 2 | 9.00 ± 1.00 | 1.0000 | 10.00 |"
    assert len({*map(len, lines[:4])}) == 1  # columns stand below each other
    assert "| `activation` | − | gelu |" in map(cells, lines)
    page = (tmp_path / "new" / "out" / "comparison.md").read_text(encoding="utf-8")
    assert "![curves](curves.png)" in page and all(line in page for line in printed.splitlines())
    assert Image.open(tmp_path / "new" / "out" / "curves.png").format == "PNG"
    assert "Not finished" not in page and "differ in" not in page


def test_latex_is_escaped_and_has_a_row_a_configuration(run):
    folders = [run("a", [0.9], dataset="my_data"), run("b", [0.8], dataset="my_data", seed=1)]
    text = as_latex(sort_by_configuration([read_run(folder) for folder in folders]))
    assert r"A & ResNet8 & my\_data & 0 1 & 1 & 15.00 $\pm$ 7.07 & 2.0000 & 10.00 \\" in text.splitlines()
    assert r"test error, \%" in text
    assert text.startswith(r"\begin{tabular}{llllrrrr}") and text.count("&") == 14


def test_what_cannot_be_compared_is_said(run):
    whole = run("whole", [0.5, 0.9])
    part = run("part", [0.5], epochs=3, data={"validation": 0.1}, finished=False)
    printed = compare_runs([whole, part])
    assert f"Not finished: {part.path}." in printed
    assert "The test figures of B are of a validation split, taken off the training images." in printed
    assert "The configurations differ in validation: their errors are of other images." in printed
    rows = [cells(line) for line in printed.splitlines()[2:4]]
    assert rows[0].startswith("| A | ResNet8 | digits | 0 | 2 |")
    assert rows[1].startswith("| B | ResNet8 | digits | 0 | 1 |")


def test_run_that_is_not_tested_yet_has_no_test_figures(run, tmp_path):
    whole, part, seed = run("whole", [0.5, 0.9]), run("part", [np.nan], epochs=3), run("seed", [0.75], epochs=3, seed=1)
    part.metrics_file.write_text(part.metrics_file.read_text(encoding="utf-8").replace(",2.0,", ",nan,"), "utf-8")
    printed = compare_runs([whole, part, seed], tmp_path / "out")
    assert f"have no test figures: {part.path}." in printed and str(seed.path) not in printed.split("Not tested yet")[1]
    assert cells(printed.splitlines()[3]) == "| B | ResNet8 | digits | 0 1 | 1 | | | 10.00 |"
    text = (tmp_path / "out" / "comparison.csv").read_text(encoding="utf-8")
    assert next(csv.DictReader(text.splitlines()))["test error, %"] == "10.00" and "nan" not in text
    assert "nan" not in (tmp_path / "out" / "comparison.tex").read_text(encoding="utf-8")


def test_one_configuration_has_no_differences(run):
    printed = compare_runs([run("a", [0.5]), run("b", [0.6], seed=3)])
    assert printed.endswith("All runs have the same configuration but for the seed.\n")


def test_run_that_is_named_twice_is_refused(run, refused):
    folder = run("a", [0.5])
    sentence = refused("compare", folder.path, folder.path)
    assert (
        sentence
        == f"{folder.path} and {folder.path} have the same configuration and the same seed, 0; name one of them."
    )


def test_run_without_an_epoch_is_refused(run, refused):
    folder = run("a", [0.5])
    folder.metrics_file.unlink()
    assert refused("compare", folder.path) == f"{folder.path} has no complete epoch yet; leave it out."
    assert refused("compare") == "No run is given: name run folders."


def test_deviation_is_that_of_a_sample():
    assert deviation(np.array([1.0, 2.0, 4.0])) == pytest.approx(statistics.stdev([1, 2, 4]))
    assert deviation(np.array([1.0])) is None


def test_curves_of_runs_of_several_lengths_are_drawn(run, tmp_path):
    folders = [run("a", [0.5, 0.6, 0.7]), run("b", [0.5, 0.55, 0.65], seed=1), run("c", [0.2, 0.3], network="ResNet14")]
    configurations = sort_by_configuration([read_run(folder) for folder in folders])
    pictures = []
    for name, chosen in (("all", configurations), ("same", configurations), ("first", configurations[:1])):
        draw_comparison(chosen, tmp_path / f"{name}.png")
        pictures.append(np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")).astype(int))
    np.testing.assert_array_equal(pictures[0], pictures[1])
    orange = [np.all(np.abs(picture - [255, 127, 14]) < 30, axis=-1).sum() for picture in pictures]
    assert orange[0] > 50 and orange[2] == 0


def test_runs_of_several_labels_are_compared_by_their_mean_average_precision(run, tmp_path):
    measure = "mean_average_precision"
    runs = [run(f"m{seed}", [0.5, 0.7 + seed / 10], seed=seed, measure=measure) for seed in range(2)]
    printed = compare_runs(runs, tmp_path / "page")
    heading, _, row, *_ = map(cells, printed.splitlines())
    assert heading.endswith("| test mAP, % | test loss | training mAP, % |")
    assert row.endswith(f"| 75.00 ± {statistics.stdev([70, 80]):.2f} | 1.0000 | 90.00 |")
    assert Image.open(tmp_path / "page" / "curves.png").format == "PNG"
    with pytest.raises(
        ValueError, match=r"m0 is of images with any number of the classes and .*one of images with one; their"
    ):
        compare_runs([*runs, run("one", [0.5])])
