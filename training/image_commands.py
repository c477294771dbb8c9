"""The commands that are given image files: `predict` and `explain`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TextIO

import tyro
from tyro.conf import Positional, arg

from keras_resnet.messages import printable
from keras_resnet.startup import called
from training.arguments import Best, Network, RunOrWeights, Verbose
from training.command_line import start_training
from training.config.text import read_choice

PROGRAM = called("training")
TERMINAL = Path("-")


@dataclass
class ImageOptions:
    """Which network is shown which images."""

    run: RunOrWeights
    images: Positional[Annotated[list[Path], arg(metavar="IMAGE ...")]]
    """Image files, folders of such at any depth, or patterns as in 'photos/*.jpg'; - for names on standard input, one a
    line."""
    network: Network = None
    labels: Path | None = None
    """File of the names of the classes, one a line; default those that RUN tells, or else numbers."""
    best: Best = False
    verbose: Verbose = False


@dataclass
class PredictOptions(ImageOptions):
    """What a prediction takes from the command line."""

    top: int | None = None
    """Classes to name for each image at most; default 3, or those that --threshold says."""
    threshold: float | None = None
    """Probability over which classes are named; default 0.5 where images may have any number of classes."""
    to: Path = TERMINAL
    """File to write, whole or not at all; - for the terminal."""
    format: Literal["text", "csv", "jsonl"] | None = None
    """CSV with a row an image, or JSON with a line an image; default what the ending of --to says, on the terminal
    text."""


@dataclass
class ExplainOptions(ImageOptions):
    """What an explanation takes from the command line."""

    methods: list[str] = field(default_factory=lambda: ["grad_cam", "hires_cam", "smooth_grad"])
    """What explains: grad_cam, hires_cam, smooth_grad or occlusion, or mappings with parameters as in
    '{name: smooth_grad, draws: 64}'."""
    target: str | None = None
    """Class to explain; default the most probable one of each image."""
    layer: str | None = None
    """Layer whose maps grad_cam and hires_cam look at, or a level as C4; default the last level."""
    to: Path = Path("explanations")
    """Folder for the pictures: NUMBER-IMAGE-METHOD.png, and sheet.png of the first 24 images."""


def predict(arguments: list[str]) -> None:
    """Classify image files with a trained network."""
    options = tyro.cli(PredictOptions, prog=f"{PROGRAM} predict", description=predict.__doc__, args=arguments)
    start_training()
    from training.prediction.classifiers import open_classifier
    from training.prediction.finding import find_images
    from training.prediction.predicting import predict_files
    from training.prediction.writing import WRITERS, counted, format_of, without_failures

    on_terminal = options.to == TERMINAL
    write = WRITERS[options.format or ("text" if on_terminal else format_of(options.to))]
    found = find_images(options.images, sys.stdin and sys.stdin.buffer)
    classifier = open_classifier(options.run, options.network, best=options.best, labels=options.labels)
    predictions = predict_files(classifier, found.paths, options.top, options.threshold)
    if not (on_terminal and sys.stdout.isatty()):  # where they would be seen anyway
        predictions = counted(predictions, found.count, sys.stderr)
    failures: list[str] = []
    write_whole(options.to, lambda file: write(file, without_failures(predictions, failures)))
    if not on_terminal:
        print(f"predictions {options.to}")
    report_failures(failures)


def explain(arguments: list[str]) -> None:
    """Show where in images the answers of a network come from, as pictures in a folder."""
    options = tyro.cli(ExplainOptions, prog=f"{PROGRAM} explain", description=explain.__doc__, args=arguments)
    methods = [read_choice("methods", method) for method in options.methods]
    start_training()
    from training.explaining import SHEET, explain_files
    from training.prediction.classifiers import open_classifier
    from training.prediction.finding import find_images

    found = find_images(options.images, sys.stdin and sys.stdin.buffer, without=options.to)
    classifier = open_classifier(options.run, options.network, best=options.best, labels=options.labels)
    given = {"target": options.target, "layer": options.layer}
    failures: list[str] = []
    for path, explained in explain_files(classifier, found.paths, options.to, methods, **given):
        if isinstance(explained, str):
            failures.append(explained)
            continue
        print(printable(str(path)))
        for name, one in explained.items():
            print(
                f"  {one.probability:.4f}  {printable(one.label)}; without the warmest fifth of {name} "
                f"{one.without_warmest:.4f}, without the coldest {one.without_coldest:.4f}",
                flush=True,
            )
    if (options.to / SHEET).is_file():
        print(f"pictures {options.to}")
    report_failures(failures)


def report_failures(failures: list[str]) -> None:
    """Name the images that could not be read, if any, and raise an error that counts them."""
    if failures:
        print("\n".join(map(printable, failures)), file=sys.stderr, flush=True)
        raise ValueError(f"{len(failures)} of the images could not be read; they are named above.")


def write_whole(path: Path, write: Callable[[TextIO], None]) -> None:
    """Write a file of text, whole or not at all, or print it."""
    from keras_resnet.files import write_atomically

    if path == TERMINAL:
        write(sys.stdout)
        return

    def write_part(part: Path) -> None:
        with open(part, "w", encoding="utf-8", newline="") as file:
            write(file)

    write_atomically(path, write_part)
