"""A stem that whitens patches: what its filters do to images, and that a run leaves it as it was set."""

import re

import keras
import numpy as np
import pytest

import keras_resnet
from tests.training.helpers import same_weights
from training.config import Start
from training.run import train
from training.run_folder import RunFolder
from training.whitening import check_whitening, kernel_of, patch_covariance, whiten, whitening_filters


def network(**choices) -> keras.Model:
    """A network of eight layers on small images."""
    architecture = keras_resnet.get_architecture("ResNet8").replace(**choices)
    return keras_resnet.ResNet(architecture, input_shape=(16, 16, 3), classes=2)


@pytest.fixture
def images() -> np.ndarray:
    """Images whose neighbors in space and color are nearly equal, as in photographs."""
    noise = np.random.default_rng(0).normal(size=(64, 16, 16, 3))
    smooth = noise.cumsum(1).cumsum(2).cumsum(3)
    return ((smooth - smooth.mean()) / smooth.std()).astype("float32")


def test_covariance_is_that_of_patches_that_touch():
    image = np.arange(16.0).reshape(1, 4, 4, 1)
    patches = np.array([[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]], float)  # by hand
    np.testing.assert_allclose(patch_covariance([image], 2), patches.T @ patches / 4)
    np.testing.assert_allclose(patch_covariance([image, image], 2), patches.T @ patches / 4)


def test_covariance_names_row_column_and_channel_in_turn():
    image = np.random.default_rng(0).normal(size=(1, 2, 2, 3))
    np.testing.assert_allclose(patch_covariance([image], 2), np.outer(image.ravel(), image.ravel()))


def test_filters_of_variances_known_by_hand():
    filters = whitening_filters(np.diag([0.0, 8.99, 0.24, 3.99]), 4)
    np.testing.assert_allclose(np.abs(filters[:, :2]), [[0, 0], [1 / 3, 0], [0, 0], [0, 1 / 2]], atol=1e-12)
    np.testing.assert_array_equal(filters[:, 2:], -filters[:, :2])


def test_stem_makes_the_strongest_directions_equally_strong_and_uncorrelated(images):
    model = network(widths=[8, 16, 32])
    whiten(model, [images[:32], images[32:]], 2)
    stem = keras.Model(model.input, model.get_layer("conv1_conv").output)
    # The kernel's middle lies on the patch's last pixel: outputs at odd places are those of patches that touch.
    found = np.asarray(stem(images))[:, 1::2, 1::2].reshape(-1, 8).astype("float64")
    correlated = found.T @ found / len(found)
    np.testing.assert_allclose(np.diag(correlated), 1, atol=0.25)  # what REGULARIZER takes of the weakest
    np.testing.assert_allclose(correlated[:4, :4] - np.diag(np.diag(correlated[:4, :4])), 0, atol=1e-4)
    np.testing.assert_allclose(found[:, 4:], -found[:, :4], atol=1e-5)


@pytest.mark.parametrize(
    ("choices", "start", "message"),
    [
        (
            {"widths": [8, 16, 32]},
            {"whiten": 2, "weights": "cifar10"},
            "start.whiten=2 sets the stem of a new network, and weights='cifar10' bring their own; leave one of them "
            "out.",
        ),
        (
            {"widths": [8, 16, 32]},
            {"whiten": 4},
            "which must have one convolution, of at least 4x4; the stem 'cifar' has 3x3.",
        ),
        ({"stem": "deep"}, {"whiten": 2}, "the stem 'deep' has 3x3 and 3x3 and 3x3."),
        (
            {"widths": [32, 32, 32]},
            {"whiten": 2},
            "two filters for each direction in patches of 2x2x3 values: an even number up to 24; it has 32. Set "
            "stem_width, by network.choices.",
        ),
        ({"stem_width": 7}, {"whiten": 2}, "an even number up to 24; it has 7."),
    ],
)
def test_stem_that_cannot_whiten_raises_an_error(choices, start, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_whitening(network(**choices), Start(**start))


@pytest.mark.slow
def test_run_whitens_its_training_images_and_keeps_the_stem_as_it_is_frozen(tiny, tmp_path):
    fields = {"network.choices": {"widths": [8, 16, 32]}, "start": {"whiten": 2, "freeze": ["conv1"]}, "epochs": 1}
    config, folder = tiny(**fields), RunFolder(tmp_path / "run")
    train(config, folder)
    kernel = np.asarray(kernel_of(folder.load_model()))
    assert not kernel[2].any() and not kernel[:, 2].any()  # patches of 2x2 in a kernel of 3x3
    np.testing.assert_array_equal(kernel[..., 4:], -kernel[..., :4])
    # The first direction of the digits is nearly their brightness: its weights have one sign.
    assert len(set(np.sign(kernel[:2, :2, 0, 0].ravel()))) == 1
    again = RunFolder(tmp_path / "again")
    train(config, again)
    assert same_weights(folder, again)
