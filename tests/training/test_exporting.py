"""The commands `export` and `serve` on a run, in the formats beside SavedModel."""

import json
import re

import numpy as np
import pytest

import keras_resnet
from keras_resnet.formats.engines import open_engine
from training import exporting
from training.data.datasets import open_source
from training.exporting import ExportOptions, as_they_are, default_target, fitted
from training.run_folder import RunFolder


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
    sentence = refused("export", trained.folder.path, "--fold", "--image-size", 480, 640, 3)
    assert sentence.startswith("image_size must be a side, or height and width, of 1 to 16384 pixels, or None for any;")
    sentence = refused("export", trained.folder.path, "--format", "keras", "--batch-size", 1)
    assert sentence.endswith("Keras holds the network alone. Leave them out.")


@pytest.mark.slow
def test_int8_is_fitted_to_training_images_and_compared_on_test_images(said, refused, trained, tmp_path, monkeypatch):
    for module in ("onnx", "onnxruntime", "tf2onnx"):
        pytest.importorskip(module)
    folder, compare = tmp_path / "int8", exporting.compared
    options = ("--format", "onnx", "--precision", "int8", "--calibration", 100, "--tested", 50, "--to", folder)

    def fail(*given):
        compare(*given)
        raise OSError("the test images are gone")

    with monkeypatch.context() as patch:
        patch.setattr(exporting, "compared", fail)
        assert "the test images are gone" in refused("export", trained.folder.path, *options)
    assert not list(tmp_path.iterdir())  # an export without its accuracies never comes to its place
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
def test_int8_of_a_fixed_size_is_compared_on_images_of_that_size(said, trained, tmp_path):
    for module in ("onnx", "onnxruntime", "tf2onnx"):
        pytest.importorskip(module)
    folder, contract = tmp_path / "int8", trained.folder.read_preprocessing()
    options = ("--image-size", 9, 11, "--batch-size", 8, "--calibration", 20, "--tested", 21, "--to", folder)
    printed = said("export", trained.folder.path, "--format", "onnx", "--precision", "int8", *options)
    source = open_source(trained.config.data)
    engine, right = open_engine(folder, "onnx", batch_size=8), []
    for images, labels in as_they_are(source, source.examples(source.test_split).take(21), 1):
        right += [*(engine(fitted(images, contract, (9, 11)))["classes"] == labels)]
    assert len(right) == 21 and f"accuracy in int8 {100 * sum(right) / 21:.2f} %" in printed
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "- `images`: uint8, (8, 9, 11, 1), exactly 8 of 9 x 11 pixels, values 0 to 255\n" in card
    assert "| images | the first 21 images of 'test', brought to 9 x 11 pixels, each once in a single view |" in card


def test_images_are_brought_to_the_size_of_an_export_by_their_central_window(trained):
    contract = trained.folder.read_preprocessing()
    images = np.arange(6 * 8, dtype="uint8").reshape(1, 6, 8, 1)
    assert fitted(images, contract, None) is images and fitted(images, contract, (6, 8)) is images
    np.testing.assert_array_equal(fitted(images, contract, (6, 6)), images[:, :, 1:7])
    edge = np.array([0.75, 0.75, 0.25, 0, 0, 0]) / 1.75  # a triangle over four pixels, of which one lies outside
    halving = np.stack([edge, np.array([0, 0.25, 0.75, 0.75, 0.25, 0]) / 2, edge[::-1]])
    halved = halving @ images[0, :, 1:7, 0] @ halving.T
    assert np.abs(fitted(images, contract, (3, 3))[0, ..., 0] - halved).max() < 0.51


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "savedmodel"),
        ({"fold": True}, "exports/savedmodel-float32-folded"),
        ({"format": "onnx", "image_size": (32,), "batch_size": 1}, "exports/onnx-float32-32-batch1"),
        ({"image_size": (480, 640)}, "exports/savedmodel-float32-480x640"),
        ({"format": "safetensors", "layout": "timm"}, "exports/safetensors-float32-timm"),
    ],
)
def test_exports_of_a_run_have_folders_of_their_own(tmp_path, options, name):
    assert default_target(RunFolder(tmp_path), ExportOptions(tmp_path, **options)) == tmp_path / name


@pytest.mark.slow
def test_served_folder_answers_in_a_process_of_its_own(said, trained, tmp_path):
    folder = tmp_path / "served"
    printed = said("serve", trained.folder.path, "--to", folder, "--servers", "tensorflow_serving", "--check")
    assert printed.startswith(f"serving {folder}\ntensorflow_serving answers with probabilities [")
    probabilities = [float(number) for number in re.findall(r"\d\.\d+", printed.splitlines()[1])]
    assert len(probabilities) == 10 and sum(probabilities) == pytest.approx(1, abs=1e-3)
