"""The random numbers of a training run, made without TensorFlow, beside those that TensorFlow makes."""

import numpy as np
import pytest
import tensorflow as tf

import draws
from keras_resnet.preprocessing import Preprocessing
from training.config import make_config
from training.data.augmentation.streams import open_streams
from training.data.batches import training_batches
from training.session import prepare_session, restored


def test_philox_gives_the_numbers_of_its_authors_known_answers():
    zeros = draws.philox(np.zeros((4, 1), "uint32"), (0, 0))[:, 0]
    assert [f"{number:08x}" for number in zeros] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    ones = draws.philox(np.full((4, 1), 0xFFFFFFFF, "uint32"), (0xFFFFFFFF, 0xFFFFFFFF))[:, 0]
    assert [f"{number:08x}" for number in ones] == ["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]


@pytest.mark.parametrize("epoch", [0, 163])
def test_uniform_numbers_are_those_of_the_streams_of_training(epoch):
    for stream in open_streams(["pad_crop", "flip"], 7, 51):
        drawn = draws.uniform(tuple(stream.first.shape), stream.key, epoch)
        np.testing.assert_array_equal(drawn, stream.draw(tf.constant(epoch, tf.int64)))


class Numbered:
    """A source of blank images whose labels are their numbers."""

    train_split, shape, is_encoded, classes = "train", (2, 2, 1), False, ()

    def __init__(self, length: int):
        self.length = length

    def count(self, split: str) -> int:
        return self.length

    def examples(self, split: str) -> tf.data.Dataset:
        return tf.data.Dataset.range(self.length).map(lambda number: (tf.zeros((2, 2, 1)), number))

    def unread(self, split: str):
        return self.examples(split), lambda image, label: (image, label)


@pytest.mark.parametrize(("seed", "count", "buffer"), [(0, 37, 50_000), (5000, 60, 60), (2**32 - 2, 50, 9)])
def test_order_is_that_of_the_batches_of_training(seed, count, buffer):
    config = make_config({"seed": seed, "batch_size": 1, "epochs": 1, "data.shuffle_buffer": buffer})
    blank = Preprocessing((2, 2), 1, np.zeros(1), np.ones(1))
    with restored():
        prepare_session(config)
        read = {"augmentation": (), "batch_size": 1, "seed": seed}
        batches = training_batches(Numbered(count), blank, config.data, range(4, 6), **read)
        labels = [int(label) for _, (label,) in batches]
    assert labels == [number for epoch in (4, 5) for number in draws.order_of(count, buffer, seed, epoch)]
