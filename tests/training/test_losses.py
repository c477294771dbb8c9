"""Losses against their formulas in NumPy: labels of both kinds, outputs of every kind and type."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.keras_resnet.helpers import run_python
from training.optimization.crossentropy import BinaryCrossEntropy, CrossEntropy, FocalLoss
from training.optimization.losses import make_loss
from training.optimization.rules import L2SGD

LABELS = np.array([0, 3, 2, 2])
SOFT = np.array([[0.7, 0.3, 0, 0], [0, 0.15, 0.85, 0], [0, 0, 0, 1], [0.25, 0.25, 0.25, 0.25]])
LOGITS = np.random.default_rng(0).normal(size=(4, 4)) * 2


def softmax(logits):
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def cross_entropy(targets, logits):
    return -(targets * np.log(softmax(logits))).sum(axis=1).mean()


def binary_cross_entropy(targets, logits):
    return -(targets * np.log(sigmoid(logits)) + (1 - targets) * np.log(sigmoid(-logits))).mean()


def focal(gamma):
    def formula(targets, logits):
        p = softmax(logits)
        return -(targets * (1 - p) ** gamma * np.log(p)).sum(axis=1).mean()

    return formula


# Each loss with parameters, its formula of targets and logits, and the targets of hard and soft labels.
HOT = np.eye(4)[LABELS]
ROWS = {
    "cross_entropy": ({}, cross_entropy, HOT, SOFT),
    "cross_entropy, smoothed": ({"label_smoothing": 0.2}, cross_entropy, 0.8 * HOT + 0.05, 0.8 * SOFT + 0.05),
    "binary_cross_entropy": ({}, binary_cross_entropy, HOT, SOFT),
    "binary_cross_entropy, smoothed": (
        {"label_smoothing": 0.2},
        binary_cross_entropy,
        0.8 * HOT + 0.05,
        0.8 * SOFT + 0.05,
    ),
    "binary_cross_entropy, threshold": (
        {"threshold": 0.2},
        binary_cross_entropy,
        HOT,
        np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1]]),
    ),
    "focal": ({}, focal(2.0), HOT, SOFT),
    "focal, smoothed": ({"gamma": 0.5, "label_smoothing": 0.2}, focal(0.5), 0.8 * HOT + 0.05, 0.8 * SOFT + 0.05),
}


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("row", ROWS)
def test_loss_takes_labels_of_both_kinds_and_finds_the_logits(row, dtype):
    parameters, formula, hard, soft = ROWS[row]
    choice = {"name": row.partition(",")[0], **parameters}
    logits = tf.cast(LOGITS, dtype)
    seen = tf.cast(logits, tf.float64).numpy()
    for labels, targets in ((LABELS, hard), (SOFT.astype("float32"), soft)):
        expected = pytest.approx(formula(targets, seen), rel=2e-6)
        assert float(make_loss(choice, from_logits=True)(labels, logits)) == expected
        assert float(make_loss(choice)(labels, keras.activations.softmax(logits))) == expected


@pytest.mark.parametrize("row", [row for row in ROWS if not row.startswith("binary")])
def test_loss_with_softmax_can_do_with_the_probabilities_alone(row):
    parameters, formula, hard, soft = ROWS[row]
    loss = make_loss({"name": row.partition(",")[0], **parameters})
    probabilities = softmax(LOGITS).astype("float32")
    assert float(loss(LABELS, probabilities)) == pytest.approx(formula(hard, LOGITS), rel=1e-5)
    assert float(loss(SOFT, probabilities)) == pytest.approx(formula(soft, LOGITS), rel=1e-5)


def test_binary_cross_entropy_refuses_probabilities_without_their_logits():
    with pytest.raises(ValueError, match=r"takes sigmoids of the logits, and these probabilities do not carry theirs"):
        make_loss("binary_cross_entropy")(LABELS, tf.constant(softmax(LOGITS)))


def test_threshold_beside_smoothing_raises_an_error():
    choice = {"name": "binary_cross_entropy", "label_smoothing": 0.1, "threshold": 0.2}
    with pytest.raises(ValueError, match=r"threshold=0\.2 makes every target 0 or 1.* of label_smoothing=0\.1\. Leave"):
        make_loss(choice)


@pytest.mark.parametrize("shape", [(4, 3), (4, 1), (4, 4, 1)])
@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy", "focal"])
def test_labels_of_another_shape_raise_an_error(name, shape):
    with pytest.raises(ValueError, match=r"labels must be integers of the shape \(batch,\) or soft labels "):
        make_loss(name, from_logits=True)(np.zeros(shape, "float32"), tf.constant(LOGITS))


def value_and_slope(loss, labels, logits):
    """Compute a loss of a softmax in a compiled function, and its gradient by the logits."""

    @tf.function
    def compute(labels, logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(labels, keras.activations.softmax(logits))
        return value, tape.gradient(value, logits)

    return [result.numpy() for result in compute(labels, tf.constant(logits, "float32"))]


@pytest.mark.parametrize("classes", [10, 100])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_that_of_keras_in_every_bit(smoothing, classes):
    generator = np.random.default_rng(classes)
    logits, labels = generator.normal(size=(64, classes)) * 5, generator.integers(0, classes, 64)
    if smoothing:
        reference, given = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing), np.eye(classes)[labels]
    else:
        reference, given = keras.losses.SparseCategoricalCrossentropy(), labels
    ours = value_and_slope(make_loss({"name": "cross_entropy", "label_smoothing": smoothing}), labels, logits)
    for left, right in zip(ours, value_and_slope(reference, given, logits), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_loss_has_a_slope_also_where_the_network_is_sure(gamma):
    value, slope = value_and_slope(make_loss({"name": "focal", "gamma": gamma}), np.array([0]), [[200.0, 0.0, -200.0]])
    assert abs(value) < 1e-6 and np.abs(slope).max() < 1e-3
    value, slope = value_and_slope(make_loss({"name": "focal", "gamma": gamma}), np.array([2]), [[200.0, 0.0, -200.0]])
    assert value == pytest.approx(400) and slope[0] == pytest.approx([1, 0, -1], abs=1e-4)


def test_focal_loss_without_focus_is_cross_entropy():
    focal, plain = make_loss({"name": "focal", "gamma": 0.0}), make_loss("cross_entropy")
    pairs = zip(value_and_slope(focal, SOFT, LOGITS), value_and_slope(plain, SOFT, LOGITS), strict=True)
    for left, right in pairs:
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_network_that_ends_in_softmax_learns_by_the_sigmoids_of_its_logits(policy):
    head = keras.layers.Dense(4, "softmax", kernel_initializer="zeros", dtype="float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Rescaling(0.5, dtype=policy), head])
    metrics = [keras.metrics.SparseCategoricalAccuracy()]  # for which Keras traces the loss without a network first
    model.compile(L2SGD(1.0, 0.0, False, 0.0), make_loss("binary_cross_entropy"), weighted_metrics=metrics)
    inputs = np.array([[1, 2, 0], [0, 4, 1], [1, 1, 1], [3, 0, 2]], "float32")
    history = model.fit(inputs, LABELS, batch_size=4, verbose=0).history
    pull = (0.5 - HOT) / 16  # all sigmoids are 1/2; the mean is one over four examples and four classes
    np.testing.assert_allclose(head.kernel.numpy(), -(0.5 * inputs).T @ pull, rtol=1e-5)
    np.testing.assert_allclose(head.bias.numpy(), -pull.sum(axis=0), rtol=1e-5, atol=1e-8)
    assert history["loss"] == pytest.approx([np.log(2)])


@pytest.mark.parametrize(
    "loss",
    [CrossEntropy(0.3, True), BinaryCrossEntropy(0.0, 0.2, True), FocalLoss(1.5, 0.1, True)],
    ids=lambda loss: type(loss).__name__,
)
def test_loss_survives_serialization(loss):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(copy) is type(loss) and copy.get_config() == loss.get_config()
    assert float(copy(SOFT, LOGITS)) == float(loss(SOFT, LOGITS))


ON_JAX = """
import json, sys
import numpy as np
from training.optimization.losses import make_loss

logits, soft = (np.array(table, "float32") for table in json.loads(sys.argv[1]))
names, hard = ("cross_entropy", "binary_cross_entropy", "focal"), np.array([0, 3, 2, 2])
print(json.dumps([[float(make_loss(name, True)(labels, logits)) for labels in (hard, soft)] for name in names]))
try:
    make_loss("binary_cross_entropy")(hard, logits)
except ValueError as error:
    print(error)
"""


@pytest.mark.slow
def test_losses_of_logits_are_the_same_on_jax():
    pytest.importorskip("jax", reason="needs another backend than TensorFlow: pip install jax")
    tables = json.dumps([LOGITS.tolist(), SOFT.tolist()])
    values, refusal = run_python("-c", ON_JAX, tables, KERAS_BACKEND="jax").stdout.splitlines()
    formulas = (cross_entropy, binary_cross_entropy, focal(2.0))
    expected = [[formula(targets, LOGITS) for targets in (HOT, SOFT)] for formula in formulas]
    np.testing.assert_allclose(json.loads(values), expected, rtol=1e-5)
    assert "logits with from_logits=True" in refusal
