"""Prediction of image files against NumPy on what the model itself gives, by every kind of network; what is written."""

import csv
import io
import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import keras_resnet
import training
from keras_resnet import imagenet_classes
from keras_resnet.classification import most_probable
from keras_resnet.images import decode_image
from keras_resnet.labels import write_labels
from keras_resnet.weights import card, hub
from tests.keras_resnet import torch_networks, torch_writer
from tests.training.helpers import read_pixels, write_image
from tests.training.test_progress import Terminal
from training.config import RunConfig
from training.data.datasets import open_source
from training.prediction import predicting as module
from training.prediction.classifiers import open_classifier
from training.prediction.predicting import predict_files
from training.prediction.writing import counted, format_of, write_csv, write_json_lines, write_text
from training.run_folder import RunFolder


def predict_run(folder: RunFolder, paths, top: int):
    return predict_files(open_classifier(folder.path), paths, top)


@pytest.fixture
def digit_files(trained, tmp_path) -> list:
    """Two test digits as PNG files of the network's size."""
    paths = []
    for number, (image, _) in enumerate(open_source(trained.config.data).examples("test").take(2)):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(image.numpy()[..., 0]).save(paths[-1])
    return paths


def test_prediction_of_files_is_the_model_on_their_pixels(trained, digit_files):
    images = np.array([np.asarray(Image.open(path)) for path in digit_files])[..., np.newaxis]
    prepared = trained.folder.read_preprocessing()(images)
    probabilities = trained.folder.load_model().predict(prepared, verbose=0)
    predictions = list(predict_run(trained.folder, digit_files, 10))
    assert [prediction["image"] for prediction in predictions] == [str(path) for path in digit_files]
    for prediction, row in zip(predictions, probabilities, strict=True):
        assert [guess["label"] for guess in prediction["classes"]] == [str(index) for index in np.argsort(-row)]
        given = [guess["probability"] for guess in prediction["classes"]]
        np.testing.assert_allclose(given, np.sort(row)[::-1], atol=1e-6)


@pytest.mark.slow
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
    assert [label for label, _ in guesses] == ["b", "d", "e"]
    np.testing.assert_allclose([probability for _, probability in guesses], [0.3, 0.3, 0.25])
    assert [label for label, _ in most_probable(probabilities, list("abcde"), 9)] == list("bdeac")


def rotated(path, original) -> None:
    """Save an image lying, with the EXIF that says how to turn it upright."""
    information = Image.Exif()
    information[0x0112] = 6
    Image.open(original).transpose(Image.Transpose.ROTATE_90).save(path, exif=information)


def test_photographs_are_classified_upright(trained, digit_files, tmp_path):
    rotated(tmp_path / "photo.png", digit_files[0])
    upright, photo = predict_run(trained.folder, [digit_files[0], tmp_path / "photo.png"], 10)
    for one, other in zip(photo["classes"], upright["classes"], strict=True):
        assert one["label"] == other["label"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-6)


@pytest.mark.slow
def test_batches_change_nothing(trained, digit_files, monkeypatch):
    paths = [digit_files[number % 2] for number in range(5)]
    together = list(predict_run(trained.folder, paths, 10))
    monkeypatch.setattr(module, "BATCH", 2)
    for left, right in zip(predict_run(trained.folder, paths, 10), together, strict=True):
        assert [guess["label"] for guess in left["classes"]] == [guess["label"] for guess in right["classes"]]
        for one, other in zip(left["classes"], right["classes"]):
            assert one["probability"] == pytest.approx(other["probability"], abs=1e-6)


@pytest.mark.slow
def test_no_more_than_a_batch_is_read_ahead(trained, digit_files, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 2)
    paths = [shutil.copy(digit_files[0], tmp_path / f"copy-{number}.png") for number in range(6)]
    predictions = predict_run(trained.folder, paths, 1)
    first = next(predictions)
    for path in paths:
        path.unlink()
    assert ["classes" in result for result in (first, *predictions)] == [True, True, False, False, False, False]


