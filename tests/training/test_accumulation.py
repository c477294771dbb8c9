"""Batches that are learned in parts: the same steps as by whole batches, on one device and on two."""

import json

import keras
import numpy as np
import pytest

from keras_resnet.model import ResidualNetwork
from tests.keras_resnet.helpers import run_python
from tests.training.learners import compiled, small
from training.config import make_config
from training.distribution import make_distribution
from training.learner import learning
from training.optimization.losses import make_loss

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(3, 16, 6, 6, 2)).astype("float32")
LABELS = RANDOM.integers(0, 3, (3, 16))
WEIGHTS = RANDOM.uniform(0.5, 1.5, (3, 16)).astype("float32")

CLIPPED = [{"name": name, "learning_rate": 0.1, "clip_norm": 0.5} for name in ("sgd", "muon", "lamb")]


def in_parts(model: ResidualNetwork, parts: int, choice: dict) -> ResidualNetwork:
    """Copy a network, as one that learns in parts."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return compiled(learning(copy, parts), choice)


def states(model: ResidualNetwork) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(v) for v in (*model.weights, *model.optimizer.variables)]


@pytest.mark.slow
@pytest.mark.parametrize("choice", CLIPPED, ids=lambda choice: choice["name"])
def test_steps_in_parts_are_those_of_whole_batches(choice):
    first = small()
    whole, parts = in_parts(first, 1, choice), in_parts(first, 4, choice)
    assert type(whole) is ResidualNetwork
    for step in zip(IMAGES, LABELS, WEIGHTS, strict=True):
        one, other = (model.train_on_batch(*step, return_dict=True) for model in (whole, parts))
        assert one == pytest.approx(other, rel=1e-5)
    for left, right in zip(states(whole), states(parts), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)
    assert int(parts.optimizer.iterations) == 3


@pytest.mark.slow
def test_statistics_are_of_the_parts_and_move_with_each():
    model = in_parts(small(normalized=True), 4, CLIPPED[0])
    convolution = keras.Model(model.input, model.get_layer("conv").output)
    mean, values = np.zeros(4), convolution(IMAGES[0]).numpy()
    model.train_on_batch(IMAGES[0], LABELS[0])
    for place in range(4):
        mean = 0.9 * mean + 0.1 * values[place::4].mean(axis=(0, 1, 2))
    np.testing.assert_allclose(model.get_layer("bn").moving_mean.numpy(), mean, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_scaled_gradients_of_float16_are_those_of_whole_batches():
    first = small()
    states_of = []
    for parts in (1, 2):
        model = in_parts(first, parts, CLIPPED[0])
        scaled = keras.optimizers.LossScaleOptimizer(model.optimizer, initial_scale=128.0)
        model.compile(scaled, make_loss("cross_entropy"))
        model.train_on_batch(IMAGES[0], LABELS[0])
        states_of.append(model.get_weights())
    for left, right in zip(*states_of, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("batch", "parts", "advice"), [(64, 3, "Take 2 or 4."), (64, 48, "Take 32 or 64."), (6, 9, "Take 6.")]
)
def test_parts_that_are_not_of_one_size_raise_an_error(batch, parts, advice):
    config = make_config({"epochs": 1, "batch_size": batch, "hardware.accumulation": parts, "devices": ("CPU:0",)})
    with pytest.raises(
        ValueError, match=f"hardware.accumulation={parts} cannot split a batch of {batch} evenly. {advice}"
    ):
        make_distribution(config.hardware, batch)


ON_TWO = """
import json, sys
import keras
import numpy as np
import tensorflow as tf
from training.distribution.mirrored import choose_devices, strategy

two = strategy(choose_devices(("CPU:0", "CPU:1")))  # before TensorFlow makes its first tensor
from tests.training.learners import compiled, small
from training.learner import learning
saved = np.load(sys.argv[1])
data = tf.data.Dataset.from_tensor_slices((saved["images"], saved["labels"], saved["weights"]))
found = []
for choice in json.loads(sys.argv[2]):
    with two.scope():
        model = small()
        model.set_weights([saved[f"w{place}"] for place in range(len(model.weights))])
        model = compiled(learning(model, 4), choice)
    model.fit(data, verbose=0)
    found.append([keras.ops.convert_to_numpy(v).tolist() for v in (*model.weights, *model.optimizer.variables)])
print(json.dumps(found))
"""


@pytest.mark.slow
def test_two_devices_learn_in_parts_and_average_as_one_does(tmp_path):
    first, path = small(), tmp_path / "arrays.npz"
    weights = {f"w{place}": value for place, value in enumerate(first.get_weights())}
    np.savez(path, images=IMAGES, labels=LABELS, weights=WEIGHTS, **weights)
    found = json.loads(run_python("-c", ON_TWO, path, json.dumps(CLIPPED)).stdout.splitlines()[-1])
    for choice, on_two in zip(CLIPPED, found, strict=True):
        alone = in_parts(first, 1, choice)
        for step in zip(IMAGES, LABELS, WEIGHTS, strict=True):
            alone.train_on_batch(*step)
        for left, right in zip(states(alone), on_two, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)
