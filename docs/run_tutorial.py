"""Run tutorial.ipynb from top to bottom and keep its outputs: `make tutorial`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from keras_resnet.files import write_text

NOTEBOOK = Path(__file__).with_name("tutorial.ipynb")


def run(folder: str | os.PathLike) -> nbformat.NotebookNode:
    """Run the notebook in a folder, where it leaves its files, with the Python and the commands of this process."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": os.fspath(folder)}}
    NotebookClient(notebook, timeout=600, resources=resources, coalesce_streams=True, record_timing=False).execute()
    return notebook


def main() -> int:
    """Make the outputs anew; a file that hinders that is named in a sentence, a cell by its traceback."""
    try:
        make()
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def make() -> None:
    """Run the notebook in a folder of its own, and write it with its outputs."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = run(folder)
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    write_text(NOTEBOOK, nbformat.writes(notebook).rstrip("\n") + "\n")


if __name__ == "__main__":
    sys.exit(main())
