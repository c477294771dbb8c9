"""The house: imports one way and without circles, files and functions that fit a screen, calls one can read."""

import ast
from pathlib import Path

import keras_resnet
import training
from tests.shared import ROOT

PACKAGES = ("keras_resnet", "training", "tuning")  # each may import those before it
# The rooms of keras_resnet in the order of knowledge: each may import those before it.
ROOMS = ("layers", "choices", "architecture", "build", "model", "weights", "builders")
MAX_FILE, MAX_FUNCTION, MAX_ARGUMENTS = 350, 50, 5


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


SOURCES = {module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def imported_modules(tree: ast.Module, known) -> set[str]:
    """Name the modules out of `known` that a module imports, in functions and for type checkers too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in names}
    return found & set(known)


IMPORTS = {name: imported_modules(tree, SOURCES) for name, tree in TREES.items()}


def circle_in(imports: dict[str, set[str]]) -> list[str]:
    """Find modules that import each other in a circle; an empty list where there are none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in sorted(imports[name]):
            if circle := walk(other, [*path, name]):
                return circle
        done.add(name)
        return []

    return next((circle for name in imports if (circle := walk(name, []))), [])


def test_no_modules_import_each_other_in_a_circle():
    assert circle_in(IMPORTS) == []


def test_a_circle_is_found_and_an_import_for_type_checkers_sees_to_it():
    sources = {
        "p.a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.b import B",
        "p.b": "def f():\n    from p import c",
        "p.c": "import p.a",
    }
    imports = {name: imported_modules(ast.parse(source), sources) for name, source in sources.items()}
    assert circle_in(imports) == ["p.a", "p.b", "p.c", "p.a"]
    assert circle_in({**imports, "p.c": set()}) == []


def test_packages_import_one_way_only():
    packages = {name: {other.partition(".")[0] for other in others} for name, others in IMPORTS.items()}
    before = {package: set(PACKAGES[: place + 1]) for place, package in enumerate(PACKAGES)}
    assert {name: others for name, others in packages.items() if not others <= before[name.partition(".")[0]]} == {}


def room(name: str) -> int:
    """Give the place of a module's room in the order of knowledge; -1 for a module outside it."""
    package, *parts = name.split(".")
    return ROOMS.index(parts[0]) if package == "keras_resnet" and parts and parts[0] in ROOMS else -1


def test_rooms_of_keras_resnet_know_only_those_before_them():
    known = {name: {other for other in others if room(other) > room(name) >= 0} for name, others in IMPORTS.items()}
    assert {name: later for name, later in known.items() if later} == {}
    assert {room(name) for name in SOURCES} == {-1, *range(len(ROOMS))}


def test_files_are_not_long():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in SOURCES.items()}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE} == {}


def functions_in(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without its docstring."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = first.end_lineno - first.lineno + 1 if documented else 0
    return function.end_lineno - function.lineno + 1 - docstring


def test_functions_fit_a_screen():
    lengths = {(name, f.name): lines_of(f) for name, tree in TREES.items() for f in functions_in(tree)}
    assert {function: lines for function, lines in lengths.items() if lines > MAX_FUNCTION} == {}


def test_calls_have_at_most_five_positional_arguments():
    calls = ((name, node) for name, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, ast.Call))
    assert [(name, ast.unparse(call.func)) for name, call in calls if len(call.args) > MAX_ARGUMENTS] == []


def test_no_module_has_the_name_of_a_public_function():
    public = set(keras_resnet.__all__) | set(training.__all__)
    own = {name: public | {function.name for function in functions_in(tree)} for name, tree in TREES.items()}
    named = [name for name, functions in own.items() if name.rpartition(".")[2] in functions]
    assert named == []
