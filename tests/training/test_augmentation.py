"""Augmentation against slices of arrays, and where its randomness comes from."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from training.data.augmentation import AUGMENTATIONS, Drawn
from training.data.augmentation.crops import cut_rectangle
from training.data.augmentation.streams import Stream, open_streams


def epoch(number: int) -> tf.Tensor:
    return tf.constant(number, tf.int64)


def drawn(*columns, first=None, number: int = 0) -> Drawn:
    """Make draws of known numbers, a column a decision; of a single image where the columns are numbers."""
    numbers = tf.constant(np.stack(columns, -1).astype("float32"))
    return Drawn(numbers, numbers if first is None else tf.constant(first, tf.float32), epoch(number))


def stream_of(name: str, seed: int = 0, count: int = 1000, choices=None) -> Stream:
    """Open the stream of an augmentation, alone or among others."""
    streams = open_streams(choices or [name], seed, count)
    return next(stream for stream in streams if stream.name == name)


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize(("border", "mode"), [("zeros", "constant"), ("reflect", "reflect")])
def test_pad_and_crop_is_a_slice_of_the_padded_image(border, mode):
    images, padding = pixels(6, 5, 7, 2), 2
    tops, lefts = np.array([0, 0.1, 0.35, 0.5, 0.79, 0.9999]), np.array([0.9999, 0.21, 0, 0.45, 0.6, 0.05])
    draws = drawn(tops, lefts)
    cropped = AUGMENTATIONS["pad_crop"](tf.constant(images), draws, pixels=padding, border=border).numpy()
    for image, result, top, left in zip(images, cropped, (tops * 5).astype(int), (lefts * 5).astype(int)):
        padded = np.pad(image, [(padding, padding), (padding, padding), (0, 0)], mode)
        np.testing.assert_array_equal(result, padded[top : top + 5, left : left + 7])


def test_pad_and_crop_reaches_every_place_equally_often():
    draws = Drawn(stream_of("pad_crop", count=20_000).first, None, epoch(0))
    marked = np.zeros((1, 3, 3, 1), "float32")
    marked[0, 1, 1] = 1
    cropped = AUGMENTATIONS["pad_crop"](tf.tile(marked, [20_000, 1, 1, 1]), draws, pixels=1).numpy()
    np.testing.assert_allclose(cropped.mean(0)[..., 0], 1 / 9, atol=0.01)


def test_flip_mirrors_the_images_whose_coin_says_so():
    images = pixels(3, 4, 5, 2)
    flipped = AUGMENTATIONS["flip"](tf.constant(images), drawn(np.array([0.49, 0.5, 0.0]))).numpy()
    np.testing.assert_array_equal(flipped[0], np.flip(images[0], 1))
    np.testing.assert_array_equal(flipped[1], images[1])
    np.testing.assert_array_equal(flipped[2], np.flip(images[2], 1))


def mirrored(number: int, count: int = 1000, **parameters) -> np.ndarray:
    """Tell which of so many images are mirrored in an epoch."""
    stream, images = stream_of("flip", seed=3, count=count), tf.tile([[[[0.0], [1.0]]]], [count, 1, 1, 1])
    drawn = Drawn(stream.draw(epoch(number)), stream.first, epoch(number))
    return AUGMENTATIONS["flip"](images, drawn, **parameters).numpy()[:, 0, 0, 0] == 1


@pytest.mark.parametrize("number", [0, 1, 6])
def test_alternating_shows_both_sides_in_two_consecutive_epochs(number):
    np.testing.assert_array_equal(mirrored(number, alternating=True), ~mirrored(number + 1, alternating=True))


def test_alternating_starts_with_about_half_of_the_examples_mirrored():
    assert 0.45 < mirrored(0, alternating=True).mean() < 0.55


def test_flip_tosses_anew_in_every_epoch():
    tosses = np.array([mirrored(number) for number in range(20)])
    assert 0.48 < tosses.mean() < 0.52
    assert 0.45 < (tosses[0] != tosses[1]).mean() < 0.55
    assert not np.any(tosses.all(0) | ~tosses.any(0))


# Streams.

ALL = tuple(AUGMENTATIONS)


def test_draws_are_uniform_and_independent_within_and_between_augmentations():
    draws = np.concatenate([stream.first.numpy() for stream in open_streams(ALL, 0, 20_000)], axis=1)
    assert draws.shape[1] == sum(function.draws for function in AUGMENTATIONS.values())
    assert draws.min() >= 0 and draws.max() < 1
    np.testing.assert_allclose(np.cov(draws.T), np.eye(draws.shape[1]) / 12, atol=0.003)
    np.testing.assert_allclose(draws.mean(0), 0.5, atol=0.01)


@pytest.mark.parametrize("name", ALL)
def test_draws_depend_on_seed_and_epoch_only(name):
    first = stream_of(name, seed=1).draw(epoch(2)).numpy()
    tf.random.uniform((3,))
    np.testing.assert_array_equal(first, stream_of(name, seed=1).draw(epoch(2)).numpy())
    for seed, number in ((2, 2), (1, 3), (2, 1)):
        assert not np.any(first == stream_of(name, seed=seed).draw(epoch(number)).numpy())


@pytest.mark.parametrize("name", ALL)
def test_adding_removing_and_moving_augmentations_changes_no_other_draws(name):
    alone = stream_of(name).draw(epoch(1)).numpy()
    for choices in (ALL, ALL[::-1], [other for other in ALL if other != name] + [name]):
        np.testing.assert_array_equal(stream_of(name, choices=choices).draw(epoch(1)).numpy(), alone)


def test_augmentation_that_is_named_twice_draws_twice():
    one, other = open_streams(["flip", "flip"], 0, 1000)
    np.testing.assert_array_equal(one.first, stream_of("flip").first)
    assert 0.45 < np.mean((one.first < 0.5) != (other.first < 0.5)) < 0.55


@pytest.mark.parametrize("seed", [0, 2**31, 2**40])
def test_any_seed_gives_a_stream(seed):
    assert 0.4 < stream_of("flip", seed=seed).first.numpy().mean() < 0.6


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
def test_random_crop_cuts_the_rectangle_of_its_draws(draws, rows, columns):
    image, numbers = corners(100, 100), tf.constant([draws[name] for name in ("area", "aspect", "top", "left")])
    cut = cut_rectangle(tf.constant(image), numbers, 0.25).numpy()
    np.testing.assert_array_equal(cut, image[rows, columns])


def test_rectangles_of_runs_so_far_stay_where_they_are():
    image, (stream,) = corners(100, 80), open_streams(["random_resized_crop"], 3, 6)
    cuts = [cut_rectangle(tf.constant(image), numbers, 0.25).numpy() for numbers in stream.draw(epoch(2))]
    assert [(*cut[0, 0], *cut[-1, -1]) for cut in cuts] == [
        (9, 18, 74, 77),
        (13, 10, 66, 69),
        (0, 0, 84, 78),
        (25, 18, 95, 74),
        (9, 6, 98, 74),
        (27, 5, 91, 70),
    ]


def test_random_resized_crop_brings_its_rectangle_to_the_size():
    image, numbers = tf.constant(corners(9, 12)), np.array([0.2, 0.7, 0.3, 0.9], "float32")
    expected = tf.image.resize(cut_rectangle(image, tf.constant(numbers), 0.1), (5, 4), antialias=True)
    np.testing.assert_array_equal(
        AUGMENTATIONS["random_resized_crop"](image, drawn(*numbers), (5, 4), area=0.1), expected
    )


def corner_boxes(image, numbers, *parameters) -> tuple:
    """Cut a rectangle out of an image of corners; return its first and last row and column."""
    cut = cut_rectangle(tf.constant(image), tf.constant(numbers, tf.float32), *parameters).numpy()
    return (*cut[0, 0], *cut[-1, -1])


@pytest.mark.parametrize(
    ("height", "width", "numbers", "box"),
    [
        # What fits is cut as before: half of the area, 4/3 as wide as high.
        (90, 120, (0.5, 0.9999, 0.0, 0.0), (0, 0, 63, 84)),
        # 0.9 of a square: aspects from 0.9 to 1 / 0.9 fit, in the middle of the range the square's own.
        (100, 100, (0.9, 0.5, 0.5, 0.0), (3, 0, 97, 94)),
        (100, 100, (0.9, 0.9999, 0.0, 0.0), (0, 0, 89, 99)),
        # None fits into a long image: the widest one that is allowed, in the middle.
        (30, 100, (0.9, 0.2, 0.9, 0.1), (0, 30, 29, 69)),
        (100, 30, (0.9, 0.2, 0.9, 0.1), (30, 0, 69, 29)),
    ],
)
def test_aspects_are_redrawn_until_the_rectangle_fits(height, width, numbers, box):
    assert corner_boxes(corners(height, width), numbers, 0.0, 4 / 3, "redraw") == box


def test_resize_crop_is_a_window_of_the_resized_image():
    image = pixels(30, 45, 3)
    # A shorter side of 12 to 20 pixels: 15 of 30 rows, 22 of 45 columns (22.5 rounds to even), and places for 5 by 7.
    window = AUGMENTATIONS["resize_crop"](image, drawn(*np.array([3.5 / 9, 0.4, 0.9])), (5, 7), sides=(12, 20))
    whole = tf.image.resize(image, (15, 22), antialias=True)
    np.testing.assert_allclose(window, whole[4:9, 14:21], atol=1e-5)
    larger = AUGMENTATIONS["resize_crop"](image, drawn(*np.array([0.999, 0.0, 0.0])), (5, 7), sides=(12, 60))
    np.testing.assert_allclose(larger, tf.image.resize(image, (60, 90), antialias=True)[:5, :7], atol=1e-5)


@functools.cache
def cut_boxes(height: int, width: int, smallest: float, count: int) -> np.ndarray:
    """Cut many rectangles out of an image; return top, left, rows and columns of each."""
    image = tf.constant(corners(height, width))

    def box(draws):
        cut = cut_rectangle(image, draws, smallest)
        return tf.concat([cut[0, 0], cut[-1, -1] - cut[0, 0] + 1], 0)

    return tf.map_fn(
        box, stream_of("random_resized_crop", count=count).first, fn_output_signature=tf.TensorSpec((4,))
    ).numpy()


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(40, 40), (9, 31), (1, 1), (2, 3)])
def test_random_crop_stays_within_the_image(height, width):
    top, left, rows, columns = cut_boxes(height, width, 0.08, 300).T
    assert min(rows.min(), columns.min()) >= 1 and min(top.min(), left.min()) >= 0
    assert (top + rows).max() <= height and (left + columns).max() <= width


@pytest.mark.slow
def test_random_crop_has_the_mean_area_of_its_range():
    _, _, rows, columns = cut_boxes(200, 200, 0.1, 2000).T
    share = rows * columns / 200**2
    # Up to an area of 3/4 no rectangle is cut to the image, and the area is uniform in [0.1, 1].
    uncut = share[share < 0.75]
    assert abs(len(uncut) / len(share) - 0.65 / 0.9) < 0.03
    assert abs(uncut.mean() - (0.1 + 0.75) / 2) < 0.015
    assert share.min() > 0.099


@pytest.mark.slow
def test_random_crop_draws_the_aspect_evenly_in_its_logarithm():
    _, _, rows, columns = cut_boxes(200, 200, 0.1, 2000).T
    aspect = np.log(columns / rows)[rows * columns < 0.5 * 200**2]
    assert np.abs(aspect).max() < np.log(4 / 3) + 0.02
    np.testing.assert_allclose([aspect.mean(), aspect.std()], [0, np.log(4 / 3) / np.sqrt(3)], atol=0.01)
