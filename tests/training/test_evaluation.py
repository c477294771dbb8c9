"""Evaluation and prediction against NumPy on what the model itself gives."""

import json
import shutil

import numpy as np
import pytest

from tests.shared import shared_file
from training.data.datasets import open_source
from training.evaluation import testing
from training.evaluation.candidates import evaluate_file, evaluate_run
from training.evaluation.testing import evaluate, metrics_for
from training.run_folder import RunFolder


def predicted(trained, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Give the probabilities and labels of all examples of a split."""
    pairs = [(image.numpy(), int(label)) for image, label in open_source(trained.config.data).examples(split)]
    prepared = trained.folder.read_preprocessing()(np.array([image for image, _ in pairs]))
    return trained.folder.load_model().predict(prepared, verbose=0), np.array([label for _, label in pairs])


@pytest.mark.slow
@pytest.mark.parametrize(("split", "batch_size"), [("test", 64), ("test", 33), ("train[:101]", 50)])
def test_evaluation_is_the_mean_over_all_examples(trained, split, batch_size):
    probabilities, labels = predicted(trained, split)
    results = evaluate_run(trained.folder, {"test_split": split, "batch_size": batch_size})
    assert results["accuracy"] == pytest.approx(np.mean(probabilities.argmax(1) == labels), abs=1e-6)
    cross_entropy = -np.log(probabilities[np.arange(len(labels)), labels]).mean()
    assert results["loss"] == pytest.approx(cross_entropy, rel=1e-5)
    assert (results["split"], results["examples"]) == (split, len(labels))
    assert set(results) == {"split", "examples", "loss", "accuracy"}


def test_evaluation_that_misses_images_is_refused(trained, monkeypatch):
    whole = testing.test_batches
    monkeypatch.setattr(testing, "test_batches", lambda *given, **named: whole(*given, **named).take(3))
    with pytest.raises(ValueError, match=r"counted 192 images of 'test', which has 364; its figures are not kept\."):
        evaluate_run(trained.folder, {})


def test_evaluation_does_not_change_the_weights(trained):
    model = trained.folder.load_model()
    before = model.get_weights()
    evaluate(model, open_source(trained.config.data), trained.folder.read_preprocessing(), trained.config)
    for left, right in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_run_is_evaluated_where_its_data_lies_now(trained, tmp_path):
    results = evaluate_run(trained.folder, {"data_dir": tmp_path})
    assert results["accuracy"] == pytest.approx(trained.results["accuracy"], abs=1e-6)
    assert (tmp_path / "digits").is_dir()


def changed(trained, tmp_path, *texts: tuple[str, str]) -> RunFolder:
    """Copy a run, with other words in its configuration."""
    folder = RunFolder(tmp_path / "run")
    shutil.copytree(trained.folder.path, folder.path)
    text = folder.config_file.read_text(encoding="utf-8")
    for before, now in texts:
        assert before in text
        text = text.replace(before, now)
    folder.config_file.write_text(text, encoding="utf-8")
    return folder


def test_run_is_evaluated_without_the_devices_that_it_was_trained_on(trained, tmp_path, capsys):
    folder = changed(trained, tmp_path, ("devices: null", "devices: ['GPU:7']"))
    results = evaluate_run(folder, {})
    assert results["accuracy"] == pytest.approx(trained.results["accuracy"], abs=1e-6)
    told = f"{folder.path} was trained on GPU:7, which cannot all be had here; computing on CPU:0.\n"
    assert capsys.readouterr().err == told
    with pytest.raises(ValueError, match=r"Unknown device 'GPU:6'"):
        evaluate_run(folder, {"devices": ["GPU:6"]})


@pytest.mark.parametrize(
    "command", [("evaluate",), ("inspect",), ("export", "--format", "onnx", "--precision", "int8")]
)
def test_every_command_that_reads_the_data_of_a_run_is_told_where_they_lie_now(refused, trained, tmp_path, command):
    folder, there = changed(trained, tmp_path, ("dataset: digits", "dataset: csv")), tmp_path / "there.csv"
    name, *options = command
    assert refused(name, folder.path, *options, "--data-dir", there).endswith(f"; received {there}.")


def test_run_on_image_files_is_evaluated_on_other_data_too(trained, tmp_path):
    fields = ("dataset: digits", "dataset: csv"), ("label_separator: null", "label_separator: ';'")
    folder = changed(trained, tmp_path, *fields, ("on_bad_image: refuse", "on_bad_image: skip"))
    results = evaluate_run(folder, {"dataset": "digits"})
    assert results["accuracy"] == pytest.approx(trained.results["accuracy"], abs=1e-6)


def test_other_classes_than_the_networks_are_refused(trained, image_dir):
    sentence = (
        r"'image_folder' has other classes than the network of .*trained was trained on: new cat, dog; missing 0, 1, "
        r"2, 3, 4 and 5 more\. Put back its data, or name others with its classes\."
    )
    with pytest.raises(ValueError, match=sentence):
        evaluate_run(trained.folder, {"dataset": "image_folder", "data_dir": image_dir})


def test_top_5_is_measured_from_a_hundred_classes_on():
    assert [metric.name for metric in metrics_for(99)] == ["accuracy"]
    accuracy, top_5 = metrics_for(100)
    probabilities = np.tile(np.linspace(1, 0, 100, dtype="float32"), (6, 1))
    labels = np.array([0, 1, 4, 5, 6, 99])
    for metric, expected in ((accuracy, 1 / 6), (top_5, 3 / 6)):
        metric.update_state(labels, probabilities)
        assert float(metric.result()) == pytest.approx(expected)


def test_folder_without_configuration_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"is no run folder: it has no config\.yaml"):
        evaluate_run(RunFolder(tmp_path), {})


@pytest.mark.slow
def test_public_cifar_network_has_its_published_accuracy():
    # Of the deeper ones test_weights compares the logits.
    (path,) = shared_file("data/weights/cifar10_option_a").glob("resnet20-*.th")
    changes = {"dataset": "cifar10", "data_dir": shared_file("data/tfds")}
    results = evaluate_file(path, "resnet20", changes)
    assert (results["examples"], round(results["accuracy"], 4)) == (10_000, 0.9173)


def test_file_of_weights_needs_a_data_set(tmp_path):
    with pytest.raises(ValueError, match="do not say what to test them on: give --dataset"):
        evaluate_file(tmp_path / "weights.th", None, {})


def test_file_of_a_run_is_evaluated_by_the_contract_it_carries(trained):
    changes = {"dataset": "digits", "data_dir": trained.config.data.data_dir}
    results = evaluate_file(trained.folder.model_file, None, changes)
    assert results["accuracy"] == pytest.approx(trained.results["accuracy"], abs=1e-6)


def test_file_of_another_network_than_the_named_one_is_refused(trained):
    changes = {"dataset": "digits", "data_dir": trained.config.data.data_dir}
    assert evaluate_file(trained.folder.model_file, "ResNet8", changes)["examples"] == 364
    with pytest.raises(ValueError, match=r"holds 'resnet8', not ResNet50: they differ in .* as in conv1_conv\."):
        evaluate_file(trained.folder.model_file, "ResNet50", changes)


def test_views_are_chosen_on_the_command_line_and_for_files_too(said, refused, trained):
    data = ("--dataset", "digits", "--data-dir", trained.config.data.data_dir)
    views = ("--views", "{name: ten_crop, crop: 0.75}", "--json")
    of_run = json.loads(said("evaluate", trained.folder.path, *views))
    assert of_run == evaluate_run(trained.folder, {"evaluation.views": {"name": "ten_crop", "crop": 0.75}})
    assert (of_run["views"], of_run["accuracy"] != trained.results["accuracy"]) == ("ten_crop", True)
    of_file = json.loads(said("evaluate", trained.folder.model_file, *data, *views))
    assert (of_file["views"], of_file["accuracy"]) == ("ten_crop", of_run["accuracy"])
    sentence = refused("evaluate", trained.folder.path, "--views", "tencrop")
    assert sentence.startswith("evaluate: evaluation.views: Unknown views 'tencrop'. Did you mean 'ten_crop'? Allowed")
