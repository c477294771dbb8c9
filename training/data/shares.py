"""The part of every batch that a host reads, where several share a run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Share(NamedTuple):
    """One host of so many; each feeds the same number of examples to a step, and an epoch shows each example once.

    Args:
        host: int, which one, from 0 on.
        hosts: int, how many there are.
    """

    host: int = 0
    hosts: int = 1

    def rows(self, batch: int, in_pairs: bool) -> np.ndarray:
        """Give the rows of a training batch of so many examples.

        Args:
            batch: int, of which `hosts` is a divisor; in pairs twice as many.
            in_pairs: bool, whether a row needs that one which is as far from the end as it is from the beginning: the
                one that mixtures take.

        Returns:
            int64 array (batch // hosts,). Turned over, the rows are the partners, where they are in pairs. Rows that
            are equal modulo a divisor of their number stay so in the batch of all hosts, whose parts learners take.
        """
        size = batch // self.hosts
        if not in_pairs:
            return np.arange(self.host * size, (self.host + 1) * size)
        front = np.arange(self.host * size // 2, (self.host + 1) * size // 2)
        halves = front, batch - 1 - front[::-1]
        # Where half a share is no multiple of a divisor, a front that begins at an odd half is half a divisor off.
        return np.concatenate(halves[::-1] if self.host % 2 else halves)

    def of_training(self, examples: tf.data.Dataset, batch: int, in_pairs: bool) -> tf.data.Dataset:
        """Take the rows of whole batches out of (index, example); the index of each batch's first one comes third."""
        rows = tf.constant(self.rows(batch, in_pairs))

        def own(index, example):
            taken = tuple(tf.gather(part, rows) for part in example)
            return tf.gather(index, rows), taken, tf.repeat(index[:1], len(rows))

        return examples.batch(batch, drop_remainder=True).map(own, tf.data.AUTOTUNE).unbatch()

    def of_test(self, count: int, batch: int) -> np.ndarray:
        """Tell which of so many examples are its own, a bool for each, in batches of which the last may be short."""
        place = np.arange(count)
        size = np.where(place < count // batch * batch, batch, count % batch)
        return place % batch * self.hosts // size == self.host


ALL = Share()  # of a run on one host
