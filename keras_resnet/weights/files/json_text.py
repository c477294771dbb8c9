"""JSON in a file of weights: bounded in length and depth, and refused in one sentence."""

from __future__ import annotations

import json
import os
from typing import Any

from keras_resnet.weights.files.raw import UnreadableError, damaged, is_file, opened

# The configuration of a network of 1202 layers has 4 MB.
MAX_JSON = 2**24
_MAX_DIGITS = 40


def parse(text: bytes | str, what: str) -> Any:
    """Parse JSON; `what` names it in messages, as in "config.json"."""
    if len(text) > MAX_JSON:
        found = f"has a {what} of more than {MAX_JSON:,} bytes, the most that one of a network has"
        raise UnreadableError(found, "get it from another source")
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError as error:
        raise damaged(f"its {what} is not JSON: it is nested too deeply") from error
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are such
        raise damaged(f"its {what} is not JSON: {error}") from error


def parse_object(text: bytes | str, what: str) -> dict[str, Any]:
    """Parse JSON that must be an object."""
    parsed = parse(text, what)
    if not isinstance(parsed, dict):
        raise damaged(f"its {what} is not a JSON object but a {type(parsed).__name__}")
    return parsed


def object_beside(folder: str, name: str) -> dict[str, Any]:
    """Read the JSON object in a file of a folder; empty where there is no such file, or something else is in it."""
    path = os.path.join(folder, name)
    if not is_file(path):
        return {}
    with opened(path) as file:
        parsed = parse(file.read(MAX_JSON + 1), name)
    return parsed if isinstance(parsed, dict) else {}


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits stands there")
    return int(digits)
