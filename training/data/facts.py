"""What tells data from others: by it the hosts of a run agree, and a run is gone on with on its own data only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.data.datasets import Source

FIRST = 64  # images of each split by which data are told from others


def data_facts(source: Source) -> dict[str, int | str]:
    """Describe data so that other data differ: classes, numbers of images, labels, and the first images."""
    pixels, labels = hashlib.blake2b(digest_size=6), hashlib.blake2b(digest_size=6)
    for split in dict.fromkeys((source.train_split, source.watched.test_split, source.test_split)):
        for image, _ in source.examples(split).take(FIRST).as_numpy_iterator():
            pixels.update(image if isinstance(image, bytes) else image.tobytes())
        labels.update(source.fingerprint(split))
    return {
        "classes": len(source.classes),
        "images to train on": source.count(source.train_split),
        "images to test": source.count(source.test_split),
        "names of classes": hashlib.blake2b("\n".join(source.classes).encode(), digest_size=6).hexdigest(),
        "labels": labels.hexdigest(),
        "first images": pixels.hexdigest(),
    }


def fact_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say what of the facts of data changed, by how many where that is known; nothing where nothing did."""
    changed = [name for name, fact in now.items() if before.get(name, fact) != fact]
    counted = [f"{now[name]} {name} instead of {before[name]}" for name in changed if isinstance(now[name], int)]
    return ", ".join(counted) or (f"other {' and '.join(changed)}, or in another order" if changed else "")


def read_facts(file: Path) -> dict[str, Any] | None:
    """Read the facts that a run has written; None where an earlier version wrote the run, without them."""
    if not file.is_file():
        return None
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(facts, dict):
            raise ValueError("it holds no object")
    except ValueError as error:
        raise ValueError(f"{file} is damaged. Put back a copy; or remove it, and go on without.") from error
    return facts
