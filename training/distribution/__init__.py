"""Several devices as one: an interface over what each backend of Keras has for them.

`mirrored.py` is for TensorFlow, by `tf.distribute.MirroredStrategy`; `jax.py` for JAX, by `keras.distribution`. The
backend of Keras chooses.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import keras

from training.config import Hardware
from training.distribution.interface import Distribution

ENGINES = {"tensorflow": "mirrored", "jax": "jax"}


def engine() -> ModuleType:
    """Give the module for the backend of Keras."""
    backend = keras.backend.backend()
    if backend not in ENGINES:
        raise ValueError(f"Networks are trained by {' or '.join(ENGINES)}; KERAS_BACKEND is {backend!r}.")
    return importlib.import_module(f"training.distribution.{ENGINES[backend]}")


def choose_devices(requested: tuple[str, ...] | None) -> tuple[str, ...]:
    """Choose the devices of a run: those requested, else all GPUs, else the CPU; two CPUs are made where asked for."""
    return engine().choose_devices(requested)


def devices_here(requested: tuple[str, ...] | None, whose: str) -> tuple[str, ...] | None:
    """Give the devices that something was trained on, or where any is missing those of this machine, with a word."""
    try:
        choose_devices(requested)
    except ValueError:
        print(
            f"{whose} was trained on {', '.join(requested)}, which cannot all be had here; computing on "
            f"{', '.join(choose_devices(None))}.",
            file=sys.stderr,
            flush=True,
        )
        return None
    return requested


def distribution_of(hardware: Hardware) -> Distribution:
    """Give the devices of a configuration, on which any network can be evaluated."""
    return engine().distribution_of(hardware)


def make_distribution(hardware: Hardware, batch_size: int, in_pairs: bool = False) -> Distribution:
    """Give the devices of a training run; what does not work on several raises an error.

    `in_pairs` says that a host needs its images in pairs, as `training.data.shares.Share.rows` gives them.
    """
    distribution = distribution_of(hardware)
    replicas = distribution.replicas
    if replicas > 1:
        engine().check_hardware(hardware, replicas)
    if batch_size % replicas:
        near = batch_size // replicas * replicas or replicas
        raise ValueError(
            f"batch_size={batch_size} cannot be split evenly over {replicas} devices; it is the batch of all "
            f"devices together. Take {near} or {near + replicas}."
        )
    if in_pairs and distribution.share.hosts > 1 and batch_size // distribution.share.hosts % 2:
        raise ValueError(
            f"Mixing images takes an even number on each host; batch_size={batch_size} gives each of "
            f"{distribution.share.hosts} hosts {batch_size // distribution.share.hosts}. Take {batch_size * 2}."
        )
    check_parts(hardware.accumulation, batch_size, replicas)
    return distribution


def check_parts(parts: int, batch_size: int, replicas: int) -> None:
    """Refuse parts of a batch that are not of one size."""
    share = batch_size // replicas
    if share % parts:
        fitting = [number for number in range(1, share + 1) if share % number == 0]
        less, more = (max(n for n in fitting if n < parts), next((n for n in fitting if n > parts), None))
        each = f" on each of {replicas} devices" if replicas > 1 else ""
        raise ValueError(
            f"hardware.accumulation={parts} cannot split a batch of {share}{each} evenly. Take {less}"
            f"{f' or {more}' if more else ''}."
        )


class MergeReplicas(keras.callbacks.Callback):
    """Brings what training leaves different on each device together before every evaluation, and before it is saved.

    Without `synchronized` each device blends the statistics of its own share of a batch into its own moving ones. Each
    evaluates with its own, and what is saved are those of the first: other networks than the run reports on.
    """

    def __init__(self, distribution: Distribution):
        super().__init__()
        self.distribution = distribution

    def on_test_begin(self, logs=None) -> None:
        """Give all devices the mean."""
        self.distribution.merge(self.model)

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        """Give all devices the mean, where the epoch was not tested."""
        self.distribution.merge(self.model)
