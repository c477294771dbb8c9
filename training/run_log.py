"""What TensorBoard shows of a run: its metrics, learning rate and speed, and a sheet of augmented training images."""

from __future__ import annotations

import io
import math
from pathlib import Path

import keras
import tensorflow as tf

from keras_resnet.preprocessing import Preprocessing
from training.clock import EpochClock
from training.config import RunConfig
from training.data.datasets import Source
from training.sheet import draw_sheet, read_examples


class RunLog(keras.callbacks.TensorBoard):
    """Logs each epoch as Keras does, with its learning rate, and how fast it trained and how long it waited for data.

    Args:
        folder: Path to log to.
        clock: EpochClock of the same training, called before this.
    """

    def __init__(self, folder: Path, clock: EpochClock):
        super().__init__(folder, write_graph=False)
        self.clock = clock

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Log the epoch, and bring it to the disk, where a run that is killed leaves it."""
        speed = {"images_per_second": self.clock.images_per_second, "waiting": self.clock.share_waiting}
        known = {name: value for name, value in speed.items() if math.isfinite(value)}
        super().on_epoch_end(epoch, {**(logs or {}), **known})
        for writer in self._writers.values():
            writer.flush()


def log_examples(folder: Path, source: Source, preprocessing: Preprocessing, config: RunConfig) -> None:
    """Log the sheet of the first training images as the first epoch shows them to the network.

    Args:
        folder: Path to log to.
        source: Source.
        preprocessing: Preprocessing, the network's input contract.
        config: RunConfig.
    """
    picture = io.BytesIO()
    draw_sheet(read_examples(source, preprocessing, config), picture)
    writer = tf.summary.create_file_writer(str(folder / "images"))
    with writer.as_default():
        tf.summary.image("training images", tf.io.decode_png(picture.getvalue())[tf.newaxis], step=0)
    writer.close()
