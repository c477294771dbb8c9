"""The commands `export` and `serve` on a run, in the formats beside SavedModel."""

import json
import re

import pytest

import keras_resnet
from keras_resnet.formats.engines import open_engine
from training.data.datasets import open_source
from training.exporting import as_they_are


def test_export_lies_in_the_run_and_its_card_says_how_the_network_came_about(said, trained, tmp_path):
    folder = tmp_path / "exported"
    printed = said(
        "export", trained.folder.path, "--format", "safetensors", "--fold", "--to", folder, "--license", "MIT"
    )
    assert printed == f"safetensors {folder}\n"
    card = (folder / "README.md").read_text(encoding="utf-8")
    accuracy = trained.results["accuracy"]
    assert f"| accuracy | {accuracy:.6f}".rstrip("0") in card and "| dataset | digits |" in card
    assert "| protocol | test split, every image once in a single view, after the last of 2 epochs |" in card
    assert card.endswith("## License\n\nMIT\n")
    of_run = (trained.folder.savedmodel / "README.md").read_text(encoding="utf-8")
    assert "| format | savedmodel |" in of_run and "| dataset | digits |" in of_run
    assert json.loads((folder / "model.json").read_text(encoding="utf-8"))["dataset"] == "digits"
    assert keras_resnet.network_of(folder / "model.safetensors").architecture.normalization == "none"


def test_what_a_format_lacks_is_said_before_anything_is_read(refused, trained):
    sentence = refused("export", trained.folder.path, "--precision", "int8")
    assert sentence.startswith("SavedModel is written in float32 or bfloat16; int8 is to be had in onnx")
    sentence = refused("export", trained.folder.path, "--format", "onnx", "--precision", "int8", "--tested", "0")
    assert sentence == "--tested must be at least 1; received 0."


@pytest.mark.slow
def test_int8_is_fitted_to_training_images_and_compared_on_test_images(said, trained, tmp_path):
    for module in ("onnx", "onnxruntime", "tf2onnx"):
        pytest.importorskip(module)
    folder = tmp_path / "int8"
    options = ("--format", "onnx", "--precision", "int8", "--calibration", 100, "--tested", 50, "--to", folder)
    printed = said("export", trained.folder.path, *options)
    source = open_source(trained.config.data)
    engine, right = open_engine(folder, "onnx"), []
    for images, labels in as_they_are(source, source.examples(source.test_split).take(50), 1):
        right += [*(engine(images)["classes"] == labels)]
    accuracy = f"{100 * sum(right) / 50:.2f} %"
    assert len(right) == 50 and f"accuracy in int8 {accuracy}" in printed
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "## Precision\n\n| | |\n|---|---|\n| accuracy in float32 |" in card
    assert f"| accuracy in int8 | {accuracy} |" in card and "| fitted to | 100 of 'train' |" in card


@pytest.mark.slow
def test_served_folder_answers_in_a_process_of_its_own(said, trained, tmp_path):
    folder = tmp_path / "served"
    printed = said("serve", trained.folder.path, "--to", folder, "--servers", "tensorflow_serving", "--check")
    assert printed.startswith(f"serving {folder}\ntensorflow_serving answers with probabilities [")
    probabilities = [float(number) for number in re.findall(r"\d\.\d+", printed.splitlines()[1])]
    assert len(probabilities) == 10 and sum(probabilities) == pytest.approx(1, abs=1e-3)
