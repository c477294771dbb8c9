"""Where in a list of augmentations images are standardized, and which orders are refused."""

import numpy as np
import pytest

from tests.training.augmenting import as_floats, given, levels
from training.data.augmentation.composition import augment
from training.data.augmentation.registry import Step, check_order

MIRROR, STAY, QUARTER = Step("flip", {}, given([[0.0]])), Step("flip", {}, given([[0.9]])), given([[0.75]])
TURN = Step("rotate", {"degrees": 180}, QUARTER)
CROP = Step("pad_crop", {"pixels": 2}, given([[0.0, 0.0]]))


def through(images, *steps):
    """Let images go through these steps; return what is standardized, and what comes of it."""
    seen = []

    def standardize(images):
        seen.append(np.asarray(images))
        return as_floats(images) - 100

    augmented = np.asarray(augment(images, np.zeros(1, int), steps, standardize, 1)[0])
    (standardized,) = seen
    return standardized, augmented


def test_images_are_standardized_after_the_last_augmentation_of_levels():
    images = levels(1, 8, 8)
    standardized, augmented = through(images, MIRROR, TURN, STAY, CROP)
    turned = np.rot90(images[:, :, ::-1], axes=(1, 2))
    np.testing.assert_allclose(standardized, turned, atol=2e-3)
    assert (augmented[:, :2] == 0).all() and (augmented[:, :, :2] == 0).all()
    np.testing.assert_array_equal(augmented[:, 2:, 2:], standardized[:, :-2, :-2] - 100)


def test_images_are_standardized_first_where_nothing_works_on_levels():
    images = levels(1, 8, 8)
    standardized, augmented = through(images, MIRROR, CROP)
    assert standardized.dtype == "uint8"
    np.testing.assert_array_equal(standardized, images)
    np.testing.assert_array_equal(augmented[:, 2:, 2:], images[:, :-2, :1:-1] - 100.0)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (
            ["flip", "random_resized_crop"],
            "random_resized_crop brings images to the network's size, so it must",
        ),
        (
            ["pad_crop", "flip", "rotate"],
            "pad_crop works on standardized images, and rotate on levels of 0 to 255, which come before: put rotate "
            r"before pad_crop\.",
        ),
    ],
)
def test_orders_that_cannot_work_are_refused(names, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_order(names)
    check_order(names[-1:] + names[:-1])
