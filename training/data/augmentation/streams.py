"""The augmentations of a run, each of which draws its numbers from a stream of its own.

What an example draws depends on the run's seed, the augmentation's name, the epoch and the example only. So a run that
was interrupted goes on with the same images, and adding or removing an augmentation changes nothing for the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from training.data.augmentation.composition import augment
from training.data.augmentation.registry import AUGMENTATIONS, Choices, Drawn, Step, keyed


@dataclass(frozen=True, eq=False)
class Stream:
    """One augmentation with its parameters, and the numbers that it draws."""

    name: str
    parameters: dict[str, Any]
    key: int  # tells its numbers from those of other augmentations and other seeds
    first: tf.Tensor  # (examples, draws), the numbers of epoch 0

    def draw(self, epoch: tf.Tensor) -> tf.Tensor:
        """Draw the numbers (examples, draws) of an epoch, an int64 scalar; row i is example i's."""
        return _draw(self.key, tuple(self.first.shape), epoch)

    @property
    def kind(self) -> str:
        """What it works on."""
        return AUGMENTATIONS[self.name].kind

    def step(self, index: tf.Tensor, numbers: tf.Tensor, epoch: tf.Tensor, leading: tf.Tensor | None = None) -> Step:
        """Give the augmentation of the examples of these indices, by the numbers of this epoch.

        `leading` is the index (1,) of the first example of their batch, which may be on another host.
        """
        own = None if leading is None else tf.gather(numbers, leading)
        drawn = Drawn(tf.gather(numbers, index), tf.gather(self.first, index), epoch, own)
        return Step(self.name, self.parameters, drawn)


def open_streams(choices: Choices, seed: int, count: int) -> list[Stream]:
    """Make the streams of a run's augmentations, for so many examples."""
    begin = tf.constant(0, tf.int64)
    return [
        Stream(name, parameters, key, _draw(key, (count, AUGMENTATIONS[name].draws), begin))
        for name, parameters, key in keyed(choices, seed)
    ]


def _draw(key: int, shape: tuple[int, int], epoch: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_uniform(shape, seed=tf.stack([tf.constant(key, tf.int64), epoch]))


def check_images(choices: Choices, size: tuple[int, int], channels: int) -> None:
    """Try augmentations on a blank image of the network's size, so that what cannot work is refused before a run."""
    streams = open_streams(choices, 0, 1)

    def augmented():
        epoch, index, own = tf.constant(0, tf.int64), tf.constant([0]), list(streams)
        if own and own[0].kind == "crop":
            crop = own.pop(0)
            step = crop.step(index[0], crop.first, epoch)
            step(tf.zeros((*size, channels)), step.drawn, size)
        steps = [stream.step(index, stream.first, epoch) for stream in own]
        return augment(tf.zeros((1, *size, channels)), tf.constant([0]), steps, lambda images: images, 2)

    tf.function(augmented, autograph=False).get_concrete_function()  # in a graph, as in a run
