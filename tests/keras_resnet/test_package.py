"""The package as a whole: what it imports, what it exports, what it says where Keras is missing."""

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import keras_resnet
from tests.keras_resnet.helpers import run_python
from tests.shared import ROOT

SOURCES = sorted(Path(keras_resnet.__file__).parent.rglob("*.py"))


def module_level_imports(tree: ast.Module) -> set[str]:
    """Name the top packages that a module imports when it is imported, in any statement outside functions."""
    names, nodes = set(), list(tree.body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            nodes.extend(ast.iter_child_nodes(node))
    return names


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_no_module_imports_tensorflow_or_the_packages_above(source):
    imported = module_level_imports(ast.parse(source.read_text(encoding="utf-8")))
    assert not imported & {"tensorflow", "jax", "torch", "training", "tuning", "keras_tuner", "tensorflow_datasets"}


def test_the_check_of_imports_sees_an_import_in_a_branch_and_not_in_a_function():
    tree = ast.parse("try:\n    import tensorflow as tf\nexcept ImportError:\n    pass\ndef f():\n    import jax\n")
    assert module_level_imports(tree) == {"tensorflow"}


@pytest.mark.slow
def test_package_of_the_users_own_called_training_is_no_command(tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").write_text("import keras_resnet\n", encoding="utf-8")
    code = "import signal, sys; print('keras' in sys.modules, signal.getsignal(signal.SIGINT).__name__)\n"
    (tmp_path / "training" / "__main__.py").write_text(code, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "training"]
    process = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert process.stdout == "True default_int_handler\n"


def test_all_lists_the_public_names_and_each_exists():
    values = {name: getattr(keras_resnet, name) for name in dir(keras_resnet) if not name.startswith("_")}
    assert set(keras_resnet.__all__) == {name for name, value in values.items() if not inspect.ismodule(value)}
    assert set(keras_resnet.CATALOGUE) < set(keras_resnet.__all__)


def test_name_that_does_not_exist_is_no_attribute():
    with pytest.raises(AttributeError, match="module 'keras_resnet' has no attribute 'ResNet51'"):
        keras_resnet.ResNet51  # noqa: B018


def test_missing_keras_is_explained_by_a_command_that_needs_it(tmp_path):
    (tmp_path / "keras.py").write_text("raise ImportError('no backend')\n", encoding="utf-8")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    process = run_python("-m", "keras_resnet", "describe", "ResNet20", check=False, PYTHONPATH=path)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("error: keras_resnet needs Keras and a backend")
    assert "ResNet20" in run_python("-m", "keras_resnet", "list", PYTHONPATH=path).stdout


LOADED = """
import atexit, sys
heavy = ("keras", "tensorflow", "jax", "numpy", "h5py")
atexit.register(lambda: print("LOADED", *(name for name in heavy if name in sys.modules)))
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["describe", "--help"], ["describe", "Nope"]], ids=" ".join
)
def test_command_that_needs_no_network_loads_no_backend(arguments, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(LOADED, encoding="utf-8")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    process = run_python("-m", "keras_resnet", *arguments, check=False, PYTHONPATH=path)
    assert process.stdout.splitlines()[-1] == "LOADED"


def test_missing_keras_is_explained(tmp_path):
    fake = "raise ModuleNotFoundError(\"No module named 'tensorflow'\", name='tensorflow')\n"
    (tmp_path / "keras.py").write_text(fake, encoding="utf-8")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import keras_resnet"
    process = run_python("-c", code, check=False)
    assert process.returncode == 1
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: keras_resnet needs Keras and a backend, and Keras could not be imported (")
    assert "No module named 'tensorflow'" in last
    assert "pip install 'keras-resnet-suite[cpu]' (or '[gpu]')" in last


def test_import_alone_works_in_a_fresh_process():
    code = "import keras_resnet; print(len(keras_resnet.CATALOGUE), keras_resnet.__version__)"
    assert run_python("-c", code).stdout.split() == [str(len(keras_resnet.CATALOGUE)), keras_resnet.__version__]
