"""What README, guide and the other pages say is run, parsed and counted."""

import dataclasses
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import keras_resnet
import keras_resnet.__main__ as networks
import training.__main__ as training
import tuning.__main__ as tuning
from keras_resnet.architecture.figures import FIGURES
from tests.keras_resnet import torch_networks, torch_writer
from tests.shared import ROOT
from tests.training.helpers import write_image
from training.config import recipe_names
from training.options import OPTIONS as RUN_OPTIONS
from tuning.space.points import possible_points
from tuning.study import Settings, make_study

README = ROOT / "README.md"
GUIDE = sorted(ROOT.glob("docs/guide/*.md"))
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "docs" / "index.md", ROOT / "docs" / "units.md", *GUIDE]
SLOW = ("networks.md", "fine-tuning.md", "export.md")  # pages whose examples build many networks, or need a run
OPTIONS = {
    "training": (training.TrainOptions, training.EvaluateOptions, training.PredictOptions, training.ExportOptions),
    "tuning": (tuning.SearchOptions, tuning.ReportOptions, tuning.WorkOptions),
}


def text_of(page):
    return page.read_text(encoding="utf-8")


def blocks(page, language):
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE)


def commands(module):
    """Pairs of page and arguments of all `python -m MODULE ...` that are shown."""
    lines = [(page, line) for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    shown = [(page.name, re.match(rf"python -m {module}\b *(.*)", line)) for page, line in lines]
    return [(page, match[1]) for page, match in shown if match]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A folder with files as PyTorch writes them."""
    folder = tmp_path_factory.mktemp("checkpoints")
    state = torch_writer.state_dict(torch_networks.cifar(3))
    torch_writer.save(folder / "resnet20.th", {"state_dict": state})
    torch_writer.save(folder / "checkpoint.pth", {"model": state, "model_ema": state})
    return folder


@pytest.fixture(scope="module")
def run(checkpoints):
    """The same folder, with a run that is exported, an image and a folder of images."""
    folders = ["--data-dir", str(checkpoints / "data"), "--run-dir", str(checkpoints / "RUN")]
    assert training.main(["--recipe", "digits", "--network", "ResNet8", "--epochs", "1", *folders, "--export"]) == 0
    write_image(checkpoints / "image.jpg", (20, 30))
    for split, count in (("train", 16), ("val", 1)):
        for number in range(count):
            for kind in ("rose", "tulip"):
                write_image(checkpoints / "flowers" / split / kind / f"{number}.jpg", (20, 30), seed=number)


@pytest.fixture
def in_folder(checkpoints, monkeypatch):
    monkeypatch.chdir(checkpoints)


def run_examples(page):
    """Run the Python examples of a page one after the other, as a reader would."""
    namespace = {}
    for example in blocks(page, "python"):
        exec(compile(example, str(page), "exec"), namespace)
    return namespace


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in SLOW], ids=lambda page: page.name)
def test_examples_run(page, in_folder):
    run_examples(page)


@pytest.mark.slow
def test_examples_of_networks_run_and_give_the_strides_that_are_shown(in_folder):
    assert run_examples(ROOT / "docs" / "guide" / "networks.md")["strides"] == {"C2": 4, "C3": 8, "C4": 16}


@pytest.mark.slow
@pytest.mark.parametrize("page", ["fine-tuning.md", "export.md"])
def test_examples_that_take_a_run_do(page, run, in_folder):
    assert run_examples(ROOT / "docs" / "guide" / page)


@pytest.mark.parametrize(("page", "line"), commands("keras_resnet"))
def test_commands_of_keras_resnet_are_understood(page, line):
    networks.command_parser().parse_args(shlex.split(line, comments=True))


@pytest.mark.parametrize("command", OPTIONS)
def test_options_of_commands_exist(command):
    fields = [field.name for options in OPTIONS[command] for field in dataclasses.fields(options)]
    names = [*fields, *(Settings.model_fields if command == "tuning" else ()), "help"]
    known = {f"--{name.replace('_', '-')}" for name in names} | {option.flag for option in RUN_OPTIONS}
    shown = commands(command)
    for page, line in shown:
        assert set(re.findall(r"--[a-z][a-z.-]+", line)) <= known, f"{page}: {line}"
    assert shown


def test_study_file_of_the_guide_is_one():
    (text,) = blocks(ROOT / "docs" / "guide" / "search.md", "yaml")
    study = make_study(yaml.safe_load(text), "search.md")
    assert {"activation", "shortcut", "optimizer"} == set(study.space)
    assert len(possible_points(study.parsed_space, study.parsed_space.points(coarse=True), study.problem)) == 3 * 5 * 2


def test_every_recipe_is_named_in_guide_and_reference():
    guide = "".join(map(text_of, GUIDE))
    reference = text_of(ROOT / "docs" / "reference" / "training.md")
    for name in recipe_names():
        assert f"--recipe {name} " in guide and f"training/recipes/{name}.yaml\n" in reference, name


def test_readme_is_short():
    assert len(text_of(README).splitlines()) <= 150


def test_readme_counts_the_named_networks():
    assert f"{len(keras_resnet.CATALOGUE)} networks have names" in " ".join(text_of(README).split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_files_exist(page):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text_of(page))
    assert [t for t in targets if "://" not in t and not (page.parent / t).exists()] == []


ROW = re.compile(r"^\| `(\w+)` \| ([\d,]+) \| ([\d.]+) ([GM]) \| (.*?) *\|$", re.MULTILINE)
ROWS = ROW.findall(text_of(ROOT / "docs" / "guide" / "networks.md"))


def test_table_names_every_network_of_the_catalogue():
    assert sorted(name for name, *_ in ROWS) == sorted(keras_resnet.CATALOGUE)


@pytest.mark.parametrize(("name", "parameters", "multiply_adds", "unit", "error"), ROWS)
def test_table_gives_the_figures_of_each_network(name, parameters, multiply_adds, unit, error):
    figures = FIGURES[name]
    digits = len(multiply_adds.split(".")[1])
    assert parameters == f"{figures.parameters:,}"
    assert multiply_adds == f"{figures.multiply_adds / {'G': 1e9, 'M': 1e6}[unit]:.{digits}f}"
    assert error == figures.error


@pytest.fixture
def build(tmp_path):
    """Build a folder of pages into HTML, as `make docs` does."""
    pytest.importorskip("sphinx", reason="needs the extra `docs`")

    def sphinx(source):
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", ROOT / "docs", source, tmp_path]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, env=environment, capture_output=True, text=True), tmp_path

    return sphinx


@pytest.mark.slow
def test_site_is_built_without_a_broken_link_and_has_every_public_name(build):
    process, site = build(ROOT / "docs")
    assert (process.returncode, process.stderr) == (0, "")
    from sphinx.util.inventory import InventoryFile

    with open(site / "objects.inv", "rb") as file:
        inventory = InventoryFile.load(file, "", os.path.join)
    known = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    public = {f"keras_resnet.{name}" for name in keras_resnet.__all__ if name not in keras_resnet.CATALOGUE}
    assert public | {"training.fine_tune", "tuning.search.search"} <= known


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[lost](nowhere.md)", "cross-reference target not found: 'nowhere.md'"),
        ("[lost](#nowhere)", "cross-reference target not found: 'nowhere'"),
        ("{py:obj}`keras_resnet.ResNet21`", "py:obj reference target not found: keras_resnet.ResNet21"),
        ("![lost](nowhere.png)", "image file not readable: nowhere.png"),
    ],
)
def test_broken_link_fails_the_build(build, tmp_path_factory, text, fault):
    source = tmp_path_factory.mktemp("pages")
    (source / "index.md").write_text(f"# Page\n\n{text}\n", encoding="utf-8")
    process, _ = build(source)
    assert process.returncode != 0 and fault in process.stderr


@pytest.mark.slow
def test_tutorial_runs_from_top_to_bottom(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="needs the extra `docs`")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(ROOT / "docs" / "tutorial.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    last = notebook.cells[-2].outputs[-1]["data"]["text/plain"]
    digits = [int(digit) for digit in re.findall(r"\d", last)]
    assert sum(digit == number for number, digit in enumerate(digits)) >= 8  # it has learned the ten digits
