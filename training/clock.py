"""How long the epochs of a run take, how fast it trains, and how much of that time it waits for data."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf


class EpochClock(keras.callbacks.Callback):
    """Times the epochs of a run, its steps, and how long these wait for their batches.

    Every step notes when its batch has arrived; where XLA compiles it, it cannot. The input pipeline must not note it,
    because there an operation with a side effect makes TensorFlow read in sequence wherever runs are deterministic.

    Args:
        batch_size: int, examples in a step.
        replicas: int, devices that share each batch.
    """

    def __init__(self, batch_size: int, replicas: int = 1):
        super().__init__()
        self.batch_size, self.replicas = batch_size, replicas
        self.arrivals: list[float] = []
        self.is_traced = False
        self.began = self.trained = self.asked = self.waited = 0.0
        self.steps = 0
        # The steps whose time is known, and that time: of the epoch before, and of this one.
        self.before, self.measured = (0, 0.0), (0, 0.0)

    def set_model(self, model: keras.Model) -> None:
        """Let each training step note when its batch is there."""
        super().set_model(model)
        if not model.jit_compile:
            model.train_step = noting(self.arrivals, type(model).train_step.__get__(model))

    def on_train_end(self, logs=None) -> None:
        """Leave the network with its own step."""
        if not self.model.jit_compile:
            del self.model.train_step

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Begin anew."""
        self.began = time.perf_counter()
        self.trained = self.waited = 0.0
        self.steps = 0
        self.before, self.measured = self.measured, (0, 0.0)

    def on_train_batch_begin(self, batch: int, logs=None) -> None:
        """Note when a batch is asked for."""
        self.arrivals.clear()
        self.asked = time.time()

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        """Count the steps and their time, but not that of the first execution, which traces the step."""
        ended, taken = time.time(), batch + 1 - self.steps
        self.steps = batch + 1
        if self.is_traced:
            steps, seconds = self.measured
            self.measured = steps + taken, seconds + ended - self.asked
            if self.arrivals:
                arrived = np.sort(self.arrivals).reshape(-1, self.replicas).max(axis=1)
                self.waited += waiting(self.asked, arrived, ended)
        self.is_traced = True

    def on_test_begin(self, logs=None) -> None:
        """Note how long the training of the epoch took."""
        self.trained = self.trained or self.seconds

    @property
    def seconds(self) -> float:
        """Seconds since the epoch began."""
        return time.perf_counter() - self.began

    @property
    def seconds_per_step(self) -> float:
        """Mean of this epoch and the one before; 0 where nothing is known yet."""
        steps, seconds = (sum(pair) for pair in zip(self.before, self.measured))
        return seconds / steps if steps else 0.0

    @property
    def images_per_second(self) -> float:
        """Images that the epoch has trained on in a second."""
        return self.steps * self.batch_size / (self.trained or self.seconds)

    @property
    def share_waiting(self) -> float:
        """Share of the time of the epoch's steps in which they waited for data; NaN where it is not known."""
        _, seconds = self.measured
        return self.waited / seconds if seconds and not self.model.jit_compile else math.nan


def noting(arrivals: list[float], step: Callable) -> Callable:
    """Make a training step that notes when its batch was there, before it computes anything of it.

    What it computes waits for the note: with one core the note would otherwise come when all else is done.
    """

    def note() -> None:
        arrivals.append(time.time())

    def train_step(data):
        tensors = [tensor for tensor in tf.nest.flatten(data) if tf.is_tensor(tensor)]
        # By Python's clock, because that of TensorFlow raises an error where runs are deterministic.
        with tf.control_dependencies(tensors), tf.device("CPU:0"):
            noted = tf.numpy_function(note, [], [])
        with tf.control_dependencies([noted]):
            noted_data = tf.nest.map_structure(lambda part: tf.identity(part) if tf.is_tensor(part) else part, data)
        return step(noted_data)

    return train_step


def waiting(asked: float, arrived: np.ndarray, ended: float) -> float:
    """Work out how long the steps of an execution have waited, taking them to compute equally long.

    A step begins when the one before it has ended and its batch is there. So the time that a step takes to compute is
    the longest for which no batch, with all the steps that follow it, leads beyond the end.
    """
    following = np.arange(len(arrived), 0, -1)
    step = np.min((ended - np.maximum(arrived, asked)) / following)
    return float(max(ended - asked - len(arrived) * step, 0.0))
