"""Ctrl-C: it ends a command quietly, whatever the program was doing."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

STATUS = 130  # with which shells report a command that Ctrl-C ended
AGAIN = 0.3  # seconds after which it is asked whether an interrupt has come through


class Interrupt(KeyboardInterrupt):
    """Ctrl-C.

    Where KeyboardInterrupt itself passes through C code that runs Python, as while TensorFlow is imported, Python ends
    the process by the signal in spite of the status that it was given.
    """


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


def end_at_once() -> None:
    """Let Ctrl-C end the process without a word, while nothing has begun."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(STATUS))


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Make sure that Ctrl-C comes through: where something swallows KeyboardInterrupt, it is raised again.

    Python raises it wherever the program happens to be: also in a finaliser, in a callback from C++, or under one of
    the bare `except:` of Keras, TensorFlow and TFDS, all of which drop it or make another exception of it. What drops
    it most is `AtomicFunction.__del__` of TensorFlow, with which Python goes on when a long call into C++ has ended in
    a collection of garbage, as between building a network and its first step.

    Yields:
        None.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    pressed = False

    def press(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.setitimer(signal.ITIMER_REAL, AGAIN)
        if number == signal.SIGINT or not _is_passing(sys.exc_info()[1]):
            raise Interrupt

    before = {number: signal.signal(number, press) for number in (signal.SIGINT, signal.SIGALRM)}
    report, sys.unraisablehook = sys.unraisablehook, _without_interrupts(sys.unraisablehook)
    try:
        yield
    except Exception as error:
        if pressed:
            raise Interrupt from error
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = report
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_passing(error: BaseException | None) -> bool:
    """Tell whether an interrupt is on its way out, through blocks that clean up behind it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _without_interrupts(report: Callable[[Any], object]) -> Callable[[Any], None]:
    """Leave an interrupt that a finaliser has swallowed unreported, for it is raised again."""

    def report_others(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            report(unraisable)

    return report_others
