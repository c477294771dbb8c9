"""Lion, LAMB and LARS against the algorithms of their papers in a few lines of NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.optimization.optimizers import make_optimizer
from training.optimization.schedules import make_schedule

RATE, MOMENTUM, DECAY = 0.1, 0.9, 0.05


def lion_by_hand(weight, slopes, decayed):
    """Source: arXiv 2302.06675, algorithm 2, with beta of 0.9 and 0.99."""
    momentum = np.zeros_like(weight)
    for slope in slopes:
        step = np.sign(0.9 * momentum + 0.1 * slope) + (DECAY * weight if decayed else 0)
        momentum, weight = 0.99 * momentum + 0.01 * slope, weight - RATE * step
    return weight


def lamb_by_hand(weight, slopes, decayed):
    """Source: arXiv 1904.00962, algorithm 2, with beta of 0.9 and 0.999."""
    first, second = np.zeros_like(weight), np.zeros_like(weight)
    for count, slope in enumerate(slopes, start=1):
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        step = first / (1 - 0.9**count) / (np.sqrt(second / (1 - 0.999**count)) + 1e-6)
        ratio = 1.0
        if decayed:
            step = step + DECAY * weight
            ratio = np.linalg.norm(weight) / np.linalg.norm(step)
        weight = weight - RATE * ratio * step
    return weight


def lars_by_hand(weight, slopes, decayed):
    """Source: arXiv 1708.03888, algorithm 1, with a trust coefficient of 0.5."""
    velocity, l2 = np.zeros_like(weight), DECAY if decayed else 0.0
    for slope in slopes:
        size = np.linalg.norm(weight)
        rate = 0.5 * size / (np.linalg.norm(slope) + l2 * size) if decayed else 1.0
        velocity = MOMENTUM * velocity + RATE * rate * (slope + l2 * weight)
        weight = weight - velocity
    return weight


BY_HAND = {
    "lion": (lion_by_hand, {}),
    "lamb": (lamb_by_hand, {}),
    "lars": (lars_by_hand, {"momentum": MOMENTUM, "trust": 0.5}),
}


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("decayed", ["all", "kernels"])
@pytest.mark.parametrize("name", BY_HAND)
def test_optimizer_follows_the_algorithm_of_its_paper(name, decayed, compiled):
    formula, parameters = BY_HAND[name]
    choice = {"name": name, "learning_rate": RATE, "weight_decay": DECAY, "decayed": decayed, **parameters}
    generator, names = np.random.default_rng(0), ("kernel", "gamma", "beta", "bias")
    start, slopes = generator.normal(size=(4, 3, 2)), generator.normal(size=(4, 4, 3, 2))
    trained = [keras.Variable(values, dtype="float32", name=name) for name, values in zip(names, start)]
    optimizer = make_optimizer(choice, make_schedule("constant", 10))
    optimizer.build(trained)
    step = tf.function(lambda given: optimizer.apply(given, trained)) if compiled else optimizer.apply
    for given in slopes:
        step([tf.constant(slope, "float32") for slope in given])
    for place, name in enumerate(names):
        expected = formula(start[place], slopes[:, place], decayed == "all" or name == "kernel")
        np.testing.assert_allclose(trained[place].numpy(), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["lamb", "lars"])
@pytest.mark.parametrize("zero", ["weight", "gradient"])
def test_ratio_of_a_norm_that_is_zero_is_one(name, zero):
    choice = {"name": name, "learning_rate": RATE, "weight_decay": 0.0}
    kernel = keras.Variable(np.zeros(2) if zero == "weight" else np.ones(2), dtype="float32", name="kernel")
    slope = np.zeros(2, "float32") if zero == "gradient" else np.array([2.0, 2.0], "float32")
    make_optimizer(choice, make_schedule("constant", 10)).apply([tf.constant(slope)], [kernel])
    expected = 1.0 if zero == "gradient" else -RATE * (1 if name == "lamb" else 2)
    np.testing.assert_allclose(kernel.numpy(), expected, rtol=1e-5)
