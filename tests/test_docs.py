"""What README, guide and the other pages say is run, parsed and counted."""

import itertools
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import tyro
import yaml

import keras_resnet
import keras_resnet.__main__ as networks
import training.__main__ as training
import training.exporting as exporting
import training.image_commands as image_commands
import training.serving as serving
import tuning.__main__ as tuning
from keras_resnet.architecture import FIELDS
from keras_resnet.architecture.figures import FIGURES
from keras_resnet.choices.placements import PLACEMENTS
from keras_resnet.choices.shortcuts import SHORTCUTS
from keras_resnet.choices.units import UNITS
from tests.keras_resnet import torch_networks, torch_writer
from tests.shared import ROOT
from tests.training.helpers import write_image
from training.config import make_config, recipe_names
from training.data.augmentation import AUGMENTATIONS
from training.inspect_command import InspectOptions
from tuning.packaged import STUDIES
from tuning.space.dimensions import possible_points
from tuning.study import make_study

README = ROOT / "README.md"
GUIDE = sorted(ROOT.glob("docs/guide/*.md"))
TRAINING, SEARCH = (ROOT / "docs" / "guide" / f"{name}.md" for name in ("training", "search"))
INDEX = ROOT / "docs" / "studies" / "README.md"
PAGES = [
    README,
    INDEX,
    ROOT / "CONTRIBUTING.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("index", "units", "reproduction", "cifar10-94")),
]
PAGES += GUIDE
SLOW = ("networks.md", "fine-tuning.md", "export.md")  # pages whose examples build many networks, or need a run
# The commands of `python -m training` and `python -m tuning` beside those that train and search.
COMMANDS = {
    training.main: {
        "evaluate": training.EvaluateOptions,
        "compare": training.CompareOptions,
        "inspect": InspectOptions,
        "predict": image_commands.PredictOptions,
        "explain": image_commands.ExplainOptions,
        "export": exporting.ExportOptions,
        "serve": serving.ServeOptions,
    },
    tuning.main: {
        "compare": tuning.CompareOptions,
        "export": tuning.ExportOptions,
        "report": tuning.ReportOptions,
        "status": tuning.ReportOptions,
        "work": tuning.WorkOptions,
    },
}


def text_of(page):
    return page.read_text(encoding="utf-8")


def blocks(page, language):
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.DOTALL | re.MULTILINE)


def commands_in(line):
    """The commands of a line of a shell, several in a pipe: variables that are set for each, and its words."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|")
    lexer.whitespace_split = True
    for is_pipe, words in itertools.groupby(lexer, lambda word: word == "|"):
        if not is_pipe:
            words = list(words)
            variables = [*itertools.takewhile(re.compile("[A-Z_]+=").match, words)]
            yield dict(word.split("=", 1) for word in variables), words[len(variables) :]


def commands(module):
    """The variables and arguments of all `python -m MODULE ...` that are shown, each once."""
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    every = [(tuple(variables.items()), tuple(words)) for line in lines for variables, words in commands_in(line)]
    shown = [one for one in dict.fromkeys(every) if one[1][:3] == ("python", "-m", module)]
    return [(dict(variables), list(words[3:])) for variables, words in shown]


def test_commands_are_found_behind_variables_and_in_pipes():
    line = "find . -name '*.jpg' | KERAS_BACKEND=jax python -m training predict RUN - --views '{a: b | c}'  # | no"
    (_, words), (variables, others) = commands_in(line)
    assert words == ["find", ".", "-name", "*.jpg"] and variables == {"KERAS_BACKEND": "jax"}
    assert others == ["python", "-m", "training", "predict", "RUN", "-", "--views", "{a: b | c}"]
    assert any(variables for variables, _ in commands("training"))  # of the guide


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A folder with files as PyTorch writes them."""
    folder = tmp_path_factory.mktemp("checkpoints")
    state = torch_writer.state_dict(torch_networks.cifar(3))
    torch_writer.save(folder / "resnet20.th", {"state_dict": state})
    torch_writer.save(folder / "checkpoint.pth", {"model": state, "model_ema": state})
    write_image(folder / "photo.jpg", (48, 40))
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


@pytest.mark.slow
def test_files_of_a_run_are_those_that_the_guide_names(run, in_folder):
    named = re.findall(r"^\| (`.*`) \|", text_of(TRAINING), re.MULTILINE)
    files = [file for cell in named for file in re.findall(r"`(.*?)`", cell)]
    assert len(files) >= 7
    assert [file for file in files if not Path("RUN", file).exists()] == []


