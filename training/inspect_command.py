"""`python -m training inspect RUN`: its options, read without importing TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from keras_resnet.startup import called
from training.arguments import Best, DataDir, Download, Run, Verbose, given
from training.command_line import start_training

PROGRAM = called("training")


@dataclass
class InspectOptions:
    """What a look into a network takes from the command line."""

    run: Run
    to: Path | None = None
    """Folder for the page, inspection.md, its pictures and all numbers, inspection.json; default RUN/inspection."""
    images: int = 64
    """Images of the test split to look at."""
    data_dir: DataDir = None
    download: Download = False
    best: Best = False
    verbose: Verbose = False


def inspect(arguments: list[str]) -> None:
    """Look into the network of a run: responses, gradients, units, paths, kernels and maps, as a page with pictures."""
    options = tyro.cli(InspectOptions, prog=f"{PROGRAM} inspect", description=inspect.__doc__, args=arguments)
    start_training()
    from training.inspection import inspect_run
    from training.run_folder import RunFolder

    changes = given(options, ("data_dir", "download"))
    page = inspect_run(RunFolder(options.run), options.to, options.images, options.best, changes=changes)
    print(f"page {page}")
