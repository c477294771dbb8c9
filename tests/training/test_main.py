"""The command line: which value wins, and what `--help` says."""

import re
import sys

import pytest

from keras_resnet import startup
from keras_resnet.choices.registry import complete, describe
from tests.keras_resnet.helpers import run_python
from tests.training.helpers import write_yaml
from training import run
from training.__main__ import main
from training.config import FIELDS, RunConfig, load_recipe, make_config, recipe_names
from training.config.fields import flat_config as flat
from training.config.fields import flatten, name_of
from training.config.groups import REGISTRIES
from training.config.text import write_inline
from training.data.augmentation import AUGMENTATIONS

# Which value wins.


@pytest.fixture
def parsed(monkeypatch):
    """Make the function that gives what a command line asks to be trained."""

    def parse(*arguments) -> dict:
        calls = []
        monkeypatch.setattr(run, "train", lambda *values, **_: calls.append(values) or {})
        assert main([str(argument) for argument in arguments]) == 0
        names = ("config", "folder", "resume", "overwrite", "export")
        return dict(zip(names, calls[0], strict=True))

    return parse


def recipe(name: str, **changes) -> RunConfig:
    return make_config(changes, name, load_recipe(name))


def test_digits_are_the_default_recipe(parsed):
    assert parsed()["config"] == recipe("digits")


@pytest.mark.parametrize("name", recipe_names())
def test_recipe_decides_the_values(parsed, name):
    assert parsed("--recipe", name)["config"] == parsed(f"--recipe={name}")["config"] == recipe(name)


def test_command_line_overrides_the_recipe(parsed):
    arguments = ("--recipe", "cifar10", "--learning-rate", 0.2, "--data.no-cache", "--schedule.milestones", 10, 20)
    expected = recipe("cifar10", learning_rate=0.2, data={"cache": False}, schedule={"milestones": (10, 20)})
    assert parsed(*arguments, "--augmentation", "[]")["config"] == make_config({"augmentation": []}, "", flat(expected))


def test_choice_of_the_recipe_is_left_to_the_network_by_none(parsed):
    config = parsed("--recipe", "cifar10-94", "--shortcut", "None", "--start.whiten", "None", "--freeze")["config"]
    assert (config.network.shortcut, config.start.whiten, config.start.freeze) == (None, None, ())


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


def test_underscores_in_the_name_of_an_option_are_dashes(parsed, tmp_path):
    write_yaml(tmp_path / "config.yaml", **make_config({"epochs": 3, "seed": 8}, "here").model_dump(mode="json"))
    assert parsed("--run_dir", tmp_path, "--resume")["config"] == RunConfig(epochs=3, seed=8)


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


def test_help_of_every_command_imports_neither_keras_nor_tensorflow(tmp_path):
    script = tmp_path / "keras-resnet-train"
    listed = "imported = {name.split('.')[0] for name in sys.modules}"
    script.write_text(
        "import contextlib, sys\nfrom training.__main__ import COMMANDS, main\n"
        "for command in COMMANDS:\n    with contextlib.suppress(SystemExit):\n        main([command, '--help'])\n"
        f"{listed}\nprint(*sorted(imported), file=sys.stderr)\n",
        encoding="utf-8",
    )
    imported = set(run_python(script).stderr.split())
    assert "tyro" in imported
    assert not {"keras", "tensorflow", "tensorflow_datasets", "numpy", "matplotlib", "PIL", "sklearn"} & imported


@pytest.mark.parametrize("command", ["evaluate", "compare", "predict", "explain", "export"])
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
        if isinstance(value, dict):
            values = [f"'{write_inline(value)}'"]
        if path == "augmentation":
            values = ["'" + write_inline([complete("augmentation", choice, AUGMENTATIONS) for choice in value]) + "'"]
        assert f"(default: {' '.join(str(item) for item in values)})" in options[option]


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
