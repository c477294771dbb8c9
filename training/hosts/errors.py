"""What a worker writes to stderr: passed on, but for its last sentence and what C++ code logs."""

from __future__ import annotations

import os
import re
import sys
from typing import IO

from keras_resnet.startup import BEFORE_LOGGING

ERROR = "error: "
# Lines of absl, such as "I0000 00:00:1795816348.937815 ...", and of Gloo, which connects hosts for JAX.
LOG = re.compile(rf"[IWE]\d{{4}} |\[Gloo\] |{re.escape(BEFORE_LOGGING)}")
# What C++ code writes as its last words; all that follows is a trace.
FATAL = re.compile(r"F\d{4} |\*\*\* ")
# Errors of a worker whose connection to another one is lost, before that host is known to have ended.
OF_CONNECTIONS = ("JaxRuntimeError", "XlaRuntimeError")


class WorkerErrors:
    """Reads the stderr of a worker, a pipe that is never waited for.

    Args:
        pipe: file, in bytes.
        verbose: bool, whether all is passed on.
    """

    def __init__(self, pipe: IO[bytes], verbose: bool):
        os.set_blocking(pipe.fileno(), False)
        self.pipe, self.verbose = pipe, verbose
        self.sentence, self.is_open, self._is_fatal, self._rest = "", True, False, b""

    @property
    def is_of_connections(self) -> bool:
        """Whether the worker has ended for want of another one."""
        return self.sentence.startswith(OF_CONNECTIONS)

    def read(self) -> None:
        """Pass on what has come, line by line; keep the sentence with which the worker ends."""
        found = self.pipe.read() if self.is_open else None
        self.is_open = self.is_open and found != b""
        *lines, self._rest = (self._rest + (found or b"")).split(b"\n")
        for line in (line.decode(errors="replace") for line in lines):
            self._is_fatal = self._is_fatal or bool(FATAL.match(line))
            if line.startswith(ERROR):
                self.sentence = line.removeprefix(ERROR)
            elif self.verbose or not (self._is_fatal or LOG.match(line)):
                print(line, file=sys.stderr, flush=True)