def run_examples(page):
    """Run the Python examples of a page one after the other, as a reader would."""
    namespace = {}
    for example in blocks(page, "python"):
        exec(compile(example, str(page), "exec"), namespace)
    return namespace


def name_of(page) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in SLOW and page != INDEX], ids=name_of)
def test_examples_run(page, in_folder):
    run_examples(page)


@pytest.mark.slow
def test_examples_of_networks_run_and_give_the_strides_that_are_shown(in_folder):
    shown = run_examples(ROOT / "docs" / "guide" / "networks.md")
    assert shown["strides"] == {"C2": 4, "C3": 8, "C4": 16}
    assert (shown["wide"].depth, shown["deeper"].architecture.depth) == (14, 26)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["fine-tuning.md", "export.md"])
def test_examples_that_take_a_run_do(page, run, in_folder):
    assert run_examples(ROOT / "docs" / "guide" / page)


@pytest.mark.parametrize("arguments", [arguments for _, arguments in commands("keras_resnet")], ids=" ".join)
def test_commands_of_keras_resnet_are_understood(arguments):
    networks.command_parser().parse_args(arguments)


@pytest.fixture
def started(monkeypatch, tmp_path):
    """What training and search are asked for, who do nothing else; in a folder with the files that pages name."""
    calls = []
    monkeypatch.setattr("training.run.train", lambda config, *others, **named: calls.append(config) or {})
    monkeypatch.setattr("tuning.search.run_study", lambda study, *others: calls.append(study) or mock.MagicMock())
    monkeypatch.setattr("tuning.engine.jobs.processes", lambda: None)
    monkeypatch.setattr("training.__main__.supervise", lambda arguments, hosts: calls.append(hosts))
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))  # which runs on JAX set
    monkeypatch.chdir(tmp_path)
    Path("docs").symlink_to(ROOT / "docs")
    Path("study.yaml").write_text(blocks(SEARCH, "yaml")[0], encoding="utf-8")
    for path in (Path("STUDY", "best.yaml"), Path("RUN", "config.yaml")):
        path.parent.mkdir()
        path.write_text(*blocks(TRAINING, "yaml"), encoding="utf-8")
    return calls


