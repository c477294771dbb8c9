"""Predictions of a trained network for image files."""

from __future__ import annotations

import csv
import functools
import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TextIO

import keras
import tensorflow as tf

from keras_resnet.classification import limits, most_probable
from keras_resnet.images import FORMATS, decode_image
from keras_resnet.preprocessing import Preprocessing
from training.data.image_files import SUFFIXES
from training.data.image_folder import Listing, is_hidden
from training.run_folder import RunFolder

BATCH = 32  # images that are in memory together
SEPARATOR = ";"  # of the labels of an image in a table


def predict_run(
    folder: RunFolder,
    images: Sequence[Path],
    top: int | None = None,
    threshold: float | None = None,
    *,
    best: bool = False,
) -> Iterator[dict[str, Any]]:
    """Classify image files with the network of a run folder, a batch at a time.

    Args:
        folder: RunFolder.
        images: sequence of Paths as of `find_images`.
        top: int, how many of the most probable classes to give at most.
        threshold: float, probability over which a class is given. Without both, three are given; of a network for
            images of any number of classes, those over 1/2.
        best: bool, whether to take the network of the best epoch.

    Returns:
        Iterator of dicts, one an image: image, threshold where one decides, and classes, a list of {label,
        probability}, most probable first; or image, and error, a sentence, where the image cannot be read.

    Raises:
        ValueError: the folder is not one of a run, or holds no such network, there is no image, or top or threshold is
            not allowed.
    """
    model, labels = folder.load_model(best), folder.read_labels()
    if len(labels) != model.output_shape[-1]:
        raise ValueError(
            f"{folder.labels_file} names {len(labels)} classes, and the network has {model.output_shape[-1]}; put back "
            "a copy."
        )
    given = limits(model, top, threshold)
    return _predict(model, folder.read_preprocessing(), labels, find_images(images), given)


def _predict(
    model: keras.Model,
    preprocessing: Preprocessing,
    labels: list[str],
    paths: list[Path],
    given: tuple[int | None, float | None],
) -> Iterator[dict[str, Any]]:
    about = {} if given[1] is None else {"threshold": given[1]}
    read = functools.partial(_try_to_read, reader=_make_reader(preprocessing))
    with ThreadPoolExecutor() as pool:
        for begin in range(0, len(paths), BATCH):
            batch = paths[begin : begin + BATCH]
            images = list(pool.map(read, batch))
            readable = [image for image in images if not isinstance(image, str)]
            if readable:
                rows = iter(model.predict_on_batch(preprocessing.standardize(tf.stack(readable))))
            for path, image in zip(batch, images):
                if isinstance(image, str):
                    yield {"image": str(path), "error": image}
                else:
                    classes = most_probable(next(rows), labels, *given)
                    named = [{"label": label, "probability": probability} for label, probability in classes]
                    yield {"image": str(path), **about, "classes": named}


def _make_reader(preprocessing: Preprocessing) -> Callable[[tf.Tensor], tf.Tensor]:
    """Make the function that decodes a file to an image of the network's size, as training and serving do."""

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)])
    def read(encoded):
        image = decode_image(encoded, preprocessing.channels)
        return tf.cast(preprocessing.resize(image[tf.newaxis])[0], tf.float32)

    # Traced here: threads that meet an untraced function all trace it.
    return read.get_concrete_function()


def _try_to_read(path: Path, reader: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor | str:
    """Read an image, or say why it cannot be read."""
    try:
        if path.exists() and not path.is_file():
            return f"Cannot read {path}: it is not a file."
        encoded = path.read_bytes()
    except (OSError, ValueError) as error:
        return f"Cannot read {path}: {getattr(error, 'strerror', None) or error}."
    try:
        return reader(tf.constant(encoded))
    except tf.errors.OpError:
        return f"{path} is not an image, or damaged; {FORMATS} can be read."


def find_images(given: Sequence[Path]) -> list[Path]:
    """Find image files."""
    if not given:
        raise ValueError("No image is given: name files, folders, or patterns such as 'photos/*.jpg'.")
    paths = []
    for path in given:
        matches = [path] if path.exists() or not glob.has_magic(str(path)) else _matching(path)
        for match in matches:
            paths += _images_in(match) if match.is_dir() else [match]
    return paths


def _matching(pattern: Path) -> list[Path]:
    matches = sorted(glob.glob(str(pattern), recursive=True))
    if not matches:
        raise ValueError(f"No file matches {str(pattern)!r}.")
    return [Path(match) for match in matches]


def _fail(error: OSError) -> None:
    """Raise an error for a folder that cannot be read, which `os.walk` would skip."""
    raise error


def _images_in(folder: Path) -> list[Path]:
    listing = Listing()
    for place, folders, _ in os.walk(folder, onerror=_fail):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        listing.add(place)
    listing.print_unread(folder)
    # What has an image's name but is not a file is passed on too, and reported with the files that cannot be read.
    paths = [*listing.images, *(path for path, _ in listing.strange)]
    if not paths:
        raise ValueError(f"No image in {folder} ({SUFFIXES}).")
    return [Path(path) for path in paths]


def naming_failures(predictions: Iterable[dict[str, Any]], failures: list[str]) -> Iterator[dict[str, Any]]:
    """Pass on the predictions of images that could be read, and name the others on stderr."""
    for prediction in predictions:
        if "error" in prediction:
            failures.append(prediction["error"])
            print(printable(prediction["error"]), file=sys.stderr, flush=True)
        else:
            yield prediction


def printable(text: str) -> str:
    """Escape the bytes of a file's name that are not text."""
    return text.encode("utf-8", "backslashreplace").decode()


def write_csv(file: TextIO, predictions: Iterable[dict[str, Any]]) -> None:
    """Write predictions as rows of image, label_1, probability_1, label_2 and so on.

    Where a threshold decides how many classes there are, as rows of image, labels and probabilities, parted by `;`.
    """
    writer = csv.writer(file, lineterminator="\n")
    for number, prediction in enumerate(predictions):
        guesses = [(guess["label"], guess["probability"]) for guess in prediction["classes"]]
        if "threshold" in prediction:
            heading = ["labels", "probabilities"]
            cells = [SEPARATOR.join(map(str, values)) for values in zip(*guesses)] or ["", ""]
        else:
            heading = [f"{name}_{rank + 1}" for rank in range(len(guesses)) for name in ("label", "probability")]
            cells = [value for guess in guesses for value in guess]
        if number == 0:
            writer.writerow(["image", *heading])
        writer.writerow([printable(prediction["image"]), *cells])
