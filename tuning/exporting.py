"""`export`: a study for other programs, as a table of its runs or as a storage of Optuna, for its dashboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from keras_resnet.files import prepare_place, write_text
from tuning.optuna_storage import write_storage
from tuning.report.runs import runs_csv
from tuning.report.wording import left_out_text
from tuning.results import StudyResults, read_results


class Format(NamedTuple):
    """What an export writes."""

    what: str
    write: Callable[[StudyResults, Path], None]


STORAGE = Format("storage", write_storage)
# By the ending of the file's name.
FORMATS: dict[str, Format] = {
    ".csv": Format("runs", lambda results, to: write_text(to, runs_csv(results))),
    ".db": STORAGE,
    ".sqlite3": STORAGE,
}


class Exported(NamedTuple):
    """What was written."""

    what: str  # in a word
    left_out: str  # which trials are not in it, a line each, for their files cannot be used; empty where all are


def export_study(folder: Path, to: Path, overwrite: bool = False) -> Exported:
    """Write a study, ended or not, as a file for other programs, whole or not at all.

    Args:
        folder: Path of the study.
        to: Path of the file. Its ending says what is written: .csv a row for each run; .db or .sqlite3 a storage of
            Optuna, which `optuna-dashboard sqlite:///FILE` shows.
        overwrite: bool, whether to replace a file that is there.

    Returns:
        Exported: in a word what was written, and which trials were left out, for their files cannot be used.

    Raises:
        ValueError: the folder is no study, the ending is another, or the file is there.
        ImportError: Optuna is not installed.
        OSError: the file cannot be written; what was there before is unchanged.
    """
    made = FORMATS.get(to.suffix.lower())
    if made is None:
        raise ValueError(
            f"The name of {to} does not tell what to write: end it in .csv for a row a run, in .db or .sqlite3 for a "
            "storage of Optuna."
        )
    if to.exists() and not overwrite:
        raise ValueError(f"{to} exists; pass --overwrite to replace it, or give another --to.")
    results = read_results(folder)
    prepare_place(to)
    made.write(results, to)
    return Exported(made.what, left_out_text(results))
