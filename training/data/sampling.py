"""Which training examples an epoch shows, and how often: balanced over classes, repeated within a batch."""

from __future__ import annotations

import hashlib

import numpy as np
import tensorflow as tf

from keras_resnet.choices.registry import parse_choice
from training.config import Data
from training.data.balance import BALANCES, Balance
from training.data.datasets import Source

BLOCK = 64  # examples that are repeated together


class Sampling:
    """How often an epoch shows each example.

    An epoch draws examples, every group its share of them and every example of a group as often as the others or once
    more, and shows each so often in a row. What it draws depends on the seed and the epoch only.

    Args:
        groups: integer array (examples,), the group of each example.
        shares: float64 array (groups,), the part of the draws of each.
        count: int, examples that are drawn in an epoch.
        repeats: int, how often each of them is shown.
        seed: int.
    """

    def __init__(self, groups: np.ndarray, shares: np.ndarray, count: int, repeats: int, seed: int):
        self.count, self.repeats = count, repeats
        # What tells these random numbers from those of augmentations and other seeds.
        digest = hashlib.blake2b(f"{seed} sampling of examples".encode(), digest_size=8).digest()
        self.key = int.from_bytes(digest, "little", signed=True)
        sizes = np.bincount(groups, minlength=len(shares))
        ranks = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        # Tensors, made here, which a graph holds by reference; it would copy arrays.
        self.groups, self.sizes, self.ranks = (tf.constant(one, tf.int64) for one in (groups, sizes[groups], ranks))
        self.ends = tf.constant([0.0, *(np.cumsum(shares[:-1]) * count), float(count)], tf.float64)

    def times(self, epoch: tf.Tensor) -> tf.Tensor:
        """Count how often an epoch draws each example: int64 (examples,), which add up to `count`."""
        examples = len(self.groups)
        seed = tf.stack([tf.constant(self.key, tf.int64), epoch])
        numbers = tf.cast(tf.random.stateless_uniform((examples + 1,), seed), tf.float64)
        # Where shares are no whole numbers, one offset rounds all of them up or down, so that the sum stays.
        ends = tf.floor(self.ends + numbers[0])
        quotas = tf.gather(tf.cast(ends[1:] - ends[:-1], tf.int64), self.groups)
        order = tf.argsort(tf.cast(self.groups, tf.float64) + numbers[1:])  # by group, at random within
        ranks = tf.scatter_nd(order[:, tf.newaxis], self.ranks, (examples,))
        return (quotas - ranks + self.sizes - 1) // self.sizes

    def draw(self, examples: tf.data.Dataset, epoch: tf.Tensor) -> tf.data.Dataset:
        """Draw from all (index, example), in their order; each draw gets a number of its own, from 0."""
        times = self.times(epoch)
        ends = tf.cumsum(times)

        def drawn(index, example):
            own = tf.gather(times, index)
            first = ends[index[0]] - own[0]
            return tf.range(first, first + tf.reduce_sum(own)), _repeated(example, own)

        return examples.batch(BLOCK).map(drawn, tf.data.AUTOTUNE).unbatch()

    def repeat(self, examples: tf.data.Dataset) -> tf.data.Dataset:
        """Repeat each (number, example) so that copies follow each other; each gets a number of its own, from 0."""
        if self.repeats == 1:
            return examples

        def repeated(number, example):
            numbers = number[:, tf.newaxis] * self.repeats + tf.range(self.repeats, dtype=tf.int64)
            return tf.reshape(numbers, [-1]), _repeated(example, self.repeats)

        return examples.batch(BLOCK).map(repeated, tf.data.AUTOTUNE).unbatch()


def _repeated(example, times):
    """Repeat the examples of a batch, all of them so often, or each as often as a tensor says."""
    count = tf.shape(example[0])[0]
    places = tf.repeat(tf.range(count), times)
    return tuple(tf.gather(part, places) for part in example)


def make_sampling(source: Source, data: Data, seed: int) -> Sampling | None:
    """Make what a configuration asks for; None where an epoch shows each example once."""
    shares, count = balance_of(source, data).shares, source.count(source.train_split)
    if shares is None and data.repeats == 1:
        return None
    groups = np.zeros(count, "int64") if shares is None else source.labels(source.train_split)
    return Sampling(groups, np.ones(1) if shares is None else shares, -(-count // data.repeats), data.repeats, seed)


def balance_of(source: Source, data: Data) -> Balance:
    """Work out what a configuration does about the sizes of the classes."""
    name, parameters = parse_choice("balance", data.balance, BALANCES)
    if name == "none":
        return Balance()  # without reading all labels
    counts = np.bincount(source.labels(source.train_split), minlength=len(source.classes))
    return BALANCES[name](counts, **parameters)
