"""Explanations against finite differences, a case computed by hand, completeness and occlusion."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.build.stages import Level
from keras_resnet.explanation.explaining import class_index
from keras_resnet.explanation.methods import METHODS, occlusion, smooth_grad
from keras_resnet.explanation.scoring import Subject, input_gradients, layer_of, maps_and_gradients, scores
from tests.keras_resnet.helpers import build, images, outputs, run_python, tiny

LABELS = ("ant", "bee", "cow", "doe", "elk")
CONTRACT = keras_resnet.Preprocessing((16, 16), 3, (100.0, 110.0, 120.0), (50.0, 60.0, 70.0))


def network(architecture=None, **arguments) -> keras.Model:
    model = build(architecture or tiny(), **{"classifier_activation": "softmax", **arguments})
    model.preprocessing, model.labels = CONTRACT, LABELS
    return model


@pytest.fixture(scope="module")
def model():
    return network()


def subject_of(model, layer=None, index=2, seed=0) -> Subject:
    return Subject(model, images(1, 16, 16, 3, seed=seed), index, layer_of(model, layer))


def score(subject: Subject, x) -> float:
    return float(scores(subject, x)[0])


def test_score_is_the_logit_of_the_class(model):
    subject = subject_of(model)
    logits = np.array([score(subject._replace(index=index), subject.images) for index in range(5)])
    np.testing.assert_allclose(
        np.exp(logits) / np.exp(logits).sum(), outputs(model, subject.images)[0], rtol=1e-4, atol=1e-6
    )


def differences(function, x: np.ndarray, places, step: float = 1e-2) -> np.ndarray:
    """Give the derivatives of a function by central differences, at some places."""
    found = []
    for place in places:
        more, less = x.copy(), x.copy()
        more[place] += step
        less[place] -= step
        found.append((function(more) - function(less)) / (2 * step))
    return np.array(found)


def test_gradients_of_pixels_are_finite_differences(model):
    smooth = network(tiny(activation="tanh"))
    subject = subject_of(smooth)
    places = [(0, row, column, channel) for row, column, channel in ((3, 4, 0), (8, 8, 1), (12, 5, 2), (0, 15, 1))]
    expected = differences(lambda x: score(subject, x), subject.images, places)
    found = input_gradients(subject, subject.images)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose([found[place] for place in places], expected, atol=2e-2 * np.abs(expected).max())


@pytest.mark.parametrize("layer", [None, "conv2_block1_out"])
def test_gradients_of_maps_are_finite_differences(layer):
    smooth = network(tiny(activation="tanh"))
    subject = subject_of(smooth, layer)
    maps, gradients = maps_and_gradients(subject)

    def shifted(delta) -> float:
        return float(scores(subject, subject.images, lambda name, x: x + delta if name == subject.layer else x)[0])

    places = [(0, 1, 2, 0), (0, 3, 3, 1), (0, 5, 0, 3)]
    expected = differences(shifted, np.zeros((1, *maps.shape), "float32"), places)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose([gradients[p[1:]] for p in places], expected, atol=2e-2 * np.abs(expected).max())


def test_map_of_a_network_that_pools_and_weighs_is_complete(model):
    """Between the last level and the classifier nothing but pooling stands: both maps are the weighted maps."""
    subject = subject_of(model)
    maps, _ = maps_and_gradients(subject)
    classifier = model.get_layer("predictions")
    kernel, bias = (keras.ops.convert_to_numpy(weight) for weight in classifier.weights)
    by_hand = maps @ kernel[:, subject.index] / maps[..., 0].size
    np.testing.assert_allclose(METHODS["hires_cam"](subject), by_hand, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(METHODS["grad_cam"](subject), np.maximum(by_hand, 0), rtol=1e-4, atol=1e-6)
    complete = score(subject, subject.images) - bias[subject.index]
    assert METHODS["hires_cam"](subject).sum() == pytest.approx(complete, rel=1e-4)


def test_maps_of_an_earlier_layer_are_those_computed_by_hand():
    """One linear convolution: the score is the mean over places of (x * w) v, whose gradient is w v / count."""
    inputs = keras.Input((4, 4, 2))
    x = keras.layers.Activation("linear", name="seen")(inputs)
    x = keras.layers.Conv2D(1, 1, use_bias=False, name="conv")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    linear = keras.Model(inputs, keras.layers.Dense(1, name="predictions")(x))
    linear.get_layer("conv").set_weights([np.array([2.0, -3.0]).reshape(1, 1, 2, 1)])
    linear.get_layer("predictions").set_weights([np.array([[5.0]]), np.array([7.0])])
    image = images(1, 4, 4, 2)
    subject = Subject(linear, image, 0, "seen")
    expected = 5 / 16 * (2 * image[0, ..., 0] - 3 * image[0, ..., 1])
    np.testing.assert_allclose(METHODS["hires_cam"](subject), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(METHODS["grad_cam"](subject), np.maximum(expected, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(smooth_grad(subject, draws=3), np.full((4, 4), 15 / 16), rtol=1e-5)
    # A patch of one pixel takes away what the pixel adds.
    np.testing.assert_allclose(occlusion(subject, side=0.25, steps=4), expected, rtol=1e-4, atol=1e-5)


def test_smooth_grad_without_noise_is_the_gradient_and_repeats_with_it(model):
    subject = subject_of(model)
    plain = np.abs(input_gradients(subject, subject.images)[0]).max(axis=-1)
    np.testing.assert_allclose(smooth_grad(subject, draws=2, noise=0.0), plain, rtol=1e-4, atol=1e-6)
    noisy = smooth_grad(subject, draws=35)
    np.testing.assert_array_equal(smooth_grad(subject, draws=35), noisy)
    assert np.abs(noisy - plain).max() > 0.01 * plain.max()


def test_maps_point_where_hiding_the_image_costs_most():
    """A convolution finds what is bright, and one spot of the image is."""
    inputs = keras.Input((16, 16, 1))
    x = keras.layers.Conv2D(1, 3, padding="same", activation="relu", name="seen")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    finder = keras.Model(inputs, keras.layers.Dense(1, name="predictions")(x))
    finder.get_layer("seen").set_weights([np.ones((3, 3, 1, 1)), np.array([-2.0])])
    finder.get_layer("predictions").set_weights([np.array([[100.0]]), np.array([0.0])])
    image = np.zeros((1, 16, 16, 1), "float32")
    image[0, 4:7, 9:12] = 1
    subject = Subject(finder, image, 0, "seen")
    hidden = occlusion(subject, side=3 / 16, steps=14)
    assert np.unravel_index(hidden.argmax(), hidden.shape) == (5, 10)
    for method in ("grad_cam", "hires_cam"):
        found = METHODS[method](subject)
        assert np.unravel_index(found.argmax(), found.shape) == (5, 10)
        assert np.corrcoef(found.ravel(), hidden.ravel())[0, 1] > 0.8
    gradients = smooth_grad(subject, draws=4, noise=0.01)
    assert gradients[4:7, 9:12].min() > 0 and gradients[10:].max() == 0


@pytest.mark.slow
def test_trained_network_explains_a_photograph():
    """Of the shipped ResNet-20: weights of Grad-CAM by finite differences, and what hiding the map's places costs."""
    photograph = pytest.importorskip("sklearn.datasets").load_sample_image("china.jpg")
    network = keras_resnet.ResNet20(weights="cifar10")
    explained = keras_resnet.explain(network, photograph)
    assert explained.label == "ship" and explained.probability > 0.5
    assert explained.without_warmest < explained.without_coldest - 0.3
    x = keras.ops.convert_to_numpy(keras_resnet.preprocess(photograph[np.newaxis], network))
    subject = Subject(network, x, network.labels.index("ship"), layer_of(network, "C3"))
    maps, gradients = maps_and_gradients(subject)

    def shifted(delta) -> float:
        return float(scores(subject, x, lambda name, maps: maps + delta if name == subject.layer else maps)[0])

    weights = gradients.mean(axis=(0, 1))
    channels = np.argsort(-np.abs(weights))[:4]
    by_differences = differences(
        shifted, np.zeros((1, 1, 1, maps.shape[-1]), "float32"), [(0, 0, 0, k) for k in channels]
    )
    np.testing.assert_allclose(weights[channels] * maps[..., 0].size, by_differences, rtol=0.05)


