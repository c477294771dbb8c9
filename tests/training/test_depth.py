"""What a training step costs grows with depth and no faster; a network of 1202 layers does all that others do."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
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


@pytest.mark.slow
@pytest.mark.minutes(7)
def test_resnet1202_does_all_that_others_do_at_the_usual_recursion_limit(tmp_path):
    limit = sys.getrecursionlimit()
    model = compiled(1202)
    # With the statistics it starts from, each of the 600 units would double the variance and inference overflow.
    for layer in model.layers:
        if layer.name.endswith("_2_bn"):
            layer.gamma.assign(0.01 * np.ones(layer.gamma.shape))
    x, y = images(4, 32, 32, 3), np.arange(4)
    before = [weight.copy() for weight in model.get_weights()]
    assert np.isfinite(model.predict(x, verbose=0)).all()
    history = model.fit(x, y, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    # A first step moves all but a few values: a weight behind a dead unit may stay.
    moved = [not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert np.mean(moved) > 0.99
    model.save(tmp_path / "deep.keras")
    loaded = keras.saving.load_model(tmp_path / "deep.keras", compile=False)
    np.testing.assert_array_equal(outputs(loaded, x), outputs(model, x))
    preprocessing = Preprocessing((32, 32), 3, np.zeros(3), np.ones(3))
    export_savedmodel(loaded, tmp_path / "savedmodel", [str(label) for label in range(10)], preprocessing)
    served = tf.saved_model.load(tmp_path / "savedmodel").signatures["serving_default"]
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
    probabilities = served(images=tf.constant(pixels))["probabilities"]
    np.testing.assert_allclose(probabilities, outputs(loaded, preprocessing(pixels)), atol=1e-5)
    assert sys.getrecursionlimit() == limit <= 3000
