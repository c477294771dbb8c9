"""What a run knows of the devices that it computes on, whatever engine the backend has for several."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import keras

from training.data.shares import Share


class Distribution(Protocol):
    """Devices that share each batch."""

    @property
    def replicas(self) -> int:
        """How many devices there are, on all hosts together."""

    @property
    def replicas_here(self) -> int:
        """How many of them are on this host."""

    def parts(self, synchronized: bool) -> int:
        """In how many parts of a batch, each by itself, batch normalization takes its statistics."""

    @property
    def share(self) -> Share:
        """Which part of every batch this host reads."""

    def scope(self) -> AbstractContextManager:
        """Give the context in which models, optimizers and metrics are made."""

    def computing(self) -> AbstractContextManager:
        """Give the context in which a model that was made in the scope is trained or evaluated."""

    def merge(self, model: keras.Model) -> None:
        """Give all devices the mean of what training leaves different on each, as moving statistics."""

    def on_each(self, model: keras.Model, function: Callable, specification: Any) -> Callable:
        """Make the function that calls another, which calls a model, on every device with a share of its own.

        Args:
            model: keras.Model, made in the scope.
            function: function of nested tensors, which gives a tensor.
            specification: nested `tf.TensorSpec` of a share.

        Returns:
            Function of as many shares of TensorFlow's tensors as there are devices here; gives their NumPy outputs.
        """
