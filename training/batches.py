"""From a data set to batches: the size of the network, shuffled and augmented for training, in order for tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_resnet.images import decode_image
from keras_resnet.preprocessing import Preprocessing
from training import augmentation
from training.config import RunConfig
from training.datasets import Source

IMAGENET_MEAN = np.array([123.675, 116.28, 103.53])
IMAGENET_STD = np.array([58.395, 57.12, 57.375])


def make_preprocessing(
    source: Source, config: RunConfig, default_size: tuple[int, int], weights: Preprocessing | None = None
) -> Preprocessing:
    """Decide what the network will expect of its images, from the training set or from the weights that it starts from.

    Args:
        source: Source.
        config: RunConfig.
        default_size: tuple (height, width) of the images where neither the set nor the user fixes one, in pixels.
        weights: Preprocessing, what the weights expect; None where they do not say.

    Returns:
        Preprocessing.

    Raises:
        ValueError: ImageNet's constants are asked for grey images, the weights do not say what they expect, or the
            border is as wide as the images.
    """
    height, width, channels = source.shape
    if config.standardize == "weights" and weights is None:
        raise ValueError(
            f"weights={config.weights!r} do not say what they expect of images; choose the standardize that they were "
            "trained with."
        )
    given = None not in (height, width) and config.standardize != "weights"
    size = (config.image_size,) * 2 if config.image_size else (height, width) if given else default_size
    if config.pad_crop >= min(size):
        raise ValueError(
            f"pad_crop={config.pad_crop} needs images of more than {config.pad_crop} pixels; these are "
            f"{size[0]}x{size[1]}."
        )
    if config.standardize == "weights":
        return dataclasses.replace(weights.for_images(size, channels), crop=config.test_crop or weights.crop)
    blank = Preprocessing(size, channels, np.zeros(channels), np.ones(channels), config.test_crop or 1.0)
    if config.standardize == "imagenet":
        if channels != 3:
            raise ValueError(
                f"standardize 'imagenet' is for three channels; the images have {channels}. Use 'channel'."
            )
        mean, std = IMAGENET_MEAN, IMAGENET_STD
    else:
        pixel_mean, square = _pixel_moments(source, blank)
        mean, std = pixel_mean.mean((0, 1)), np.full(channels, 255.0)
        if config.standardize == "channel":
            std = np.sqrt(np.maximum(square.mean((0, 1)) - mean**2, 1e-6))
        else:
            mean = pixel_mean
    return dataclasses.replace(blank, mean=mean, std=std)


def _pixel_moments(source: Source, blank: Preprocessing) -> tuple[np.ndarray, np.ndarray]:
    """Average each pixel and its square over the training set, in the network's size."""
    total = np.zeros((2, *blank.size, blank.channels))
    for images, _ in resized(source, source.train_split, blank).batch(256).prefetch(2):
        images = images.numpy().astype("float64")
        total += images.sum(0), (images**2).sum(0)
    return tuple(total / source.count(source.train_split))


def resized(source: Source, split: str, preprocessing: Preprocessing) -> tf.data.Dataset:
    """Read a split as images of the network's size, not yet standardized.

    Args:
        source: Source.
        split: str.
        preprocessing: Preprocessing.

    Returns:
        tf.data.Dataset of (image, label), the image uint8 or, where it was resized, float32.
    """

    def prepare(image, label):
        image = decode_image(image, preprocessing.channels) if source.is_encoded else image
        image = preprocessing.resize(image[tf.newaxis])[0]
        return tf.ensure_shape(image, (*preprocessing.size, preprocessing.channels)), label

    return source.examples(split).map(prepare, tf.data.AUTOTUNE)


