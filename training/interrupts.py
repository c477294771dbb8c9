"""Ctrl-C: it ends a command at once and quietly, whatever the program was doing."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

STATUS = 130  # with which shells report a command that Ctrl-C ended

_hint: Callable[[], str] = str  # what to say when the command is stopped now


def is_command(*packages: str) -> bool:
    """Tell whether packages are imported to run a command line, which Python does before it runs `__main__`.

    Args:
        *packages: names of packages.

    Returns:
        bool.
    """
    program = sys.argv[0] if getattr(sys, "argv", None) else ""
    started = zip(sys.orig_argv, sys.orig_argv[1:])
    by_module = any(flag == "-m" and name in packages for flag, name in started)
    return (program == "-m" and by_module) or Path(program).name.startswith("keras-resnet-")


def end_on_interrupt() -> None:
    """Let Ctrl-C end this process, from here on, without raising an exception.

    Python raises KeyboardInterrupt wherever the program happens to be. In a finaliser it is dropped; above all
    `AtomicFunction.__del__` of TensorFlow drops it, with which Python goes on when a long call into C++ has ended in a
    collection of garbage, as between building a network and its first step. Where it passes through C++ it becomes
    another error, another status, or a crash. What comes through has to wait for TensorFlow to be torn down. None of
    this is needed, for what was written is whole, and what was not is removed here.
    """
    signal.signal(signal.SIGINT, _end)


def _end(*_: object) -> None:
    with contextlib.suppress(Exception):  # the signal may have come within a print
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(1, _hint().encode())
    if "keras_resnet.files" in sys.modules:  # nothing is being written before it is imported
        sys.modules["keras_resnet.files"].remove_unfinished()
    os._exit(STATUS)


@contextlib.contextmanager
def saying(hint: Callable[[], str]) -> Iterator[None]:
    """Say how to go on where Ctrl-C ends what is done meanwhile.

    Args:
        hint: function that gives the text to print.

    Yields:
        None.
    """
    global _hint
    before, _hint = _hint, hint
    try:
        yield
    except KeyboardInterrupt:  # in a program of the user's own, where Ctrl-C is left to Python
        print(hint(), end="", flush=True)
        raise
    finally:
        _hint = before
