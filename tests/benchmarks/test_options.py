"""Scripts that cannot write end in a sentence: those of the benchmarks, and those that make pages of the docs."""

import csv
import importlib
import resource
import runpy
import subprocess
import sys
import tempfile

import pytest

from tests.shared import ROOT

MODULES = ("options", "machine", "depth", "inference", "many_trials", "pipeline", "search", "startup", "train_step")


@pytest.fixture
def imported(monkeypatch):
    """Import a script that prepares nothing and tells nothing of the machine; forget it afterwards."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))

    def find(name):
        script = importlib.import_module(name)
        for quiet in {"prepare_process", "print_machine"} & vars(script).keys():
            monkeypatch.setattr(script, quiet, dict)
        return script

    yield find
    for name in (*MODULES, "workers"):
        sys.modules.pop(name, None)


@pytest.fixture
def said(capsys):
    """Give what stands on stderr, which must be one sentence."""

    def read():
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return read


@pytest.fixture
def full():
    """Fill the disk: no file may have more than a few bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_errors_of_a_script_are_a_sentence_and_its_status(imported, said, monkeypatch):
    in_a_sentence = imported("options").in_a_sentence

    def failing(error):
        @in_a_sentence
        def main(arguments=None):
            raise error

        return main

    assert in_a_sentence(lambda arguments: 3)([]) == 3
    assert failing(OSError("Cannot save it:\nno room."))() == 1 and said() == "error: Cannot save it: no room."
    assert failing(subprocess.CalledProcessError(-9, "x"))() == 1
    assert said() == "error: A process of this script ended with status -9; what it said stands above."
    monkeypatch.setenv("KERAS_RESNET_DEBUG", "1")
    with pytest.raises(ValueError, match="seen"):
        failing(ValueError("seen"))()
    with pytest.raises(KeyError):  # which is a fault of the script
        failing(KeyError("x"))()


@pytest.mark.skipif(not ROOT.joinpath("/dev/full").exists(), reason="this system has no file that is always full")
def test_standard_output_that_is_full_ends_in_a_sentence():
    code = "from options import in_a_sentence; import sys; sys.exit(in_a_sentence(lambda _: print('x') or 0)())"
    with open("/dev/full", "w", encoding="utf-8") as output:
        told = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT / "benchmarks", stdout=output, stderr=subprocess.PIPE, text=True
        )
    assert (told.returncode, told.stderr) == (1, "error: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("name", ["depth", "inference", "train_step"])
def test_figures_that_cannot_be_written_are_named(imported, said, tmp_path, monkeypatch, name, full):
    script, place = imported(name), tmp_path / "figures.json"
    place.write_text("before", encoding="utf-8")
    if name == "depth":
        monkeypatch.setattr(script, "measure_alone", lambda *_: dict.fromkeys(script.COLUMNS, 1))
    elif name == "inference":
        monkeypatch.setattr(script, "known_network", str)
        monkeypatch.setattr(script, "rows_of_machine", lambda rows, machine: [])
        monkeypatch.setattr(script, "measure", lambda *_: (script.Measured(1, 1, {}, {}), {}))
        monkeypatch.setattr(script, "report", lambda *_: [])
    else:
        monkeypatch.setattr(script, "measure", lambda *_: ({}, {}))
        for lines in ("compare", "time_table", "ratio_table"):
            monkeypatch.setattr(script, lines, lambda *_: [])
    full(8)
    assert script.main(["--json", str(place)]) == 1
    assert said().startswith(f"error: Cannot save {place}: ")
    assert place.read_text(encoding="utf-8") == "before"


@pytest.mark.parametrize(
    ("name", "arguments"), [("pipeline", []), ("startup", []), ("workers", []), ("many_trials", ["--one", "1"])]
)
def test_temporary_folder_that_cannot_be_made_is_named(imported, said, tmp_path, monkeypatch, name, arguments):
    script = imported(name)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert script.main(arguments) == 1
    assert str(tmp_path / "none") in said()


def test_searches_that_cannot_be_noted_are_not_made(imported, said, tmp_path, monkeypatch):
    script, place = imported("search"), tmp_path / "none" / "search.csv"
    monkeypatch.setattr(script, "search", lambda *_: pytest.fail("a search was made"))
    assert script.main(["--results", str(place)]) == 1
    assert said().startswith(f"error: Cannot add a line to {place}: No such file or directory.")
    monkeypatch.setattr(script, "PAGE", place)
    assert script.main(["--table"]) == 1 and said().startswith(f"error: Cannot save {place}: ")


def test_line_of_a_search_for_which_there_is_no_room_leaves_the_others(imported, said, tmp_path, monkeypatch, full):
    script, place = imported("search"), tmp_path / "search.csv"
    monkeypatch.setattr(script, "search", lambda *_: [1.0, 0.5, 0.25])
    place.touch()  # as a full disk may have left it
    command = ["--results", str(place), "--objectives", "pairs", "--repeats", "2", "--methods", "random"]
    full(90)
    assert script.main(command) == 1
    assert said() == f"error: Cannot add a line to {place}: No space left on device. Its lines before are untouched."
    full(resource.RLIM_INFINITY)
    assert script.main(command) == 0
    with open(place, encoding="utf-8", newline="") as lines:
        assert [*csv.reader(lines)] == [
            [*script.COLUMNS],
            ["pairs", "0", "random", "1.0000", "0.5000", "0.2500"],
            ["pairs", "1", "random", "1.0000", "0.5000", "0.2500"],
        ]


DRAWN = {
    "make_augmentations": "PICTURE",
    "make_explanation": "PICTURE",
    "make_figures": "FOLDER",
    "make_published": "PICTURE",
}


@pytest.mark.parametrize("name", DRAWN)
def test_picture_of_the_docs_that_cannot_be_written_is_named(name, said, tmp_path, monkeypatch):
    names = runpy.run_path(str(ROOT / "docs" / f"{name}.py"))["main"].__globals__
    place = tmp_path / "none"
    monkeypatch.setitem(names, DRAWN[name], place / "drawn.png" if DRAWN[name] == "PICTURE" else place)
    if name == "make_figures":  # of a single unit
        monkeypatch.setitem(names, "PLACEMENTS", ["original"])
        monkeypatch.setitem(names, "UNITS", {})
    elif name == "make_explanation":
        sheet = names["SHEET"]
        monkeypatch.setitem(names, "open_classifier", lambda *_: None)
        monkeypatch.setitem(names, "explain_files", lambda _, paths, folder, __: [(folder / sheet).write_bytes(b"x")])
    assert names["main"]() == 1
    assert said().startswith(f"error: Cannot save {place}")


def test_tutorial_that_cannot_be_written_is_named(said, tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="needs the extra `docs`")
    names = runpy.run_path(str(ROOT / "docs" / "run_tutorial.py"))["main"].__globals__
    notebook = nbformat.read(ROOT / "docs" / "tutorial.ipynb", as_version=4)
    monkeypatch.setitem(names, "run", lambda folder: notebook)
    monkeypatch.setitem(names, "NOTEBOOK", tmp_path / "none" / "tutorial.ipynb")
    assert names["main"]() == 1 and said().startswith(f"error: Cannot save {tmp_path}")
    monkeypatch.setitem(names, "NOTEBOOK", tmp_path / "tutorial.ipynb")
    assert names["main"]() == 0
    nbformat.write(notebook, tmp_path / "expected.ipynb")
    assert (tmp_path / "tutorial.ipynb").read_bytes() == (tmp_path / "expected.ipynb").read_bytes()
