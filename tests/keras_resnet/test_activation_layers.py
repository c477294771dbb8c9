"""The activations that learn: their values against formulas, how they start, that they learn and are saved."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.layers.activations import Maxout, PiecewiseLinear, Rational, TrainableSwish
from tests.keras_resnet.helpers import images, outputs, randomise, tiny

X = images(4, 5, 6, 3)


def sigma(x):
    return 1 / (1 + np.exp(-x))


def applied(layer, x=X, random=True):
    """Build a layer on a batch, with random weights where asked; return its output and its weights."""
    layer.build(x.shape)
    if random:
        randomise(layer)
    return outputs(layer, x), layer.get_weights()


def test_swish_is_x_times_the_logistic_function_of_beta_x():
    actual, (beta,) = applied(TrainableSwish())
    assert beta.shape == (1, 1, 3)
    np.testing.assert_allclose(actual, X * sigma(beta * X), rtol=1e-5)


@pytest.mark.parametrize(
    ("beta", "expected"), [(1.0, X * sigma(X)), (0.0, X / 2), (1e4, np.maximum(X, 0))], ids=["silu", "half", "relu"]
)
def test_swish_starts_with_its_beta(beta, expected):
    np.testing.assert_allclose(applied(TrainableSwish(beta), random=False)[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("hinges", [1, 2, 5])
def test_piecewise_linear_is_relu_and_its_hinges(hinges):
    actual, weights = applied(PiecewiseLinear(hinges))
    slopes, places = weights[:hinges], weights[hinges:]
    terms = [slope * np.maximum(0, place - X) for slope, place in zip(slopes, places)]
    np.testing.assert_allclose(actual, np.maximum(X, 0) + sum(terms), rtol=1e-4, atol=1e-6)


def test_piecewise_linear_starts_as_relu_with_hinges_where_normalised_values_lie():
    actual, weights = applied(PiecewiseLinear(4), random=False)
    np.testing.assert_array_equal(actual, np.maximum(X, 0))
    assert [float(place.mean()) for place in weights[4:]] == [-0.75, -0.25, 0.25, 0.75]


def test_rational_is_the_quotient_of_its_polynomials():
    actual, (above, below) = applied(Rational())
    x = X.astype("float64")
    numerator = sum(a * x**power for power, a in enumerate(above))
    expected = numerator / (1 + abs(sum(b * x**power for power, b in enumerate(below, start=1))))
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_rational_starts_near_relu():
    x = np.linspace(-4, 4, 4001, dtype="float32").reshape(1, 1, -1, 1)
    error = np.abs(applied(Rational(), x, random=False)[0] - np.maximum(x, 0))
    assert error.max() < 0.0453
    assert error.mean() < 0.011


def test_rational_stays_finite_in_half_precision():
    x = np.array([[-60.0, 40.0, 60.0]], dtype="float16").reshape(1, 1, 1, 3)
    layer = Rational(dtype="mixed_float16")
    actual, weights = applied(layer, x, random=False)
    assert actual.dtype == np.float16
    assert {weight.dtype for weight in weights} == {np.dtype("float32")}
    np.testing.assert_allclose(actual, applied(Rational(), x.astype("float32"), random=False)[0], rtol=2e-3)


@pytest.mark.parametrize("pieces", [2, 3])
def test_maxout_takes_the_greatest_of_its_pieces(pieces):
    x = images(2, 3, 4, 4 * pieces)
    actual, weights = applied(Maxout(pieces), x)
    assert weights == []
    expected = [max(x[1, 2, 3, c + 4 * piece] for piece in range(pieces)) for c in range(4)]
    assert actual.shape == (2, 3, 4, 4)
    np.testing.assert_array_equal(actual[1, 2, 3], expected)


def test_maxout_refuses_channels_that_do_not_fall_into_pieces():
    with pytest.raises(ValueError, match=r"Maxout of 2 pieces cannot take 3 channels"):
        Maxout(2)(X)


LAYERS = [TrainableSwish(0.5), PiecewiseLinear(3), Rational(), Maxout(3)]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_layer_is_restored_from_its_config(layer):
    other = type(layer).from_config(layer.get_config())
    expected, weights = applied(layer)
    other.build(X.shape)
    other.set_weights(weights)
    np.testing.assert_array_equal(outputs(other, X), expected)
    assert layer.compute_output_shape(X.shape) == expected.shape


@pytest.mark.parametrize("make", [TrainableSwish, PiecewiseLinear, lambda **kwargs: Maxout(3, **kwargs)])
def test_channels_first_computes_the_same(make):
    last, first = make(data_format="channels_last"), make(data_format="channels_first")
    expected, weights = applied(last)
    x = X.transpose(0, 3, 1, 2)
    first.build(x.shape)
    first.set_weights([weight.transpose(2, 0, 1) for weight in weights])
    np.testing.assert_allclose(outputs(first, x).transpose(0, 2, 3, 1), expected, rtol=1e-6)
    assert first.compute_output_shape((None, *x.shape[1:])) == (None, expected.shape[-1], 5, 6)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("activation", ["prelu", "trainable_swish", "piecewise_linear", "rational", "maxout"])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_every_weight_of_a_network_learns(activation, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = keras_resnet.ResNet(tiny(activation=activation), input_shape=(8, 8, 3))
    finally:
        keras.config.set_dtype_policy("float32")
    randomise(model)
    before = [weight.numpy() for weight in model.trainable_weights]
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
    model.train_on_batch(images(8, 8, 8, 3), np.arange(8))
    changes = {w.path: np.abs(w.numpy() - old).max() for w, old in zip(model.trainable_weights, before)}
    assert all(np.isfinite(change) and change > 0 for change in changes.values()), changes