@pytest.mark.parametrize(
    ("main", "variables", "arguments"),
    [(module.main, *command) for module in (training, tuning) for command in commands(module.__package__)],
    ids=lambda value: " ".join(value) if isinstance(value, (list, dict)) else value.__module__,
)
def test_commands_of_training_and_tuning_are_understood(main, variables, arguments, started, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if arguments[0] in COMMANDS[main]:
        tyro.cli(COMMANDS[main][arguments[0]], args=arguments[1:])
    elif arguments == ["--help"]:
        with pytest.raises(SystemExit, match="0"):
            main(arguments)
    else:
        assert main(arguments) == 0
        assert len(started) == (arguments != ["study"])  # which lists them


def test_configuration_of_the_guide_means_what_it_says():
    (text,) = blocks(TRAINING, "yaml")
    config = make_config(yaml.safe_load(text))
    assert [choice["name"] for choice in config.augmentation] == ["pad_crop", "flip"]
    assert (config.optimizer["momentum"], config.schedule["name"]) == (0.8, "cosine")
    assert config.network.choices == {"l2": 1e-4}


def test_study_file_of_the_guide_is_one():
    whole, claims, ensembles = map(yaml.safe_load, blocks(SEARCH, "yaml"))
    study, of_claims = (make_study(settings, "search.md") for settings in (whole, claims))
    assert [claim.measure for claim in of_claims.claims] == ["training error"]
    assert [claim.ensembles for claim in make_study({**claims, **ensembles}, "search.md").claims] == [{"both"}]
    assert {"activation", "shortcut", "optimizer"} == set(study.space)
    space = study.parsed_space
    assert len(possible_points(space, space.points(coarse=True), study.problem)) == 3 * 5 * 2


def test_gradient_of_the_index_vanishes_in_the_plain_network():
    first = run_examples(INDEX)["first"]
    assert 0 < first["Plain8"] < 1e-3 * first["ResNet8"]  # six convolutions between, each with a tenth of the weights


def test_index_goes_through_the_studies_in_their_order_and_links_the_reports_there_are():
    told = re.findall(r"^Report of `(\w+)`: (.*)\.$", text_of(INDEX), re.MULTILINE)
    found = runpy.run_path(str(ROOT / "docs" / "make_studies.py"))["found"]
    reports = {page.stem: found(text_of(page)) for page in INDEX.parent.glob("*.md") if page != INDEX}
    links = {name: f"[{name}.md]({name}.md){claims}" for name, claims in reports.items()}
    assert told == [(name, links.get(name, "not run yet")) for name in STUDIES]
    shown = re.findall(r"^python -m tuning study (\w+)$", text_of(INDEX), re.MULTILINE)
    assert shown == list(STUDIES)


def test_guide_names_every_recipe():
    guide = "".join(map(text_of, GUIDE))
    assert [name for name in recipe_names() if f"--recipe {name} " not in guide] == []


# What an augmentation works on, in the words of the guide.
WORKS_ON = {
    "the decoded image, first in the list": {"crop"},
    "levels": {"geometry", "color", "pixels"},
    "anything": {"any"},
    "standardized images": {"standardized"},
    "a batch, last in the list": {"mix"},
}


def test_guide_says_of_every_augmentation_what_it_works_on():
    table = text_of(TRAINING).partition("## Augmentation")[2].partition("## ")[0]
    rows = re.findall(r"^\| ([^|`]+) \| (`.+`) \| .+ \|$", table, re.MULTILINE)
    said = {name: WORKS_ON[words] for words, names in rows for name in re.findall(r"`(\w+)`", names)}
    assert said.keys() == AUGMENTATIONS.keys()
    assert {name for name, kinds in said.items() if AUGMENTATIONS[name].kind not in kinds} == set()


def test_guide_names_every_choice_of_a_network():
    table = text_of(ROOT / "docs" / "guide" / "networks.md").partition("## Choices")[2].partition("## ")[0]
    named = {name for row in re.findall(r"^\| .* \|$", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert set(FIELDS) - {"blocks", "widths"} <= named


@pytest.mark.parametrize(("field", "registry"), [("shortcut", SHORTCUTS), ("placement", PLACEMENTS), ("unit", UNITS)])
def test_guide_names_every_value_of_a_choice(field, registry):
    (row,) = re.findall(rf"^\| `{field}` \| (.*) \|$", text_of(ROOT / "docs" / "guide" / "networks.md"), re.MULTILINE)
    missing = {*registry} - {*re.findall(r'`"(\w+)"`', row)}
    assert not missing, f"name {missing} in the row `{field}` of docs/guide/networks.md"


def test_readme_is_short():
    assert len(text_of(README).splitlines()) <= 150


def test_readme_counts_the_named_networks():
    assert f"{len(keras_resnet.CATALOGUE)} networks have names" in " ".join(text_of(README).split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_files_exist(page):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text_of(page))
    assert [t for t in targets if "://" not in t and not (page.parent / t).exists()] == []


def test_files_that_checklists_name_exist():
    named = re.findall(r"`([\w./]+/[\w.]*)`", text_of(ROOT / "CONTRIBUTING.md"))
    assert len(named) > 15
    assert [file for file in named if "NAME" not in file and not (ROOT / file).exists()] == []


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
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}  # so does the Makefile
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
    assert public | {"training.fine_tune", "tuning.search.run_study"} <= known


BROKEN = {
    "[lost](nowhere.md)": "cross-reference target not found: 'nowhere.md'",
    "[lost](#nowhere)": "cross-reference target not found: 'nowhere'",
    "{py:obj}`keras_resnet.ResNet21`": "py:obj reference target not found: keras_resnet.ResNet21",
    "![lost](nowhere.png)": "image file not readable: nowhere.png",
}


@pytest.mark.slow
def test_every_broken_link_is_a_fault_of_the_build(build, tmp_path_factory):
    source = tmp_path_factory.mktemp("pages")
    (source / "index.md").write_text("\n\n".join(["# Page", *BROKEN, ""]), encoding="utf-8")
    process, _ = build(source)
    warnings = [line for line in process.stderr.splitlines() if "WARNING: " in line]
    assert process.returncode != 0 and len(warnings) == len(BROKEN), process.stderr
    for fault in BROKEN.values():
        assert sum(fault in line for line in warnings) == 1, (fault, warnings)


@pytest.mark.slow
def test_tutorial_runs_from_top_to_bottom(tmp_path, monkeypatch):
    pytest.importorskip("nbclient", reason="needs the extra `docs`")
    monkeypatch.setenv("PATH", os.environ["PATH"])  # which the tutorial changes
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = runpy.run_path(str(ROOT / "docs" / "run_tutorial.py"))["run"](tmp_path)
    (answer,) = (cell.outputs[-1]["data"]["text/plain"] for cell in notebook.cells if "serving_default" in cell.source)
    digits = [int(digit) for digit in re.findall(r"\d", answer)]
    assert sum(digit == number for number, digit in enumerate(digits)) >= 8  # it has learned the ten digits
