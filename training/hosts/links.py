"""Lines of JSON, and files, over a socket between two processes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

LONGEST = 2**20  # bytes of a line
BLOCK = 2**20  # bytes that are read or written at a time

Message = dict[str, Any]


class Link:
    """One end of a connection, which two processes write lines to.

    Args:
        connection: socket.
        patience: float, seconds in which something must come, or go, while `expect`, `send` or a file waits.
    """

    def __init__(self, connection: socket.socket, patience: float):
        self.socket, self.rest = connection, b""
        self.socket.settimeout(patience)
        if self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard = time.monotonic()
        self.is_open = True

    def fileno(self) -> int:
        """Give the descriptor, for `selectors`."""
        return self.socket.fileno()

    def send(self, **message: Any) -> None:
        """Send a message; nothing where the other end has gone, which `receive` tells."""
        with contextlib.suppress(OSError):
            self.socket.sendall(json.dumps(message).encode() + b"\n")

    def expect(self) -> Message:
        """Wait for one message; raises OSError where none comes, ValueError where it is none of ours."""
        while b"\n" not in self.rest:
            self._read()
        line, _, self.rest = self.rest.partition(b"\n")
        return _parsed(line)

    def receive(self) -> Iterator[Message]:
        """Give the messages that have come, once the socket can be read; at the end of all `is_open` is false."""
        try:
            self._read()
        except (OSError, ValueError):
            self.is_open = False
        while b"\n" in self.rest:
            line, _, self.rest = self.rest.partition(b"\n")
            try:
                yield _parsed(line)
            except ValueError:
                self.is_open = False
                return

    def _read(self) -> None:
        """Read what is there, or wait for it."""
        found = self.socket.recv(BLOCK)
        if not found:
            raise ConnectionError("The other end has closed the connection.")
        self.heard = time.monotonic()
        self.rest += found
        if len(self.rest) > LONGEST and b"\n" not in self.rest:
            raise ValueError("What comes is not a message.")

    def send_files(self, paths: Iterable[Path]) -> None:
        """Send files by their names, each whole."""
        for path in paths:
            with open(path, "rb") as file:
                self.send(file=path.name, size=os.fstat(file.fileno()).st_size)
                self.socket.sendfile(file)
        self.send(file=None)

    def receive_files(self, folder: Path) -> None:
        """Write what `send_files` sends into a folder; raises OSError where it ends early."""
        while (message := self.expect()).get("file") is not None:
            name, left = Path(message["file"]).name, message["size"]
            with open(folder / name, "wb") as file:
                while left:
                    if not self.rest:
                        self._read()
                    part, self.rest = self.rest[:left], self.rest[left:]
                    file.write(part)
                    left -= len(part)

    def close(self) -> None:
        """Close the connection."""
        self.is_open = False
        self.socket.close()


def _parsed(line: bytes) -> Message:
    """Read a message, whoever sent it."""
    try:
        message = json.loads(line)
    except RecursionError as error:
        raise ValueError("What comes is not a message.") from error
    if not isinstance(message, dict):
        raise ValueError("What comes is not a message.")
    return message
