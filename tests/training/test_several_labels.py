"""Images of any number of classes: how tables and arrays say so, and what a network learns of them."""

import csv
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

import keras_resnet
import training
from keras_resnet.build.head import has_sigmoids
from tests.keras_resnet.helpers import run_python
from tests.training.helpers import folder_config, same_weights, write_image
from training.config import Data, Network, Start, make_config
from training.data.arrays import make_arrays
from training.data.augmentation.composition import augment
from training.data.augmentation.streams import open_streams
from training.data.datasets import check_trained, open_source
from training.evaluation.candidates import evaluate_file, evaluate_run
from training.networks import load_start, make_model
from training.run_folder import RunFolder
from training.selection import best_epoch
from training.tasks import ANY, ONE

GENERATOR = np.random.default_rng(0)
MARKS = GENERATOR.integers(0, 2, (60, 3))
# The color of an image tells its classes: one a channel.
IMAGES = (MARKS[:, None, None] * 160 + GENERATOR.integers(0, 90, (60, 8, 8, 3))).astype("uint8")
LABELS = {"0.png": ("cat", "dog"), "1.png": (), "2.png": ("dog",), "3.png": ("cow", "cat"), "4.png": ("cow",)}


@pytest.fixture
def table(tmp_path):
    """Make the function that writes a table of five images and describes a run on them."""

    def make(header, rows, **fields):
        for number, path in enumerate(LABELS):
            write_image(tmp_path / path, (4, 4), seed=number)
        with open(tmp_path / "table.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return folder_config(tmp_path / "table.csv", **{"dataset": "csv", "validation": 0.4, **fields}).data

    return make


def labels_of(source) -> dict[str, tuple[str, ...]]:
    """Read the labels of the files of a source by name, off the examples that it gives."""
    files = [path.rpartition("/")[2] for path, _ in source.reader.members("train")]
    marks = [own for _, own in source.reader.examples("train").as_numpy_iterator()]
    names = [tuple(sorted(source.classes[place] for place in np.flatnonzero(own))) for own in marks]
    return dict(zip(files, names, strict=True))


EXPECTED = {path: tuple(sorted(labels)) for path, labels in LABELS.items()}


@pytest.mark.parametrize("separator", [";", "|", " ", ", "])
def test_labels_of_a_column_are_parted(table, separator):
    rows = [(path, separator.join(labels)) for path, labels in LABELS.items()]
    source = open_source(table(("path", "label"), rows, **{"data.label_separator": separator}))
    assert source.task is ANY and source.classes == ("cat", "cow", "dog") and labels_of(source) == EXPECTED
    assert source.reader.labels("train").dtype == np.float32


def test_columns_of_classes_are_read_in_their_order(table):
    classes = ("dog", "cat", "cow")
    rows = [(path, *(int(name in labels) for name in classes)) for path, labels in LABELS.items()]
    source = open_source(table(("path", *classes), rows))
    assert source.task is ANY and source.classes == classes and labels_of(source) == EXPECTED


def test_without_a_separator_a_label_is_one_class_and_what_looks_like_several_is_pointed_out(table, capsys):
    source = open_source(table(("path", "label"), [("0.png", "cat;dog"), ("1.png", "cow"), ("2.png", "cow")]))
    assert source.task is ONE and source.classes == ("cat;dog", "cow")
    assert capsys.readouterr().err == (
        "1 classes have a ';' in their name, as 'cat;dog'. If these are several labels, pass --data.label-separator "
        "';'.\n"
    )


class Tagged(tfds.core.GeneratorBasedBuilder):
    """Images with a sequence of classes each."""

    VERSION = tfds.core.Version("1.0.0")
    LABELS = ([2, 0], [], [1], [1, 1])

    def _info(self):
        labels = tfds.features.Sequence(tfds.features.ClassLabel(names=["cat", "cow", "dog"]))
        features = {"image": tfds.features.Image(shape=(2, 2, 1)), "labels": labels}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(), "test": self._generate_examples()}

    def _generate_examples(self):
        for number, labels in enumerate(self.LABELS):
            yield number, {"image": np.full((2, 2, 1), number, "uint8"), "labels": labels}


