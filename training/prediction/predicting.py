"""Predictions of a trained network for image files, a batch at a time."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_resnet.classification import limits, most_probable, probabilities
from keras_resnet.images import decode_image, failure, read_image_file
from keras_resnet.preprocessing import Preprocessing
from keras_resnet.startup import decoders_kept_quiet
from training.prediction.classifiers import Classifier

BATCH = 32  # images that are in memory together


def predict_files(
    classifier: Classifier, paths: Iterable[Path], top: int | None = None, threshold: float | None = None
) -> Iterator[dict[str, Any]]:
    """Classify image files, reading no more than a batch ahead; `training.predict` tells what it gives."""
    return _predict(classifier, iter(paths), limits(classifier.model, top, threshold))


def _predict(
    classifier: Classifier, paths: Iterator[Path], given: tuple[int | None, float | None]
) -> Iterator[dict[str, Any]]:
    about = {} if given[1] is None else {"threshold": given[1]}
    read = functools.partial(_try_to_read, reader=make_reader(classifier.preprocessing))
    with ThreadPoolExecutor() as pool:
        while batch := list(itertools.islice(paths, BATCH)):
            with decoders_kept_quiet():
                images = list(pool.map(read, batch))
            rows = iter(_classified(classifier, [image for image in images if not isinstance(image, str)]))
            for path, image in zip(batch, images):
                if isinstance(image, str):
                    yield {"image": str(path), "error": image}
                else:
                    classes = most_probable(next(rows), classifier.labels, *given)
                    named = [{"label": label, "probability": probability} for label, probability in classes]
                    yield {"image": str(path), **about, "classes": named}


def _classified(classifier: Classifier, images: list[tf.Tensor]):
    """Give the probabilities of each of a few images."""
    if not images:
        return ()
    prepared = classifier.preprocessing.standardize(tf.stack(images))
    return probabilities(classifier.model, classifier.model.predict_on_batch(prepared))


def make_reader(preprocessing: Preprocessing) -> Callable[[tf.Tensor], tf.Tensor]:
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
        encoded = read_image_file(path)
    except (OSError, ValueError) as error:
        return f"Cannot read {path}: {getattr(error, 'strerror', None) or error}."
    try:
        return reader(tf.constant(encoded))
    except tf.errors.OpError as error:
        return failure(str(path), error)
