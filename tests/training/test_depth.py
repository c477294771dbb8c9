"""What a training step costs grows with depth and no faster; deep networks do all that others do."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet.analysis import count_multiply_adds, count_parameters
from keras_resnet.architecture.figures import FIGURES
from keras_resnet.formats.savedmodel import export_savedmodel
from keras_resnet.preprocessing import Preprocessing
from tests.keras_resnet.helpers import images, outputs
from training.distribution.mirrored import strategy
from training.optimization.rules import L2SGD

# Graph operations of a training step for each layer: forward, backward and update of a convolution with its batch
# normalisation and its share of a residual unit. With the updates made of separate operations they were 91.
OPERATIONS_A_LAYER = 49


def compiled(depth: int) -> keras.Model:
    """Build and compile a CIFAR network on one device, as a run does."""
    with strategy(("CPU:0",)).scope():
        model = keras_resnet.ResNet(f"ResNet{depth}", input_shape=(32, 32, 3))
        model.compile(L2SGD(0.01), "sparse_categorical_crossentropy", jit_compile=False)
        model.optimizer.build(model.trainable_variables)
    return model


def operations_of_a_step(depth: int) -> int:
    """Count the operations in the graph of a training step, those of the functions it calls included."""
    model = compiled(depth)

    @tf.function
    def step(x, y):
        return model.distribute_strategy.run(model.train_step, args=((x, y),))

    graph = step.get_concrete_function(tf.TensorSpec((8, 32, 32, 3)), tf.TensorSpec((8,), "int64")).graph.as_graph_def()
    return len(graph.node) + sum(len(function.node_def) for function in graph.library.function)


@pytest.mark.slow
def test_operations_of_a_training_step_grow_with_the_depth_alone():
    shallow, middle, deep = (operations_of_a_step(depth) for depth in (20, 38, 56))
    assert middle - shallow == deep - middle
    assert middle - shallow <= OPERATIONS_A_LAYER * 18


@pytest.fixture
def usual_limit():
    """Python's own recursion limit, which other libraries raise."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield 1000
    sys.setrecursionlimit(before)


def steady(model: keras.Model) -> keras.Model:
    """Keep what a deep network computes with the statistics it starts from: each unit would double the variance."""
    for layer in model.layers:
        if layer.name.endswith("_2_bn"):
            layer.gamma.assign(0.01 * np.ones(layer.gamma.shape))
    return model


@pytest.mark.slow
@pytest.mark.minutes(1)
def test_resnet1202_has_its_figures_and_is_saved_loaded_and_cloned_at_the_usual_recursion_limit(usual_limit, tmp_path):
    model = steady(compiled(1202))
    assert (count_parameters(model), count_multiply_adds(model)) == FIGURES["ResNet1202"][:2]
    x = images(1, 32, 32, 3)
    expected = outputs(model, x)
    assert np.isfinite(expected).all() and np.ptp(expected) > 0
    model.save(tmp_path / "deep.keras")
    loaded = keras.saving.load_model(tmp_path / "deep.keras", compile=False)
    cloned = keras.models.clone_model(model)
    cloned.set_weights(model.get_weights())
    for copy in (loaded, cloned):
        np.testing.assert_array_equal(outputs(copy, x), expected)
    assert sys.getrecursionlimit() == usual_limit


# 150 units of seven layers each, one behind the other: a frame for each layer is more than Python allows.
DEEP = 302


@pytest.mark.slow
@pytest.mark.minutes(2)
def test_deep_network_predicts_learns_and_is_exported_at_the_usual_recursion_limit(usual_limit, tmp_path):
    model = steady(compiled(DEEP))
    x, y = images(4, 32, 32, 3), np.arange(4)
    before = [weight.copy() for weight in model.get_weights()]
    assert np.isfinite(model.predict(x, verbose=0)).all()
    history = model.fit(x, y, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    # A first step moves all but a few values: a weight behind a dead unit may stay.
    moved = [not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert np.mean(moved) > 0.99
    preprocessing = Preprocessing((32, 32), 3, np.zeros(3), np.ones(3))
    export_savedmodel(model, tmp_path / "savedmodel", [str(label) for label in range(10)], preprocessing)
    served = tf.saved_model.load(tmp_path / "savedmodel").signatures["serving_default"]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
    probabilities = served(images=tf.constant(pixels))["probabilities"]
    np.testing.assert_allclose(probabilities, outputs(model, preprocessing(pixels)), atol=1e-5)
    assert sys.getrecursionlimit() == usual_limit
