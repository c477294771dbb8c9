"""Augmentation against slices of arrays, and where its randomness comes from."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from training import augmentation
from training.augmentation import DRAWS, draw, pad_and_crop, random_area


def epoch(number: int) -> tf.Tensor:
    return tf.constant(number, tf.int64)


def drawn(rows: int = 1, **columns) -> tf.Tensor:
    """Make draws of known numbers; those not named are one half."""
    values = np.full((rows, len(DRAWS)), 0.5, "float32")
    for name, column in columns.items():
        values[:, DRAWS.index(name)] = column
    return tf.constant(values)


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize(("border", "mode"), [("zeros", "constant"), ("reflect", "reflect")])
def test_pad_and_crop_is_a_slice_of_the_padded_image(border, mode):
    images, padding = pixels(6, 5, 7, 2), 2
    tops, lefts = np.array([0, 0.1, 0.35, 0.5, 0.79, 0.9999]), np.array([0.9999, 0.21, 0, 0.45, 0.6, 0.05])
    cropped = pad_and_crop(tf.constant(images), drawn(6, top=tops, left=lefts), padding, border).numpy()
    for image, result, top, left in zip(images, cropped, (tops * 5).astype(int), (lefts * 5).astype(int)):
        padded = np.pad(image, [(padding, padding), (padding, padding), (0, 0)], mode)
        np.testing.assert_array_equal(result, padded[top : top + 5, left : left + 7])


def test_pad_and_crop_reaches_every_place_equally_often():
    draws = draw(20_000, 0, epoch(0))
    marked = np.zeros((1, 3, 3, 1), "float32")
    marked[0, 1, 1] = 1
    cropped = pad_and_crop(tf.tile(marked, [20_000, 1, 1, 1]), draws, 1, "zeros").numpy()
    np.testing.assert_allclose(cropped.mean(0)[..., 0], 1 / 9, atol=0.01)


def test_flip_mirrors_the_chosen_images_only():
    images = pixels(3, 4, 5, 2)
    flipped = augmentation.flip(tf.constant(images), tf.constant([True, False, True])).numpy()
    np.testing.assert_array_equal(flipped[0], np.flip(images[0], 1))
    np.testing.assert_array_equal(flipped[1], images[1])
    np.testing.assert_array_equal(flipped[2], np.flip(images[2], 1))


def mirrored(kind: str, number: int, count: int = 1000) -> np.ndarray:
    return augmentation.mirrored(kind, draw(count, 3, epoch(number)), draw(count, 3, epoch(0)), epoch(number)).numpy()


@pytest.mark.parametrize("number", [0, 1, 6])
def test_alternating_shows_both_sides_in_two_consecutive_epochs(number):
    np.testing.assert_array_equal(mirrored("alternating", number), ~mirrored("alternating", number + 1))


def test_alternating_starts_with_about_half_of_the_examples_mirrored():
    assert 0.45 < mirrored("alternating", 0).mean() < 0.55


def test_random_tosses_anew_in_every_epoch():
    tosses = np.array([mirrored("random", number) for number in range(20)])
    assert 0.48 < tosses.mean() < 0.52
    assert 0.45 < (tosses[0] != tosses[1]).mean() < 0.55
    assert not np.any(tosses.all(0) | ~tosses.any(0))


def test_none_mirrors_nothing():
    assert not mirrored("none", 1).any()


def test_draws_are_uniform_and_independent():
    draws = draw(20_000, 0, epoch(0)).numpy()
    assert draws.min() >= 0 and draws.max() < 1
    np.testing.assert_allclose(np.cov(draws.T), np.eye(len(DRAWS)) / 12, atol=0.003)
    np.testing.assert_allclose(draws.mean(0), 0.5, atol=0.01)


def test_draws_depend_on_seed_and_epoch_only():
    first = draw(50, 1, epoch(2)).numpy()
    tf.random.uniform((3,))
    np.testing.assert_array_equal(first, draw(50, 1, epoch(2)).numpy())
    for seed, number in ((2, 2), (1, 3), (2, 1)):
        assert not np.any(first == draw(50, seed, epoch(number)).numpy())


def test_column_takes_the_named_draws():
    draws = draw(4, 0, epoch(0))
    for place, name in enumerate(DRAWS):
        np.testing.assert_array_equal(augmentation.column(draws, name), draws.numpy()[:, place])


def corners(height: int, width: int) -> np.ndarray:
    """Make an image whose pixels hold their own row and column."""
    return np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1).astype("float32")


@pytest.mark.parametrize(
    ("draws", "rows", "columns"),
    [
        # Area 0.25 + 0.75 * area of 100 x 100; aspect (4/3) ** (2 * aspect - 1); top and left share of what is free.
        ({"area": 0.0, "aspect": 0.5, "top": 0.0, "left": 0.0}, slice(0, 50), slice(0, 50)),
        ({"area": 0.0, "aspect": 0.5, "top": 0.9999, "left": 0.5}, slice(50, 100), slice(25, 75)),
        ({"area": 0.0, "aspect": 0.0, "top": 0.0, "left": 0.0}, slice(0, 58), slice(0, 43)),
        ({"area": 0.52, "aspect": 0.5, "top": 0.0, "left": 0.0}, slice(0, 80), slice(0, 80)),
        # A rectangle that is longer than the image is cut to it: 0.95 of the area, 4/3 as wide as high.
        ({"area": 0.9334, "aspect": 0.9999, "top": 0.0, "left": 0.0}, slice(0, 84), slice(0, 100)),
    ],
)
def test_random_area_cuts_the_rectangle_of_its_draws(draws, rows, columns):
    image = corners(100, 100)
    cut = random_area(tf.constant(image), drawn(**draws)[0], 0.25).numpy()
    np.testing.assert_array_equal(cut, image[rows, columns])


@functools.cache
def cut_boxes(height: int, width: int, smallest: float, count: int) -> np.ndarray:
    """Cut many rectangles out of an image; return top, left, rows and columns of each."""
    image = tf.constant(corners(height, width))

    def box(draws):
        cut = random_area(image, draws, smallest)
        return tf.concat([cut[0, 0], cut[-1, -1] - cut[0, 0] + 1], 0)

    return tf.map_fn(box, draw(count, 0, epoch(0)), fn_output_signature=tf.TensorSpec((4,))).numpy()


@pytest.mark.parametrize(("height", "width"), [(40, 40), (9, 31), (1, 1), (2, 3)])
def test_random_area_stays_within_the_image(height, width):
    top, left, rows, columns = cut_boxes(height, width, 0.08, 300).T
    assert min(rows.min(), columns.min()) >= 1 and min(top.min(), left.min()) >= 0
    assert (top + rows).max() <= height and (left + columns).max() <= width


def test_random_area_has_the_mean_area_of_its_range():
    _, _, rows, columns = cut_boxes(200, 200, 0.1, 2000).T
    share = rows * columns / 200**2
    # Up to an area of 3/4 no rectangle is cut to the image, and the area is uniform in [0.1, 1].
    uncut = share[share < 0.75]
    assert abs(len(uncut) / len(share) - 0.65 / 0.9) < 0.03
    assert abs(uncut.mean() - (0.1 + 0.75) / 2) < 0.015
    assert share.min() > 0.099


def test_random_area_draws_the_aspect_evenly_in_its_logarithm():
    _, _, rows, columns = cut_boxes(200, 200, 0.1, 2000).T
    aspect = np.log(columns / rows)[rows * columns < 0.5 * 200**2]
    assert np.abs(aspect).max() < np.log(4 / 3) + 0.02
    np.testing.assert_allclose([aspect.mean(), aspect.std()], [0, np.log(4 / 3) / np.sqrt(3)], atol=0.01)
