"""Every augmentation, optimizer, schedule and loss that may be named, against its formula in NumPy.

A new one needs a row in the table of its kind; a test names the row that is missing. More of each is tested in the
files of their modules.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.data.augmentation import AUGMENTATIONS, Drawn
from training.optimization.losses import LOSSES, make_loss
from training.optimization.optimizers import OPTIMIZERS, make_optimizer
from training.optimization.schedules import SCHEDULES, make_schedule


def row_of(table, kind, name):
    assert name in table, f"give the {kind} {name!r} a row in {kind.upper()} of {__file__}"
    return table[name]


def pad_crop(images, numbers):
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)])
    places = (5 * numbers).astype(int)
    return [image[top : top + 8, left : left + 8] for image, (top, left) in zip(padded, places)]


def flip(images, numbers):
    return [image[:, ::-1] if number < 0.5 else image for image, (number,) in zip(images, numbers)]


def random_resized_crop(images, numbers):
    """A quarter of the area at the aspect of a square: a window of half the side, which is the size asked for."""
    return [image[top : top + 4, left : left + 4] for image, (top, left) in zip(images, (5 * numbers).astype(int))]


# Parameters, numbers that are not drawn but given first, and the images that the others lead to.
AUGMENTATION = {
    "pad_crop": ({"pixels": 2}, [], pad_crop),
    "flip": ({}, [], flip),
    "random_resized_crop": ({"area": 0.25}, [0.0, 0.5], random_resized_crop),
}


def epoch_0(numbers):
    return Drawn(tf.constant(numbers), tf.constant(numbers), 0)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_computes_its_formula(name):
    parameters, given, formula = row_of(AUGMENTATION, "augmentation", name)
    function = AUGMENTATIONS[name]
    generator = np.random.default_rng(0)
    images = generator.normal(size=(16, 8, 8, 3)).astype("float32")
    numbers = generator.uniform(size=(16, function.draws - len(given))).astype("float32")
    drawn = np.concatenate([np.broadcast_to(np.array(given, "float32"), (16, len(given))), numbers], axis=1)
    if function.resizes:
        augmented = [function(image, epoch_0(row), (4, 4), **parameters) for image, row in zip(images, drawn)]
    else:
        augmented = function(tf.constant(images), epoch_0(drawn), **parameters)
    np.testing.assert_allclose(augmented, formula(images, numbers), rtol=1e-5, atol=1e-6)


def lars_step(g, w):
    return -0.1 * 0.5 * np.linalg.norm(w) / (np.linalg.norm(g) + 0.01 * np.linalg.norm(w)) * (g + 0.01 * w)


def lamb_step(g, w):
    step = np.sign(g) + 0.01 * w
    return -0.1 * np.linalg.norm(w) / np.linalg.norm(step) * step


# What the first step adds to a bias, by its gradient and itself, at a rate of 0.1; of kernels, see test_optimizers.py.
OPTIMIZER = {
    "sgd": ({"weight_decay": 0.01}, lambda g, w: -0.1 * (g + 0.01 * w)),
    "muon": ({"momentum": 0.8, "nesterov": True}, lambda g, w: -0.1 * g * (1 + 0.8)),
    "adamw": ({"weight_decay": 0.01, "decayed": "all"}, lambda g, w: -0.1 * (np.sign(g) + 0.01 * w)),
    "lion": ({"weight_decay": 0.01, "decayed": "all"}, lambda g, w: -0.1 * (np.sign(g) + 0.01 * w)),
    "lamb": ({"weight_decay": 0.01, "decayed": "all"}, lamb_step),
    "lars": ({"weight_decay": 0.01, "decayed": "all", "trust": 0.5}, lars_step),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_takes_its_first_step(name):
    parameters, formula = row_of(OPTIMIZER, "optimizer", name)
    weights, gradient = np.array([1.0, -2.0, 0.5], "float32"), np.array([0.3, -0.2, 4.0], "float32")
    bias = keras.Variable(weights, name="bias")
    choice = {"name": name, "learning_rate": 0.1, **parameters}
    make_optimizer(choice, lambda peak: peak).apply([tf.constant(gradient)], [bias])
    np.testing.assert_allclose(bias.numpy() - weights, formula(gradient, weights), rtol=1e-4)


# The rate in 100 steps as a share of the highest, by the step.
SCHEDULE = {
    "constant": ({}, lambda step: 1.0),
    "steps": ({"milestones": (0.5, 0.75)}, lambda step: 1.0 if step < 50 else 0.1 if step < 75 else 0.01),
    "one_cycle": ({"warmup": 0.2}, lambda step: step / 20 if step < 20 else (100 - step) / 80),
    "cosine": ({}, lambda step: (1 + np.cos(np.pi * step / 100)) / 2),
    "polynomial": ({"power": 2.0, "end": 0.1}, lambda step: 0.1 + 0.9 * (1 - step / 100) ** 2),
    "exponential": ({"rate": 0.9, "every": 4}, lambda step: 0.9 ** (step / 4)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_gives_its_rates(name):
    parameters, formula = row_of(SCHEDULE, "schedule", name)
    rate = make_schedule({"name": name, **parameters}, 100)(0.4)
    steps = range(0, 100, 5)
    rates = [rate if isinstance(rate, float) else float(rate(step)) for step in steps]
    np.testing.assert_allclose(rates, [0.4 * formula(step) for step in steps], rtol=1e-5, atol=1e-7)


# The loss of each example, by logits, the probabilities that they make, and the true class as 0 and 1.
LOSS = {
    "cross_entropy": (
        {"label_smoothing": 0.1},
        lambda logits, p, hot: -((0.9 * hot + 0.1 / 3) * np.log(p)).sum(axis=1),
    ),
    "binary_cross_entropy": ({}, lambda logits, p, hot: np.log1p(np.exp(np.where(hot, -logits, logits))).mean(axis=1)),
    "focal": ({"gamma": 3.0}, lambda logits, p, hot: -(hot * (1 - p) ** 3 * np.log(p)).sum(axis=1)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_computes_its_formula(name):
    parameters, formula = row_of(LOSS, "loss", name)
    labels = np.array([0, 2, 1])
    probabilities = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4], [0.1, 0.8, 0.1]], "float32")
    logits = np.log(probabilities) + 3
    expected = formula(logits, probabilities, np.eye(3)[labels]).mean()
    actual = make_loss({"name": name, **parameters})(labels, keras.activations.softmax(logits))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    from_logits = make_loss({"name": name, **parameters}, from_logits=True)
    np.testing.assert_allclose(from_logits(labels, logits), expected, rtol=1e-5)
