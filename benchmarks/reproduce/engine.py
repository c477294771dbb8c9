"""Training of small networks on an accelerator by JAX: an epoch is one compiled loop, of several seeds at once.

Everything that decides what is learned comes from `training`: network, input contract, augmentation, loss, optimizer,
schedule, and the numbers that order and augmentation draw. Here is only how it is computed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import keras
import numpy as np
from jax import numpy as jnp

import draws
from data import Images
from keras_resnet.build.head import TOP
from keras_resnet.preprocessing import Preprocessing
from limits import check_config
from training.config import RunConfig
from training.data.augmentation import AUGMENTATIONS, Drawn
from training.data.augmentation.composition import augment
from training.data.augmentation.registry import Step, keyed
from training.data.standardization import make_preprocessing
from training.networks import make_architecture, make_model
from training.optimization.losses import make_loss
from training.optimization.optimizers import make_optimizer
from training.optimization.rules import layer_rates
from training.optimization.schedules import make_schedule
from training.plan import Plan

TEST_BATCH = 500


class State(NamedTuple):
    """All that changes from step to step; arrays of several seeds have a first axis of seeds."""

    trainable: list[jax.Array]
    non_trainable: list[jax.Array]
    optimizer: list[jax.Array]


@dataclass(frozen=True, eq=False)
class Engine:
    """What the seeds of a run share: its network as a graph, its data on the device, its compiled loops.

    Args:
        config: RunConfig; its seed is not used.
        images: Images.
    """

    config: RunConfig
    images: Images

    def __post_init__(self) -> None:
        check_config(self.config, self.images)

    @functools.cached_property
    def plan(self) -> Plan:
        """The length of a run."""
        return Plan.of(self.images, self.config)

    @functools.cached_property
    def contract(self) -> Preprocessing:
        """How pixels are standardized."""
        read = lambda images, blank: images.batches(blank)  # noqa: E731
        data, size = self.config.data, self.images.shape[:2]
        return make_preprocessing(self.images, data, self.config.evaluation.test_crop, size, read=read)

    @functools.cached_property
    def model(self) -> keras.Model:
        """The network as a graph that gives logits."""
        model = self.new_model(0)
        model.get_layer(TOP).activation = keras.activations.linear
        return model

    @functools.cached_property
    def optimizer(self) -> keras.optimizers.Optimizer:
        """The optimizer, whose variables are only the first ones of every seed."""
        schedule = make_schedule(self.config.schedule, self.plan.iterations, self.plan.head_steps)
        rates = layer_rates(self.model, self.config.start.stage_decay)
        optimizer = make_optimizer(self.config.optimizer, schedule, rates, batch_size=self.config.batch_size)
        optimizer.build(self.model.trainable_variables)
        return optimizer

    def new_model(self, seed: int) -> keras.Model:
        """Build the network with the initial weights of a seed."""
        policy, network, start = keras.config.dtype_policy(), self.config.network, self.config.start
        keras.utils.set_random_seed(seed + 1)  # as training.session does
        keras.config.set_dtype_policy(self.config.hardware.dtype)
        try:
            architecture, classes = make_architecture(network, start), len(self.images.classes)
            with jax.default_device(host()):  # an accelerator would compile the draw of each shape of kernel
                return make_model(architecture, self.contract, classes, name=network.name, start=start)
        finally:
            keras.config.set_dtype_policy(policy)

    def start(self, seed: int) -> State:
        """Give the state before the first step of a seed."""
        return self._state_of(self.new_model(seed))

    @functools.cached_property
    def like(self) -> State:
        """A state of this network."""
        return self._state_of(self.model)

    def _state_of(self, model: keras.Model) -> State:
        variables = model.trainable_variables, model.non_trainable_variables, self.optimizer.variables
        return State(*([np.asarray(variable.value) for variable in group] for group in variables))

    def trained(self, state: State) -> keras.Model:
        """Give the network with the weights of a state."""
        model = self.new_model(0)
        for own, arrays in zip((model.trainable_variables, model.non_trainable_variables), state):
            for variable, array in zip(own, arrays, strict=True):
                variable.assign(array)
        return model

    @functools.cached_property
    def training_data(self) -> tuple[jax.Array, jax.Array]:
        """Training images and labels on the device."""
        return tuple(jnp.asarray(array) for array in self.images.train)

    @functools.cached_property
    def test_data(self) -> tuple[jax.Array, jax.Array]:
        """Test images and labels on the device in batches; what fills up the last one has the label -1."""
        images, labels = self.images.test
        size = min(TEST_BATCH, len(labels))
        missing = -len(labels) % size
        images = np.pad(images, [(0, missing), *[(0, 0)] * 3])
        labels = np.pad(labels, (0, missing), constant_values=-1)
        return tuple(jnp.asarray(array.reshape(-1, size, *array.shape[1:])) for array in (images, labels))

    @functools.cached_property
    def run_epoch(self) -> Callable:
        """The compiled loop `(states, data, draws, epoch) -> (states, losses of all steps)` over the steps of an epoch.

        It is compiled anew for each number of seeds only: in an epoch that ends early the other steps change nothing.
        """
        epoch = functools.partial(_epoch, self._step_of(), self.augmented)
        return jax.jit(jax.vmap(epoch, in_axes=(0, None, 0, None)), donate_argnums=0)

    @functools.cached_property
    def count_errors(self) -> Callable:
        """The compiled loop `(states, test data) -> errors`, a number for each seed."""
        return jax.jit(jax.vmap(functools.partial(_errors, self.model, self.contract), in_axes=(0, None)))

    def augmented(self, images, labels, drawn: Sequence[Drawn]) -> tuple[jax.Array, jax.Array]:
        """Augment and standardize a batch as the run asks for, by what each of its augmentations has drawn."""
        streams = keyed(self.config.augmentation, 0)
        steps = [Step(name, parameters, own) for (name, parameters, _), own in zip(streams, drawn)]
        return augment(images, labels, steps, self.contract.standardize, len(self.images.classes))

    def _step_of(self) -> Callable:
        return functools.partial(_step, self.model, make_loss(self.config.loss, from_logits=True), self.optimizer)

    def steps_in(self, epoch: int) -> int:
        """Count the steps of an epoch; the last one may be shorter."""
        return min(self.plan.steps, self.plan.iterations - epoch * self.plan.steps)

    def draw(self, seeds: Sequence[int], epoch: int) -> Draws:
        """Draw what `training` draws for an epoch of these seeds."""
        return jax.tree.map(lambda *arrays: np.stack(arrays), *(self._draw_one(seed, epoch) for seed in seeds))

    def _draw_one(self, seed: int, epoch: int) -> Draws:
        count, size, steps = self.images.count("train"), self.config.batch_size, self.steps_in(epoch)
        order = draws.order_of(count, self.config.data.shuffle_buffer, seed, epoch)
        streams = [((count, AUGMENTATIONS[name].draws), key) for name, _, key in keyed(self.config.augmentation, seed)]
        numbers = [draws.uniform(shape, key, epoch) for shape, key in streams]
        first = [draws.uniform(shape, key, 0) for shape, key in streams]
        order = order[: self.plan.steps * size].reshape(self.plan.steps, size)
        return Draws(order, np.arange(self.plan.steps) < steps, numbers, first)


class Draws(NamedTuple):
    """The random numbers of an epoch.

    Args:
        order: int32 array (steps, batch) of examples.
        taken: bool array (steps,), whether the run has not ended before.
        numbers: list of float32 arrays (examples, draws), one for each augmentation.
        first: the same, of epoch 0.
    """

    order: Any
    taken: Any
    numbers: list[Any]
    first: list[Any]


def host() -> jax.Device:
    """Give the CPU; where JAX was told to do without, the device of the runs."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return jax.local_devices()[0]