def test_images_that_cannot_be_read_cost_nothing_but_themselves(trained, digit_files, tmp_path):
    wrong, cut, missing, folder = (tmp_path / name for name in ("notes.png", "cut.png", "none.png", "no.png"))
    wrong.write_text("not an image", encoding="utf-8")
    cut.write_bytes(digit_files[0].read_bytes()[:60])
    os.mkfifo(folder)
    paths = [wrong, digit_files[0], cut, missing, folder, digit_files[1]]
    predictions = list(predict_run(trained.folder, paths, 3))
    assert [one for one in predictions if "classes" in one] == list(predict_run(trained.folder, digit_files, 3))
    no_image = "is not an image, or damaged; JPEG, PNG, GIF, BMP, WebP or JPEG XL can be read."
    assert [one["error"] for one in predictions if "error" in one] == [
        f"{wrong} {no_image}",
        f"{cut} {no_image}",
        f"Cannot read {missing}: No such file or directory.",
        f"Cannot read {folder}: it is not a file.",
    ]


def test_file_is_decoded_by_one_graph(trained, digit_files, monkeypatch):
    traced = []
    monkeypatch.setattr(module, "decode_image", lambda *given: traced.append(given) or decode_image(*given))
    list(predict_run(trained.folder, digit_files * 20, 1))
    assert len(traced) == 1


def test_batch_without_an_image_is_no_end(trained, digit_files, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 1)
    results = predict_run(trained.folder, [tmp_path / "none.png", digit_files[0]], 1)
    assert [set(result) for result in results] == [{"image", "error"}, {"image", "classes"}]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["CMYK", "L", "I;16", "RGBA", "P", "LA"])
def test_images_of_every_mode_are_classified(trained, tmp_path, mode):
    path = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    image = Image.fromarray(np.arange(64, dtype="uint8").reshape(8, 8) * 4)
    (Image.fromarray(np.asarray(image).astype("uint16") * 257) if mode == "I;16" else image.convert(mode)).save(path)
    reference = tmp_path / "reference.png"
    image.save(reference)
    left, right = predict_run(trained.folder, [path, reference], 1)
    assert left["classes"][0]["label"] == right["classes"][0]["label"]
    assert left["classes"][0]["probability"] == pytest.approx(right["classes"][0]["probability"], abs=0.05)


# Names of classes.


@pytest.fixture
def named(trained, tmp_path):
    """Make a copy of a run whose classes have other names."""

    def rename(labels: list[str]) -> RunFolder:
        folder = RunFolder(shutil.copytree(trained.folder.path, tmp_path / "named"))
        write_labels(folder.labels_file, labels)
        return folder

    return rename


@pytest.mark.slow
def test_classes_keep_their_names_whatever_these_are(trained, named, digit_files):
    labels = ["zero\u2028", "one", "\x85", *(f"\x1c{number}" for number in range(7))]
    expected = [labels[int(guess["label"])] for guess in next(predict_run(trained.folder, digit_files, 10))["classes"]]
    classes = next(predict_run(named(labels), digit_files, 10))["classes"]
    assert [guess["label"] for guess in classes] == expected


def test_other_count_of_labels_than_of_outputs_is_refused(named, digit_files):
    with pytest.raises(ValueError, match=r"labels\.txt names 3 classes, and the network has 10; put back a copy"):
        predict_run(named(list("abc")), digit_files, 1)


# What is written.

CLASSES = [{"label": 'a "b", c', "probability": 0.75}, {"label": "d", "probability": 0.25}]
PREDICTIONS = [{"image": "x.png", "classes": CLASSES}, {"image": "y\udce9.png", "classes": CLASSES[::-1]}]


def written(write, predictions=PREDICTIONS) -> list[str]:
    file = io.StringIO()
    write(file, iter(predictions))
    return file.getvalue().splitlines()


