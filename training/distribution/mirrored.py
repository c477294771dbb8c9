"""One distribution strategy per process; combinations that do not work raise an error saying why."""

from __future__ import annotations

import functools

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.messages import unknown
from training.config import Hardware

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
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * wanted)


@functools.cache
def strategy(devices: tuple[str, ...], cross_device: str = "default") -> tf.distribute.Strategy:
    """Give the strategy of this process, the same one each time: Keras and TensorFlow do not support a second one.

    `cross_device="one_device"` reduces on one device, which several steps per execution need.
    """
    if len(devices) == 1:
        return tf.distribute.OneDeviceStrategy(devices[0])
    operations = tf.distribute.ReductionToOneDevice() if cross_device == "one_device" else None
    return tf.distribute.MirroredStrategy(list(devices), cross_device_ops=operations)


def strategy_of(hardware: Hardware) -> tf.distribute.Strategy:
    """Give the strategy of a configuration's devices, on which any network can be evaluated."""
    return strategy(choose_devices(hardware.devices), "one_device" if hardware.steps_per_execution > 1 else "default")


def make_strategy(hardware: Hardware, batch_size: int) -> tf.distribute.Strategy:
    """Make the strategy of a training run; what does not work on several devices raises an error."""
    chosen = strategy_of(hardware)
    replicas = chosen.num_replicas_in_sync
    if replicas > 1:
        for field, (harmless, reason) in REFUSED.items():
            if getattr(hardware, field) != harmless:
                raise ValueError(
                    f"{field}={getattr(hardware, field)} does not work on {replicas} devices: {reason}. "
                    f"Set {field} to {harmless}, or choose one of --devices."
                )
    if batch_size % replicas:
        near = batch_size // replicas * replicas or replicas
        raise ValueError(
            f"batch_size={batch_size} cannot be split evenly over {replicas} devices; it is the batch of all "
            f"devices together. Take {near} or {near + replicas}."
        )
    check_parts(hardware.accumulation, batch_size, replicas)
    return chosen


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
    """Brings what training leaves different on each device together before every evaluation.

    Without `synchronized` each device blends the statistics of its own share of a batch into its own moving ones. Each
    evaluates with its own, and what is saved are those of the first: other networks than the run reports on.
    """

    def on_test_begin(self, logs=None) -> None:
        """Give all devices the mean."""
        merge_replicas(self.model)


def merge_replicas(model: keras.Model) -> None:
    """Give all devices the mean over devices of every variable that no gradient changes, as moving statistics."""
    for variable in model.non_trainable_variables:
        copies = [copy.numpy() for copy in getattr(variable.value, "values", ())]
        if not all(np.array_equal(copy, copies[0]) for copy in copies[1:]):
            variable.assign(np.mean(copies, axis=0, dtype="float64").astype(copies[0].dtype))
