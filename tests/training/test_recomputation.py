"""Activations that are computed again in the backward pass: the same steps, weights and draws as without."""

import json

import keras
import numpy as np
import pytest

import keras_resnet
from tests.keras_resnet.helpers import run_python
from tests.training.learners import small
from training.learner import learning
from training.optimization.losses import make_loss
from training.optimization.optimizers import make_optimizer

IMAGES = np.random.default_rng(0).normal(size=(2, 8, 16, 16, 3)).astype("float32")
LABELS = np.array([[0, 1, 2, 0, 1, 2, 0, 1], [1, 1, 0, 0, 2, 2, 0, 1]])

NETWORKS = {
    "original": {},
    "random layers": {"dropout": 0.3, "stochastic_depth": 0.5},
    "pre-activation": {"placement": "full_preactivation", "shortcut": "exclusive_gating", "l2": 0.01},
}

FAST = "random layers"


def network(choices: dict) -> keras.Model:
    keras.utils.set_random_seed(1)
    return keras_resnet.ResNet("ResNet8", input_shape=(16, 16, 3), classes=3, **choices)


def compiled(model: keras.Model) -> keras.Model:
    optimizer = make_optimizer({"name": "sgd", "learning_rate": 0.1, "momentum": 0.0}, lambda peak: peak)
    model.compile(optimizer, make_loss("cross_entropy"))
    return model


def after_steps(model: keras.Model) -> tuple[list[np.ndarray], list[float]]:
    """Train for two steps; give all variables, the generators of dropout among them, and the losses."""
    compiled(model)
    losses = [float(model.train_on_batch(*batch)) for batch in zip(IMAGES, LABELS, strict=True)]
    return [keras.ops.convert_to_numpy(variable) for variable in model.variables], losses


@pytest.mark.slow
@pytest.mark.parametrize(
    "choices",
    [pytest.param(own, marks=() if name == FAST else pytest.mark.slow, id=name) for name, own in NETWORKS.items()],
)
def test_steps_are_those_of_kept_activations(choices):
    kept, again = network(choices), network(choices)
    again.set_weights(kept.get_weights())
    for model in (kept, again):
        model.get_layer("conv1_conv").trainable = False
    names = [weight.path for weight in again.weights]
    learner = learning(again, remat=True)
    assert [weight.path for weight in learner.weights] == names
    (variables, losses), (others, other_losses) = after_steps(kept), after_steps(learner)
    assert losses == pytest.approx(other_losses, rel=1e-5)
    for one, other in zip(variables, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_network_that_does_not_know_its_units_raises_an_error():
    with pytest.raises(
        ValueError, match=r"hardware\.remat needs to know the residual units of '.*Leave it out, or name"
    ):
        learning(small(), remat=True)


ON_TWO = """
import json
import tensorflow as tf
from training.distribution.mirrored import choose_devices, strategy

two = strategy(choose_devices(("CPU:0", "CPU:1")))  # before TensorFlow makes its first tensor
from tests.training import test_recomputation as here

data = tf.data.Dataset.from_tensor_slices((here.IMAGES, here.LABELS))
found = []
with two.scope():
    for remat in (False, True):
        model = here.network({"dropout": 0.3, "synchronized": True})
        here.compiled(here.learning(model, 1, remat)).fit(data, verbose=0)
        found.append([weights.tolist() for weights in model.get_weights()])
print(json.dumps(found))
"""


@pytest.mark.slow
def test_two_devices_compute_again_what_they_would_keep():
    kept, again = json.loads(run_python("-c", ON_TWO, timeout=900).stdout.splitlines()[-1])
    for one, other in zip(kept, again, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