def test_batches(source: Source, split: str, preprocessing: Preprocessing, batch: int, replicas: int):
    """Read a split in order, once, every example in exactly one batch.

    A replica without an example makes Keras fail. So where the examples cannot be shared out evenly, blank ones of
    weight zero follow them, as of `blanks`. Keras divides a loss by all examples, also those of weight zero; the
    others weigh as much more.

    Args:
        source: Source.
        split: str.
        preprocessing: Preprocessing.
        batch: int, examples wanted in a batch.
        replicas: int, which share each batch.

    Returns:
        tf.data.Dataset of (images, labels), or of (images, labels, weights) where there are blank examples.
    """
    count, missing = source.count(split), blanks(source.count(split), replicas)
    examples = resized(source, split, preprocessing)
    if missing:
        image, label = examples.element_spec
        blank = tf.zeros(image.shape, image.dtype), tf.zeros(label.shape, label.dtype), 0.0
        weight = (count + missing) / count
        examples = examples.map(lambda image, label: (image, label, weight))
        examples = examples.concatenate(tf.data.Dataset.from_tensors(blank).repeat(missing))
    standardize = preprocessing.standardize
    return (
        examples.batch(max(batch // replicas, 1) * replicas)
        .map(lambda images, *others: (standardize(images), *others), tf.data.AUTOTUNE)
        .prefetch(2)
    )


def blanks(count: int, replicas: int) -> int:
    """Count the blank examples that a test split needs, so that every batch can be shared out evenly.

    Args:
        count: int, examples of the split.
        replicas: int.

    Returns:
        int.
    """
    return -count % replicas


def training_batches(
    source: Source, config: RunConfig, preprocessing: Preprocessing, first_epoch: int, last_epoch: int
) -> tf.data.Dataset:
    """Read the training set epoch after epoch, shuffled and augmented.

    Order and augmentation depend on the seed, the epoch and the example only, so that a run that was
    interrupted goes on with the same batches. (The order also depends on TensorFlow's global seed, which
    `run.prepare_session` sets, and which must not be zero.)

    Args:
        source: Source.
        config: RunConfig.
        preprocessing: Preprocessing.
        first_epoch: int, where to begin, from 0.
        last_epoch: int, the first one not to read.

    Returns:
        tf.data.Dataset of (images, labels), `steps_per_epoch(...)` batches an epoch.
    """
    count = source.count(source.train_split)
    examples = _training_examples(source, config, preprocessing).enumerate()
    first_draws = augmentation.draw(count, config.seed, tf.constant(0, tf.int64))
    sample, augment = _sampler(config, preprocessing), _augmenter(config, preprocessing)

    def one_epoch(epoch):
        draws = augmentation.draw(count, config.seed, epoch)
        order = tf.constant(config.seed, tf.int64) * 1_000_003 + epoch
        batches = (
            examples.shuffle(min(count, config.shuffle_buffer), seed=order)
            .map(lambda index, example: (index, sample(example[0], draws[index]), example[1]), tf.data.AUTOTUNE)
            .batch(config.batch_size, drop_remainder=True)
        )

        def finish(index, images, labels):
            own = tf.gather(draws, index)
            mirrored = augmentation.mirrored(config.flip, own, tf.gather(first_draws, index), epoch)
            return augment(images, own, mirrored), labels

        return batches.map(finish, tf.data.AUTOTUNE)

    return tf.data.Dataset.range(first_epoch, last_epoch).flat_map(one_epoch).prefetch(tf.data.AUTOTUNE)


def _training_examples(source: Source, config: RunConfig, preprocessing: Preprocessing) -> tf.data.Dataset:
    """Give the training set as it is read, or with `cache` from memory: resized once, unless crops are of any size."""
    if config.cache and not config.random_area:
        return in_memory(resized(source, source.train_split, preprocessing), source, source.train_split)
    examples = source.examples(source.train_split)
    return in_memory(examples, source, source.train_split) if config.cache else examples


def in_memory(examples: tf.data.Dataset, source: Source, split: str) -> tf.data.Dataset:
    """Read all examples of a split into memory.

    At once, because TensorFlow otherwise fills a cache while somebody reads, and may take it for complete when that
    reader is dropped in the midst, under a tf.distribute strategy: everybody else then reads a part of the data. Keras
    drops a reader whenever it looks at a batch to build metrics.

    Args:
        examples: tf.data.Dataset of the split.
        source: Source.
        split: str.

    Returns:
        tf.data.Dataset of the same examples.

    Raises:
        ValueError: they are not as many as the data set says.
    """
    cached = examples.cache()
    found = int(cached.reduce(np.int64(0), lambda number, *_: number + 1))
    if found != source.count(split):
        raise ValueError(
            f"{source.name!r} holds {found} examples in {split!r}, and says that there are {source.count(split)}. "
            "Prepare it anew."
        )
    return cached


def _sampler(config: RunConfig, preprocessing: Preprocessing) -> Callable:
    """Make the function that turns one example into an image of the network's size."""

    def sample(image, draws):
        image = decode_image(image, preprocessing.channels) if image.dtype == tf.string else image
        if config.random_area:
            image = augmentation.random_area(image, draws, config.random_area)
            image = tf.image.resize(image, preprocessing.size, antialias=True)
        else:
            image = preprocessing.resize(image[tf.newaxis])[0]
        return tf.ensure_shape(image, (*preprocessing.size, preprocessing.channels))

    return sample


def _augmenter(config: RunConfig, preprocessing: Preprocessing) -> Callable:
    """Make the function that standardizes and augments a batch."""

    def augment(images, draws, mirrored):
        images = preprocessing.standardize(images)
        if config.pad_crop:
            images = augmentation.pad_and_crop(images, draws, config.pad_crop, config.border)
        return images if config.flip == "none" else augmentation.flip(images, mirrored)

    return augment


def steps_per_epoch(source: Source, config: RunConfig) -> int:
    """Count the full batches in a pass over the training set.

    Args:
        source: Source.
        config: RunConfig.

    Returns:
        int.

    Raises:
        ValueError: the training set is smaller than one batch.
    """
    count = source.count(source.train_split)
    if count < config.batch_size:
        raise ValueError(
            f"The training split {source.train_split!r} has {count} examples, fewer than batch_size="
            f"{config.batch_size}. Choose a batch_size of at most {count}."
        )
    return count // config.batch_size
