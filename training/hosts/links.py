"""Lines of JSON, and files, over a socket between two processes."""

from __future__ import annotations

import contextlib
import json
import os
import select
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

    def receive_files(self, folder: Path) -> str:
        """Write what `send_files` sends into a folder, and say what goes wrong with writing; nothing where all is well.

        What cannot be written is read all the same, so that the other end can be told. Raises OSError where it ends.
        """
        failure = ""
        while (message := self.expect()).get("file") is not None:
            parts = self._parts(message["size"])
            failure = failure or _written(folder / Path(message["file"]).name, parts)
            for _ in parts:  # what is left of them
                pass
        return failure

    def _parts(self, size: int) -> Iterator[bytes]:
        """Give so many bytes, part by part, as they come."""
        while size:
            if not self.rest:
                self._read()
            part, self.rest = self.rest[:size], self.rest[size:]
            size -= len(part)
            yield part

    @property
    def has_ended(self) -> bool:
        """Whether the other end has gone, where it has nothing to say: then a closed connection alone can be read."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(0))

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


def _written(path: Path, parts: Iterator[bytes]) -> str:
    """Write a file, as far as that works; say what goes wrong with it, nothing where it is whole."""
    # Errors of the connection, which come with the next part, are not of the file.
    try:
        file = open(path, "wb", buffering=0)  # noqa: SIM115 - closed below
    except OSError as error:
        return _unwritten(path, error)
    with file:
        for part in parts:
            try:
                view = memoryview(part)
                while view:
                    view = view[file.write(view) :]
            except OSError as error:
                return _unwritten(path, error)
    return ""


def _unwritten(path: Path, error: OSError) -> str:
    return f"{path} cannot be written: {error.strerror}."
