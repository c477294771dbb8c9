"""Numbers in the bytes of a file, as operations of TensorFlow's graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def numbers_of(data):
    """Give bytes as numbers to compute with."""
    import tensorflow as tf

    return tf.cast(data, tf.int64)


def marked(numbers, length: int, signatures: Sequence[Mapping[int, bytes]]):
    """Tell of each signature, its bytes by their places, whether the first bytes of a file, of a length, have it."""
    import tensorflow as tf

    wanted = np.full((len(signatures), length), -1)
    for row, signature in zip(wanted, signatures):
        for place, mark in signature.items():
            row[place : place + len(mark)] = list(mark)
    # Not ==, of whose result TensorFlow does not know the shape.
    return tf.reduce_all(tf.equal(numbers, wanted) | (wanted < 0), axis=1)


def numbers_at(numbers, length: int, places: Sequence[tuple[int, int]], little) -> list:
    """Put bytes together to numbers: at each place, of a first byte and of how many, along the last axis of a length.

    One product with powers of 256, for every graph that decodes a file holds these operations. `little`, a bool or a
    tensor of one, says whether the last byte counts most.
    """
    import tensorflow as tf

    def weights(little: bool) -> np.ndarray:
        found = np.zeros((length, len(places)), "int64")
        for column, (first, count) in zip(found.T, places):
            powers = 256 ** np.arange(count)
            column[first : first + count] = powers if little else powers[::-1]
        return found

    own = weights(little) if isinstance(little, bool) else tf.where(little, weights(True), weights(False))
    return tf.unstack(tf.reduce_sum(tf.expand_dims(numbers, -1) * own, axis=-2), axis=-1)
