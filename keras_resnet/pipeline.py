"""`keras.ops` for functions that input pipelines of tf.data call too, whatever the backend of Keras.

Such a pipeline is a graph of TensorFlow's, into which nothing of another backend fits. So within one `ops` is Keras's
implementation for TensorFlow, and everywhere else `keras.ops`.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import keras


def is_tensorflow() -> bool:
    """Tell whether tensors are TensorFlow's here: on its backend, or within a graph of its."""
    if keras.backend.backend() == "tensorflow":
        return True
    # A module that is still being imported, or was never, is in no graph.
    eagerly = getattr(sys.modules.get("tensorflow"), "executing_eagerly", None)
    return eagerly is not None and not eagerly()


class _Operations:
    """The operations of Keras by name, as attributes."""

    def __getattr__(self, name: str) -> Any:
        if keras.backend.backend() == "tensorflow" or not is_tensorflow():
            return getattr(keras.ops, name)
        # Keras's own preprocessing layers compute by the same module in a pipeline.
        engine = importlib.import_module("keras.src.backend.tensorflow")
        rooms = (engine, engine.core, engine.numpy, engine.nn, engine.math)
        return next(getattr(room, name) for room in rooms if hasattr(room, name))


ops = _Operations()
