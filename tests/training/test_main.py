"""The command line: which value wins, and that whatever goes wrong ends in one sentence."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml
from PIL import Image

import keras_resnet
from keras_resnet import startup
from keras_resnet.choices.registry import complete, describe
from tests.keras_resnet.helpers import run_python
from tests.shared import ROOT
from tests.training.helpers import write_image
from training import command_line, run
from training.__main__ import main, whereabouts
from training.config import FIELDS, RunConfig, load_recipe, make_config, recipe_names
from training.config.fields import flat_config as flat
from training.config.fields import flatten, name_of
from training.config.groups import REGISTRIES
from training.config.text import write_inline
from training.data.augmentation import AUGMENTATIONS
from training.data.datasets import open_source
from training.run_folder import RunFolder

# Which value wins.


@pytest.fixture
def parsed(monkeypatch):
    """Make the function that gives what a command line asks to be trained."""

    def parse(*arguments) -> dict:
        calls = []
        monkeypatch.setattr(run, "train", lambda *values: calls.append(values) or {})
        assert main([str(argument) for argument in arguments]) == 0
        names = ("config", "folder", "resume", "overwrite", "export")
        return dict(zip(names, calls[0], strict=True))

    return parse


def recipe(name: str, **changes) -> RunConfig:
    return make_config(changes, name, load_recipe(name))


def write_yaml(path, **fields):
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    return path


def test_digits_are_the_default_recipe(parsed):
    assert parsed()["config"] == recipe("digits")


@pytest.mark.parametrize("name", recipe_names())
def test_recipe_decides_the_values(parsed, name):
    assert parsed("--recipe", name)["config"] == parsed(f"--recipe={name}")["config"] == recipe(name)


def test_command_line_overrides_the_recipe(parsed):
    arguments = ("--recipe", "cifar10", "--learning-rate", 0.2, "--data.no-cache", "--schedule.milestones", 10, 20)
    expected = recipe("cifar10", learning_rate=0.2, data={"cache": False}, schedule={"milestones": (10, 20)})
    assert parsed(*arguments, "--augmentation", "[]")["config"] == make_config({"augmentation": []}, "", flat(expected))


def test_choices_with_parameters_are_read(parsed):
    augmentation = "[{name: pad_crop, pixels: 2}, flip]"
    arguments = ("--optimizer", "muon", "--optimizer.kernel-rate", 0.02, "--learning-rate", 1e-3)
    expected = recipe(
        "digits",
        augmentation=[{"name": "pad_crop", "pixels": 2}, "flip"],
        optimizer={"name": "muon", "kernel_rate": 0.02, "learning_rate": 1e-3},
        schedule={"name": "cosine", "warmup": 0.1},
    )
    schedule = ("--schedule", "{name: cosine, warmup: 1e-1}")
    assert parsed("--augmentation", augmentation, *arguments, *schedule)["config"] == expected


def test_choice_of_another_name_leaves_the_recipes_parameters_behind(parsed):
    assert parsed("--optimizer", "adamw")["config"].optimizer == RunConfig(epochs=1, optimizer="adamw").optimizer
    assert parsed("--optimizer", "sgd")["config"] == recipe("digits")


def test_yaml_overrides_the_recipe_and_the_command_line_both(parsed, tmp_path):
    path = write_yaml(tmp_path / "my.yaml", learning_rate=0.3, optimizer={"momentum": 0.5}, seed=4)
    actual = parsed("--recipe", "cifar10", "--config", path, "--seed", 9)["config"]
    assert actual == recipe("cifar10", learning_rate=0.3, optimizer={"momentum": 0.5}, seed=9)


def test_yaml_of_version_0_1_0_is_translated(parsed, tmp_path):
    path = write_yaml(tmp_path / "my.yaml", learning_rate=0.3, momentum=0.5, flip="random", epochs=3)
    expected = make_config(
        {"optimizer": {"learning_rate": 0.3, "momentum": 0.5}, "augmentation": ["flip"], "epochs": 3}
    )
    assert parsed("--config", path)["config"] == expected


def test_yaml_without_a_recipe_starts_from_the_defaults_of_the_fields(parsed, tmp_path):
    path = write_yaml(tmp_path / "my.yaml", epochs=2, learning_rate=0.3)
    assert parsed("--config", path)["config"] == make_config({"epochs": 2, "learning_rate": 0.3})


@pytest.mark.parametrize(
    ("name", "option", "expected"),
    [
        ("digits", "iterations", {"epochs": None, "iterations": 7}),
        ("cifar10", "epochs", {"epochs": 7, "iterations": None}),
    ],
)
def test_length_replaces_the_recipes(parsed, tmp_path, name, option, expected):
    path = write_yaml(tmp_path / "my.yaml", **{option: 7})
    wanted = recipe(name, **expected)
    assert parsed("--recipe", name, f"--{option}", 7)["config"] == wanted
    assert parsed("--recipe", name, f"--{option}=7")["config"] == wanted
    assert parsed("--recipe", name, "--config", path)["config"] == wanted


def test_length_on_the_command_line_replaces_the_yamls(parsed, tmp_path):
    path = write_yaml(tmp_path / "my.yaml", epochs=3)
    config = parsed("--config", path, "--iterations", 7)["config"]
    assert (config.epochs, config.iterations) == (None, 7)


def test_devices_and_mappings_are_read(parsed):
    config = parsed("--devices", "CPU:0", "CPU:1", "--shortcut", "{name: A, zeros: both}")["config"]
    assert config.hardware.devices == ("CPU:0", "CPU:1")
    assert config.network.shortcut == {"name": "A", "zeros": "both"}


def test_options_of_the_run_are_passed_on(parsed, tmp_path):
    given = parsed("--run-dir", tmp_path / "run", "--overwrite", "--export")
    assert given["folder"].path == tmp_path / "run"
    assert (given["resume"], given["overwrite"], given["export"]) == (False, True, True)


def test_default_folder_is_named_by_the_recipe(parsed):
    assert str(parsed("--recipe", "cifar10")["folder"].path).startswith("runs/cifar10-2")


def test_resumed_run_takes_its_settings_from_its_folder(parsed, tmp_path):
    write_yaml(tmp_path / "config.yaml", **make_config({"epochs": 3, "seed": 8}, "here").model_dump(mode="json"))
    given = parsed("--run-dir", tmp_path, "--resume")
    assert given["config"] == RunConfig(epochs=3, seed=8)
    assert given["resume"] and given["folder"].path == tmp_path


# Help.

LIST_MODULES = """
import sys
from training.__main__ import main
try:
    main(sys.argv[1:])
