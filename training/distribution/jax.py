"""Devices under JAX: Keras's data parallelism where there are several. TensorFlow only reads the data there."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import keras
import numpy as np

from keras_resnet.messages import unknown
from training.config import Hardware
from training.data.shares import Share

PLATFORMS = ("gpu", "tpu", "cpu")  # of the devices of a run where none are named, the first that there is


def choose_devices(requested: tuple[str, ...] | None) -> tuple[str, ...]:
    """Choose the devices of a run: those requested, else all GPUs, else the CPU; two CPUs are made where asked for."""
    leave_accelerators()
    if requested is not None:
        requested = tuple(name.upper() for name in requested)
        _split_cpu(requested)
    present = _present()
    for name in requested or ():
        if name not in present:
            raise ValueError(unknown("device", name, present))
    if requested and len(set(requested)) < len(requested):
        raise ValueError(f"Each device can be named once; received {', '.join(requested)}.")
    return requested or tuple(name for name in present if not name.startswith("CPU")) or ("CPU:0",)


@functools.cache
def leave_accelerators() -> None:
    """Keep TensorFlow, which only reads data, from the memory of the devices that JAX computes on."""
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # it has started, and holds what it holds
        tf.config.set_visible_devices([], "GPU")


def _split_cpu(requested: tuple[str, ...]) -> None:
    """Make as many CPU devices as the request names, where JAX has not started yet."""
    wanted = sum(name.startswith("CPU") for name in requested)
    if wanted > 1:
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", wanted)


def _present(host: int | None = None) -> dict[str, jax.Device]:
    """Give the devices of a host, of this one by default, by TensorFlow's names; accelerators come first."""
    found, host = {}, jax.process_index() if host is None else host
    for platform in PLATFORMS:
        with contextlib.suppress(RuntimeError):  # none of this kind
            devices = [device for device in jax.devices(platform) if device.process_index == host]
            found |= {f"{platform.upper()}:{place}": device for place, device in enumerate(devices)}
    return found


def distribution_of(hardware: Hardware) -> Parallel:
    """Give the devices of a configuration, on which any network can be evaluated."""
    names, devices = choose_devices(hardware.devices), []
    for host in range(jax.process_count()):
        present = _present(host)
        if missing := [name for name in names if name not in present]:
            raise ValueError(
                f"Host {host} has no device {missing[0]}, as others have. Name by --devices what every host has."
            )
        devices += [present[name] for name in names]
    return Parallel(tuple(devices))


def check_hardware(hardware: Hardware, replicas: int) -> None:
    """Refuse what does not work on several devices: nothing, for JAX sees them as one."""


@dataclass(frozen=True)
class Parallel:
    """The `training.distribution.interface.Distribution` of JAX's devices.

    A program of JAX is written for the whole batch, whatever share of it each device holds. So batch statistics are of
    all devices, and nothing differs between them that would have to be merged.
    """

    devices: tuple[jax.Device, ...]

    @property
    def replicas(self) -> int:
        """How many devices there are, on all hosts together."""
        return len(self.devices)

    @property
    def here(self) -> list[jax.Device]:
        """Those of this host."""
        return [device for device in self.devices if device.process_index == jax.process_index()]

    @property
    def replicas_here(self) -> int:
        """How many of them are on this host."""
        return len(self.here)

    def parts(self, synchronized: bool) -> int:
        """In how many parts of a batch batch normalization takes its statistics: of all of it, in any case."""
        return 1

    @property
    def share(self) -> Share:
        """Which part of every batch this host reads."""
        return Share(jax.process_index(), jax.process_count())

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Let Keras compute on these devices, and no longer when the block ends."""
        if self.replicas == 1:
            with jax.default_device(self.devices[0]):
                yield
        else:
            with _parallel(self.devices).scope():
                yield

    scope = computing

    def merge(self, model: keras.Model) -> None:
        """Leave the network, of which all devices hold the same."""

    def on_each(self, model: keras.Model, function: Callable, specification: Any) -> Callable:
        """Make the function that calls another on every device with its share; compiled anew for each size."""
        variables = model.variables

        @jax.jit
        def computed(values, share):
            with keras.StatelessScope(list(zip(variables, values))):
                return function(share)

        values = [keras.ops.convert_to_numpy(variable) for variable in variables]
        copies = [jax.device_put(values, device) for device in self.here]

        def step(*shares):
            given = (jax.tree.map(np.asarray, share) for share in shares)
            outputs = [
                computed(own, jax.device_put(share, device)) for own, share, device in zip(copies, given, self.here)
            ]
            return [np.asarray(own) for own in outputs]  # now that all devices have begun

        return step


@functools.cache
def _parallel(devices: tuple[jax.Device, ...]) -> keras.distribution.DataParallel:
    """Give the data parallelism over some devices, the same one each time; each host feeds its own share."""
    return keras.distribution.DataParallel(devices=list(devices), auto_shard_dataset=False)
