"""Classes of image files and arrays, by a trained network that knows what it expects of them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import keras
import numpy as np

from keras_resnet.build.head import has_logits, has_sigmoids
from keras_resnet.images import decode_image, failure, read_image_file
from keras_resnet.messages import shortened
from keras_resnet.preprocessing import Preprocessing, contract_of

BATCH = 32  # images that a network is given together
Image = str | os.PathLike | np.ndarray


class UnreadableImageError(ValueError):
    """A file is no image that can be read."""


def classify(
    model: keras.Model,
    images: Image | Sequence[Image],
    top: int | None = None,
    labels: Sequence[str] | None = None,
    *,
    threshold: float | None = None,
) -> list[list[tuple[str, float]]]:
    """Name the most probable classes of images.

    Where nothing is said about how many, they are three; of a network that ends in sigmoids, for images of any number
    of classes, all of a probability over 1/2.

    Args:
        model: keras.Model with a classifier, that carries its input contract.
        images: an image, or a sequence of images of any sizes: files, and arrays (height, width, channels) of values 0
            to 255. Files are decoded by TensorFlow, upright as their EXIF says.
        top: int, how many classes to name at most.
        labels: names of the classes in the order of the outputs; default those that the model carries.
        threshold: float, probability over which a class is named.

    Returns:
        List, one an image, of lists of (name, probability), the most probable class first.

    Raises:
        ValueError: top or threshold is not allowed; a file is no image that can be read, an array is none; or the model
            carries no contract or names, or has another number of outputs.
    """
    contract, labels = contract_of(model), labels_for(model, labels)
    top, threshold = limits(model, top, threshold)
    if isinstance(images, (str, os.PathLike)) or getattr(images, "ndim", None) == 3:
        images = [images]
    found = []
    for begin in range(0, len(images), BATCH):
        batch = np.concatenate([prepared(image, contract) for image in images[begin : begin + BATCH]])
        outputs = model.predict_on_batch(contract.standardize(batch))
        found += [most_probable(row, labels, top, threshold) for row in probabilities(model, outputs)]
    return found


def labels_for(model: keras.Model, labels: Sequence[str] | None = None) -> Sequence[str]:
    """Give the names of a network's classes: those given, or those that it carries."""
    labels = getattr(model, "labels", None) if labels is None else labels
    if labels is None:
        raise ValueError(f"{model.name!r} does not carry the names of its classes; pass labels.")
    if isinstance(labels, str):
        raise ValueError(f"labels must be a sequence of names, one a class; received the text {shortened(labels)}.")
    if model.output_shape[1:] != (len(labels),):
        raise ValueError(f"{len(labels)} labels cannot name the {model.output_shape[-1]} outputs of {model.name!r}.")
    return labels


def limits(model: keras.Model, top: int | None, threshold: float | None) -> tuple[int | None, float | None]:
    """Decide how many classes of an image are named, and over which probability; None stands for no limit."""
    if top is not None and top < 1:
        raise ValueError(f"top must be at least 1; received {top}.")
    if threshold is not None and not 0 <= threshold < 1:
        raise ValueError(f"threshold must be at least 0 and below 1, as probabilities are; received {threshold}.")
    if top is None and threshold is None:
        return (None, 0.5) if has_sigmoids(model) else (3, None)
    return top, threshold


def most_probable(
    probabilities: np.ndarray, labels: Sequence[str], top: int | None, threshold: float | None = None
) -> list[tuple[str, float]]:
    """Name the most probable classes of one image, with their probabilities."""
    best = np.argsort(-probabilities, kind="stable")[:top]
    kept = best if threshold is None else best[probabilities[best] > threshold]
    return [(labels[index], float(probabilities[index])) for index in kept]


def prepared(image: str | os.PathLike | np.ndarray, contract: Preprocessing) -> np.ndarray:
    """Bring an image to the size of a network, as a batch of one."""
    pixels = decoded(image, contract.channels) if isinstance(image, (str, os.PathLike)) else np.asarray(image)
    if pixels.ndim != 3 or pixels.shape[-1] != contract.channels or 0 in pixels.shape:
        raise ValueError(f"an image must be of shape (height, width, {contract.channels}); received {pixels.shape}.")
    return keras.ops.convert_to_numpy(contract.resize(pixels[np.newaxis]))


def decoded(path: str | os.PathLike, channels: int) -> np.ndarray:
    """Read an image file as uint8 (height, width, channels); an UnreadableImageError says why it is none."""
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ImportError("image files are decoded by TensorFlow, which is not installed; pass arrays.") from error
    try:
        return decode_image(tf.constant(read_image_file(path)), channels).numpy()
    except OSError as error:
        raise UnreadableImageError(f"{os.fspath(path)!r} cannot be read: {error.strerror}.") from error
    except tf.errors.OpError as error:
        raise UnreadableImageError(failure(repr(os.fspath(path)), error)) from error


def probabilities(model: keras.Model, outputs: np.ndarray) -> np.ndarray:
    """Turn the outputs of a classifier to probabilities, where they are logits; refuse what is none."""
    given = keras.ops.convert_to_numpy(keras.ops.softmax(outputs)) if has_logits(model) else outputs
    if not np.isfinite(given).all():
        raise ValueError(
            f"{model.name!r} gives probabilities that are not finite, as damaged weights do and those of a training "
            "that has diverged."
        )
    return given
