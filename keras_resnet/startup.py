"""How commands begin, and what is kept back of what Keras and TensorFlow write for programmers.

TensorFlow writes its first lines before it has read `TF_CPP_MIN_LOG_LEVEL`. Here the variable holds for them too; where
it is not set, as in a user's own program, nothing is kept back. The command lines set it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import itertools
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TextIO

from keras_resnet.interrupts import end_on_interrupt

LEVEL = "TF_CPP_MIN_LOG_LEVEL"  # "1" keeps back information, "2" warnings too, "3" errors too
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"  # "1" lets TensorFlow compute by oneDNN on any CPU, "0" on none
VERBOSE = "--verbose"
DEBUG = "KERAS_RESNET_DEBUG"  # set to see tracebacks
OUTPUT = "standard output"  # as an error names it
CLOSED = 141  # the status with which shells report a command whose output is no longer read
# The commands that are installed, by the packages that `python -m` runs.
COMMANDS = {"keras_resnet": "keras-resnet", "training": "keras-resnet-train", "tuning": "keras-resnet-tune"}

BEFORE_LOGGING = "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR"


def is_command() -> bool:
    """Tell whether this process runs a command line of ours, which Python knows before it runs a `__main__`."""
    program = sys.argv[0] if getattr(sys, "argv", None) else ""
    module = next((name for flag, name in itertools.pairwise(sys.orig_argv) if flag == "-m"), None)
    return (program == "-m" and _is_ours(module)) or Path(program).name in COMMANDS.values()


def _is_ours(module: str | None) -> bool:
    """Tell whether a module is a package of this project: users may have a package called `training` too."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return module in COMMANDS and file is not None and Path(file).parents[1] == Path(__file__).parents[1]


def called(package: str) -> str:
    """Tell how to call the command line of a package, in the way in which this process was called."""
    return COMMANDS[package] if Path(sys.argv[0]).name in COMMANDS.values() else f"python -m {package}"


def begin_command() -> None:
    """Make a process fit for a command line: quiet, fast on every CPU, ended by Ctrl-C at once, printing any name."""
    set_level(VERBOSE in sys.argv)
    # TensorFlow itself uses oneDNN only on CPUs with AVX-512 VNNI or later; with AVX2 a step of ResNet-20 takes half
    # the time by it too.
    os.environ[ONEDNN] = os.environ.get(ONEDNN) or "1"
    end_on_interrupt()
    # The bytes of a name need not be text, and a terminal need not know every character.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
        name_output(sys.stdout)


class _Output(io.FileIO):
    """Standard output, of which errors say what could not be written, as they do of files that have a name."""

    def write(self, data: bytes) -> int | None:
        """Write, as far as it can be written."""
        try:
            return super().write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, OUTPUT) from error


def name_output(stream: io.TextIOWrapper) -> None:
    """Let errors of writing to standard output name it; a console of Windows, which is no file, stays as it is."""
    raw = getattr(stream.buffer, "raw", stream.buffer)
    if type(raw) is io.FileIO:
        named = _Output(stream.fileno(), "w", closefd=False)
        settings = {name: getattr(stream, name) for name in ("encoding", "errors", "line_buffering", "write_through")}
        sys.stdout = io.TextIOWrapper(named if raw is stream.buffer else io.BufferedWriter(named), **settings)


def close_output() -> int:
    """Discard the rest of the output of a command, and return its exit status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CLOSED


def end_output(error: Exception) -> None:
    """Discard the rest of an output that could not be written, or Python would complain of it again when it ends."""
    if getattr(error, "filename", None) == OUTPUT:
        close_output()


def set_level(verbose: bool) -> None:
    """Ask TensorFlow to log nothing, unless the user wants it: what fails raises an exception too."""
    os.environ[LEVEL] = "0" if verbose else os.environ.get(LEVEL) or "3"


def import_keras() -> None:
    """Import Keras, and say what to install where it or its backend is missing."""
    try:
        with kept_quiet():
            import keras  # noqa: F401 - fails where no backend is installed
    except ImportError as error:
        raise ImportError(
            "keras_resnet needs Keras and a backend, and Keras could not be imported "
            f"({error}). Install TensorFlow with: pip install 'keras-resnet-suite[cpu]' (or '[gpu]'); "
            "or set KERAS_BACKEND to a backend that is installed."
        ) from error


def start_keras() -> None:
    """Import Keras for a command that has read its options, without what it and others write for programmers."""
    import_keras()
    quieten()


@contextlib.contextmanager
def kept_quiet() -> Iterator[None]:
    """Keep back the log lines that TF_CPP_MIN_LOG_LEVEL rules out, and pass on all else that is written to stderr."""
    level = os.environ.get(LEVEL, "0")
    if level in ("1", "2", "3") and "tensorflow" not in sys.modules:
        with _turned(lambda text: _without_logs(text, "IWE"[: int(level)])):
            yield
    else:
        yield


@contextlib.contextmanager
def decoders_kept_quiet() -> Iterator[TextIO]:
    """Keep back what decoders of images write to stderr of damaged files, where TensorFlow's errors are kept back too.

    libjpeg prints a line before it fails. What is to be seen meanwhile must be written to the stream that this gives.
    """
    if os.environ.get(LEVEL) == "3" and _writes_to_stderr(sys.stderr):
        with _turned(lambda text: b"") as stream:
            yield stream
    else:
        yield sys.stderr


def _writes_to_stderr(stream: TextIO | None) -> bool:
    """Tell whether a stream is the process's own stderr, and not what a notebook or a test has put there."""
    try:
        return stream is not None and stream.fileno() == 2
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def _turned(passed: Callable[[bytes], bytes]) -> Iterator[TextIO]:
    """Catch what is written to stderr, and pass on what a function leaves of it; give a stream to the real stderr.

    It comes from C and C++, so that only the file descriptor can be turned. A crash is reported to the real one.
    """
    caught = _place_for_lines()
    if caught is None:
        yield sys.stderr
        return
    sys.stderr.flush()
    with caught, os.fdopen(os.dup(2), "w", errors="backslashreplace") as stderr:
        reports = not faulthandler.is_enabled()
        if reports:
            faulthandler.enable(stderr)
        os.dup2(caught.fileno(), 2)
        try:
            yield stderr
        finally:
            sys.stderr.flush()
            os.dup2(stderr.fileno(), 2)
            if reports:
                faulthandler.disable()
            caught.seek(0)
            stderr.buffer.write(passed(caught.read()))


def _place_for_lines() -> IO[bytes] | None:
    """Open a file to turn stderr to; None where there is no stderr, or no place for a file."""
    if sys.stderr is None:
        return None
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return None


def _without_logs(text: bytes, severities: str) -> bytes:
    """Leave out absl's lines of some severities, which begin as in "I0000 00:00:1795707100.674703"."""
    log = re.compile(rb"[%s]\d{4} |%s" % (severities.encode(), re.escape(BEFORE_LOGGING.encode())))
    return b"".join(line for line in text.splitlines(keepends=True) if not log.match(line))


def quieten() -> None:
    """Keep back, in a command, what Python code of Keras, TensorFlow and TFDS says to programmers."""
    if (os.environ.get(LEVEL) or "0") == "0":
        return
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    for name in ("absl", "tensorflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
