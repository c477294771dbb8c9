"""Ctrl-C comes through, whatever swallows it, and ends a command quietly."""

import os
import signal
import subprocess
import sys

import pytest

from keras_resnet.interrupts import saying
from tests.keras_resnet.helpers import run_python
from tests.shared import ROOT

SWALLOWING = """
import contextlib, os, signal, sys, time
from pathlib import Path
from keras_resnet.files import write_atomically
from keras_resnet.interrupts import end_on_interrupt, saying

def press(part=None):
    if part:
        part.mkdir()
        (part / "inside.txt").write_text("half")
    signal.raise_signal(signal.SIGINT)

class Closing:
    def __del__(self):
        press()

def finalise():
    Closing()

def except_barely():
    with contextlib.suppress(BaseException):
        press()

end_on_interrupt()
with saying(lambda: "how to go on\\n"):
    print("printed before", end=", ")
    {"finaliser": finalise, "bare except": except_barely, "writing": lambda: write_atomically(sys.argv[2], press)}[
        sys.argv[1]
    ]()
print("went on")
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", ["finaliser", "bare except", "writing"])
def test_ctrl_c_ends_a_command_at_once_wherever_it_comes(place, tmp_path):
    process = run_python("-c", SWALLOWING, place, tmp_path / "folder", check=False)
    assert (process.returncode, process.stdout, process.stderr) == (130, "printed before, how to go on\n", "")
    assert os.listdir(tmp_path) == []


def test_ctrl_c_is_left_to_python_in_a_program_of_the_users_own(capsys):
    with pytest.raises(KeyboardInterrupt), saying(lambda: "how to go on\n"):
        signal.raise_signal(signal.SIGINT)
    assert capsys.readouterr().out == "how to go on\n"


# Pressed while a module is imported that the command line needs.
PRESSED = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"


@pytest.mark.parametrize(
    ("command", "module"),
    [("keras_resnet", "keras"), ("training", "pydantic"), ("training", "keras"), ("tuning", "tyro")],
)
def test_ctrl_c_during_imports_ends_quietly(command, module, tmp_path):
    (tmp_path / f"{module}.py").write_text(PRESSED, encoding="utf-8")
    arguments = ["describe", "ResNet20"] if command == "keras_resnet" else ["--run-dir", tmp_path / "run"]
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    process = run_python("-m", command, *arguments, check=False, PYTHONPATH=path)
    assert (process.returncode, process.stdout, process.stderr) == (130, "", "")


@pytest.mark.slow
def test_ctrl_c_ends_a_run_with_status_130_and_says_how_to_go_on(data_dir, tmp_path):
    options = ["--network", "ResNet8", "--data-dir", data_dir, "--epochs", 500, "--run-dir", tmp_path / "my run"]
    process = subprocess.Popen(
        [sys.executable, "-m", "training", *map(str, options)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("epoch 1/"):
            process.send_signal(signal.SIGINT)
            break
    lines += process.stdout
    assert process.wait(60) == 130
    assert "Traceback" not in "".join(lines)
    assert lines[-1].endswith(f"Go on with: python -m training --run-dir '{tmp_path / 'my run'}' --resume\n")
