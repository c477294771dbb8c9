"""Where the run of a seed stands, in files: written whole, at most 16 MiB each, the newest complete set counts.

A state lies in `NAME.epoch0012.1of1.safetensors`, or in several parts where it is larger. Its parts are complete once
the last one is there; only then are those of the epoch before removed. So a kill between any two writes leaves a state.
"""

from __future__ import annotations

import glob
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from keras_resnet.files import remove_left, write_atomically

LARGEST = 15 * 2**20  # bytes of arrays in a file; the rest is for the header


@dataclass(frozen=True, eq=False)
class Saved:
    """Where a run stands.

    Args:
        epoch: int, epochs that are complete.
        seconds: float, what they took.
        config: dict, the configuration of the run by paths, as plain values.
        arrays: dict of str to array.
    """

    epoch: int
    seconds: float
    config: dict[str, Any]
    arrays: dict[str, np.ndarray]


def save(folder: Path, name: str, saved: Saved) -> None:
    """Write a state, then remove the older ones of that name, and what a process that was killed began to write of it.

    No other process may save that name meanwhile.

    Args:
        folder: Path, made if needed.
        name: str, of the run.
        saved: Saved.

    Raises:
        OSError: a file cannot be written; the state before is still there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"epoch": str(saved.epoch), "seconds": repr(saved.seconds), "config": json.dumps(saved.config)}
    parts = packed(saved.arrays)
    for number, arrays in enumerate(parts, start=1):
        path = folder / f"{name}.epoch{saved.epoch:04}.{number}of{len(parts)}.safetensors"
        write_atomically(path, lambda part, arrays=arrays: save_file(arrays, part, facts))
    for epoch, paths in files_of(folder, name).items():
        if epoch != saved.epoch:
            for path in paths.values():
                path.unlink()
    remove_left(folder, f"{glob.escape(name)}.epoch*", alone=True)


def packed(arrays: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """Share out arrays over files, in their order; one that is larger than a file has a file of its own."""
    parts: list[dict[str, np.ndarray]] = [{}]
    room = LARGEST
    for name, array in arrays.items():
        if parts[-1] and array.nbytes > room:
            parts.append({})
            room = LARGEST
        parts[-1][name] = np.asarray(array, order="C")
        room -= array.nbytes
    return parts


def load(folder: Path, name: str) -> Saved | None:
    """Read the newest state of a run that is complete.

    Args:
        folder: Path.
        name: str, of the run.

    Returns:
        Saved; None where there is no state.

    Raises:
        ValueError: a file is damaged.
    """
    for paths in (paths for _, paths in sorted(files_of(folder, name).items(), reverse=True)):
        count = next(iter(paths))[1]
        if set(paths) == {(number, count) for number in range(1, count + 1)}:
            return _read([paths[key] for key in sorted(paths)])
    return None


def files_of(folder: Path, name: str) -> dict[int, dict[tuple[int, int], Path]]:
    """Find the files of a run: by epoch, then by (number, count) of the part."""
    pattern = re.compile(re.escape(name) + r"\.epoch(\d+)\.(\d+)of(\d+)\.safetensors")
    found: dict[int, dict[tuple[int, int], Path]] = defaultdict(dict)
    for path in folder.glob("*.safetensors"):
        if match := pattern.fullmatch(path.name):
            epoch, number, count = map(int, match.groups())
            found[epoch][number, count] = path
    return found


def _read(paths: list[Path]) -> Saved:
    arrays: dict[str, np.ndarray] = {}
    for path in paths:
        try:
            with safe_open(path, framework="numpy") as file:
                facts = file.metadata()
                arrays |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            epoch, seconds, config = int(facts["epoch"]), float(facts["seconds"]), json.loads(facts["config"])
        except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            raise ValueError(
                f"{path} is damaged ({error}). Put back a copy, or remove it to begin that seed anew."
            ) from error
    return Saved(epoch, seconds, config, arrays)
