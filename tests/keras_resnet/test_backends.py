"""The JAX backend, in a process of its own: the same numbers as TensorFlow's on the same weights."""

import json

import keras
import numpy as np
import pytest

import keras_resnet
from tests.keras_resnet.helpers import build, images, outputs, run_python

RUN_ON_JAX = """
import json, pathlib, sys
import keras
import keras_resnet
import numpy

assert keras.backend.backend() == "jax"
folder = pathlib.Path(sys.argv[1])
data = numpy.load(folder / "data.npz")
choices = json.loads(sys.argv[3])
weights = folder / "network.weights.h5"
model = keras_resnet.ResNet(sys.argv[2], classifier_activation=None, weights=weights, **choices)
logits = keras.ops.convert_to_numpy(model(data["x"], training=False))
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
before = model.train_on_batch(data["x"], data["labels"])
after = keras.ops.convert_to_numpy(model(data["x"], training=False))
numpy.savez(folder / "jax.npz", logits=logits, loss=before, after=after)
"""


NETWORKS = [
    ("ResNet20", {}),
    ("ResNet20V2", {}),
    ("ResNet8", {"activation": "maxout", "squeeze_excitation": 4, "shortcut": "exclusive_gating", "l2": 1e-4}),
    ("ResNet8", {"activation": "piecewise_linear", "projection": "average_pool", "shortcut": "B"}),
    ("ResNet8", {"activation": "rational"}),
]


@pytest.fixture(scope="module", params=NETWORKS, ids=str)
def runs(request, tmp_path_factory):
    """Run a network and one training step on both backends; return TensorFlow's numbers and JAX's."""
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("runs")
    name, choices = request.param
    architecture = keras_resnet.get_architecture(name).replace(**choices)
    model = build(architecture, (32, 32, 3), classes=10)
    x, labels = images(16, 32, 32, 3), np.arange(16) % 10
    model.save_weights(folder / "network.weights.h5")
    np.savez(folder / "data.npz", x=x, labels=labels)
    run_python("-c", RUN_ON_JAX, folder, name, json.dumps(choices), KERAS_BACKEND="jax")
    tensorflow = {"logits": outputs(model, x)}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
    tensorflow["loss"] = model.train_on_batch(x, labels)
    tensorflow["after"] = outputs(model, x)
    return tensorflow, np.load(folder / "jax.npz")


def test_logits_on_jax_are_those_on_tensorflow(runs):
    tensorflow, jax = runs
    np.testing.assert_allclose(jax["logits"], tensorflow["logits"], rtol=0, atol=1e-5 * tensorflow["logits"].std())


def test_training_step_on_jax_is_that_on_tensorflow(runs):
    tensorflow, jax = runs
    assert float(jax["loss"]) == pytest.approx(float(tensorflow["loss"]), rel=1e-4)
    change = np.abs(tensorflow["after"] - tensorflow["logits"]).max()
    np.testing.assert_allclose(jax["after"], tensorflow["after"], rtol=0, atol=1e-3 * change)
