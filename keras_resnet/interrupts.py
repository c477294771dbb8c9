"""Ctrl-C: it ends a command at once and quietly, whatever the program was doing."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator

from keras_resnet.files import remove_unfinished

STATUS = 130  # with which shells report a command that Ctrl-C ended

_hint: Callable[[], str] = str  # what to say when the command is stopped now


def end_on_interrupt() -> None:
    """Let Ctrl-C end this process, from here on, without raising an exception.

    Python raises KeyboardInterrupt wherever the program happens to be. A finalizer drops it: above all
    `AtomicFunction.__del__` of TensorFlow, which often runs when a long call into C++ has ended, as between building a
    network and its first step. Where it passes through C++ it becomes another error, another exit status, or a crash;
    where it comes through it waits for TensorFlow to be torn down. None of this is needed: files are written whole,
    and what is unfinished is removed here.
    """
    signal.signal(signal.SIGINT, _end)


def _end(*_: object) -> None:
    """End the process, as the handler of the signal."""
    with contextlib.suppress(Exception):  # the signal may have come within a print
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(1, _hint().encode())
    remove_unfinished()
    os._exit(STATUS)


@contextlib.contextmanager
def saying(hint: Callable[[], str]) -> Iterator[None]:
    """Print what `hint` gives, how to go on, where Ctrl-C ends what is done meanwhile."""
    global _hint
    before, _hint = _hint, hint
    try:
        yield
    except KeyboardInterrupt:  # in a program of the user's own, where Ctrl-C is left to Python
        print(hint(), end="", flush=True)
        raise
    finally:
        _hint = before
