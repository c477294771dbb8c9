"""Devices of one machine under TensorFlow; combinations that do not work raise an error saying why."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.messages import unknown
from training.config import Hardware
from training.data.shares import ALL, Share

# What Keras 3 cannot do under a MirroredStrategy, by field of the configuration: the value that is
# harmless, and why any other is not.
REFUSED: dict[str, tuple[object, str]] = {
    "jit_compile": (False, "XLA cannot reach variables on another device"),
}


def choose_devices(requested: tuple[str, ...] | None) -> tuple[str, ...]:
    """Choose the devices of a run: those requested, else all GPUs, else the CPU; two CPUs are made where asked for."""
    if requested is not None:
        requested = tuple(name.upper() for name in requested)
        _split_cpu(requested)
    present = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
    gpus = tuple(name for name in present if name.startswith("GPU"))
    for name in requested or ():
        if name not in present:
            raise ValueError(unknown("device", name, present))
    if requested and len(set(requested)) < len(requested):
        raise ValueError(f"Each device can be named once; received {', '.join(requested)}.")
    return requested or gpus or ("CPU:0",)


def _split_cpu(requested: tuple[str, ...]) -> None:
    """Make as many logical CPU devices as the request names, where TensorFlow has not started yet."""
    wanted = sum(name.startswith("CPU") for name in requested)
    cpu = tf.config.list_physical_devices("CPU")[0]
    if wanted > 1 and tf.config.get_logical_device_configuration(cpu) is None:
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * wanted)
        except RuntimeError as error:
            raise ValueError(
                f"TensorFlow has started with one CPU device in this process, and devices names {wanted}. Choose them "
                "in a process that has computed nothing yet, or name CPU:0 alone."
            ) from error


@functools.cache
def strategy(devices: tuple[str, ...], cross_device: str = "default") -> tf.distribute.Strategy:
    """Give the strategy of this process, the same one each time: Keras and TensorFlow do not support a second one.

    `cross_device="one_device"` reduces on one device, which several steps per execution need.
    """
    if len(devices) == 1:
        return tf.distribute.OneDeviceStrategy(devices[0])
    operations = tf.distribute.ReductionToOneDevice() if cross_device == "one_device" else None
    return tf.distribute.MirroredStrategy(list(devices), cross_device_ops=operations)


def distribution_of(hardware: Hardware) -> Mirrored:
    """Give the devices of a configuration, on which any network can be evaluated."""
    several_steps = hardware.steps_per_execution > 1
    return Mirrored(strategy(choose_devices(hardware.devices), "one_device" if several_steps else "default"))


def check_hardware(hardware: Hardware, replicas: int) -> None:
    """Refuse what does not work on several devices."""
    for field, (harmless, reason) in REFUSED.items():
        if getattr(hardware, field) != harmless:
            raise ValueError(
                f"{field}={getattr(hardware, field)} does not work on {replicas} devices: {reason}. "
                f"Set {field} to {harmless}, or choose one of --devices."
            )


@dataclass(frozen=True)
class Mirrored:
    """The `training.distribution.interface.Distribution` of a strategy, which its models remember."""

    strategy: tf.distribute.Strategy

    @property
    def replicas(self) -> int:
        """How many devices there are."""
        return self.strategy.num_replicas_in_sync

    @property
    def replicas_here(self) -> int:
        """How many of them are on this host: all."""
        return self.replicas

    def parts(self, synchronized: bool) -> int:
        """In how many parts of a batch, each by itself, batch normalization takes its statistics."""
        return 1 if synchronized else self.replicas

    @property
    def share(self) -> Share:
        """Which part of every batch this host reads: all of it."""
        return ALL

    def scope(self) -> AbstractContextManager:
        """Give the context in which models, optimizers and metrics are made."""
        return self.strategy.scope()

    def computing(self) -> AbstractContextManager:
        """Give the context in which a model that was made in the scope is trained or evaluated."""
        return contextlib.nullcontext()

    def merge(self, model: keras.Model) -> None:
        """Give all devices the mean over devices of every variable that no gradient changes, but for seeds."""
        for variable in model.non_trainable_variables:
            if not keras.backend.is_float_dtype(variable.dtype):
                continue
            copies = [copy.numpy() for copy in getattr(variable.value, "values", ())]
            if not all(np.array_equal(copy, copies[0]) for copy in copies[1:]):
                variable.assign(np.mean(copies, axis=0, dtype="float64").astype(copies[0].dtype))

    def on_each(self, model: keras.Model, function: Callable, specification: Any) -> Callable:
        """Make the function that calls another on every device with its share; traced once for all sizes."""

        @tf.function(input_signature=[specification] * self.replicas)
        def step(*shares):
            def own(context):
                return shares[context.replica_id_in_sync_group]

            given = self.strategy.experimental_distribute_values_from_function(own)
            return self.strategy.experimental_local_results(self.strategy.run(function, (given,)))

        return lambda *shares: [outputs.numpy() for outputs in step(*shares)]
