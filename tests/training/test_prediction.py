"""Prediction of image files against NumPy on what the model itself gives; which files are found."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_resnet.classification import most_probable
from keras_resnet.images import decode_image
from keras_resnet.labels import write_labels
from tests.training.helpers import read_pixels, write_image
from training import prediction as module
from training.config import RunConfig
from training.data.datasets import open_source
from training.prediction import find_images, naming_failures, predict_run, write_csv
from training.run_folder import RunFolder


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


def test_images_that_cannot_be_read_cost_nothing_but_themselves(trained, digit_files, tmp_path, capsys):
    wrong, cut, missing, folder = (tmp_path / name for name in ("notes.png", "cut.png", "none.png", "no.png"))
    wrong.write_text("not an image", encoding="utf-8")
    cut.write_bytes(digit_files[0].read_bytes()[:60])
    os.mkfifo(folder)
    paths = [wrong, digit_files[0], cut, missing, folder, digit_files[1]]
    failures: list[str] = []
    predictions = list(naming_failures(predict_run(trained.folder, paths, 3), failures))
    assert predictions == list(predict_run(trained.folder, digit_files, 3))
    no_image = "is not an image, or damaged; JPEG, PNG, GIF, BMP, WebP or JPEG XL can be read."
    assert failures == [
        f"{wrong} {no_image}",
        f"{cut} {no_image}",
        f"Cannot read {missing}: No such file or directory.",
        f"Cannot read {folder}: it is not a file.",
    ]
    assert capsys.readouterr().err.splitlines() == failures


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


# Which files.


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of folders of images, seen from within; other files lie beside them."""
    for name in ("b.png", "a.jpg", "summer/2.webp", "summer/1.png", "summer/.hidden.png", ".cache/0.png"):
        write_image(tmp_path / name, (4, 4))
    (tmp_path / "summer" / "notes.txt").write_text("no image", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["b.png", "a.jpg"], ["b.png", "a.jpg"]),
        (["."], ["a.jpg", "b.png", "summer/1.png", "summer/2.webp"]),
        (["summer", "b.png"], ["summer/1.png", "summer/2.webp", "b.png"]),
        (["*.png"], ["b.png"]),
        (["**/*.png"], ["b.png", "summer/1.png"]),
        (["s*"], ["summer/1.png", "summer/2.webp"]),
        (["summer/notes.txt", "none.png"], ["summer/notes.txt", "none.png"]),
    ],
)
def test_files_folders_and_patterns_are_found(photos, given, expected):
    assert [str(path) for path in find_images([Path(name) for name in given])] == expected


def test_file_whose_name_is_a_pattern_is_that_file(photos):
    write_image(photos / "[b].png", (4, 4))
    assert find_images([photos / "[b].png"]) == [photos / "[b].png"]


def test_files_of_a_folder_that_are_not_read_are_counted(photos, capsys):
    find_images([photos])
    assert capsys.readouterr().err.startswith(f"Not read in {photos}: .txt 1. Images are jpg, ")


def test_dead_link_in_a_folder_is_named_as_an_image_that_cannot_be_read(photos):
    (photos / "summer" / "z.jpg").symlink_to("nowhere")
    assert find_images([photos / "summer"])[-1] == photos / "summer" / "z.jpg"


def test_folder_that_cannot_be_read_is_not_passed_over(photos, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("summer"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="summer"):
        find_images([photos])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], r"No image is given: name files, folders, or patterns such as 'photos/\*\.jpg'\."),
        (["*.gif"], r"No file matches '\*\.gif'\."),
        ([".cache/empty"], r"No image in \.cache/empty \(jpg, .*\)\."),
    ],
)
def test_nothing_to_classify_is_said(photos, given, sentence):
    (photos / ".cache" / "empty").mkdir()
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        find_images([Path(name) for name in given])


# CSV.


def test_csv_has_a_row_an_image():
    classes = [{"label": 'a "b", c', "probability": 0.75}, {"label": "d", "probability": 0.25}]
    file = io.StringIO()
    write_csv(file, iter([{"image": "x.png", "classes": classes}, {"image": "y\udce9.png", "classes": classes[::-1]}]))
    assert file.getvalue().splitlines() == [
        "image,label_1,probability_1,label_2,probability_2",
        'x.png,"a ""b"", c",0.75,d,0.25',
        'y\\udce9.png,d,0.25,"a ""b"", c",0.75',
    ]


# Folders that are none.


def test_folder_without_configuration_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"is no run folder: it has no config\.yaml"):
        predict_run(RunFolder(tmp_path), [], 3)


def test_run_that_has_no_model_is_refused(tmp_path):
    folder = RunFolder(tmp_path)
    folder.config_file.write_text(RunConfig(epochs=1).to_yaml(), encoding="utf-8")
    with pytest.raises(ValueError, match=r"holds no model\.keras yet"):
        predict_run(folder, [], 3)
