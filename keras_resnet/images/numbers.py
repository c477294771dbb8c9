"""Numbers in the bytes of a file, as operations of TensorFlow's graph."""

from __future__ import annotations


def numbers_of(data):
    """Give bytes as numbers to compute with."""
    import tensorflow as tf

    return tf.cast(data, tf.int64)


def number(numbers, little):
    """Put bytes together to a number, along the last axis, which is of two to four."""
    import tensorflow as tf

    powers = 256 ** tf.range(tf.shape(numbers, tf.int64)[-1])
    return tf.reduce_sum(numbers * tf.where(little, powers, powers[::-1]), axis=-1)
