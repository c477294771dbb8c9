"""The clock of a run: epochs, speed, and the share of time in which steps wait for their data."""

import math
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from training import clock as clocks
from training.clock import EpochClock, waiting


def simulated(arrivals, computing: float) -> tuple[np.ndarray, float, float]:
    """Run steps one after the other from second 100 on, and tell when all have ended and how long they have waited."""
    now, waited = 100.0, 0.0
    for arrival in arrivals:
        waited += max(arrival - now, 0)
        now = max(now, arrival) + computing
    return np.array(arrivals, "float64"), now, waited


@pytest.mark.parametrize(
    "arrivals",
    [(99.0,), (103.0,), (90.0, 91.0, 92.0), (101.0, 101.5, 102.0), (90.0, 108.0, 109.0), (103.0, 110.0, 117.0)],
    ids=["one at hand", "one late", "all at hand", "the first late", "the second late", "each late"],
)
def test_waiting_of_an_execution_is_that_of_its_steps(arrivals):
    arrived, ended, waited = simulated(arrivals, computing=2.0)
    assert waiting(100.0, arrived, ended) == pytest.approx(waited)


class Shares(keras.callbacks.Callback):
    """Keeps what the clock says after each epoch."""

    def __init__(self, clock: EpochClock):
        super().__init__()
        self.clock, self.shares, self.rates = clock, [], []

    def on_epoch_end(self, epoch, logs=None):
        self.shares.append(self.clock.share_waiting)
        self.rates.append(self.clock.images_per_second)


def delayed(images, labels):
    """Take a tenth of a second to give a batch."""

    def sleep(values):
        time.sleep(0.1)
        return values

    late = tf.numpy_function(sleep, [images], images.dtype)
    late.set_shape(images.shape)
    return late, labels


def fitted(late: bool, replicas: int = 1, **compiled) -> tuple[keras.Model, Shares]:
    """Train two epochs of eight batches."""
    model = keras.Sequential([keras.Input((64,)), *(keras.layers.Dense(512) for _ in range(4)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", **{"jit_compile": False, **compiled})
    data = tf.data.Dataset.from_tensors((np.ones((128, 64), "float32"), np.ones((128, 1), "float32"))).repeat()
    data = (data.map(delayed) if late else data).prefetch(2)
    shares = Shares(EpochClock(128))
    model.fit(data, epochs=2, steps_per_epoch=8, shuffle=False, verbose=0, callbacks=[shares.clock, shares])
    return model, shares


@pytest.mark.slow
@pytest.mark.parametrize("execution", [1, 4])
def test_share_of_waiting_is_large_where_data_are_late_and_small_where_they_are_at_hand(execution):
    late, at_hand = (fitted(late, steps_per_execution=execution)[1] for late in (True, False))
    # Another process may take the processor from a step, or from its start.
    assert min(late.shares) > 0.6 > 0.5 > min(at_hand.shares)
    assert max(late.rates) < 2 * 128 / 0.1 < 10 * min(late.rates)


def test_step_that_xla_compiles_tells_nothing_and_the_network_keeps_its_own():
    model, shares = fitted(False, jit_compile=True)
    assert all(map(math.isnan, shares.shares))
    for network in (model, fitted(False)[0]):
        assert "train_step" not in vars(network)


def test_what_a_step_computes_waits_for_the_note_that_its_batch_is_there():
    step = tf.function(clocks.noting([], lambda data: 2 * data[0]))
    graph = step.get_concrete_function((tf.ones(3), None)).graph
    product = next(operation for operation in graph.get_operations() if operation.type == "Mul")
    before, found = [product], set()
    while before:
        operation = before.pop()
        found.add(operation.type)
        before += [*(tensor.op for tensor in operation.inputs), *operation.control_inputs]
    assert "PyFunc" in found


def test_epoch_of_one_step_has_no_share():
    clock = EpochClock(8)
    clock.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    clock.on_epoch_begin(0)
    clock.on_train_batch_begin(0)
    clock.on_train_batch_end(0)
    assert math.isnan(clock.share_waiting) and clock.seconds_per_step == 0


def test_seconds_of_a_step_leave_out_the_first_and_carry_over_an_epoch(monkeypatch):
    now = iter((0.0, 60.0, 60.0, 62.0, 62.0, 64.0, 70.0, 73.0))
    monkeypatch.setattr(clocks.time, "time", lambda: next(now))
    clock = EpochClock(8)
    for epoch, steps in ((0, 3), (1, 1)):
        clock.on_epoch_begin(epoch)
        for batch in range(steps):
            clock.on_train_batch_begin(batch)
            clock.on_train_batch_end(batch)
    assert clock.seconds_per_step == pytest.approx((2 + 2 + 3) / 3)
