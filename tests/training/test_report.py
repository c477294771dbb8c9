"""The page and the curves of a run."""

import json

import numpy as np
import pytest
from PIL import Image

from training.config import load_recipe, make_config
from training.published import published_rows
from training.report import draw_curves, write_report
from training.run_folder import RunFolder

ROWS = [
    {"epoch": 1.0, "loss": 2.0, "accuracy": 0.25, "val_loss": 1.5, "val_accuracy": 0.5, "learning_rate": 0.1},
    {"epoch": 2.0, "loss": 1.0, "accuracy": 0.75, "val_loss": 1.25, "val_accuracy": 0.625, "learning_rate": 0.1},
]
FACTS = {"network": "ResNet8", "parameters": 75002, "multiply-adds": 2_000_000}
RESULTS = {"split": "test", "examples": 364, "loss": 1.25, "accuracy": 0.625}


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    lines = [",".join(ROWS[0]), *(",".join(str(value) for value in row.values()) for row in ROWS)]
    (tmp_path / "metrics.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "times.csv").write_text(
        "epoch,seconds,images_per_second\n1,10.11,500\n2,2.23,2000.4\n", encoding="utf-8"
    )
    return RunFolder(tmp_path)


def page(folder: RunFolder) -> list[str]:
    write_report(folder, make_config({"network": "ResNet8", "epochs": 2, "seed": 4}), FACTS, RESULTS)
    return (folder.path / "report.md").read_text(encoding="utf-8").splitlines()


def test_page_states_facts_and_results(folder):
    expected = {
        "# ResNet8 on digits",
        "![curves](curves.png)",
        "| network | ResNet8 |",
        "| parameters | 75,002 |",
        "| multiply-adds | 2,000,000 |",
        "| examples | 364 |",
        "| loss | 1.2500 |",
        "| accuracy | 0.6250 |",
        "| seconds | 12.3 |",
        "| images a second, in training | 1,250 |",
        "| seed | 4 |",
    }
    assert expected <= set(page(folder))


@pytest.mark.parametrize("views", ["single", "flip", "ten_crop"])
def test_results_of_the_last_test_can_be_read_by_programs(folder, views):
    config = make_config({"network": "ResNet8", "epochs": 2, "evaluation.views": views})
    shown = {} if views == "single" else {"views": views}  # as `evaluate` gives them
    write_report(folder, config, FACTS, {**RESULTS, **shown})
    written = json.loads((folder.path / "test.json").read_text(encoding="utf-8"))
    assert written == {**RESULTS, "views": views} and list(written)[:3] == ["split", "examples", "views"]


def test_page_has_a_row_an_epoch(folder):
    assert page(folder)[-2:] == ["| 1 | 2.0000 | 25.00 | 1.5000 | 50.00 |", "| 2 | 1.0000 | 75.00 | 1.2500 | 62.50 |"]


def test_page_without_epochs_has_no_curves(tmp_path):
    lines = page(RunFolder(tmp_path))
    assert not any("curves" in line for line in lines)
    assert not (tmp_path / "curves.png").exists()


def curves(path, rows) -> np.ndarray:
    draw_curves(rows, path, "a title")
    return np.asarray(Image.open(path).convert("RGB"))


def test_curves_show_the_rows(tmp_path):
    first = curves(tmp_path / "first.png", ROWS)
    assert np.array_equal(first, curves(tmp_path / "same.png", ROWS))
    other = [ROWS[0], {**ROWS[1], "val_accuracy": 0.55}]
    changed = np.argwhere(np.any(first != curves(tmp_path / "other.png", other), axis=-1))
    # The error is in the right half of the picture, the loss in the left one.
    assert len(changed) and changed[:, 1].min() > first.shape[1] / 2


def published(recipe: str | None = None, **fields) -> tuple[str, ...]:
    base = load_recipe(recipe) if recipe else {"epochs": 1}
    return tuple(published_rows(make_config(fields, base=base)).values())


@pytest.mark.parametrize(
    ("fields", "error", "protocol"),
    [
        ({"recipe": "cifar10"}, "8.75", "the same"),
        (
            {"recipe": "cifar10", "network": "resnet110", "schedule": {"warmup": 400, "warmup_from": 0.1}},
            "6.43 best, 6.61 mean",
            "the same",
        ),
        ({"recipe": "cifar10", "data_dir": "x", "seed": 3, "dataset": "cifar10:3.0.2"}, "8.75", "the same"),
        (
            {"recipe": "cifar10", "validation": 0.1, "epochs": 16},
            "8.75",
            "otherwise: trained with validation 0.1, epochs 16 instead of the recipe cifar10",
        ),
        (
            {"recipe": "cifar10", "evaluation.views": "flip"},
            "8.75",
            "otherwise: tested in the views flip instead of single",
        ),
        ({"recipe": "he2015-imagenet"}, "22.85 (10-crop)", "the same"),
        (
            {"recipe": "he2015-imagenet", "evaluation.views": "single"},
            "22.85 (10-crop)",
            "otherwise: tested in the views single instead of ten_crop",
        ),
        (
            {"recipe": "he2015-imagenet", "batch_size": 128},
            "22.85 (10-crop)",
            "otherwise: trained with batch_size 128 instead of the recipe he2015-imagenet",
        ),
        (
            {"recipe": "he2016-imagenet"},
            "20.7 (320 crop)",
            "otherwise: tested on images of 224 instead of 320 pixels",
        ),
        (
            {"recipe": "he2016-imagenet", "network": "ResNet200", "image_size": 320},
            "21.8 (320 crop)",
            "otherwise: trained with image_size 320 instead of the recipe he2016-imagenet",
        ),
        (
            {"recipe": "he2015-imagenet", "network": "VGG16"},
            "28.07 (10-crop)",
            "otherwise: trained otherwise than in arXiv 1409.1556, section 3",
        ),
    ],
)
def test_published_error_is_told_with_what_is_otherwise(fields, error, protocol):
    assert published(**fields) == (error, protocol)


def test_another_recipe_on_imagenet_is_told():
    fields = {"dataset": "imagenet2012", "network": "ResNet50", "evaluation.views": "ten_crop"}
    error, protocol = published("cifar10-fast", **fields)
    assert error == "22.85 (10-crop)" and protocol.endswith(" more instead of the recipe he2015-imagenet")


@pytest.mark.parametrize(
    "fields",
    [
        {"network": "ResNet20"},  # on the digits
        {"network": "ResNet26", "dataset": "cifar10"},
        {"network": "ResNet20V2", "dataset": "cifar10"},  # of which the papers say nothing
        {"network": "ResNet20", "dataset": "cifar10", "shortcut": "B"},
        {"network": "ResNet20", "dataset": "cifar10", "weights": "imagenet"},
        {"network": "ResNet50", "dataset": "cifar10"},
    ],
)
def test_nothing_is_told_of_what_is_not_published(fields):
    assert published(**fields) == ()


def test_page_shows_what_is_published(tmp_path):
    config = make_config({}, base=load_recipe("cifar10-fast"))
    write_report(RunFolder(tmp_path), config, {**FACTS, "network": "ResNet20"}, RESULTS)
    lines = (tmp_path / "report.md").read_text(encoding="utf-8").splitlines()
    assert "| published error, % | 8.75 |" in lines
    (protocol,) = (line for line in lines if line.startswith("| protocol of this run | otherwise: trained with "))
    assert "optimizer muon" in protocol and protocol.endswith(" more instead of the recipe cifar10 |")
