"""The order of test files where several processes share them: what takes longest begins first, or all wait for it."""

from collections.abc import Iterable
from pathlib import Path

import pytest


def longest_files_first(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Order tests by files: first those with tests marked `minutes(n)`, by their sum, then those of most tests."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)

    def length(path: Path) -> tuple[float, int]:
        minutes = sum(mark.args[0] for item in files[path] for mark in item.iter_markers("minutes"))
        return minutes, len(files[path])

    return [item for path in sorted(files, key=length, reverse=True) for item in files[path]]
