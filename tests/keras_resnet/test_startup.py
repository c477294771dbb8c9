"""What is written while Keras is imported: the log lines that TF_CPP_MIN_LOG_LEVEL rules out are kept back, no more."""

import errno
import os
import subprocess
import sys

import pytest

from keras_resnet.startup import BEFORE_LOGGING
from tests.keras_resnet.helpers import run_python
from tests.shared import ROOT

INFORMATION = "I0000 00:00:1795707100.674703    5037 port.cc:153] oneDNN custom operations are on."
WARNING = "W0000 00:00:1795707100.674703    5037 cuda.cc:1] Something is slow."
OTHER = "Illegal instruction is near."


def import_with(tmp_path, ending: str, level: str):
    """Import keras_resnet where a module takes the place of Keras that writes to stderr as C++ does, and then ends."""
    text = "".join(f"{line}\n" for line in (BEFORE_LOGGING, INFORMATION, WARNING, OTHER))
    (tmp_path / "keras.py").write_text(f"import os\nos.write(2, {text.encode()!r})\n{ending}\n", encoding="utf-8")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    return run_python("-c", "import keras_resnet", check=False, PYTHONPATH=path, TF_CPP_MIN_LOG_LEVEL=level).stderr


@pytest.mark.parametrize(
    ("level", "lines"),
    [
        ("", [BEFORE_LOGGING, INFORMATION, WARNING, OTHER]),
        ("0", [BEFORE_LOGGING, INFORMATION, WARNING, OTHER]),
        ("1", [WARNING, OTHER]),
        ("2", [OTHER]),
    ],
)
def test_log_lines_are_kept_back_as_the_variable_says_and_errors_are_seen(tmp_path, level, lines):
    error = import_with(tmp_path, "raise ImportError('no backend')", level).splitlines()
    assert error[: len(lines)] == lines
    assert error[len(lines)].startswith("Traceback")
    assert error[-1].startswith("ImportError: keras_resnet needs Keras and a backend")


@pytest.mark.slow
def test_process_without_stderr_imports_all_the_same(tmp_path):
    code = "import os, sys; os.close(2); sys.stderr = None; import keras_resnet; print('imported')"
    assert run_python("-c", code, TF_CPP_MIN_LOG_LEVEL="2").stdout == "imported\n"


def test_crash_of_a_backend_is_reported(tmp_path):
    assert "Fatal Python error: Aborted" in import_with(tmp_path, "os.abort()", "2")


@pytest.mark.slow
def test_command_is_quiet_and_verbose_when_asked():
    quiet = run_python("-m", "keras_resnet", "describe", "ResNet20", TF_CPP_MIN_LOG_LEVEL="")
    assert quiet.stderr == ""
    told = run_python("-m", "keras_resnet", "describe", "ResNet20", "--verbose", TF_CPP_MIN_LOG_LEVEL="")
    assert BEFORE_LOGGING in told.stderr
    assert told.stdout == quiet.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "used"), [("", True), ("0", False)])
def test_command_computes_by_onednn_unless_the_user_says_otherwise(setting, used):
    options = {"TF_CPP_MIN_LOG_LEVEL": "", "TF_ENABLE_ONEDNN_OPTS": setting}
    told = run_python("-m", "keras_resnet", "describe", "ResNet20", "--verbose", **options)
    assert ("oneDNN custom operations are on" in told.stderr) == used


@pytest.mark.slow
def test_command_prints_what_the_terminal_does_not_know():
    command = ("-m", "keras_resnet", "describe", "ResNet8", "--by-stage")
    told = run_python(*command, PYTHONIOENCODING="ascii").stdout
    assert told.splitlines() == run_python(*command).stdout.replace("×", r"\xd7").splitlines()
    assert r"32\xd732" in told


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no file that is always full")
@pytest.mark.parametrize("command", [("keras_resnet", "list"), ("training", "--help")])
def test_output_that_cannot_be_written_is_named(command):
    with open("/dev/full", "w", encoding="utf-8") as full:
        called = [sys.executable, "-m", *command]
        told = subprocess.run(called, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=300)
    full_disk = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "standard output")
    assert (told.stderr, told.returncode in (1, 2)) == (f"error: {full_disk}\n", True)


DECODE = """
import os, sys
from keras_resnet.startup import decoders_kept_quiet
with decoders_kept_quiet() as stream:
    os.write(2, b"Improper call to JPEG library in state 201\\n")
    print("Checking images", file=stream)
    if sys.argv[1:]:
        os.abort()
print("one image is damaged", file=sys.stderr)
"""


@pytest.mark.parametrize(("level", "kept"), [("3", True), ("", False), ("0", False)])
def test_lines_of_decoders_are_kept_back_as_errors_of_tensorflow_are(level, kept):
    # The package without Keras, which is not needed here.
    bare = "import sys, types\nsys.modules['keras_resnet'] = package = types.ModuleType('keras_resnet')\n"
    script = f"{bare}package.__path__ = [{str(ROOT / 'keras_resnet')!r}]\n{DECODE}"
    environment = {"TF_CPP_MIN_LOG_LEVEL": level}
    error = run_python("-c", script, **environment).stderr
    assert ("Improper call" in error) != kept
    assert "Checking images\n" in error and error.endswith("one image is damaged\n")
    assert (
        "Fatal Python error: Aborted" in run_python("-c", script, "abort", check=False, **environment).stderr
        or not kept
    )