def test_csv_has_a_row_an_image():
    assert written(write_csv) == [
        "image,label_1,probability_1,label_2,probability_2",
        'x.png,"a ""b"", c",0.75,d,0.25',
        'y\\udce9.png,d,0.25,"a ""b"", c",0.75',
    ]


def test_json_has_a_line_an_image():
    named = [{**prediction, "image": prediction["image"].replace("\udce9", "\\udce9")} for prediction in PREDICTIONS]
    assert [json.loads(line) for line in written(write_json_lines)] == named


def test_text_names_the_classes_below_the_image():
    assert written(write_text, PREDICTIONS[:1]) == ["x.png", '  0.7500  a "b", c', "  0.2500  d"]
    assert written(write_text, [{"image": "x.png", "threshold": 0.9, "classes": []}]) == ["x.png", "  none over 0.9"]


def test_names_of_others_stay_in_their_line_of_text():
    odd = {"image": "two\nlines\udce9.png", "classes": [{"label": "\x1b[2Jcat\n", "probability": 0.5}]}
    assert written(write_text, [odd]) == [r"two\nlines\udce9.png", r"  0.5000  \x1b[2Jcat\n"]
    assert json.loads(*written(write_json_lines, [odd]))["image"] == "two\nlines\\udce9.png"
    file = io.StringIO()
    write_csv(file, [odd])
    assert [*csv.reader(io.StringIO(file.getvalue()))][1] == ["two\nlines\\udce9.png", "\x1b[2Jcat\n", "0.5"]


def test_network_of_damaged_weights_predicts_nothing(trained, digit_files):
    classifier = open_classifier(trained.folder.path)
    classifier.model.layers[-1].bias.assign(np.full(10, np.nan))
    with pytest.raises(ValueError, match="gives probabilities that are not finite"):
        next(predict_files(classifier, digit_files))


def test_ending_of_a_file_says_its_format(tmp_path):
    assert [format_of(tmp_path / name) for name in ("a.CSV", "b.jsonl", "c.txt")] == ["csv", "jsonl", "text"]
    with pytest.raises(ValueError, match=r"does not tell how to write it: end it in \.txt, \.csv, .* or give --format"):
        format_of(tmp_path / "predictions.json")


@pytest.mark.parametrize(
    ("count", "state"),
    [(40, r"images \[=* *\] \d+/40  \d+ s left  [\d,]+ images/s"), (None, r"\d+ images, [\d,]+ images/s")],
)
def test_terminal_shows_how_far_the_work_is_and_nothing_at_its_end(monkeypatch, count, state):
    monkeypatch.setattr("training.prediction.writing.EVERY", 0)
    terminal = Terminal(80)
    assert list(counted(iter(range(40)), count, terminal.stream)) == [*range(40)]
    *drawn, last = re.sub(r"\x1b\[K", "", terminal.read()).split("\r")[1:]
    assert len(drawn) == 40 and last == ""
    assert [line for line in drawn if not re.fullmatch(state, line)] == []


def test_pipe_shows_nothing():
    stream = io.StringIO()
    assert list(counted(iter(range(3)), 3, stream)) == [0, 1, 2] and stream.getvalue() == ""


# What classifies.


@pytest.mark.slow
def test_network_of_any_kind_gives_the_probabilities_of_its_run(trained, digit_files, tmp_path, monkeypatch):
    expected = list(predict_run(trained.folder, digit_files, 10))
    model = trained.folder.load_model()
    model.preprocessing, model.labels = trained.folder.read_preprocessing(), tuple(trained.folder.read_labels())
    (tmp_path / "hub").mkdir()
    card.write(tmp_path / "hub" / "model.safetensors", model, {})
    model.save(tmp_path / "model.keras")
    monkeypatch.setattr(hub, "fetch", lambda name: str(tmp_path / "hub"))
    for what in (tmp_path / "model.keras", tmp_path / "hub" / "model.safetensors", tmp_path / "hub", "hf://a/b"):
        for one, other in zip(training.predict(what, digit_files, top=10), expected, strict=True):
            assert [guess["label"] for guess in one["classes"]] == [guess["label"] for guess in other["classes"]]
            given = [guess["probability"] for guess in one["classes"]]
            np.testing.assert_allclose(given, [guess["probability"] for guess in other["classes"]], atol=1e-6)


