"""Processes of their own that keep what they have made, and answer questions about it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

LINES = 3  # of what a process has written last, which a message shows where it has ended
GRACE = 10  # seconds in which a process may end by itself


class UnavailableError(Exception):
    """Something cannot be had here: it is not installed, or not made for what was asked."""


class Worker:
    """A process that makes an object and calls its methods, one after another; a context manager that ends it.

    What the process writes goes to a file of its own, so that no library's lines come between those of a table. It
    ends with the process that has started it, however that ends.

    Args:
        make: function that makes the object, in the process and when it is first asked.
        *arguments: those of `make`.
    """

    def __init__(self, make: Callable[..., Any], *arguments: Any):
        # Started anew and not forked: TensorFlow's threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self._written = tempfile.NamedTemporaryFile(prefix="worker-")  # noqa: SIM115 - closed when the process ends
        self._connection, other = context.Pipe()
        given = (other, self._written.name, make, arguments)
        self._process = context.Process(target=_answer, args=given, daemon=True)
        self._process.start()
        other.close()  # the process has its own, and no one else may hold its end open

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()  # at which the process ends, and cleans up behind its libraries
        self._process.join(GRACE)
        self._process.kill()
        self._process.join()
        self._written.close()

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the object, and give what it returns.

        Raises:
            UnavailableError: it raised an ImportError or a NotImplementedError.
            RuntimeError: it raised anything else, or the process has ended.
        """
        try:
            self._connection.send((method, arguments))
            error, answer = self._connection.recv()
        except (EOFError, OSError) as broken:
            self._process.join()
            self._written.seek(0)
            lines = self._written.read().decode(errors="replace").splitlines()[-LINES:]
            last = f": {' '.join(lines)}" if lines else ""
            raise RuntimeError(f"its process ended with status {self._process.exitcode}{last}") from broken
        if error is not None:
            raise error(answer)
        return answer


def _answer(connection: Connection, written: str, make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Answer one question after another, until nobody can ask any more."""
    with open(written, "ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    made = None
    with contextlib.suppress(EOFError, OSError):
        while True:
            method, given = connection.recv()
            try:
                made = make(*arguments) if made is None else made
                answer = None, getattr(made, method)(*given)
            except (ImportError, NotImplementedError) as error:
                answer = UnavailableError, _in_one_line(error)
            except Exception as error:
                answer = RuntimeError, f"{type(error).__name__}: {_in_one_line(error)}"
            connection.send(answer)


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
