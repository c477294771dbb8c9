"""On a disk that fills up, what a command writes is written whole or not at all, and what stood there stays."""

import os
import signal

import pytest

from tests.keras_resnet.helpers import run_python

# Files of more than a few bytes fail as on a full disk; then the same is asked for once more with space.
FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import keras_resnet
import keras_resnet.__main__ as command_line
from keras_resnet.__main__ import main

folder = Path(sys.argv[1])
contract = keras_resnet.CONTRACTS["cifar"]
model = keras_resnet.ResNet("ResNet8", classes=3)
model.preprocessing = contract
command_line.network_of = lambda *_: model  # reading a source takes files of its own
cases = {
    "draw": lambda path: main(["draw", "ResNet8", "-o", path]),
    "convert": lambda path: main(["convert", "source.npz", "-o", path]),
    "export": lambda path: keras_resnet.export_savedmodel(model, path, ["a", "b", "c"]),
    "contract": contract.save,
}

def listing():
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

def try_to(write, path):
    try:
        return write(path) or 0
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)

write, path = cases[sys.argv[2]], str(folder / sys.argv[3])
if sys.argv[2] != "export":
    Path(path).write_text("what stood there")
before = listing()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, limit[1]))
full = try_to(write, path)
resource.setrlimit(resource.RLIMIT_FSIZE, limit)
print(full != 0, listing() == before, try_to(write, path), Path(path).exists())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit of a file's size on this system")
@pytest.mark.parametrize(
    ("command", "name"),
    [("draw", "unit.png"), ("draw", "unit.svg"), ("convert", "net.keras"), ("export", "saved"), ("contract", "c.json")],
)
def test_full_disk_changes_nothing_and_the_next_call_writes(command, name, tmp_path):
    process = run_python("-c", FULL_DISK, tmp_path, command, name)
    assert process.stdout.splitlines()[-1] == "True True 0 True"
    (sentence,) = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert sentence.startswith(f"error: Cannot save {tmp_path / name}: ")
    assert sentence.endswith(". What was saved before is untouched.")
    assert os.listdir(tmp_path) == [name]
