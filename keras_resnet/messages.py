"""Sentences that more than one module says when a value is not allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown(kind: str, received: object, allowed: Iterable[str]) -> str:
    """Say that a name, of a kind such as "network", is unknown; suggest the nearest, and list what is allowed."""
    names = list(allowed)
    lowered = {name.lower(): name for name in names}
    near = difflib.get_close_matches(str(received).lower(), lowered, n=1, cutoff=0.6)
    hint = f" Did you mean {lowered[near[0]]!r}?" if near else ""
    return f"Unknown {kind} {received!r}.{hint} Allowed: {', '.join(names)}."


def shortened(value: object, length: int = 80) -> str:
    """Write a value of whatever length for a message."""
    text = repr(value).replace("\n", " ")
    return text if len(text) <= length else f"{text[:length]} ..."
