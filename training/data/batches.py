"""From a data set to batches: the size of the network, shuffled and augmented for training, in order for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from keras_resnet.images import decode_image
from keras_resnet.preprocessing import Preprocessing
from training.config import Data
from training.data.augmentation.composition import augment
from training.data.augmentation.registry import Choices, mixes
from training.data.augmentation.streams import Stream, open_streams
from training.data.datasets import Source
from training.data.sampling import balance_of, make_sampling
from training.data.shares import ALL, Share


def resized(source: Source, split: str, preprocessing: Preprocessing) -> tf.data.Dataset:
    """Read a split as images of the network's size, not yet standardized: uint8 or, where resized, float32."""
    return _all_resized(source.examples(split), source, preprocessing)


def _all_resized(examples: tf.data.Dataset, source: Source, preprocessing: Preprocessing) -> tf.data.Dataset:
    def prepare(image, label):
        image = decode_image(image, preprocessing.channels) if source.is_encoded else image
        return _resized(image, preprocessing), label

    return examples.map(prepare, tf.data.AUTOTUNE)


def _resized(image: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Bring an image to the network's size."""
    image = preprocessing.resize(image[tf.newaxis])[0]
    return tf.ensure_shape(image, (*preprocessing.size, preprocessing.channels))


def test_batches(
    source: Source, split: str, preprocessing: Preprocessing, batch: int, replicas: int, *, share: Share = ALL
) -> tf.data.Dataset:
    """Read a split in order, once, every example in exactly one batch; or the share of a host of each batch.

    A replica without an example makes Keras fail. So where the examples cannot be shared out evenly, blank ones of
    weight zero follow them, as of `blanks`. Keras divides a loss by all examples, also those of weight zero; the
    others weigh as much more.
    """
    count, missing = source.count(split), blanks(source.count(split), replicas)
    batch = max(batch // replicas, 1) * replicas
    own = share.of_test(count + missing, batch)
    examples = source.examples(split) if share == ALL else source.chosen(split, own[:count])
    examples = _all_resized(examples, source, preprocessing)
    if missing:
        image, label = examples.element_spec
        blank = tf.zeros(image.shape, image.dtype), tf.zeros(label.shape, label.dtype), 0.0
        weight = (count + missing) / count
        examples = examples.map(lambda image, label: (image, label, weight))
        examples = examples.concatenate(tf.data.Dataset.from_tensors(blank).repeat(int(own[count:].sum())))
    standardize = preprocessing.standardize
    return (
        examples.batch(batch // share.hosts)
        .map(lambda images, *others: (standardize(images), *others), tf.data.AUTOTUNE)
        .prefetch(2)
    )


def blanks(count: int, replicas: int) -> int:
    """Count the blank examples that a test split needs, so that every batch can be shared out evenly."""
    return -count % replicas


def sample_batches(source: Source, preprocessing: Preprocessing, size: int, batch: int, seed: int) -> tf.data.Dataset:
    """Read about so many training images, drawn at random, as a test would show them: full batches, at least one.

    They are kept in memory as they are stored, for a data set can be long and they are read after every epoch.
    """
    batch = min(batch, source.count(source.train_split))
    whole = max(size // batch, 1) * batch
    examples = source.sample(source.train_split, whole, seed).cache()
    found = int(examples.reduce(np.int64(0), lambda number, *_: number + 1))  # see `in_memory`
    return (
        _all_resized(examples, source, preprocessing)
        .take(found // batch * batch)
        .batch(batch, drop_remainder=True)
        .map(lambda images, labels: (preprocessing.standardize(images), labels), tf.data.AUTOTUNE)
    )


def training_batches(
    source: Source,
    preprocessing: Preprocessing,
    data: Data,
    epochs: range,
    *,
    augmentation: Choices,
    batch_size: int,
    seed: int,
    share: Share = ALL,
) -> tf.data.Dataset:
    """Read the training set epoch after epoch, shuffled and augmented; with weights where classes have such.

    A host that shares the run with others reads its share of every batch.

    Which examples, their order and augmentation depend on the seed, the epoch and the example only, so that a run that
    was interrupted goes on with the same batches. (The order also depends on TensorFlow's global seed, which
    `session.prepare_session` sets, and which must not be zero.)
    """
    count = source.count(source.train_split)
    sampling, weights = make_sampling(source, data, seed), balance_of(source, data).weights
    # Augmentation draws anew for each copy of an example that an epoch shows several times.
    streams = open_streams(augmentation, seed, sampling.count * sampling.repeats if sampling else count)
    crop = streams.pop(0) if streams and streams[0].kind == "crop" else None
    examples, read = _training_examples(source, data, preprocessing, crop is not None)
    examples = examples.enumerate()
    # What is cached without a crop was resized and cut to the center then, which must not be done twice.
    ready = crop is None and (data.cache or _is_ready(examples.element_spec[1][0], preprocessing))

    def one_epoch(epoch):
        order = tf.constant(seed, tf.int64) * 1_000_003 + epoch
        drawn = sampling.draw(examples, epoch) if sampling else examples
        ordered = drawn.shuffle(min(sampling.count if sampling else count, data.shuffle_buffer), seed=order)
        ordered = sampling.repeat(ordered) if sampling else ordered
        ordered = ordered if share == ALL else share.of_training(ordered, batch_size, mixes(augmentation))
        sized = ordered if ready else ordered.map(_sizing(crop, epoch, preprocessing, read), tf.data.AUTOTUNE)
        augmented = _augmenting(streams, epoch, preprocessing, len(source.classes))
        batched = sized.batch(batch_size // share.hosts, drop_remainder=True).take(count // batch_size)
        return batched.map(augmented, tf.data.AUTOTUNE)

    batches = tf.data.Dataset.range(epochs.start, epochs.stop).flat_map(one_epoch)
    if weights is not None:
        batches = batches.map(_weighting(weights), tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def _weighting(weights: np.ndarray) -> Callable:
    """Make the function that gives the examples of a batch the weights of their classes."""
    table = tf.constant(weights, tf.float32)

    def weighted(images, labels):
        own = tf.gather(table, labels) if labels.dtype.is_integer else tf.linalg.matvec(labels, table)
        return images, labels, own

    return weighted


def _is_ready(image: tf.TensorSpec, preprocessing: Preprocessing) -> bool:
    """Tell whether images need neither decoding nor resizing, which cost more than augmenting small ones."""
    return tuple(image.shape) == (*preprocessing.size, preprocessing.channels) and preprocessing.crop == 1


def _sizing(crop: Stream | None, epoch: tf.Tensor, preprocessing: Preprocessing, read: Callable) -> Callable:
    """Make the function that reads an example, and turns its image into one of the network's size."""
    numbers = crop.draw(epoch) if crop else None

    def size(index, example, *leading):
        image, label = read(*example)
        image = decode_image(image, preprocessing.channels) if image.dtype == tf.string else image
        if not crop:
            return index, (_resized(image, preprocessing), label), *leading
        step = crop.step(index, numbers, epoch)
        image = step(image, step.drawn, preprocessing.size)
        return index, (tf.ensure_shape(image, (*preprocessing.size, preprocessing.channels)), label), *leading

    return size


def _augmenting(streams: Sequence[Stream], epoch: tf.Tensor, preprocessing: Preprocessing, classes: int) -> Callable:
    """Make the function that augments and standardizes a batch."""
    numbers = [stream.draw(epoch) for stream in streams]

    def augmented(index, examples, *leading):
        images, labels = examples
        first = leading[0][:1] if leading else index[:1]
        steps = [stream.step(index, own, epoch, first) for stream, own in zip(streams, numbers)]
        return augment(images, labels, steps, preprocessing.standardize, classes)

    # XLA passes over the pixels once for all that does not move them; it would take a while for nothing otherwise.
    return tf.function(augmented, jit_compile=True) if streams else augmented


def _training_examples(
    source: Source, data: Data, preprocessing: Preprocessing, cropped: bool
) -> tuple[tf.data.Dataset, Callable]:
    """Give the training set, and the function that reads an example, once it is known who needs it where that can wait.

    With `cache` they come from memory, resized once, unless they are cropped anew.
    """
    split = source.train_split
    if not data.cache:
        return source.unread(split)
    examples = source.examples(split) if cropped else resized(source, split, preprocessing)
    return in_memory(examples, source, split), lambda image, label: (image, label)


def in_memory(examples: tf.data.Dataset, source: Source, split: str) -> tf.data.Dataset:
    """Read all examples of a split into memory.

    At once, because TensorFlow otherwise fills a cache while somebody reads, and may take it for complete when that
    reader is dropped halfway, under a tf.distribute strategy: all later readers then get a part of the data. Keras
    drops a reader whenever it looks at a batch to build metrics.
    """
    cached = examples.cache()
    found = int(cached.reduce(np.int64(0), lambda number, *_: number + 1))
    if found != source.count(split):
        raise ValueError(
            f"{source.name!r} holds {found} examples in {split!r}, and says that there are {source.count(split)}. "
            "Prepare it anew."
        )
    return cached
