"""The names of a network's classes as a file of lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def check_labels(labels: Sequence[str]) -> None:
    """Refuse names of classes that are no text, break their line, or cannot be written in UTF-8."""
    for label in labels:
        if not isinstance(label, str):
            raise ValueError(f"The class name {label!r} is no text; give the names of classes as str.")
        if "\n" in label or "\r" in label:
            raise ValueError(f"The class name {label!r} has a line break in it; rename the class (or its folder).")
        if label.encode("utf-8", "replace").decode("utf-8") != label:
            raise ValueError(f"The class name {label!r} is not text in UTF-8; rename the class (or its folder).")


def write_labels(path: Path, labels: Sequence[str]) -> None:
    """Write the names of classes, one a line, in the order of the network's outputs."""
    check_labels(labels)
    path.write_bytes("".join(f"{label}\n" for label in labels).encode())


def read_labels(path: Path) -> list[str]:
    """Read what `write_labels` wrote, or a user: an editor may have marked the file as UTF-8, or ended lines by CR LF.

    Nothing but a newline ends a name: U+2028 and its like, which `splitlines` takes for ends of lines, may be in one.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").removesuffix("\n").split("\n")
        return [line.removesuffix("\r") for line in lines]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ValueError(f"Cannot read the names of the classes from {path}: {reason}; put back a copy.") from error
