"""Clipping of gradients against hand-computed steps: on one device, on two, and on JAX."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.keras_resnet.helpers import run_python
from training.optimization.optimizers import OPTIMIZERS, make_optimizer
from training.optimization.schedules import make_schedule

PLAIN = {"name": "sgd", "learning_rate": 1.0, "momentum": 0.0, "weight_decay": 0.0}
SLOPES = {"kernel": np.array([3.0, -4.0], "float32"), "bias": np.array([12.0], "float32")}  # of norm 13


def stepped(choice: dict, compiled: bool) -> list[list[float]]:
    """Take a step from zero and give the new values."""
    trained = [keras.Variable(np.zeros_like(slope), name=name) for name, slope in SLOPES.items()]
    optimizer = make_optimizer(choice, make_schedule("constant", 10))
    optimizer.build(trained)
    step = tf.function(lambda given: optimizer.apply(given, trained)) if compiled else optimizer.apply
    step([tf.constant(slope) for slope in SLOPES.values()])
    return [variable.numpy().tolist() for variable in trained]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(
    ("clipping", "expected"),
    [
        ({}, [[-3, 4], [-12]]),
        ({"clip_norm": 1.3}, [[-0.3, 0.4], [-1.2]]),
        ({"clip_norm": 13.1}, [[-3, 4], [-12]]),
        ({"clip_value": 3.5}, [[-3, 3.5], [-3.5]]),
    ],
    ids=str,
)
def test_gradients_are_clipped_by_the_norm_of_all_or_by_value(clipping, expected, compiled):
    for ours, wanted in zip(stepped({**PLAIN, **clipping}, compiled), expected, strict=True):
        assert ours == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_sees_clipped_gradients_only(name):
    choice = {"name": name, "learning_rate": 0.1, "weight_decay": 0.0}

    def ended(slopes, **clipping):
        trained = [keras.Variable([1.0, -2.0], name="kernel"), keras.Variable([0.5], name="bias")]
        optimizer = make_optimizer({**choice, **clipping}, make_schedule("constant", 10))
        for slope in slopes:
            optimizer.apply([tf.constant(slope[:2]), tf.constant(slope[2:])], trained)
        return np.concatenate([variable.numpy() for variable in trained])

    slopes = np.array([[3.0, -4.0, 12.0], [0.1, 0.2, 0.1]], "float32")  # the second one stays as it is
    short = np.array([slopes[0] / 13, slopes[1]])
    np.testing.assert_allclose(ended(slopes, clip_norm=1.0), ended(short), rtol=1e-5)
    assert np.abs(ended(slopes) - ended(short)).max() > 1e-4


def test_both_kinds_at_once_raise_an_error():
    with pytest.raises(ValueError, match=r"received clip_norm=1\.0 and clip_value=0\.5\. Leave one of them out"):
        make_optimizer({**PLAIN, "clip_norm": 1.0, "clip_value": 0.5}, make_schedule("constant", 10))


def test_loss_scale_of_float16_is_taken_off_before_clipping():
    variable = keras.Variable(np.zeros(2, "float32"), name="kernel")
    inner = make_optimizer({**PLAIN, "clip_norm": 1.0}, make_schedule("constant", 10))
    scaled = keras.optimizers.LossScaleOptimizer(inner, initial_scale=1024.0)
    scaled.build([variable])
    scaled.apply([tf.constant([0.3 * 1024, -0.4 * 1024])], [variable])  # of norm 1/2: nothing to clip
    np.testing.assert_allclose(variable.numpy(), [-0.3, 0.4], rtol=1e-6)


# Eight examples, of which the first device has small targets and the second one large ones.
INPUTS = np.random.default_rng(0).normal(size=(8, 3))
TARGETS = np.concatenate([np.full((4, 1), 0.1), np.full((4, 1), 10.0)])

ON_TWO = """
import json, sys
import keras
import numpy as np
import tensorflow as tf
from training.distribution.mirrored import choose_devices, strategy
from training.optimization.optimizers import make_optimizer
from training.optimization.schedules import make_schedule

inputs, targets, choices = json.loads(sys.argv[1])
two = strategy(choose_devices(("CPU:0", "CPU:1")))  # before TensorFlow makes its first tensor
data = tf.data.Dataset.from_tensor_slices((np.array(inputs, "float32"), np.array(targets, "float32"))).batch(8)
kernels = []
with two.scope():
    for choice in choices:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)])
        model.compile(make_optimizer(choice, make_schedule("constant", 10)), "mse")
        model.fit(data, verbose=0)
        kernels.append(model.get_weights()[0].tolist())
print(json.dumps(kernels))
"""


@pytest.mark.slow
def test_two_devices_clip_the_sum_of_their_gradients():
    choices = [{**PLAIN, "clip_norm": 0.01}, {**PLAIN, "clip_value": 2.0}, PLAIN]
    arguments = json.dumps([INPUTS.tolist(), TARGETS.tolist(), choices])
    by_norm, by_value, free = json.loads(run_python("-c", ON_TWO, arguments).stdout.splitlines()[-1])
    slope = -2 * INPUTS.T @ TARGETS / 8
    np.testing.assert_allclose(free, -slope, rtol=1e-5)
    np.testing.assert_allclose(by_norm, -0.01 * slope / np.linalg.norm(slope), rtol=1e-5)
    np.testing.assert_allclose(by_value, -np.clip(slope, -2, 2), rtol=1e-5)
    halves = [np.clip(-2 * INPUTS[half].T @ TARGETS[half] / 8, -2, 2) for half in (slice(4), slice(4, 8))]
    assert np.abs(sum(halves) - np.clip(slope, -2, 2)).max() > 1e-3  # what each device would clip alone is another


ON_JAX = """
import json, sys
import jax
import keras
import numpy as np
from training.optimization.optimizers import make_optimizer
from training.optimization.schedules import make_schedule

slopes, choice = json.loads(sys.argv[1])
trained = [keras.Variable(np.zeros(len(slope), "float32"), name=name) for name, slope in slopes.items()]
optimizer = make_optimizer(choice, make_schedule("constant", 10))
optimizer.build(trained)
arrays = [[np.asarray(v.value) for v in group] for group in (optimizer.variables, trained)]
given = [np.array(slope, "float32") for slope in slopes.values()]
after, _ = jax.jit(lambda state, values: optimizer.stateless_apply(state, given, values))(*arrays)
print(json.dumps([np.asarray(values).tolist() for values in after]))
"""


@pytest.mark.slow
def test_clipping_is_the_same_on_jax():
    pytest.importorskip("jax", reason="needs another backend than TensorFlow: pip install jax")
    slopes = {name: slope.tolist() for name, slope in SLOPES.items()}
    arguments = json.dumps([slopes, {**PLAIN, "clip_norm": 1.3}])
    kernel, bias = json.loads(run_python("-c", ON_JAX, arguments, KERAS_BACKEND="jax").stdout.splitlines()[-1])
    assert (kernel, bias) == (pytest.approx([-0.3, 0.4]), pytest.approx([-1.2]))
