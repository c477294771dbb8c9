"""The results of finished runs, one line each in a CSV file: `results.csv` beside this file holds those published."""

from __future__ import annotations

import csv
import dataclasses
import errno
import io
import math
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

RESULTS = Path(__file__).with_name("results.csv")
ENGINES = ("jax", "training")


@dataclass(frozen=True)
class Result:
    """A run that is finished.

    Args:
        row: str, key of its row.
        seed: int.
        error: float, test error of the last epoch on all test images, in % and in the views of the row's recipe.
        device: str, what it ran on, as in "NVIDIA H100".
        precision: str, as in "float32", "tf32" or "mixed_bfloat16".
        seconds: float, what its training took; of seeds that ran at once, the whole divided by their number.
        commit: str, of this repository.
        engine: str, "jax" for `cifar.py`, "training" for `python -m training`.

    Raises:
        ValueError: a value is not allowed.
    """

    row: str
    seed: int
    error: float
    device: str
    precision: str
    seconds: float
    commit: str
    engine: str

    def __post_init__(self) -> None:
        for name in ("row", "device", "precision", "commit"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip() or set(value) & set("\r\n"):
                raise ValueError(f"{name} must be a text of one line; received {value!r}.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(f"seed must be an integer from 0; received {self.seed!r}.")
        if not 0 <= self.error <= 100:
            raise ValueError(f"error must be a number from 0 to 100, in %; received {self.error!r}.")
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"seconds must be above 0 and finite; received {self.seconds!r}.")
        if self.engine not in ENGINES:
            raise ValueError(f"engine must be one of {', '.join(ENGINES)}; received {self.engine!r}.")

    @property
    def identity(self) -> tuple[str, int, str, str]:
        """What only one line may be of."""
        return self.row, self.seed, self.precision, self.engine


FIELDS = tuple(field.name for field in dataclasses.fields(Result))


def read(path: Path = RESULTS) -> list[Result]:
    """Read results.

    Args:
        path: Path of the CSV file.

    Returns:
        List of Result in the order of the file; empty where there is no file, or nothing in it.

    Raises:
        ValueError: the file is damaged; the message says in which line.
    """
    path = Path(path)
    if not path.exists() or not path.stat().st_size:  # as one that a full disk did not let begin
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return _parse(file, path)


def append(path: Path, result: Result) -> None:
    """Add a line to a file of results, which is made if needed; processes that do so at once wait for each other.

    Args:
        path: Path of the CSV file.
        result: Result.

    Raises:
        ValueError: the file has this seed of the row already, at this precision and by this engine; or it is damaged.
        OSError: there is no space, or no permission; the file is as it was.
    """
    import fcntl

    with open(path, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
        file.seek(0)
        present = file.read().decode()
        found = _parse(io.StringIO(present, newline=""), path) if present else []
        if result.identity in {other.identity for other in found}:
            raise ValueError(
                f"{path} has seed {result.seed} of row {result.row!r} at {result.precision} by engine {result.engine} "
                "already. Remove its line to enter it anew, or run another seed."
            )
        try:
            missing = "\n" if present and not present.endswith("\n") else ""
            added = _as_lines([list(dataclasses.astuple(result))], header=not present)
            write_whole(file, (missing + added).encode())
        except OSError as error:
            raise OSError(f"Cannot add a line to {path}: {error.strerror}. Its lines before are untouched.") from error


def current_commit() -> str:
    """Name the commit of this repository that is checked out.

    Returns:
        str, twelve digits.

    Raises:
        ValueError: there is no git, or this is no clone.
    """
    command = ["git", "-C", str(RESULTS.parent), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise ValueError("git does not say which commit this is; give that of the run, by --commit.") from error


def write_whole(file: IO[bytes], data: bytes) -> None:
    """Write by one call to the end of an open file, or leave the file as it was."""
    end = file.seek(0, os.SEEK_END)
    try:
        if os.write(file.fileno(), data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())
    except OSError:
        os.ftruncate(file.fileno(), end)
        raise


def _as_lines(values: list[list], header: bool) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([list(FIELDS), *values] if header else values)
    return text.getvalue()


def _parse(file: Iterable[str], path: Path) -> list[Result]:
    """Read the lines of an open file; one that a seed has twice is damage too."""
    reader = csv.reader(file, strict=True)
    results: dict[tuple, Result] = {}
    try:
        if (header := next(reader, [])) != list(FIELDS):
            raise ValueError(f"the header must be {','.join(FIELDS)}; received {','.join(header)}")
        for values in reader:
            result = _as_result(values)
            if result.identity in results:
                raise ValueError(f"seed {result.seed} of row {result.row!r} stands here a second time")
            results[result.identity] = result
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}, line {reader.line_num}: {str(error).rstrip('.')}.") from error
    return list(results.values())


def _as_result(values: list[str]) -> Result:
    if len(values) != len(FIELDS):
        raise ValueError(f"a line has {len(FIELDS)} values; received {len(values)}")
    fields = dict(zip(FIELDS, values))
    numbers = {"seed": int(fields["seed"]), "error": float(fields["error"]), "seconds": float(fields["seconds"])}
    return Result(**{**fields, **numbers})