def _step(model, loss, optimizer, state: State, images, labels) -> tuple[State, jax.Array]:
    """Take a step of the optimizer, as Keras's trainer does."""

    def total(trainable, non_trainable):
        outputs = model.stateless_call(trainable, non_trainable, images, training=True, return_losses=True)
        logits, non_trainable, penalties = outputs
        return sum(penalties, loss(labels, logits)), non_trainable

    gradient = jax.value_and_grad(total, has_aux=True)
    (value, non_trainable), gradients = gradient(state.trainable, state.non_trainable)
    trainable, optimizer_state = optimizer.stateless_apply(state.optimizer, gradients, state.trainable)
    return State(list(trainable), list(non_trainable), list(optimizer_state)), value


def _epoch(step, augmented, state: State, data, drawn: Draws, epoch) -> tuple[State, jax.Array]:
    """Take the steps of an epoch of one seed; return the loss of each."""
    images, labels = data

    def augmented_step(state: State, place):
        examples, taken = place
        own = [Drawn(now[examples], first[examples], epoch) for now, first in zip(drawn.numbers, drawn.first)]
        after, value = step(state, *augmented(images[examples], labels[examples], own))
        return jax.tree.map(lambda new, old: jnp.where(taken, new, old), after, state), value

    return jax.lax.scan(augmented_step, state, (drawn.order, drawn.taken))


def _errors(model, contract, state: State, data) -> jax.Array:
    """Count the test images that one seed's network takes for another class."""

    def count(batch):
        images, labels = batch
        standardized = contract.standardize(images)
        logits, _ = model.stateless_call(state.trainable, state.non_trainable, standardized, training=False)
        return jnp.sum((jnp.argmax(logits, axis=-1) != labels) & (labels >= 0))

    return jnp.sum(jax.lax.map(count, data))


def stack(states: Sequence[State]) -> State:
    """Put the states of seeds beside each other."""
    return jax.tree.map(lambda *arrays: jnp.stack(arrays), *states)


def unstack(states: State, count: int) -> list[State]:
    """Take the states of seeds apart, in the memory of the host."""
    host = jax.device_get(states)
    return [jax.tree.map(lambda array, place=place: array[place], host) for place in range(count)]


def to_arrays(state: State) -> dict[str, np.ndarray]:
    """Name the arrays of a state."""
    groups = state._asdict().items()
    return {f"{group}.{place:05}": np.asarray(array) for group, arrays in groups for place, array in enumerate(arrays)}


def from_arrays(arrays: dict[str, np.ndarray], like: State) -> State:
    """Read the state that `to_arrays` named; raises ValueError where it is not one of this network."""
    expected = {name: (array.shape, array.dtype) for name, array in to_arrays(like).items()}
    if {name: (array.shape, array.dtype) for name, array in arrays.items()} != expected:
        raise ValueError("the saved arrays are not those of this network and optimizer.")
    return State(*([arrays[f"{group}.{i:05}"] for i in range(len(own))] for group, own in like._asdict().items()))
