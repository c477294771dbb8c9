"""The views of a test against a plain loop over images and their crops."""

import json

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.preprocessing import Preprocessing
from tests.keras_resnet.helpers import run_python
from tests.training.helpers import source_of
from training.config import make_config
from training.evaluation import scores
from training.evaluation.scores import score
from training.evaluation.testing import evaluate
from training.evaluation.views import VIEWS
from training.run import train
from training.run_folder import RunFolder

SIZE = (8, 6)
CONTRACT = Preprocessing(SIZE, 3, (120.0, 110.0, 100.0), (60.0, 61.0, 62.0), crop=0.9)
CLASSES = ("cat", "dog")
LABELS = [0, 0, 1, 0, 1]


def config(views, **fields):
    return make_config({"evaluation.views": views, "epochs": 1, **fields})


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A small untrained network, whose answers differ from image to image."""
    keras.utils.set_random_seed(1)
    return keras_resnet.ResNet("ResNet8", input_shape=(*SIZE, 3), classes=2)


@pytest.fixture(scope="module")
def free(network) -> keras.Model:
    """The same network for images of any size."""
    return keras_resnet.transfer(network, input_shape=(None, None, 3))


def pixels(*sizes: tuple[int, int]) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (*size, 3), "uint8") for size in sizes]


SEVERAL_SIZES = pixels((13, 11), (10, 16), (13, 11), (21, 9), (13, 11))
ONE_SIZE = pixels(*[(10, 7)] * 5)


def resized(image: np.ndarray, size) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.ops.image.resize(image.astype("float32"), size, antialias=True))


def window(image: np.ndarray, crop: float) -> tuple[int, int]:
    scale = crop * min(image.shape[0] / SIZE[0], image.shape[1] / SIZE[1])
    return round(scale * SIZE[0]), round(scale * SIZE[1])


def central(image):
    rows, columns = window(image, 0.9)
    top, left = (image.shape[0] - rows) // 2, (image.shape[1] - columns) // 2
    return [resized(image[top : top + rows, left : left + columns], SIZE)]


def mirrored(views):
    return [*views, *(view[:, ::-1] for view in views)]


def ten_crop(image):
    (height, width, _), (rows, columns) = image.shape, window(image, 0.75)
    corners = [(top, left) for top in (0, height - rows) for left in (0, width - columns)]
    places = [*corners, ((height - rows) // 2, (width - columns) // 2)]
    return mirrored([resized(image[top : top + rows, left : left + columns], SIZE) for top, left in places])


def multi_scale(image):
    height, width, _ = image.shape
    short = min(height, width)
    return [resized(image, (round(side * height / short), round(side * width / short))) for side in (8, 13)]


# Parameters, and the views of an image.
LOOPS = {
    "single": ({}, central),
    "flip": ({}, lambda image: mirrored(central(image))),
    "ten_crop": ({"crop": 0.75}, ten_crop),
    "multi_scale": ({"sides": [8, 13], "mirrored": True}, lambda image: mirrored(multi_scale(image))),
}


def averaged(network: keras.Model, views: list[np.ndarray]) -> np.ndarray:
    """Average the probabilities of views, of which the network is given those of one size together."""
    mean, std = CONTRACT.mean.astype("float32"), CONTRACT.std.astype("float32")
    rows = []
    for size in {view.shape for view in views}:
        batch = np.stack([(view - mean) / std for view in views if view.shape == size])
        rows += [*keras.ops.convert_to_numpy(network(batch, training=False))]
    return np.mean(rows, axis=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "images", [SEVERAL_SIZES, pytest.param(ONE_SIZE, marks=pytest.mark.slow)], ids=["sizes", "size"]
)
@pytest.mark.parametrize("name", VIEWS)
def test_probabilities_are_those_of_a_plain_loop(network, free, name, images):
    assert name in LOOPS, f"give the views {name!r} a row in LOOPS of {__file__}"
    parameters, views_of = LOOPS[name]
    views = {"name": name, **parameters}
    actual = score(network, source_of(images, LABELS, CLASSES), CONTRACT, config(views, batch_size=24))
    expected = np.array([averaged(free, views_of(image)) for image in images])
    assert expected.std(axis=0).min() > 1e-3  # the images are told apart
    np.testing.assert_allclose(actual.probabilities, expected, atol=2e-6)
    assert list(actual.labels) == LABELS


# Prints the probabilities on three devices, each of which computes with its own copy of the weights.
THREE = """
import json, sys
import keras_resnet
from tests.training.test_views import CLASSES, CONTRACT, LABELS, SEVERAL_SIZES, SIZE, config
from tests.training.helpers import source_of
from training.distribution import distribution_of
from training.evaluation.scores import score

found = []
for views, images in json.loads(sys.argv[2]):
    settings = config(views, devices=["CPU:0", "CPU:1", "CPU:2"], batch_size=60)
    distribution = distribution_of(settings.hardware)
    with distribution.scope():
        model = keras_resnet.ResNet("ResNet8", input_shape=(*SIZE, 3), classes=2, weights=sys.argv[1])
    source = source_of(SEVERAL_SIZES[:images], LABELS[:images], CLASSES)
    scores = score(model, source, CONTRACT, settings)
    found.append([scores.labels.tolist(), scores.probabilities.tolist()])
