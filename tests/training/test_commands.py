"""The commands on a real run: what they print and write."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml
from PIL import Image

from keras_resnet.weights import hub
from tests.keras_resnet.helpers import run_python
from tests.shared import ROOT
from tests.training.helpers import instead, unread, write_image, write_yaml
from training.__main__ import main, whereabouts
from training.run_folder import RunFolder


def test_training_prints_its_results_and_its_folder(said, training, tmp_path):
    lines = said(*training).splitlines()
    (row,) = RunFolder(tmp_path / "run").read_metrics()
    expected = ["split test", "examples 364", f"accuracy {row['val_accuracy']:.4f}", f"run folder {tmp_path / 'run'}"]
    assert set(expected) <= set(lines)
    assert lines[-6:] == [
        f"run folder {tmp_path / 'run'}",
        f"  network  {tmp_path / 'run' / 'model.keras'}",
        f"  report   {tmp_path / 'run' / 'report.md'}",
        "Next:",
        f"  python -m training predict {tmp_path / 'run'} IMAGE ...",
        f"  python -m training export {tmp_path / 'run'}",
    ]


def test_evaluate_prints_the_results_of_the_run(said, trained):
    accuracy, loss = trained.results["accuracy"], trained.results["loss"]
    expected = ["split test", "examples 364", f"accuracy {accuracy:.4f}", f"loss {loss:.4f}"]
    assert sorted(said("evaluate", trained.folder.path).splitlines()) == sorted(expected)


def test_model_of_a_run_cannot_be_named_anew(refused, trained):
    for command, *more in (["evaluate"], ["predict", "image.png"], ["explain", "image.png"]):
        sentence = refused(command, trained.folder.path, *more, "--network", "ResNet50")
        assert sentence == f"--network is for weights; the run {trained.folder.path} names its own network."


def test_evaluate_prints_json(said, trained):
    results = json.loads(said("evaluate", trained.folder.path, "--json", "--test-split", "test[:100]"))
    assert (results["split"], results["examples"]) == ("test[:100]", 100)
    assert results["accuracy"] * 100 == pytest.approx(round(results["accuracy"] * 100), abs=1e-4)


def test_evaluate_takes_weights_by_name(said, trained, tmp_path, monkeypatch):
    said("export", trained.folder.path, "--to", tmp_path / "model.safetensors")
    monkeypatch.setattr(hub, "fetch", lambda name: str(tmp_path) if name == "hf://someone/digits" else "")
    data = ("--dataset", "digits", "--data-dir", trained.config.data.data_dir)
    results = json.loads(said("evaluate", "hf://someone/digits", *data, "--json"))
    assert results["accuracy"] == pytest.approx(trained.results["accuracy"], abs=1e-6)


def test_commands_take_the_same_for_weights(said, refused, trained, digit, tmp_path):
    said("export", trained.folder.path, "--format", "safetensors", "--to", tmp_path / "weights")
    data = ("--dataset", "digits", "--data-dir", trained.config.data.data_dir)
    results = json.loads(said("evaluate", tmp_path / "weights", *data, "--json"))
    assert results["accuracy"] == pytest.approx(trained.results["accuracy"], abs=1e-6)
    several = "'imagenet' names the weights of several networks; name one by --network: ResNet50, "
    for command, *more in (["evaluate", *data], ["predict", digit], ["explain", digit]):
        assert refused(command, "nowhere", *more).startswith("'nowhere' is no run folder, no file of a network or of ")
        assert refused(command, "imagenet", *more).startswith(several)
        assert refused(command, "cifar10", *more, "--best") == "--best is for run folders; cifar10 names weights."


def test_missing_client_of_the_hub_is_named_with_its_own_extra(refused, trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    sentence = refused("evaluate", "hf://a/b", "--dataset", "digits", "--data-dir", trained.config.data.data_dir)
    assert sentence.endswith("install it with: pip install 'keras-resnet-suite[hub]'")


def test_predict_prints_the_same_as_json_and_as_text(said, trained, digit):
    prediction = json.loads(said("predict", trained.folder.path, digit, "--format", "jsonl", "--top", 2))
    assert prediction["image"] == str(digit) and len(prediction["classes"]) == 2
    expected = [f"  {guess['probability']:.4f}  {guess['label']}" for guess in prediction["classes"]]
    assert said("predict", trained.folder.path, digit, "--top", 2).splitlines() == [str(digit), *expected]


@pytest.mark.slow
def test_predict_writes_csv(said, trained, digit, tmp_path):
    path = tmp_path / "predictions.csv"
    assert said("predict", trained.folder.path, digit, digit, "--to", path, "--top", 2) == f"predictions {path}\n"
    prediction = json.loads(said("predict", trained.folder.path, digit, "--format", "jsonl", "--top", 2))
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [row["image"] for row in rows] == [str(digit)] * 2
    for rank, guess in enumerate(prediction["classes"], 1):
        assert rows[0][f"label_{rank}"] == guess["label"]
        assert float(rows[0][f"probability_{rank}"]) == pytest.approx(guess["probability"], abs=1e-6)
    printed = said("predict", trained.folder.path, digit, digit, "--format", "csv", "--top", 2)
    assert printed == path.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "jsonl", "csv"])
def test_predict_does_the_rest_and_names_at_the_end_what_is_no_image(capsys, trained, digit, tmp_path, form):
    path = tmp_path / "notes.png"
    path.write_text("not an image", encoding="utf-8")
    assert main(["predict", str(trained.folder.path), str(path), str(digit), "--format", form]) == 1
    captured = capsys.readouterr()
    assert str(digit) in captured.out and str(path) not in captured.out
    named, sentence = captured.err.splitlines()
    assert named.startswith(f"{path} is not an image, or damaged; JPEG, ")
    assert sentence == "error: 1 of the images could not be read; they are named above."


def test_predict_takes_names_on_standard_input(said, trained, digit, monkeypatch):
    expected = said("predict", trained.folder.path, digit)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{digit}\n".encode())))
    assert said("predict", trained.folder.path, "-") == expected


def test_predict_without_images_is_refused(refused, trained):
    assert refused("predict", trained.folder.path).startswith("No image is given: name files, folders, or patterns")


def test_predict_needs_to_know_how_to_write(refused, trained, digit, tmp_path):
    sentence = refused("predict", trained.folder.path, digit, "--to", tmp_path / "predictions")
    assert sentence.startswith(f"The name of {tmp_path / 'predictions'} does not tell how to write it: end it in .txt")


@pytest.mark.slow
@pytest.mark.parametrize(("terminal", "form", "shown"), [(True, [], 1), (True, ["--json"], 0), (False, [], 0)])
def test_evaluate_shows_progress_on_a_terminal(said, trained, monkeypatch, terminal, form, shown):
    verbose = []
    original = keras.Model.evaluate
    monkeypatch.setattr(
        keras.Model, "evaluate", lambda *a, **k: verbose.append(k["verbose"]) or original(*a, **{**k, "verbose": 0})
    )
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    said("evaluate", trained.folder.path, *form)
    assert verbose == [shown]


def test_evaluation_names_damaged_images(refused, trained, image_dir, tmp_path):
    for name in "0123456789":
        for split in ("train", "test"):
            write_image(tmp_path / "digits" / split / name / "0.png", (8, 8), grey=True)
    damaged = tmp_path / "digits" / "test" / "7" / "0.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    folder = RunFolder(shutil.copytree(trained.folder.path, tmp_path / "run"))
    fields = yaml.safe_load(folder.config_file.read_text(encoding="utf-8"))
    fields["data"].update(dataset="image_folder", data_dir=str(tmp_path / "digits"), cache=False)
    write_yaml(folder.config_file, **fields)
    sentence = refused("evaluate", folder.path)
    assert sentence == unread(damaged, 10)


def test_exported_model_gives_the_predictions_of_the_run(said, trained, digit, tmp_path):
    said("export", trained.folder.path, "--to", tmp_path / "exported")
    serve = tf.saved_model.load(tmp_path / "exported").signatures["serve_bytes"]
    served = serve(bytes=tf.constant([digit.read_bytes()]))["probabilities"].numpy()[0]
    prediction = json.loads(said("predict", trained.folder.path, digit, "--format", "jsonl", "--top", 10))
    for guess in prediction["classes"]:
        assert served[int(guess["label"])] == pytest.approx(guess["probability"], abs=1e-5)


def test_end_of_a_run_names_what_was_exported_and_quotes_its_folder(trained, tmp_path):
    shutil.copytree(trained.folder.path, tmp_path / "my run")
    lines = whereabouts(RunFolder(tmp_path / "my run"))
    assert f"  serving  {tmp_path / 'my run' / 'savedmodel'}" in lines
    assert lines[-1] == f"  python -m training evaluate '{tmp_path / 'my run'}'"


@pytest.mark.parametrize("place", ["/proc/exported", "file/exported"])
def test_place_where_nothing_can_be_written_is_named(refused, trained, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    sentence = refused("export", trained.folder.path, "--to", place)
    assert sentence.startswith(f"Cannot save {place}: ")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


@pytest.mark.slow
def test_first_run_on_a_new_data_folder_says_nothing_that_is_not_for_the_user(tmp_path):
    options = {"network": "ResNet8", "epochs": 1, "data-dir": tmp_path / "data", "run-dir": tmp_path / "run"}
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    process = run_python("-m", "training", *arguments, "--export", TF_CPP_MIN_LOG_LEVEL="")
    assert process.stderr == ""
    first, second, epoch, *_ = process.stdout.splitlines()
    assert first.startswith("ResNet8: ") and second == f"run folder {tmp_path / 'run'}" and "accuracy" in epoch


@pytest.mark.slow
def test_prediction_of_a_photograph_says_nothing_that_is_not_for_the_user(trained, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # TensorFlow has a line of its own about turning it, at the level of errors
    Image.fromarray(np.zeros((40, 30, 3), "uint8")).save(tmp_path / "photo.jpg", exif=exif)
    arguments = ("predict", trained.folder.path, tmp_path / "photo.jpg")
    process = run_python("-m", "training", *arguments, TF_CPP_MIN_LOG_LEVEL="")
    assert process.stderr == "" and process.stdout.startswith(str(tmp_path / "photo.jpg"))


@pytest.mark.parametrize("command", ["evaluate", "--help"])
@pytest.mark.slow
def test_output_that_nobody_reads_ends_quietly(trained, command):
    arguments = [command, trained.folder.path] if command == "evaluate" else [command]
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [sys.executable, "-m", "training", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert (process.returncode, process.stderr) == (141, "")


@pytest.mark.slow
def test_run_whose_output_nobody_reads_ends_quietly_and_goes_on(training, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "training", *map(str, instead(training, "--epochs", 3))],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not process.stdout.readline().startswith("run folder"):
        assert process.poll() is None
    process.stdout.close()
    assert (process.stderr.read(), process.wait(60)) == ("", 141)
    folder = RunFolder(tmp_path / "run")
    assert len(folder.read_metrics()) == 1
    assert main(["--run-dir", str(folder.path), "--resume"]) == 0
    assert [row["epoch"] for row in folder.read_metrics()] == [1, 2, 3]


def test_exporting_twice_is_refused_without_touching_the_first(refused, trained):
    files = [path for path in trained.folder.savedmodel.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    sentence = refused("export", trained.folder.path)
    assert sentence == f"'{trained.folder.savedmodel}' exists; remove it or name another folder."
    assert {path: path.read_bytes() for path in trained.folder.savedmodel.rglob("*") if path.is_file()} == before