def test_registered_sets_may_have_several_labels(tmp_path, monkeypatch):
    builder = Tagged(data_dir=tmp_path)
    builder.download_and_prepare()
    monkeypatch.setattr(tfds, "builder", lambda *_, **__: builder)
    source = open_source(Data(dataset="tagged", data_dir=tmp_path))
    assert source.task is ANY and source.classes == ("cat", "cow", "dog")
    marks = {int(image[0, 0, 0]): label.tolist() for image, label in source.examples("test").as_numpy_iterator()}
    assert marks == {0: [1, 0, 1], 1: [0, 0, 0], 2: [0, 1, 0], 3: [0, 1, 0]}
    labels = source.reader.labels("test")
    assert labels.dtype == np.float32 and sorted(labels.tolist()) == sorted(marks.values())


SPLIT_BY_BAR = {"data.label_separator": "|"}


@pytest.mark.parametrize(
    ("header", "rows", "fields", "sentence"),
    [
        (("path", "label"), [("0.png", "cat||dog")], SPLIT_BY_BAR, r"line 2: a label is empty in 'cat\|\|dog', which"),
        (("path", "label"), [("0.png", "a|b|a")], SPLIT_BY_BAR, r"line 2: the label 'a' stands twice in 'a\|b\|a'; an"),
        (
            ("path", "label"),
            [("0.png", "cat"), ("1.png", "cat", "dog")],
            {"data.label_separator": ","},
            "line 3: 'dog' stands behind the last column; a cell that holds what parts the cells must be in quotes",
        ),
        (("path", "label"), [("0.png", "a|b"), ("1.png",)], SPLIT_BY_BAR, "line 3: it ends before the column 'label',"),
        (("path", "label"), [("0.png", ""), ("1.png", " ")], SPLIT_BY_BAR, "names no image that has a label; there is"),
        (("path", "label"), [("0.png", "a"), ("1.png", "")], SPLIT_BY_BAR, "'csv' has one class, 'a'; there is noth"),
        (("path", "label"), [("0.png", "a"), ("1.png", "")], {}, "line 3: a path, label or split is empty"),
        (("path", "label"), [], {}, "names no image that has a label; there is nothing to learn"),
        (
            ("path", "label", "split"),
            [("0.png", "a|b", "train"), ("1.png", "a|c", "test")],
            {**SPLIT_BY_BAR, "test_split": "test"},
            "The split 'test' has classes that the training split lacks: c",
        ),
        (
            ("path", "label", "split"),
            [("0.png", "a|b", "train"), ("1.png", "", "test")],
            {**SPLIT_BY_BAR, "test_split": "test", "validation": 0},
            "No image of the split 'test' of 'csv' has a label; choose another split",
        ),
        (("path", "cat"), [("0.png", "1"), ("1.png", "0")], {}, "'csv' has one class, 'cat'; there is nothing to tell"),
        (
            ("path", "labels"),
            [("0.png", "cat")],
            {},
            r"line 2: 'labels' is 'cat', and a table without a column 'label'",
        ),
        (("path", "cat", "dog"), [("0.png", "1")], {}, r"line 2: 'dog' is None, and a table without a column 'label'"),
        (("path", "cat", "dog"), [("0.png", "1", "0")], {}, "The column 'dog' is 1 for no image to train on"),
        (("path", "cat", "cat"), [("0.png", "1", "0")], {}, "has two columns 'cat'. Remove or rename one"),
        (("path", "cat"), [("0.png", "1")], SPLIT_BY_BAR, "label_separator parts the labels in a column 'label', and"),
    ],
)
def test_what_is_wrong_with_labels_is_said(table, header, rows, fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        open_source(table(header, rows, **fields))


def test_separator_without_a_table_is_refused(image_dir):
    config = folder_config(image_dir, **{"data.label_separator": ";"})
    with pytest.raises(ValueError, match=r"label_separator is for the labels in a CSV file; the dataset is 'image_fol"):
        open_source(config.data)


def on_arrays(validation=0.0, classes=None, **test):
    arrays = make_arrays((IMAGES, MARKS), classes=classes, **test)
    return open_source(make_config({"dataset": "arrays", "epochs": 1, "validation": validation}).data, arrays)


def test_validation_is_drawn_from_all_images():
    source = on_arrays(0.25)
    again = on_arrays(0.25)
    parts = [source.parts[split][1] for split in (source.train_split, source.test_split)]
    assert [part.sum() for part in parts] == [45, 15] and not (parts[0] & parts[1]).any()
    np.testing.assert_array_equal(parts[1], again.parts[again.test_split][1])
    labels = [label for _, label in source.examples(source.test_split).as_numpy_iterator()]
    np.testing.assert_array_equal(labels, MARKS[parts[1]])


def test_validation_that_takes_all_images_is_refused():
    source = on_arrays(0.99)
    check_trained(source, Data(validation=0.99))  # one is left, which has not every class
    with pytest.raises(
        ValueError, match=r"validation=0\.995 takes every training image to test on, and leaves none to"
    ):
        check_trained(on_arrays(0.995), Data(validation=0.995))


@pytest.mark.parametrize("kind", ["int64", "uint8", "bool"])
def test_arrays_of_marks_are_taken(kind):
    arrays = make_arrays((IMAGES, MARKS.astype(kind)), classes=("r", "g", "b"))
    assert arrays.task is ANY and arrays.classes == ("r", "g", "b")
    np.testing.assert_array_equal(arrays.labels("train"), MARKS)
    assert make_arrays((IMAGES, MARKS)).classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("labels", "options", "sentence"),
    [
        (MARKS * 2, {}, r"train: labels of shape \(60, 3\) must be 0 and 1; received 2"),
        (MARKS * [1, 1, 0], {}, "train: no image has the class in column 2. Leave the column out"),
        (
            MARKS.astype("float32"),
            {},
            r"labels of shape \(60, 3\) and type float32 for 60 images.* 0 and 1 as integers",
        ),
        (MARKS[:, :, None], {}, r"labels of shape \(60, 3, 1\)"),
        (MARKS, {"classes": ["a", "b"]}, "Labels have 3 columns, one a class, and there are 2 classes"),
        (
            MARKS,
            {"test": (IMAGES, MARKS[:, 0])},
            r"of one kind; received train of shape \(60, 3\) and test of .*\(60,\)",
        ),
        (MARKS, {"test": (IMAGES, MARKS[:, :2])}, r"of one kind; received train of .* and test of shape \(60, 2\)"),
    ],
)
def test_what_is_no_table_of_marks_is_refused(labels, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_arrays((IMAGES, labels), **options)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixed_images_have_labels_in_proportion(name):
    images = np.stack([np.full((4, 4, 1), level, "float32") for level in (0, 100)])
    choices = make_config({"epochs": 1, "augmentation": [name]}).augmentation
    (stream,) = open_streams(choices, 0, 2)
    step = stream.step(tf.range(2, dtype="int64"), stream.draw(tf.constant(0, "int64")), tf.constant(0, "int64"))
    marks = np.float32([[1, 0, 1], [0, 1, 1]])
    mixed, labels = augment(images, tf.constant(marks), [step], lambda images: images, 3)
    share = np.mean(mixed, axis=(1, 2, 3))[:, None] / 100  # of the second image
    np.testing.assert_allclose(labels, (1 - share) * marks[0] + share * marks[1], atol=1e-6)


TINY = {
    "network": {"name": "ResNet8"},
    "loss": "binary_cross_entropy",
    "batch_size": 20,
    "epochs": 3,
    "optimizer": {"name": "adamw", "learning_rate": 3e-3},
    "augmentation": ["flip", {"name": "mixup", "share": 0.5}],
}


@pytest.mark.slow
def test_network_learns_several_labels_and_resumes(tmp_path):
    folder = RunFolder(tmp_path / "run")
    given = {"train": (IMAGES, MARKS), "test": (IMAGES[:15], MARKS[:15]), "classes": ("r", "g", "b")}
    results = training.train(folder.path, **given, **{**TINY, "epochs": 8})
    assert results["mean_average_precision"] > 0.9 and has_sigmoids(folder.load_model())
    rows = folder.read_metrics()
    names = ("loss", "mean_average_precision", "precision", "recall")
    assert set(rows[0]) == {"epoch", "learning_rate", *names, *(f"val_{name}" for name in names)}
    assert rows[-1]["val_mean_average_precision"] == pytest.approx(results["mean_average_precision"], abs=1e-3)
    assert rows[-1]["val_loss"] == pytest.approx(results["loss"], rel=1e-4)
    report = folder.report_file.read_text(encoding="utf-8")
    assert "| epoch | loss | mean average precision, % | test loss | test mean average precision, % |" in report
    assert f"| mean_average_precision | {results['mean_average_precision']:.4f} |" in report

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 4:
                raise KeyboardInterrupt

    from training import run

    parts, config = RunFolder(tmp_path / "parts"), folder.read_config()
    with pytest.raises(KeyboardInterrupt):
        run.train(config, parts, callbacks=[Stop()], arrays=make_arrays(**given))
    assert run.train(config, parts, resume=True, arrays=make_arrays(**given)) == results
    assert same_weights(parts, folder) and parts.read_metrics() == rows


@pytest.mark.slow
def test_validation_chooses_by_mean_average_precision(table, tmp_path):
    classes = ("r", "g", "b")
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    rows = [(f"{number}.png", *own) for number, own in enumerate(MARKS.tolist())]
    data = table(("path", *classes), rows)
    folder = RunFolder(tmp_path / "run")
    fields = {**TINY, "data": {"dataset": "csv", "data_dir": data.data_dir, "image_size": 8}, "validation": 0.4}
    results = training.train(folder.path, evaluation={"keep_best": True}, **fields)
    rows = folder.read_metrics()
    assert best_epoch(rows) == 1 + int(np.argmax([row["val_mean_average_precision"] for row in rows]))
    assert folder.best_file.is_file() and results["split"] == "validation of train"
    assert evaluate_run(folder, {}) == results
    views = evaluate_run(folder, {"evaluation.views": "flip"})
    assert views["views"] == "flip" and 0 < views["mean_average_precision"] <= 1


@pytest.mark.slow
def test_two_devices_measure_any_number_of_images_as_one_does(tmp_path):
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    rows = [(f"{number}.png", *own, "train" if number < 37 else "test") for number, own in enumerate(MARKS.tolist())]
    with open(tmp_path / "table.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "r", "g", "b", "split"), *rows])
    data = ("--dataset", "csv", "--data-dir", tmp_path / "table.csv", "--image-size", "8", "--augmentation", "[flip]")
    other = ("--network", "ResNet8", "--loss", "binary_cross_entropy", "--learning-rate", "0.01", "--epochs", "2")
    folders = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two")
    for folder, devices in zip(folders, (("CPU:0",), ("CPU:0", "CPU:1"))):
        own = ("--run-dir", folder.path, "--devices", *devices, "--hardware.synchronized", "--batch-size", "10")
        run_python("-m", "training", *data, *other, *own)
    one, two = (np.array([list(row.values()) for row in folder.read_metrics()]) for folder in folders)
    np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-4)


def test_loss_of_one_label_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="cross_entropy is for images of one class each"):
        training.train(tmp_path / "run", train=(IMAGES, MARKS), test=(IMAGES, MARKS), epochs=1)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Files of untrained networks of three classes, by activation; and a run folder of that of several labels."""
    folder, paths = tmp_path_factory.mktemp("networks"), {}
    for name in ("softmax", "sigmoid"):
        shape = {"input_shape": (8, 8, 3), "classes": 3}
        model = keras_resnet.ResNet("ResNet8", classifier_activation=name, name="net", **shape)
        model.preprocessing = keras_resnet.Preprocessing((8, 8), 3, (100.0,) * 3, (60.0,) * 3)
        model.labels = ("r", "g", "b")
        paths[name] = folder / f"{name}.keras"
        model.save(paths[name])
    run = RunFolder(folder / "run")
    run.path.mkdir()
    run.config_file.write_text(make_config({"epochs": 1, "network": "ResNet8"}).to_yaml(), encoding="utf-8")
    run.labels_file.write_text("r\ng\nb\n", encoding="utf-8")
    model.preprocessing.save(run.preprocessing_file)
    model.save(run.model_file)
    return {**paths, "run": run}


def started(weights, task, **start):
    """Make the network of a run that starts from weights."""
    start, network = Start(weights=str(weights), **start), Network(name="ResNet8")
    loaded = load_start(network, start, keras_resnet.get_architecture("ResNet8"))
    return make_model(None, loaded.preprocessing, 3, task=task, name="ResNet8", start=start, loaded=loaded)


@pytest.mark.slow
def test_network_to_start_from_must_be_of_the_same_task_or_get_a_new_head(networks):
    assert has_sigmoids(started(networks["sigmoid"], ANY)) and not has_sigmoids(started(networks["softmax"], ONE))
    assert has_sigmoids(started(networks["softmax"], ANY, new_head=True))
    assert not has_sigmoids(started(networks["sigmoid"], ONE, new_head=True))
    with pytest.raises(
        ValueError, match=r"of a network for images with one of the classes, and .* have any number\. Set"
    ):
        started(networks["softmax"], ANY)
    with pytest.raises(ValueError, match=r"images with any number of the classes, and .* have one\. Set new_head"):
        started(networks["sigmoid"], ONE)


def test_network_is_tested_on_images_with_as_many_labels(networks, table, said):
    data = table(("path", "label"), [(f"{number}.png", "rgbrgb"[number]) for number in range(5)])
    changes = {"dataset": "csv", "data_dir": data.data_dir, "validation": 0.6}
    with pytest.raises(
        ValueError, match=r"sigmoid\.keras are of a network for .* any number of the .* Name other data"
    ):
        evaluate_file(networks["sigmoid"], None, changes)
    rows = [("0.png", "r;g"), ("1.png", ""), ("2.png", "b"), ("3.png", "r")]
    changes["data_dir"] = table(("path", "label"), rows).data_dir
    results = evaluate_file(networks["sigmoid"], None, {**changes, "data.label_separator": ";"})
    given = ("--dataset", "csv", "--data-dir", changes["data_dir"], "--label-separator", ";", "--json")
    assert json.loads(said("evaluate", networks["sigmoid"], *given, "--test-split", "train"))["examples"] == 4
    assert set(results) == {"split", "examples", "loss", "mean_average_precision", "precision", "recall", "f1"}


@pytest.mark.parametrize("option", [("--label-separator", ""), ("--label-separator=",)])
def test_run_with_parted_labels_is_tested_on_a_column_for_each_class(networks, table, said, tmp_path, option):
    run, rows = (
        RunFolder(shutil.copytree(networks["run"].path, tmp_path / "run")),
        [("0.png", 1, 0, 1), ("1.png", 0, 1, 0)],
    )
    parted = {"dataset": "csv", "data.label_separator": ";", "epochs": 1, "network": "ResNet8"}
    run.config_file.write_text(make_config(parted).to_yaml(), encoding="utf-8")
    data_dir = table(("path", "r", "g", "b"), rows).data_dir
    given = ("--data-dir", data_dir, "--test-split", "train", *option, "--json")
    assert json.loads(said("evaluate", run.path, *given))["examples"] == 2


@pytest.mark.slow
def test_predictions_are_all_classes_over_a_threshold(networks, said, refused, tmp_path):
    paths, run = [tmp_path / f"{number}.png" for number in range(3)], networks["run"]
    for path, image in zip(paths, IMAGES):
        Image.fromarray(image).save(path)
    rows = run.load_model().predict(run.read_preprocessing()(IMAGES[:3]), verbose=0)
    middle = float(np.sort(rows, axis=None)[4:6].mean())
    for options, over in (((), 0.5), (("--threshold", middle), middle)):
        lines = said("predict", run.path, *paths, "--format", "jsonl", *options).splitlines()
        found = [json.loads(line) for line in lines]
        for prediction, row in zip(found, rows, strict=True):
            named = {guess["label"]: guess["probability"] for guess in prediction["classes"]}
            assert named == pytest.approx({name: p for name, p in zip("rgb", row) if p > over}, abs=1e-5)
            assert prediction["threshold"] == over
    lines = said("predict", run.path, *paths, "--threshold", middle, "--format", "csv").splitlines()
    assert lines[0] == "image,labels,probabilities"
    for line, prediction in zip(lines[1:], found, strict=True):
        labels, probabilities = line.split(",")[1:]
        assert labels.split(";") == [guess["label"] for guess in prediction["classes"]] or labels == ""
        values = [float(value) for value in probabilities.split(";") if value]
        assert values == pytest.approx([guess["probability"] for guess in prediction["classes"]])
    assert "  none over 0.999\n" in said("predict", run.path, paths[0], "--threshold", 0.999)
    assert len(said("predict", run.path, paths[0], "--top", 2).splitlines()) == 3
    assert refused("predict", run.path, paths[0], "--threshold", 2).startswith("threshold must be at least 0")
