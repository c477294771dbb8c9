"""What is installed, what a source distribution holds, and that files in the user's folder replace none of it."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile

import pytest
import yaml

import keras_resnet
from tests.shared import ROOT

PACKAGES = ("keras_resnet", "training", "tuning")
FOLDERS = (*PACKAGES, "tests", "docs", "benchmarks", "deploy", ".ci")
FILES = ("ARCHITECTURE.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "Makefile")
FILES += ("README.md", "constraints.txt", "pyproject.toml", "setup.py")


@pytest.fixture
def metadata(monkeypatch) -> dict:
    """What setup.py tells setuptools."""
    setuptools = pytest.importorskip("setuptools")
    told = {}
    monkeypatch.setattr(setuptools, "setup", told.update)
    runpy.run_path(str(ROOT / "setup.py"))
    return told


def test_metadata_names_the_license_and_nobody(metadata):
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.lstrip().startswith("Apache License\n") and "END OF TERMS AND CONDITIONS" in text
    assert metadata["license"] == "Apache-2.0" and metadata["license_files"] == ["LICENSE"]
    assert not {"author", "author_email", "maintainer", "url", "project_urls", "download_url"} & metadata.keys()
    assert metadata["keywords"] and "Typing :: Typed" in metadata["classifiers"]
    assert not any(classifier.startswith("License ::") for classifier in metadata["classifiers"])


def test_version_is_one(metadata):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert metadata["version"] == keras_resnet.__version__ == citation["version"]


def test_citation_names_both_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0" and {"message", "title", "authors"} <= citation.keys()
    papers = {paper["identifiers"][0]["value"]: paper for paper in citation["references"]}
    assert papers.keys() == {"arXiv:1512.03385", "arXiv:1603.05027"}
    for paper in papers.values():
        assert {"type", "title", "authors"} <= paper.keys()
        assert [author["family-names"] for author in paper["authors"]] == ["He", "Zhang", "Ren", "Sun"]


@pytest.mark.parametrize("package", PACKAGES)
def test_package_data_is_there_and_says_that_types_are(metadata, package):
    patterns = metadata["package_data"][package]
    assert "py.typed" in patterns
    files = {file for pattern in patterns for file in (ROOT / package).glob(pattern)}
    data = (".typed", ".yaml", ".pyi", ".j2", ".safetensors", ".json")
    assert files == {file for file in (ROOT / package).rglob("*") if file.suffix in data}


def test_source_distribution_holds_all_that_it_takes_to_build_and_test_it(tmp_path):
    pytest.importorskip("setuptools")
    source = tmp_path / "source"
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(ROOT / file, source)
    needed = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    subprocess.run([sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", tmp_path], cwd=source, check=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as members:
        shipped = {member.name.partition("/")[2] for member in members if member.isfile()}
    made = {name for name in shipped if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    assert shipped - made == needed


@pytest.fixture
def hostile(tmp_path):
    """A folder with files that have the names of the packages."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in PACKAGES:
        (folder / f"{name}.py").write_text("print('HOSTILE')\n", encoding="utf-8")
    return folder


def run_script(script, folder, *arguments) -> subprocess.CompletedProcess:
    """Run a script that lies in one folder from another."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, script, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("command", "arguments", "expected"),
    [
        ("keras-resnet", ["describe", "ResNet20"], "a residual network of 20 layers"),
        ("keras-resnet", ["--help"], "usage: keras-resnet "),
        ("keras-resnet-train", ["--help"], "keras-resnet-train evaluate RUN"),
        ("keras-resnet-tune", ["--help"], "keras-resnet-tune report STUDY"),
    ],
)
def test_installed_command_is_ours_in_any_folder_and_names_itself(
    metadata, hostile, tmp_path, command, arguments, expected
):
    entries = dict(re.split(r"\s*=\s*", entry) for entry in metadata["entry_points"]["console_scripts"])
    module, function = entries[command].split(":")
    script = tmp_path / command
    script.write_text(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n", encoding="utf-8")
    process = run_script(script, hostile, *arguments)
    assert (process.returncode, process.stderr) == (0, "")
    assert "HOSTILE" not in process.stdout and expected in " ".join(process.stdout.split())


START_A_PROCESS = """
import os
from tuning.engine.jobs import processes

if __name__ == "__main__":
    process = processes().Process(target=os.mkdir, args=("made",))
    process.start()
    process.join()
    print("status", process.exitcode)
"""


@pytest.mark.slow
def test_processes_of_a_search_are_ours_in_any_folder_and_work_in_it(hostile, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(START_A_PROCESS, encoding="utf-8")
    process = run_script(script, hostile)
    assert (process.stdout, process.stderr) == ("status 0\n", "")
    assert (hostile / "made").is_dir()
