"""Ctrl-C comes through, whatever swallows it, and ends a command quietly."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.keras_resnet.helpers import run_python
from tests.shared import ROOT
from training import interrupts
from training.interrupts import interruptible


def press() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(interrupts, "AGAIN", 0.01)


def wait_to_be_interrupted() -> None:
    time.sleep(60)
    pytest.fail("the interrupt was not raised again")


def test_interrupt_comes_through_a_bare_except(soon):
    passed = []
    with pytest.raises(KeyboardInterrupt), interruptible():
        with contextlib.suppress(BaseException):
            press()
        passed.append(True)
        wait_to_be_interrupted()
    assert passed == [True]


def test_interrupt_comes_through_a_finaliser_without_a_word(soon, capfd):
    class Closing:
        def __del__(self):
            press()

    with pytest.raises(KeyboardInterrupt), interruptible():
        Closing()
        wait_to_be_interrupted()
    assert capfd.readouterr().err == ""


def test_interrupt_of_which_a_library_makes_another_error_is_one():
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            press()
        except KeyboardInterrupt as error:
            raise RuntimeError("UnknownError: KeyboardInterrupt") from error


def test_interrupt_does_not_disturb_what_cleans_up_behind_it():
    cleaned = []
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            press()
        finally:
            signal.raise_signal(signal.SIGALRM)  # as when it is time to ask whether it has come through
            with contextlib.suppress(OSError):
                try:
                    raise OSError
                except OSError:
                    signal.raise_signal(signal.SIGALRM)
            cleaned.append(True)
    assert cleaned == [True]


def test_other_errors_pass_and_handlers_are_those_of_before():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)], sys.unraisablehook
    with pytest.raises(ValueError, match="its own"), interruptible():
        raise ValueError("its own")
    assert ([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)], sys.unraisablehook) == before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


# Pressed while a module is imported that the command line needs.
PRESSED = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"


@pytest.mark.parametrize(
    ("command", "module"),
    [("keras_resnet", "keras"), ("training", "pydantic"), ("training", "keras"), ("tuning", "tyro")],
)
def test_ctrl_c_during_imports_ends_quietly(command, module, tmp_path):
    (tmp_path / f"{module}.py").write_text(PRESSED, encoding="utf-8")
    arguments = ["list"] if command == "keras_resnet" else ["--run-dir", tmp_path / "run"]
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    process = run_python("-m", command, *arguments, check=False, PYTHONPATH=path)
    assert (process.returncode, process.stdout, process.stderr) == (130, "", "")


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
        if line.startswith("Epoch 2/"):
            process.send_signal(signal.SIGINT)
            break
    lines += process.stdout
    assert process.wait(60) == 130
    assert "Traceback" not in "".join(lines)
    assert lines[-1].endswith(f"Go on with: python -m training --run-dir '{tmp_path / 'my run'}' --resume\n")
