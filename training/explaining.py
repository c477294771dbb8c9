"""Explanations of image files in a folder: a picture for each image and method, and a sheet of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from keras_resnet.choices.registry import parse_choice
from keras_resnet.classification import UnreadableImageError, decoded
from keras_resnet.explanation import METHODS, Explanation, explain
from keras_resnet.files import make_folder, write_atomically
from keras_resnet.startup import decoders_kept_quiet
from training.pictures import drawable, save, shorten
from training.prediction.classifiers import Classifier

DEFAULT_METHODS = ("grad_cam", "hires_cam", "smooth_grad")
SHEET = "sheet.png"
ROWS = 24  # images on the sheet
SIDE = 224  # pixels that the shorter side of a picture has at least
LONGEST = 24  # letters of a name on the sheet
MOST_BYTES = 100  # of the image's name in that of a picture; file systems take 255 in all
Explained = tuple[Path, dict[str, Explanation]]


def explain_files(
    classifier: Classifier,
    paths: Iterable[Path],
    folder: Path,
    methods: Sequence[str | Mapping[str, Any]] = DEFAULT_METHODS,
    *,
    target: str | None = None,
    layer: str | None = None,
) -> Iterator[tuple[Path, dict[str, Explanation] | str]]:
    """Explain the answers of a network for image files, and write overlays and a sheet of the first few.

    Args:
        classifier: Classifier.
        paths: iterable of Paths of files.
        folder: Path of the folder to write to, made if needed.
        methods: sequence of methods of explanation, by name or as mappings with parameters.
        target: str, the class to explain; default the most probable one of each image.
        layer: str, the layer or level whose maps are looked at; default the last level.

    Yields:
        Tuple of a path and a dict of Explanation by the name of the method; or of a path and a sentence, where the
        image cannot be read. The sheet is there when all have been given.

    Raises:
        ValueError: a name is unknown, or that of a method given twice.
        OSError: a file cannot be written.
    """
    names = [parse_choice("method", method, METHODS)[0] for method in methods]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(
            f"The method {twice[0]!r} is named twice, and each image gets one picture by it; name it once."
        )
    model, shown = classifier.model, []
    model.preprocessing = classifier.preprocessing
    given = {"target": target, "layer": layer, "labels": classifier.labels}
    make_folder(folder)
    for number, path in enumerate(paths, 1):
        try:
            with decoders_kept_quiet():
                pixels = decoded(path, classifier.preprocessing.channels)
        except UnreadableImageError as error:
            yield path, str(error)
            continue
        found = {name: explain(model, pixels, method, **given) for name, method in zip(names, methods)}
        for name, explanation in found.items():
            _write_overlay(explanation, folder / picture_name(number, path, name))
        if len(shown) < ROWS:
            shown.append((path, found))
        yield path, found
    if shown:
        write_atomically(folder / SHEET, lambda part: draw_sheet(shown, part))
    else:
        (folder / SHEET).unlink(missing_ok=True)  # of an earlier call


def picture_name(number: int, path: Path, method: str) -> str:
    """Name the picture of an image, in text that any file system takes, whatever the image is called."""
    shown = "".join(filter(str.isprintable, path.stem)).encode()[:MOST_BYTES].decode(errors="ignore")
    return f"{number:03}-{shown}-{method}.png"


def _write_overlay(explanation: Explanation, path: Path) -> None:
    """Write the map over the image, in whole pixels of a size to look at."""
    picture = enlarged(explanation.overlay())
    write_atomically(path, lambda part: Image.fromarray(picture).save(part, "PNG"))


def enlarged(picture: np.ndarray) -> np.ndarray:
    """Repeat the pixels of a small picture."""
    times = max(-(-SIDE // min(picture.shape[:2])), 1)
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def draw_sheet(explained: Sequence[Explained], to: Path) -> None:
    """Draw images and their overlays, a row an image; below each what hiding its fifths does to the probability."""
    methods = list(explained[0][1])
    size = (1.9 * (1 + len(methods)), 2.35 * len(explained))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(explained), 1 + len(methods), squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    for row, (path, found) in zip(grid, explained):
        first = next(iter(found.values()))
        row[0].imshow(drawable(first.pixels), cmap="gray", vmin=0, vmax=255)
        row[0].set_title(shorten(path.name, LONGEST), fontsize=8)
        row[0].set_xlabel(f"{shorten(first.label, LONGEST)}\n{first.probability:.2f}", fontsize=8)
        for axes, (name, explanation) in zip(row[1:], found.items()):
            axes.imshow(explanation.overlay())
            axes.set_title(name, fontsize=8)
            axes.set_xlabel(
                f"without warmest {explanation.without_warmest:.2f}\nwithout coldest {explanation.without_coldest:.2f}",
                fontsize=8,
            )
    save(figure, to)