except SystemExit as exit:
    print("status", exit.code)
print("modules", *sorted({name.split(".")[0] for name in sys.modules}))
"""


def test_help_lists_everything_and_imports_neither_keras_nor_tensorflow(tmp_path):
    script = tmp_path / "keras-resnet-train"
    script.write_text(LIST_MODULES, encoding="utf-8")
    *page, status, modules = run_python(script, "--help", COLUMNS="200").stdout.splitlines()
    assert status == "status 0"
    assert not {"keras", "tensorflow", "tensorflow_datasets", "numpy"} & set(modules.split())
    page = "\n".join(page)
    for path in FIELDS:
        assert f"--{name_of(path).replace('_', '-')} " in page or f"--{name_of(path).replace('_', '-')}," in page
    for registry in REGISTRIES.values():
        for name, function in registry.items():
            assert name in page
            assert all(re.search(rf"\b{parameter.replace('_', '[-_]')}\b", page) for parameter in describe(function))
    for name in recipe_names():
        assert name in page.split("Recipes:")[1].split("Every field")[0]


@pytest.mark.parametrize("command", ["evaluate", "predict", "export"])
def test_commands_have_a_help(capsys, command):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert "Run folder" in capsys.readouterr().out


@pytest.mark.parametrize("name", recipe_names())
def test_shown_defaults_are_those_of_the_recipe(capsys, name):
    with pytest.raises(SystemExit):
        main(["--recipe", name, "--help"])
    # The page is set in a frame, its lines broken anywhere.
    page = " ".join(re.sub(r"[^\x00-\x7f]", " ", capsys.readouterr().out).split())
    options = {option.split()[0]: option for option in page.split(" --")}
    for path, value in flatten(load_recipe(name)).items():
        field = name_of(path.removesuffix(".name") if path != "network.name" else path)
        parent, dot, last = field.replace("_", "-").rpartition(".")
        # The default of a switch stands behind its second name.
        option = f"{parent}{dot}no-{last}" if isinstance(value, bool) else f"{parent}{dot}{last}"
        values = value if isinstance(value, list) else [value]
        if path == "augmentation":
            values = ["'" + write_inline([complete("augmentation", choice, AUGMENTATIONS) for choice in value]) + "'"]
        assert f"(default: {' '.join(str(item) for item in values)})" in options[option]


# What goes wrong ends in one sentence.


@pytest.fixture
def refused(capsys):
    """Make the function that gives the one sentence with which a command line is refused."""

    def run_and_read(*arguments) -> str:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        errors = capsys.readouterr().err
        assert status == 1
        assert errors.startswith("error: ") and errors.count("\n") == 1 and errors.endswith("\n")
        return errors.removeprefix("error: ").rstrip()

    return run_and_read


@pytest.fixture
def training(data_dir, tmp_path) -> list:
    """The arguments of a tiny run."""
    arguments = {"network": "ResNet8", "data-dir": data_dir, "batch-size": 64, "epochs": 1, "run-dir": tmp_path / "run"}
    return [part for name, value in arguments.items() for part in (f"--{name}", value)]


def instead(training: list, name: str, value) -> list:
    """Give one of the arguments another value."""
    place = training.index(name) + 1
    return [*training[:place], value, *training[place + 1 :]]


def test_unknown_network_is_told_the_form_of_the_depth(refused, training):
    sentence = refused(*instead(training, "--network", "ResNet21"))
    assert "6n+2 layers; received 21. The nearest are 20 and 26." in sentence


def test_misspelt_recipe_suggests_the_nearest(refused):
    assert refused("--recipe", "cifr10").startswith("Unknown recipe 'cifr10'. Did you mean 'cifar10'?")


def test_misspelt_field_in_a_yaml_suggests_the_nearest(refused, tmp_path):
    path = write_yaml(tmp_path / "my.yaml", epoch=3)
    assert refused("--config", path).startswith(f"{path}: Unknown field 'epoch'. Did you mean 'epochs'?")


def test_yaml_that_is_not_yaml_is_named(refused, tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("epochs: [1\nseed: 2", encoding="utf-8")
    assert refused("--config", path).startswith(f"'{path}' is not valid YAML: ")


def test_missing_yaml_is_named(refused, tmp_path):
    path = tmp_path / "none.yaml"
    assert refused("--config", path) == f"Cannot read the configuration '{path}': No such file or directory."


def test_yaml_that_is_not_text_is_named(refused, tmp_path):
    path = tmp_path / "my.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert str(path) in refused("--config", path)


def test_both_lengths_are_refused(refused, training):
    assert refused(*training, "--iterations", 3).startswith("give either epochs or iterations; received epochs=1 and")


def test_impossible_value_is_named(refused, training):
    sentence = refused(*instead(training, "--batch-size", 0))
    assert sentence == "batch_size: Input should be greater than or equal to 1; received 0."


def test_existing_run_folder_is_refused(refused, training, trained):
    before = trained.folder.config_file.read_bytes()
    sentence = refused(*instead(training, "--run-dir", trained.folder.path))
    assert sentence.startswith(f"{trained.folder.path} exists. Pass --resume to go on with it, --overwrite")
    assert trained.folder.config_file.read_bytes() == before


def test_class_folder_without_an_image_is_named(refused, training, image_dir):
    (image_dir / "train" / "horse").mkdir()
    sentence = refused(*instead(training, "--data-dir", image_dir), "--recipe", "image-folder")
    assert sentence.startswith(f"The class folder {image_dir / 'train' / 'horse'} holds no image")


@pytest.fixture
def damaged(image_dir):
    path = image_dir / "train" / "dog" / "1.png"
    path.write_bytes(path.read_bytes()[:100])
    return path


def on_images(training: list, image_dir) -> list:
    arguments = instead(instead(training, "--data-dir", image_dir), "--batch-size", 2)
    return [*arguments, "--recipe", "image-folder", "--image-size", 8]


def test_damaged_training_image_is_named(refused, training, image_dir, damaged):
    sentence = refused(*on_images(training, image_dir))
    assert sentence == f"1 of 9 images cannot be read: {damaged}. Replace or remove them."


def test_damaged_image_is_named_when_the_moments_are_taken(refused, training, image_dir, damaged):
    sentence = refused(*on_images(training, image_dir), "--data.standardize", "channel")
    assert sentence == f"1 of 9 images cannot be read: {damaged}. Replace or remove them."


def test_damaged_validation_image_is_named_before_training(refused, training, image_dir, tmp_path):
    damaged = image_dir / "val" / "cat" / "0.jpg"
    damaged.write_bytes(damaged.read_bytes()[:100])
    sentence = refused(*on_images(training, image_dir))
    assert sentence == f"1 of 9 images cannot be read: {damaged}. Replace or remove them."
    assert not (tmp_path / "run").exists()


def test_border_as_wide_as_the_image_is_refused(refused, training):
    sentence = refused(*training, "--augmentation", "[{name: pad_crop, pixels: 4000}]")
    assert sentence == "pad_crop: pixels=4000 needs images of more than 4000 pixels; these are 8x8."


FORMER = "is an option of version 0.1.0; write"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--pad-crop", 4], f"--pad-crop {FORMER} --augmentation '[{{name: pad_crop, pixels: 4}}]' instead."),
        (["--flip=random"], f"--flip {FORMER} --augmentation '[flip]' instead."),
        (["--label-smoothing", 0.1], f"--label-smoothing {FORMER} --loss.label-smoothing 0.1 instead."),
        (["--milestones", 10, 20, "--seed", 3], f"--milestones {FORMER} --schedule.milestones 10 20 instead."),
        (["--no-cache"], f"--no-cache {FORMER} --data.no-cache instead."),
        (["--nesterov"], f"--nesterov {FORMER} --optimizer.nesterov instead."),
        (["--optimiser", "sgd"], "Unknown option '--optimiser'. Did you mean '--optimizer'? --help lists all."),
        (["--data.cach"], "Unknown option '--data.cach'. Did you mean '--data.cache'? --help lists all."),
        (["--rec", "digits"], "Unknown option '--rec'. Did you mean '--recipe'? --help lists all."),
    ],
)
def test_unknown_option_names_the_new_one_or_the_nearest(refused, arguments, sentence):
    assert refused(*arguments).startswith(sentence)


def test_parameter_of_another_choice_is_refused(refused):
    sentence = refused("--optimizer.kernel-rate", 0.1)
    assert sentence.startswith("optimizer: Unknown parameter of optimizer 'sgd': 'kernel_rate'. ")


def test_images_beyond_memory_are_refused(refused, training):
    sentence = refused(*training, "--image-size", 100_000)
    assert sentence == "image_size: Input should be less than or equal to 4096; received 100000."


def test_weights_of_another_network_are_refused(refused, training, tmp_path):
    path = tmp_path / "other.weights.h5"
    keras_resnet.ResNet("ResNet8", input_shape=(8, 8, 1), classes=7).save_weights(path)
    sentence = refused(*training, "--weights", path)
    assert sentence.startswith(f"weights='{path}' does not hold the weights of 'resnet8': ")


def test_fine_tuning_needs_something_to_start_from(refused, training, tmp_path):
    assert refused("--recipe", "fine-tune", "--run-dir", tmp_path / "run").startswith("new_head=True needs weights")


def test_missing_weights_are_named(refused, training, tmp_path):
    path = tmp_path / "none.weights.h5"
    assert refused(*training, "--weights", path).startswith(
        f"weights='{path}' is neither a file nor a run folder with a network."
    )


def test_impossible_image_size_is_refused(refused, training):
    sentence = refused(*training, "--image-size", 2)
    assert sentence.startswith("input_shape=(2, 2, 1) is too small") and "at least 4 pixels" in sentence


def test_resuming_a_folder_that_is_none_is_refused(refused, tmp_path):
    path = tmp_path / "none"
    assert f"'{path / 'config.yaml'}': No such file" in refused("--resume", "--run-dir", path)


@pytest.mark.parametrize("command", ["evaluate", "export", "predict"])
def test_commands_refuse_what_is_no_run_folder(refused, tmp_path, command):
    more = [tmp_path / "image.png"] if command == "predict" else []
    assert refused(command, tmp_path, *more).startswith(f"{tmp_path} is no run folder: it has no config.yaml.")


def test_evaluation_refuses_an_impossible_batch(refused, trained):
    sentence = refused("evaluate", trained.folder.path, "--batch-size", 0)
    assert sentence.endswith("batch_size: Input should be greater than or equal to 1; received 0.")


def test_prediction_without_a_contract_is_refused(refused, trained, digit, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    for name in ("config.yaml", "model.keras", "labels.txt"):
        shutil.copy(trained.folder.path / name, folder.path)
    assert "preprocessing.json" in refused("predict", folder.path, digit)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--recipe", "digits", "--recipe", "cifar10"], "--recipe is given 2 times; give it once."),
        (["--recipe=digits", "--recipe", "cifar10"], "--recipe is given 2 times; give it once."),
        (["--run_dir", "a", "--run-dir=b", "--run-dir", "c"], "--run-dir is given 3 times; give it once."),
        (["--data.cache", "--data.no-cache"], "--data.cache is given 2 times; give it once."),
        (["--epochs=5", "--epochs", "6"], "--epochs is given 2 times; give it once."),
        (["evaluate", "run", "--json", "--json"], "--json is given 2 times; give it once."),
        (["--network", ""], "--network is given with nothing in it; give a value, or leave it out."),
        (["--network="], "--network is given with nothing in it; give a value, or leave it out."),
        (["--recipe", " "], "--recipe is given with nothing in it; give a value, or leave it out."),
        (["--data-dir", "", "--epochs", 3], "--data-dir is given with nothing in it; give a value, or leave it out."),
    ],
)
def test_option_that_would_be_lost_is_refused(refused, arguments, sentence):
    assert refused(*arguments) == sentence


def test_underscores_in_the_name_of_an_option_are_dashes(parsed, tmp_path):
    write_yaml(tmp_path / "config.yaml", **make_config({"epochs": 3, "seed": 8}, "here").model_dump(mode="json"))
    assert parsed("--run_dir", tmp_path, "--resume")["config"] == RunConfig(epochs=3, seed=8)


def test_configuration_that_is_a_folder_is_named(refused, tmp_path):
    assert refused("--config", tmp_path) == f"Cannot read the configuration '{tmp_path}': Is a directory."


@pytest.mark.parametrize("value", ["inf", "nan"])
@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--learning-rate", "optimizer: learning_rate must be a number above 0, and finite; received "),
        ("--optimizer.weight-decay", "optimizer: weight_decay must be a number from 0, and finite; received "),
        ("--schedule.warmup", "schedule: warmup must be a number from 0 to below 1; received "),
        ("--start.stage-decay", "start.stage_decay: Input should be "),
    ],
)
def test_number_that_is_none_is_refused(refused, training, option, value, sentence):
    assert refused(*training, option, value).startswith(sentence)


def message_of(error: Exception, refused, training, monkeypatch) -> str:
    def fail(*_):
        raise error

    monkeypatch.setattr(run, "train", fail)
    return refused(*training)


@pytest.mark.parametrize("error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")])
def test_lack_of_memory_is_told_with_what_to_do(refused, training, monkeypatch, error):
    sentence = message_of(error, refused, training, monkeypatch)
    assert sentence.startswith("Out of memory. Lower --batch-size or --image-size, or leave out --data.cache; ")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RecursionError("maximum recursion depth exceeded"), "RecursionError: maximum recursion depth exceeded"),
        (tf.errors.InternalError(None, None, "first\n\t [[{{node x}}]]"), "InternalError: first"),
        (AssertionError(), "AssertionError: no details"),
    ],
)
def test_error_that_nobody_foresaw_is_one_line(refused, training, monkeypatch, error, sentence):
    expected = f"{sentence}. This is unexpected; KERAS_RESNET_DEBUG=1 shows where it happened."
    assert message_of(error, refused, training, monkeypatch) == expected


@pytest.mark.parametrize("error", [ValueError("one\n  two"), OSError("one two"), ImportError("one two")])
def test_any_expected_failure_is_one_line(refused, training, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(run, "train", fail)
    assert refused(*training).startswith("one two")


def test_traceback_is_shown_to_those_who_ask(training, monkeypatch):
    monkeypatch.setenv("KERAS_RESNET_DEBUG", "1")
    with pytest.raises(ValueError, match=r"6n\+2"):
        main([str(part) for part in instead(training, "--network", "ResNet21")])


def test_bad_input_ends_a_process_with_status_1_and_no_traceback(tmp_path):
    process = run_python("-m", "training", "--network", "ResNet21", "--run-dir", tmp_path / "run", check=False)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1].startswith("error: Unknown network 'ResNet21'")
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("began", [False, True])
def test_ctrl_c_ends_with_status_130_and_says_how_to_go_on(training, tmp_path, monkeypatch, capsys, began):
    def press(_, folder, *__):
        folder.path.mkdir()
        if began:
            folder.model_file.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "train", press)
    assert main([str(part) for part in training]) == 130
    captured = capsys.readouterr()
    hint = f"Go on with: python -m training --run-dir {tmp_path / 'run'} --resume"
    assert (hint in captured.out) == began
    assert "Traceback" not in captured.out + captured.err


# Commands on a real run.


@pytest.fixture
def said(capsys):
    """Make the function that gives what a command prints."""

    def run_and_read(*arguments) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 0
        return capsys.readouterr().out

    return run_and_read


@pytest.fixture
def digit(trained, tmp_path):
    """A test digit as a file."""
    ((image, _),) = open_source(trained.config.data).examples("test").take(1)
    path = tmp_path / "digit.png"
    Image.fromarray(image.numpy()[..., 0]).save(path)
    return path


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
    sentence = refused("evaluate", trained.folder.path, "--model", "ResNet50")
    assert sentence == f"--model is for files of weights; the run {trained.folder.path} names its own network."


def test_evaluate_prints_json(said, trained):
    results = json.loads(said("evaluate", trained.folder.path, "--json", "--test-split", "test[:100]"))
    assert (results["split"], results["examples"]) == ("test[:100]", 100)
    assert results["accuracy"] * 100 == pytest.approx(round(results["accuracy"] * 100), abs=1e-4)


def test_predict_prints_the_same_as_json_and_as_text(said, trained, digit):
    ((prediction),) = json.loads(said("predict", trained.folder.path, digit, "--json", "--top", 2))
    assert prediction["image"] == str(digit) and len(prediction["classes"]) == 2
    expected = [f"  {guess['probability']:.4f}  {guess['label']}" for guess in prediction["classes"]]
    assert said("predict", trained.folder.path, digit, "--top", 2).splitlines() == [str(digit), *expected]


def test_predict_writes_csv(said, trained, digit, tmp_path):
    path = tmp_path / "predictions.csv"
    assert said("predict", trained.folder.path, digit, digit, "--csv", path, "--top", 2) == f"predictions {path}\n"
    ((prediction),) = json.loads(said("predict", trained.folder.path, digit, "--json", "--top", 2))
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [row["image"] for row in rows] == [str(digit)] * 2
    for rank, guess in enumerate(prediction["classes"], 1):
        assert rows[0][f"label_{rank}"] == guess["label"]
        assert float(rows[0][f"probability_{rank}"]) == pytest.approx(guess["probability"], abs=1e-6)
    printed = said("predict", trained.folder.path, digit, digit, "--csv", "-", "--top", 2)
    assert printed == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv", "-"]])
def test_predict_names_what_is_no_image_and_goes_on(capsys, trained, digit, tmp_path, form):
    path = tmp_path / "notes.png"
    path.write_text("not an image", encoding="utf-8")
    assert main(["predict", str(trained.folder.path), str(path), str(digit), *form]) == 1
    captured = capsys.readouterr()
    assert str(digit) in captured.out and str(path) not in captured.out
    named, sentence = captured.err.splitlines()
    assert named.startswith(f"{path} is not an image, or damaged; JPEG, ")
    assert sentence == "error: 1 of the images could not be read; they are named above."


def test_predict_without_images_is_refused(refused, trained):
    assert refused("predict", trained.folder.path).startswith("No image is given: name files, folders, or patterns")


def test_predict_gives_one_kind_of_answer(refused, trained, digit):
    assert refused("predict", trained.folder.path, digit, "--csv", "-", "--json") == "Give either --csv or --json."


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
    assert sentence == f"1 of 10 images cannot be read: {damaged}. Replace or remove them."


def test_exported_model_gives_the_predictions_of_the_run(said, trained, digit, tmp_path):
    said("export", trained.folder.path, "--to", tmp_path / "exported")
    serve = tf.saved_model.load(tmp_path / "exported").signatures["serve_bytes"]
    served = serve(bytes=tf.constant([digit.read_bytes()]))["probabilities"].numpy()[0]
    ((prediction),) = json.loads(said("predict", trained.folder.path, digit, "--json", "--top", 10))
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


def test_first_run_on_a_new_data_folder_says_nothing_that_is_not_for_the_user(tmp_path):
    options = {"network": "ResNet8", "epochs": 1, "data-dir": tmp_path / "data", "run-dir": tmp_path / "run"}
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    process = run_python("-m", "training", *arguments, "--export", TF_CPP_MIN_LOG_LEVEL="")
    assert process.stderr == ""
    first, second, epoch, *_ = process.stdout.splitlines()
    assert first.startswith("ResNet8: ") and second == f"run folder {tmp_path / 'run'}" and "accuracy" in epoch


def test_prediction_of_a_photograph_says_nothing_that_is_not_for_the_user(trained, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # TensorFlow has a line of its own about turning it, at the level of errors
    Image.fromarray(np.zeros((40, 30, 3), "uint8")).save(tmp_path / "photo.jpg", exif=exif)
    arguments = ("predict", trained.folder.path, tmp_path / "photo.jpg")
    process = run_python("-m", "training", *arguments, TF_CPP_MIN_LOG_LEVEL="")
    assert process.stderr == "" and process.stdout.startswith(str(tmp_path / "photo.jpg"))


@pytest.mark.parametrize("command", ["evaluate", "--help"])
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


def test_broken_pipe_that_is_not_the_output_is_told(refused, training, monkeypatch):
    monkeypatch.setattr(command_line, "output_is_closed", lambda: False)
    assert message_of(BrokenPipeError(32, "Broken pipe"), refused, training, monkeypatch) == "[Errno 32] Broken pipe"


@pytest.mark.parametrize(
    ("program", "calls"),
    [
        ("/usr/bin/keras-resnet-tune", ["keras-resnet-train", "keras-resnet-tune"]),
        ("/somewhere/training/__main__.py", ["python -m training", "python -m tuning"]),
    ],
)
def test_commands_are_named_as_this_one_was_called(monkeypatch, program, calls):
    monkeypatch.setattr(sys, "argv", [program, "--recipe", "digits"])
    assert [startup.called(package) for package in ("training", "tuning")] == calls


def test_exporting_twice_is_refused_without_touching_the_first(refused, trained):
    files = [path for path in trained.folder.savedmodel.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    sentence = refused("export", trained.folder.path)
    assert sentence == f"'{trained.folder.savedmodel}' exists; remove it or name another folder."
    assert {path: path.read_bytes() for path in trained.folder.savedmodel.rglob("*") if path.is_file()} == before