print(json.dumps([distribution.replicas, found]))
"""


@pytest.mark.slow
def test_three_devices_see_every_image_once_in_all_its_views(network, tmp_path):
    network.save_weights(tmp_path / "model.weights.h5")
    # On fewer images than devices, in one share each and one more; of one size and of several.
    asked = [["ten_crop", 2], ["ten_crop", 5], ["flip", 5], [{"name": "multi_scale", "sides": [8, 13]}, 4]]
    printed = run_python("-c", THREE, tmp_path / "model.weights.h5", json.dumps(asked)).stdout.splitlines()[-1]
    replicas, found = json.loads(printed)
    assert replicas == 3
    for (views, images), (labels, probabilities) in zip(asked, found, strict=True):
        source = source_of(SEVERAL_SIZES[:images], LABELS[:images], CLASSES)
        alone = score(network, source, CONTRACT, config(views))
        assert labels == LABELS[:images]
        np.testing.assert_allclose(probabilities, alone.probabilities, atol=2e-6)


def test_mean_image_becomes_a_mean_of_channels_at_other_sizes(network):
    mean = np.random.default_rng(0).uniform(90, 130, (*SIZE, 3))
    by_channel = Preprocessing(SIZE, 3, mean.mean(axis=(0, 1)), CONTRACT.std)
    source, views = source_of(ONE_SIZE, LABELS, CLASSES), config({"name": "multi_scale", "sides": [8]})
    answers = [
        score(network, source, contract, views) for contract in (Preprocessing(SIZE, 3, mean, CONTRACT.std), by_channel)
    ]
    np.testing.assert_array_equal(*(answer.probabilities for answer in answers))


def test_results_name_the_views_and_are_those_of_the_probabilities(network):
    source = source_of(ONE_SIZE, LABELS, CLASSES)
    results = evaluate(network, source, CONTRACT, config("flip"))
    found = score(network, source, CONTRACT, config("flip"))
    assert {name: results.pop(name) for name in ("split", "examples", "views")} == {
        "split": "test",
        "examples": 5,
        "views": "flip",
    }
    cross_entropy = -np.log(found.probabilities[np.arange(5), LABELS]).mean()
    accuracy = np.mean(found.probabilities.argmax(1) == LABELS)
    assert results == pytest.approx({"loss": cross_entropy, "accuracy": accuracy}, rel=1e-6)


def test_network_that_takes_one_size_only_is_refused():
    slopes = keras.layers.PReLU()  # of each pixel
    model = keras_resnet.ResNet("ResNet8", input_shape=(*SIZE, 3), classes=2, activation=slopes)
    with pytest.raises(ValueError, match=r"need a network that takes images of any size, and 'resnet8' takes \(8, 6"):
        score(model, source_of(ONE_SIZE, LABELS, CLASSES), CONTRACT, config("multi_scale"))


def test_views_that_a_network_cannot_take_are_refused_before_the_run():
    slopes = keras.layers.PReLU()  # of each pixel
    model = keras_resnet.ResNet("ResNet8", input_shape=(*SIZE, 3), classes=2, activation=slopes)
    model.preprocessing = CONTRACT
    with pytest.raises(ValueError, match="need a network that takes images of any size"):
        scores.check_views(model, config("multi_scale"))
    scores.check_views(model, config("ten_crop"))
    model = keras_resnet.ResNet("ResNet8", input_shape=(16, 16, 3), classes=2, hidden=(8,))
    model.preprocessing = CONTRACT
    with pytest.raises(ValueError, match=r"show images of 8x8, and 'resnet8' needs larger ones\. Give larger sides\."):
        scores.check_views(model, config({"name": "multi_scale", "sides": [16, 8]}))
    scores.check_views(model, config({"name": "multi_scale", "sides": [16, 21]}))
    with pytest.raises(ValueError, match=r"evaluation\.views: sides must name at least one shorter side, .* none"):
        config({"name": "multi_scale", "sides": []})


@pytest.mark.slow
def test_run_that_could_not_be_tested_does_not_begin(tiny, tmp_path):
    settings = tiny(**{"evaluation.views": {"name": "multi_scale", "sides": [2]}, "network.choices": {"hidden": [8]}})
    with pytest.raises(ValueError, match="The views 'multi_scale' show images of 2x2"):
        train(settings, RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_scores_of_too_few_images_are_refused(network, monkeypatch):
    whole = scores._read_views
    monkeypatch.setattr(scores, "_read_views", lambda *arguments: whole(*arguments).take(3))
    with pytest.raises(ValueError, match=r"counted 3 images of 'test', which has 5; its figures are not kept\."):
        score(network, source_of(ONE_SIZE, LABELS, CLASSES), CONTRACT, config("single"))
