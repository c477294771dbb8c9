"""Rectangles that are taken out of images, against loops over their pixels."""

import numpy as np
import pytest

from tests.training.augmenting import augmented

ONES = np.ones((5, 12, 16, 2), "float32")


def test_cutout_is_a_square_around_any_pixel():
    rows, columns = np.array([0, 5, 11, 3, 7]), np.array([0, 8, 15, 2, 15])
    numbers = np.stack([(rows + 0.5) / 12, (columns + 0.5) / 16], axis=1)
    expected = ONES.copy()
    for image, row, column in zip(expected, rows, columns):
        image[max(row - 3, 0) : row + 3, max(column - 3, 0) : column + 3] = 0
    np.testing.assert_array_equal(augmented(ONES, ("cutout", numbers, {"size": 6})), expected)


def test_random_erasing_is_a_rectangle_of_the_area_and_aspect_drawn():
    # An area of 1/8 of 192 pixels; the aspect 1.5 in the middle of 0.5 to 2.5: 6 rows of 4 pixels.
    numbers = [(0.0, 0.5, 0.5, top, left) for top, left in ((0, 0), (0.999, 0.999), (0.5, 0.5), (0.3, 0.8))]
    numbers.append((0.8, 0.5, 0.5, 0, 0))
    parameters = {"probability": 0.8, "area": (1 / 16, 3 / 16), "aspect": (0.5, 2.5)}
    expected = ONES.copy()
    for image, top, left in zip(expected, (0, 6, 3, 2), (0, 12, 6, 10)):
        image[top : top + 6, left : left + 4] = 0
    np.testing.assert_array_equal(augmented(ONES, ("random_erasing", numbers, parameters)), expected)


def test_random_erasing_always_fits_and_has_its_area():
    images = np.ones((2000, 20, 30, 1), "float32")
    numbers = np.random.default_rng(0).uniform(size=(2000, 5))
    erased = augmented(images, ("random_erasing", numbers, {"probability": 1, "area": (0.1, 0.9)}))[..., 0] == 0
    rows, columns = erased.any(2).sum(1), erased.any(1).sum(1)
    assert (erased.sum((1, 2)) == rows * columns).all()  # whole rectangles, none of them cut
    np.testing.assert_allclose(rows * columns / 600, 0.1 + 0.8 * numbers[:, 1], atol=0.05)
    aspect = rows / columns
    assert aspect.min() > 0.25 and 2.5 < aspect.max() < 4


@pytest.mark.parametrize(
    ("area", "reason"), [([0.4, 0.1], r"received \[0\.4, 0\.1\]"), ([0.1], r"received"), ([0.1, 1.5], "of at most 1")]
)
def test_areas_that_are_none_are_refused(area, reason):
    from training.config import make_config

    with pytest.raises(ValueError, match=rf"area must be two numbers.*, the smaller one first; .*{reason}|{reason}"):
        make_config({"augmentation": [{"name": "random_erasing", "area": area}], "epochs": 1})
