"""What a network says of every image of a split: its probabilities, averaged over the views of the image."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import keras_resnet
from keras_resnet.choices.registry import parse_choice
from keras_resnet.images import decode_image
from keras_resnet.preprocessing import Preprocessing
from keras_resnet.startup import decoders_kept_quiet
from training.config import RunConfig
from training.data import datasets
from training.distribution import distribution_of
from training.evaluation.views import VIEWS
from training.session import restored
from training.tasks import ANY, ONE, Task


class Scores(NamedTuple):
    """Classes of the images of a split, and what a network, or several, say of them.

    Args:
        labels: int64 array (images,); or 0 and 1 for each class, float32 (images, classes).
        probabilities: float32 array (images, classes).
    """

    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def task(self) -> Task:
        """What the labels are."""
        return ANY if self.labels.ndim == 2 else ONE


def score(
    model: keras.Model,
    source: datasets.Source,
    preprocessing: Preprocessing,
    config: RunConfig,
    progress: bool = False,
) -> Scores:
    """Show a network every image of the test split, once and in the views that the configuration chooses.

    Args:
        model: keras.Model that ends in probabilities, made in the scope of the configuration's devices.
        source: Source.
        preprocessing: Preprocessing, the network's input contract.
        config: RunConfig, of which views, batch size and devices are read.
        progress: bool, whether to show how far it is.

    Returns:
        Scores, in the order of the split.

    Raises:
        ValueError: the network cannot take the views, an image cannot be read, or the data are incomplete.
    """
    distribution, split = distribution_of(config.hardware), source.test_split
    replicas = distribution.replicas_here  # where there are other hosts, each scores all
    name, parameters = parse_choice("views", config.evaluation.views, VIEWS)
    if VIEWS[name].any_size:
        with distribution.scope():
            model = of_any_size(model, preprocessing.channels, name)
        preprocessing = preprocessing.for_images((1, 1), preprocessing.channels)  # a mean image fits one size only
    stacks = _read_views(source, preprocessing, lambda image: VIEWS[name](image, preprocessing, **parameters))
    batches = _shares(stacks, config.batch_size // replicas)
    step = distribution.on_each(model, _averaging(model, preprocessing), batches.element_spec[0])
    shares = iter(batches)
    bar = keras.utils.Progbar(source.count(split), verbose=int(progress), unit_name="image")
    labels, rows = [], []
    with naming_broken_images(source, split), distribution.computing():
        while group := list(itertools.islice(shares, replicas)):
            # Devices for which no share is left repeat the last one, which is not counted.
            filled = [*group, *[group[-1]] * (replicas - len(group))]
            rows += step(*(images for images, _ in filled))[: len(group)]
            labels += [own.numpy() for _, own in group]
            bar.add(sum(len(own) for own in labels[-len(group) :]))
    scores = Scores(np.concatenate(labels), np.concatenate(rows))
    check_count(len(scores.labels), source)
    return scores


def of_any_size(model: keras.Model, channels: int, views: str) -> keras.Model:
    """Copy a network for images of any size; raise an error where it is not fully convolutional."""
    with restored():
        keras.config.set_dtype_policy(next(layer.dtype_policy for layer in model.layers if layer.weights))
        try:
            return keras_resnet.transfer(model, input_shape=(None, None, channels))
        except ValueError as error:
            raise ValueError(
                f"The views {views!r} need a network that takes images of any size, and {model.name!r} takes "
                f"{model.input_shape[1:]} only. Choose other views."
            ) from error


def check_views(model: keras.Model, config: RunConfig) -> None:
    """Raise an error before a run whose network cannot take the views of its last test."""
    name, parameters = parse_choice("views", config.evaluation.views, VIEWS)
    if not VIEWS[name].any_size:
        return
    channels, least = model.preprocessing.channels, min(parameters["sides"])
    free = of_any_size(model, channels, name)
    try:
        free.compute_output_shape((1, least, least, channels))
    except ValueError as error:
        raise ValueError(
            f"The views {name!r} show images of {least}x{least}, and {model.name!r} needs larger ones. Give larger "
            "sides."
        ) from error


def _read_views(source: datasets.Source, preprocessing: Preprocessing, show: Callable) -> tf.data.Dataset:
    """Read the test split as views of each image, in one stack a size, and its class."""

    def prepare(image, label):
        image = decode_image(image, preprocessing.channels) if source.is_encoded else image
        return tuple(show(image)), label

    return source.examples(source.test_split).map(prepare, tf.data.AUTOTUNE)


def _shares(stacks: tf.data.Dataset, most: int) -> tf.data.Dataset:
    """Batch what one device is given at a time: at most so many views, but a whole image, and images of one size."""
    shapes = [stack.shape for stack in stacks.element_spec[0]]
    fixed = all(shape.is_fully_defined() for shape in shapes)
    views = sum(shape[0] or 1 for shape in shapes)
    return stacks.batch(max(most // views, 1) if fixed else 1).prefetch(2)


def _averaging(model: keras.Model, preprocessing: Preprocessing) -> Callable:
    """Make the function that classifies images by the mean of the probabilities of their views."""

    def average(stacks):
        total, views = 0.0, 0
        for stack in stacks:  # (images, views, height, width, channels)
            shape = ops.shape(stack)
            images = preprocessing.standardize(ops.reshape(stack, (-1, *shape[2:])))
            rows = ops.cast(model(images, training=False), "float32")
            total += ops.sum(ops.reshape(rows, (*shape[:2], rows.shape[-1])), axis=1)
            views += shape[1]
        return total / ops.cast(views, "float32")

    return average


@contextlib.contextmanager
def naming_broken_images(source: datasets.Source, split: str) -> Iterator[None]:
    """Name the files that are no images, where TensorFlow fails for them."""
    try:
        with decoders_kept_quiet():
            yield
    except tf.errors.OpError:
        datasets.check_images(source, split)
        raise


def check_count(counted: int, source: datasets.Source) -> None:
    """Refuse the figures of an evaluation in which not every image of the test split was counted once."""
    count = source.count(source.test_split)
    if counted != count:
        raise ValueError(
            f"The evaluation counted {counted} images of {source.test_split!r}, which has {count}; its "
            f"figures are not kept. The data of {source.name!r} are incomplete: prepare them anew."
        )
