"""What a run sets for the whole process, and how the process gets back what it had."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.common import global_state
from tensorflow.python.eager import context
from tensorflow.python.framework import config as tf_config

from training.config import RunConfig

# What Keras remembers of `set_random_seed`; it has no public function to ask for it.
KERAS_SEEDS = ("global_random_seed", "global_seed_generator")


def prepare_session(config: RunConfig) -> None:
    """Set seeds, determinism and dtype policy of the process for a run."""
    # Not zero: TensorFlow fails to combine a global seed of zero with a shuffle seed that is a tensor.
    keras.utils.set_random_seed(config.seed + 1)
    tf.random.set_seed(config.seed + 1)  # which Keras sets on its own backend only, and the order of examples needs
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(config.hardware.dtype)


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Give the process back its seeds, determinism and dtype policy, however the block ends.

    All generators go on where they stood: those of Python, NumPy, Keras and TensorFlow.
    """
    policy, deterministic = keras.config.dtype_policy(), tf_config.is_op_determinism_enabled()
    python, numpy = random.getstate(), np.random.get_state()
    seeds = {name: global_state.get_global_attribute(name) for name in KERAS_SEEDS}
    seed, eager = context.global_seed(), context.context()
    operations = None if seed is None else eager._rng.getstate()  # TensorFlow has no other way to ask
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        if not deterministic:
            tf_config.disable_op_determinism()
        random.setstate(python)
        np.random.set_state(numpy)
        for name, value in seeds.items():
            global_state.set_global_attribute(name, value)
        tf.random.set_seed(seed)
        if operations is not None:
            eager._rng.setstate(operations)