ON_JAX = """
import sys
import keras
import keras_resnet
import numpy

assert keras.backend.backend() == "jax"
model = keras_resnet.network_of(sys.argv[1] + "/model.keras")
image = numpy.load(sys.argv[1] + "/image.npy")
maps = {name: keras_resnet.explain(model, image, name).values for name in sys.argv[2:]}
numpy.savez(sys.argv[1] + "/jax.npz", **maps)
"""


@pytest.mark.slow
def test_maps_on_jax_are_those_on_tensorflow(model, tmp_path):
    pytest.importorskip("jax")
    image = np.random.default_rng(2).integers(0, 256, (16, 16, 3), "uint8")
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "image.npy", image)
    names = ("grad_cam", "hires_cam", "smooth_grad")
    run_python("-c", ON_JAX, tmp_path, *names, KERAS_BACKEND="jax")
    found = np.load(tmp_path / "jax.npz")
    for name in names:
        expected = keras_resnet.explain(model, image, name).values
        np.testing.assert_allclose(found[name], expected, atol=1e-3 * np.abs(expected).max(), err_msg=name)


def test_explanation_names_class_and_probability_and_shows_what_the_network_sees(model):
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), "uint8")
    (guesses,) = keras_resnet.classify(model, [image], top=5)
    explained = keras_resnet.explain(model, image)
    assert (explained.label, explained.probability) == (guesses[0][0], pytest.approx(guesses[0][1], rel=1e-4))
    last = keras_resnet.explain(model, image, {"name": "occlusion", "steps": 4}, target=guesses[-1][0])
    assert (last.label, last.probability) == (guesses[-1][0], pytest.approx(guesses[-1][1], rel=1e-3))
    assert explained.pixels.shape == (16, 16, 3) and explained.values.shape == (16, 16)
    np.testing.assert_allclose(
        explained.pixels, keras.ops.convert_to_numpy(CONTRACT.resize(image[np.newaxis]))[0], atol=0.51
    )