def test_weights_that_come_with_the_package_are_named_with_their_network(tmp_path):
    write_image(tmp_path / "a.png", (40, 33))
    expected = keras_resnet.classify(keras_resnet.ResNet20(weights="cifar10"), tmp_path / "a.png")
    (found,) = training.predict("cifar10", tmp_path / "a.png", network="resnet20")
    assert [guess["label"] for guess in found["classes"]] == [label for label, _ in expected[0]]
    given = [guess["probability"] for guess in found["classes"]]
    np.testing.assert_allclose(given, [probability for _, probability in expected[0]], atol=1e-5)


def test_classes_without_names_are_numbers_unless_a_file_names_them(tmp_path):
    state = torch_writer.state_dict(torch_networks.cifar(1))
    torch_writer.save(tmp_path / "resnet8.th", state)
    assert open_classifier(tmp_path / "resnet8.th", "ResNet8").labels == tuple("0123456789")
    write_labels(tmp_path / "labels.txt", list("abcdefghij"))
    assert open_classifier(tmp_path / "resnet8.th", labels=tmp_path / "labels.txt").labels == tuple("abcdefghij")
    write_labels(tmp_path / "labels.txt", list("abc"))
    with pytest.raises(ValueError, match=r"labels\.txt names 3 classes, and the network has 10"):
        open_classifier(tmp_path / "resnet8.th", labels=tmp_path / "labels.txt")


def test_names_of_imagenet_tell_two_things_of_one_word_apart(monkeypatch):
    names = [("n1", "crane"), ("n2", "cat"), ("n3", "crane")]
    monkeypatch.setattr(imagenet_classes, "class_names", lambda: names)
    assert imagenet_classes.labels() == ["crane (n1)", "cat", "crane (n3)"]


def test_weights_of_a_single_network_need_no_name():
    alone, named = open_classifier("cifar10"), open_classifier("cifar10", "ResNet20")
    assert alone.model.name == named.model.name == "resnet20" and alone.labels == named.labels
    for one, other in zip(alone.model.get_weights(), named.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"what": "nowhere"},
            r"'nowhere' is no run folder, no file of a network or of weights, and no name of weights: ",
        ),
        ({"what": "imagenet"}, r"'imagenet' names the weights of several networks; name one by --network: ResNet50, "),
        ({"what": "cifar10", "network": "ResNet56"}, r"Unknown network with weights='cifar10': 'ResNet56'\."),
        ({"what": "cifar10", "best": True}, r"--best is for run folders; cifar10 names weights\."),
        ({"network": "ResNet8"}, r"--network is for weights; the run .* names its own network\."),
    ],
)
def test_what_does_not_classify_is_said(trained, given, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        open_classifier(**{"what": trained.folder.path, **given})


def test_network_without_a_classifier_is_refused(tmp_path):
    keras_resnet.ResNet("ResNet8", include_top=False).save(tmp_path / "features.keras")
    with pytest.raises(ValueError, match=r"features\.keras' holds a network without its classifier 'predictions'\."):
        open_classifier(tmp_path / "features.keras")


# Folders that are none.


def test_folder_without_configuration_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"is no run folder: it has no config\.yaml"):
        predict_run(RunFolder(tmp_path), [], 3)


def test_run_that_has_no_model_is_refused(tmp_path):
    folder = RunFolder(tmp_path)
    folder.config_file.write_text(RunConfig(epochs=1).to_yaml(), encoding="utf-8")
    with pytest.raises(ValueError, match=r"holds no model\.keras yet"):
        predict_run(folder, [], 3)
