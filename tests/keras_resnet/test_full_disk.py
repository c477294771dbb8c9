"""On a disk that fills up, what a command writes is written whole or not at all, and what stood there stays."""

import json
import os
import signal

import pytest

from tests.keras_resnet.helpers import run_python

CASES = [
    ("draw", "unit.png"),
    ("draw", "unit.svg"),
    ("convert", "net.keras"),
    ("export", "saved"),
    ("format", "folder"),
    ("contract", "c.json"),
]

# Files of more than a few bytes fail as on a full disk; then the same is asked for once more with space.
FULL_DISK = """
import contextlib, io, json, resource, signal, sys
from pathlib import Path
import keras_resnet
from keras_resnet.__main__ import main
from keras_resnet.weights import loading

contract = keras_resnet.CONTRACTS["cifar"]
model = keras_resnet.ResNet("ResNet8", classes=3)
model.preprocessing = contract
loading.network_of = lambda *_: model  # reading a source takes files of its own
cases = {
    "draw": lambda path: main(["draw", "ResNet8", "-o", path]),
    "convert": lambda path: main(["convert", "source.npz", "-o", path]),
    "export": lambda path: keras_resnet.export_savedmodel(model, path, ["a", "b", "c"]),
    "format": lambda path: keras_resnet.export(model, path, format="keras", labels=["a", "b", "c"]),
    "contract": contract.save,
}

def listing(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

def try_to(write, path):
    try:
        return write(path) or 0
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)

def fill_disk(command, name):
    path = Path(sys.argv[1], name, name)
    path.parent.mkdir()
    if command not in ("export", "format"):
        path.write_text("what stood there")
    before, limit, errors = listing(path.parent), resource.getrlimit(resource.RLIMIT_FSIZE), io.StringIO()
    with contextlib.redirect_stderr(errors):
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, limit[1]))
        full = try_to(cases[command], str(path))
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        untouched = listing(path.parent) == before
        again = try_to(cases[command], str(path))
    return [full != 0, untouched, again, path.exists()], errors.getvalue()

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
print(json.dumps({name: fill_disk(command, name) for command, name in json.loads(sys.argv[2])}))
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Run every case in one process; return the folder, and what each case found and wrote to standard error."""
    folder = tmp_path_factory.mktemp("full")
    process = run_python("-c", FULL_DISK, folder, json.dumps(CASES))
    return folder, json.loads(process.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit of a file's size on this system")
@pytest.mark.parametrize("name", [name for _, name in CASES])
def test_full_disk_changes_nothing_and_the_next_call_writes(name, reports):
    folder, (found, errors) = reports[0] / name, reports[1][name]
    assert found == [True, True, 0, True]
    (sentence,) = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert sentence.startswith(f"error: Cannot save {folder / name}: ")
    assert sentence.endswith(". What was saved before is untouched.")
    assert os.listdir(folder) == [name]
