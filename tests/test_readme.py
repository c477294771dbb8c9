"""What the README says is run and counted."""

import dataclasses
import re
import shlex
from pathlib import Path

import pytest
import yaml

import keras_resnet
import keras_resnet.__main__ as networks
import training.__main__ as training
import tuning.__main__ as tuning
from keras_resnet.architecture.figures import FIGURES
from training.config import FIELDS, recipe_names
from tuning.space.points import possible_points
from tuning.study import make_study

README = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = {
    "training": (training.TrainOptions, training.EvaluateOptions, training.PredictOptions, training.ExportOptions),
    "tuning": (tuning.SearchOptions, tuning.ReportOptions, tuning.WorkOptions),
}
ROWS = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([\d.]+) ([GM]) \| (.*?) *\|$", README, re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_python_example_runs(example):
    exec(compile(example, "README.md", "exec"), {})


def test_the_table_names_every_network_of_the_catalogue():
    assert {name for name, *_ in ROWS} == set(keras_resnet.CATALOGUE)


@pytest.mark.parametrize(("name", "parameters", "multiply_adds", "unit", "error"), ROWS)
def test_the_table_gives_each_networks_figures(name, parameters, multiply_adds, unit, error):
    figures = FIGURES[name]
    digits = len(multiply_adds.split(".")[1])
    assert parameters == f"{figures.parameters:,}"
    assert multiply_adds == f"{figures.multiply_adds / {'G': 1e9, 'M': 1e6}[unit]:.{digits}f}"
    assert error == figures.error


def test_the_study_file_is_one():
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    study = make_study(yaml.safe_load(text), "README.md")
    assert {"activation", "shortcut", "optimizer"} == set(study.space)
    points = possible_points(study, study.parsed_space.points(coarse=True))
    assert len(points) == 3 * 5 * 2


def test_every_recipe_is_named():
    assert [name for name in recipe_names() if f"--recipe {name} " not in README] == []


def test_commands_that_are_shown_have_options_that_exist():
    known = {
        command: {field.name for options in described for field in dataclasses.fields(options)} | {"help", *FIELDS}
        for command, described in COMMANDS.items()
    }
    shown = re.findall(r"python -m (training|tuning) (.*)", README)
    for command, line in shown:
        options = {option.replace("-", "_") for option in re.findall(r"--([a-z][a-z-]+)", line)}
        assert options <= known[command], line
    assert {command for command, _ in shown} == set(COMMANDS)


@pytest.mark.parametrize("line", re.findall(r"^    python -m keras_resnet (.*)$", README, re.MULTILINE))
def test_commands_of_keras_resnet_that_are_shown_are_understood(line):
    networks.command_parser().parse_args(shlex.split(line))
