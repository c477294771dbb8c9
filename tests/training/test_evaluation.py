"""Evaluation and prediction against NumPy on what the model itself gives."""

import numpy as np
import pytest
from PIL import Image

from tests.shared import shared_file
from tests.training.helpers import read_pixels, write_image
from training.config import RunConfig
from training.datasets import open_source
from training.evaluation import evaluate, evaluate_file, evaluate_run, metrics_for, most_probable, predict_run
from training.run_folder import RunFolder


def predicted(trained, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Give the probabilities and labels of all examples of a split."""
    pairs = [(image.numpy(), int(label)) for image, label in open_source(trained.config).examples(split)]
    prepared = trained.folder.read_preprocessing()(np.array([image for image, _ in pairs]))
    return trained.folder.load_model().predict(prepared, verbose=0), np.array([label for _, label in pairs])


@pytest.mark.parametrize(("split", "batch_size"), [("test", 64), ("test", 33), ("train[:101]", 50)])
def test_evaluation_is_the_mean_over_all_examples(trained, split, batch_size):
    probabilities, labels = predicted(trained, split)
    results = evaluate_run(trained.folder, {"test_split": split, "batch_size": batch_size})
    assert results["accuracy"] == pytest.approx(np.mean(probabilities.argmax(1) == labels), abs=1e-6)
    cross_entropy = -np.log(probabilities[np.arange(len(labels)), labels]).mean()
    assert results["loss"] == pytest.approx(cross_entropy, rel=1e-5)
    assert (results["split"], results["examples"]) == (split, len(labels))
    assert set(results) == {"split", "examples", "loss", "accuracy"}


def test_evaluation_does_not_change_the_weights(trained):
    model = trained.folder.load_model()
    before = model.get_weights()
    evaluate(model, open_source(trained.config), trained.folder.read_preprocessing(), trained.config)
    for left, right in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_run_is_evaluated_where_its_data_lies_now(trained, tmp_path):
    results = evaluate_run(trained.folder, {"data_dir": tmp_path})
    assert results["accuracy"] == pytest.approx(trained.results["accuracy"], abs=1e-6)
    assert (tmp_path / "digits").is_dir()


def test_other_classes_than_the_networks_are_refused(trained, image_dir):
    with pytest.raises(ValueError, match=r"'image_folder' has other classes than the network was trained on: \['0'"):
        evaluate_run(trained.folder, {"dataset": "image_folder", "data_dir": image_dir})


def test_top_5_is_measured_from_a_hundred_classes_on():
    assert [metric.name for metric in metrics_for(99)] == ["accuracy"]
    accuracy, top_5 = metrics_for(100)
    probabilities = np.tile(np.linspace(1, 0, 100, dtype="float32"), (6, 1))
    labels = np.array([0, 1, 4, 5, 6, 99])
    for metric, expected in ((accuracy, 1 / 6), (top_5, 3 / 6)):
        metric.update_state(labels, probabilities)
        assert float(metric.result()) == pytest.approx(expected)


@pytest.fixture
def digit_files(trained, tmp_path) -> list:
    """Two test digits as PNG files of the network's size."""
    paths = []
    for number, (image, _) in enumerate(open_source(trained.config).examples("test").take(2)):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(image.numpy()[..., 0]).save(paths[-1])
    return paths


def test_prediction_of_files_is_the_model_on_their_pixels(trained, digit_files):
    probabilities, _ = predicted(trained, "test[:2]")
    predictions = predict_run(trained.folder, digit_files, 10)
    assert [prediction["image"] for prediction in predictions] == [str(path) for path in digit_files]
    for prediction, row in zip(predictions, probabilities, strict=True):
        assert [guess["label"] for guess in prediction["classes"]] == [str(index) for index in np.argsort(-row)]
        given = [guess["probability"] for guess in prediction["classes"]]
        np.testing.assert_allclose(given, np.sort(row)[::-1], atol=1e-6)


def test_prediction_resizes_colour_images_of_any_size_together(trained, tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, size in zip(paths, [(20, 31), (9, 8)]):
        grey = write_image(path, size, grey=True)
        Image.fromarray(np.stack([grey] * 3, -1)).save(path)
    preprocessing, model = trained.folder.read_preprocessing(), trained.folder.load_model()
    for path, prediction in zip(paths, predict_run(trained.folder, paths, 1), strict=True):
        grey = read_pixels(path)[np.newaxis, ..., :1]
        row = model.predict(preprocessing(grey), verbose=0)[0]
        (guess,) = prediction["classes"]
        assert guess["label"] == str(row.argmax())
        assert guess["probability"] == pytest.approx(row.max(), abs=0.02)


def test_most_probable_come_first_and_ties_keep_the_order_of_the_labels():
    probabilities = np.array([0.1, 0.3, 0.05, 0.3, 0.25], "float32")
    guesses = most_probable(probabilities, list("abcde"), 3)
    assert [guess["label"] for guess in guesses] == ["b", "d", "e"]
    np.testing.assert_allclose([guess["probability"] for guess in guesses], [0.3, 0.3, 0.25])
    assert [guess["label"] for guess in most_probable(probabilities, list("abcde"), 9)] == list("bdeac")


def test_file_that_is_no_image_is_named(trained, tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("not an image", encoding="utf-8")
    with pytest.raises(ValueError, match=r"notes\.png is not a JPEG or PNG image\.$"):
        predict_run(trained.folder, [path], 3)


def test_damaged_image_is_named(trained, digit_files):
    digit_files[1].write_bytes(digit_files[1].read_bytes()[:40])
    with pytest.raises(ValueError, match=r"1\.png is not a JPEG or PNG image"):
        predict_run(trained.folder, digit_files, 3)


def test_missing_image_is_named(trained, tmp_path):
    with pytest.raises(ValueError, match=r"Cannot read .*none\.png: No such file or directory\."):
        predict_run(trained.folder, [tmp_path / "none.png"], 3)


@pytest.mark.parametrize("use", [lambda folder: evaluate_run(folder, {}), lambda folder: predict_run(folder, [], 3)])
def test_folder_without_configuration_is_refused(tmp_path, use):
    with pytest.raises(ValueError, match=r"is no run folder: it has no config\.yaml"):
        use(RunFolder(tmp_path))


def test_run_that_has_no_model_is_refused(tmp_path):
    folder = RunFolder(tmp_path)
    folder.config_file.write_text(RunConfig(epochs=1).to_yaml(), encoding="utf-8")
    with pytest.raises(ValueError, match=r"holds no model\.keras yet"):
        predict_run(folder, [], 3)


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "accuracy"), [(20, 0.9173), (32, 0.9263), (56, 0.9339)])
def test_public_cifar_networks_have_their_published_accuracy(depth, accuracy):
    (path,) = shared_file("data/weights/cifar10_option_a").glob(f"resnet{depth}-*.th")
    changes = {"dataset": "cifar10", "data_dir": shared_file("data/tfds")}
    results = evaluate_file(path, f"resnet{depth}", changes)
    assert (results["examples"], round(results["accuracy"], 4)) == (10_000, accuracy)


def test_file_of_weights_needs_a_data_set(tmp_path):
    with pytest.raises(ValueError, match=r"does not say what to test it on: give --dataset"):
        evaluate_file(tmp_path / "weights.th", None, {})


def test_file_of_a_run_is_evaluated_by_the_contract_it_carries(trained):
    changes = {"dataset": "digits", "data_dir": trained.config.data_dir}
    results = evaluate_file(trained.folder.model_file, None, changes)
    assert results["accuracy"] == pytest.approx(trained.results["accuracy"], abs=1e-6)
