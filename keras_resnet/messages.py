"""Sentences that more than one module says when a value is not allowed; texts of others as they may be shown."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

# Categories of Unicode that break a line, move a terminal's cursor, or are bytes of a file's name that are no text.
UNSHOWN = ("Cc", "Cs", "Zl", "Zp")


def unknown(kind: str, received: object, allowed: Iterable[str]) -> str:
    """Say that a name, of a kind such as "network", is unknown; suggest the nearest, and list what is allowed."""
    names = list(allowed)
    return f"Unknown {kind} {received!r}.{_suggestion(_nearest(received, names)[:1])} Allowed: {', '.join(names)}."


def unknown_of_many(kind: str, received: object, allowed: Iterable[str], listing: str) -> str:
    """Say the same where too many are allowed for a line: `listing` is a sentence on where all are."""
    return f"Unknown {kind} {received!r}.{_suggestion(_nearest(received, allowed))} {listing}"


def _nearest(received: object, names: Iterable[str], margin: float = 0.1) -> list[str]:
    """Give the names nearest to one, the very nearest first, and at most two that are hardly farther."""
    written, lowered = str(received).lower(), {name.lower(): name for name in names}
    near = difflib.get_close_matches(written, lowered, n=3, cutoff=0.6)
    likeness = {name: difflib.SequenceMatcher(None, name, written).ratio() for name in near}
    return [lowered[name] for name in near if likeness[name] > likeness[near[0]] - margin]


def _suggestion(near: list[str]) -> str:
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def shortened(value: object, length: int = 80) -> str:
    """Write a value of whatever length for a message."""
    text = repr(value).replace("\n", " ")
    return text if len(text) <= length else f"{text[:length]} ..."


def printable(text: str) -> str:
    """Write a text of others, as the name of a file or class, in one line; escape what cannot be shown or breaks it."""
    if text.isprintable():
        return text
    return "".join(_escaped(letter) if unicodedata.category(letter) in UNSHOWN else letter for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()