def test_hidden_fifths_are_those_of_the_map(model):
    image = np.random.default_rng(1).integers(0, 256, (16, 16, 3), "uint8")
    explained = keras_resnet.explain(model, image)
    order = np.argsort(explained.values, axis=None, kind="stable")
    mean = np.array([100, 110, 120])
    for places, found in ((order[-51:], explained.without_warmest), (order[:51], explained.without_coldest)):
        covered = image.astype("float32")
        covered.reshape(-1, 3)[places] = mean
        row = outputs(model, CONTRACT.standardize(covered[np.newaxis]))[0]
        assert found == pytest.approx(row[LABELS.index(explained.label)], rel=1e-4)


def test_overlay_is_bright_where_the_map_is(model):
    pytest.importorskip("matplotlib")
    explained = keras_resnet.explain(model, np.full((16, 16, 3), 128, "uint8"))
    picture = explained.overlay(strength=1.0)
    brightness = picture.sum(axis=-1)
    assert picture.dtype == np.uint8 and picture.shape == (16, 16, 3)
    assert brightness.ravel()[explained.values.argmax()] == brightness.max()
    np.testing.assert_array_equal(explained.overlay(strength=0.0), np.full((16, 16, 3), 128))


def test_layers_are_found_by_level_and_name(model):
    assert layer_of(model, None) == layer_of(model, "C3") == model.levels["C3"].layer
    assert layer_of(model, "conv2_block1_out") == "conv2_block1_out"
    with pytest.raises(ValueError, match=r"Unknown layer with maps 'predictions'\."):
        layer_of(model, "predictions")


def test_levels_that_a_file_makes_up_are_passed_over(model):
    network = keras_resnet.ResidualNetwork(model.input, model.output, levels={**model.levels, "C9": Level("none", 1)})
    assert layer_of(network, None) == model.levels["C3"].layer
    with pytest.raises(ValueError, match=r"Unknown layer with maps 'C9'\."):
        layer_of(network, "C9")


def test_network_without_maps_is_refused():
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match="has no layer with maps to look at"):
        layer_of(keras.Model(inputs, keras.layers.Dense(2)(inputs)), None)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"method": "grad-cam"}, r"Unknown method 'grad-cam'\. Did you mean 'grad_cam'\?"),
        ({"target": "cows"}, r"Unknown class 'cows'\. Did you mean 'cow'\? The network has 5: 'ant' and others\."),
        ({"target": 5}, r"Unknown class 5\."),
        ({"target": 3.7}, r"Unknown class 3\.7\."),
        ({"layer": "C9"}, r"Unknown layer with maps 'C9'"),
    ],
)
def test_what_cannot_be_explained_is_named(model, given, sentence):
    with pytest.raises(ValueError, match=sentence):
        keras_resnet.explain(model, np.zeros((16, 16, 3), "uint8"), **given)


def test_class_may_be_given_by_number():
    assert [class_index(target, LABELS) for target in (3, np.int64(2), "bee")] == [3, 2, 1]
