"""Runs compared, as files in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_resnet.files import make_folder, write_atomically, write_text
from training.comparison.curves import draw_comparison
from training.comparison.seeds import read_run, sort_by_configuration
from training.comparison.tables import as_csv, as_latex, as_markdown, differences
from training.run_folder import RunFolder


def compare_runs(folders: Sequence[RunFolder], to: Path | None = None) -> str:
    """Compare runs, those of version 0.1.0 too, by the last epoch of each.

    Args:
        folders: sequence of RunFolders. Runs that differ in nothing but the seed are one configuration.
        to: Path of a folder for `comparison.md`, `.csv` and `.tex` and for `curves.png`, made if needed; None for none.

    Returns:
        str, the page in Markdown: the table of test errors, and what differs between the configurations.

    Raises:
        ValueError: a folder is not one of a run or has no complete epoch, or two runs are the same.
        OSError: a file cannot be written.
    """
    if not folders:
        raise ValueError("No run is given: name run folders.")
    configurations = sort_by_configuration([read_run(folder) for folder in folders])
    table, fields = as_markdown(configurations), differences(configurations)
    if to:
        page = f"# Comparison\n\n![curves](curves.png)\n\n{table}\n## Differences\n\n{fields}"
        texts = {"md": page, "csv": as_csv(configurations), "tex": as_latex(configurations)}
        make_folder(to)
        for ending, text in texts.items():
            write_text(to / f"comparison.{ending}", text)
        write_atomically(to / "curves.png", lambda part: draw_comparison(configurations, part))
    return f"{table}\n{fields}"
