"""Augmentations that turn, slant, shift and zoom, against Pillow."""

import numpy as np
import pytest
from PIL import Image

from tests.training.augmenting import augmented, levels

HALF = 0.5  # the draw that moves nothing


def by_pillow(images: np.ndarray, matrices, fill: int = 0) -> np.ndarray:
    """Transform each image by a matrix of places around its center."""
    height, width = images.shape[1:3]
    to_center = np.array([(1, 0, -width / 2), (0, 1, -height / 2), (0, 0, 1)])
    moved = []
    for image, matrix in zip(images, matrices):
        places = np.linalg.inv(to_center) @ np.array(matrix) @ to_center
        data = places[:2].ravel().tolist()
        color = (fill,) * 3
        made = Image.fromarray(image).transform((width, height), Image.AFFINE, data, Image.BILINEAR, fillcolor=color)
        moved.append(np.asarray(made))
    return np.array(moved)


def assert_within_a_level(actual, expected):
    """Compare with levels that Pillow has cut to integers."""
    assert np.abs(actual - expected.astype("float32")).max() <= 1.01


NUMBERS = np.array([0.0, 0.3, HALF, 0.95])
EITHER_SIDE = 2 * NUMBERS - 1


def test_rotation_is_pillows():
    images = levels()
    actual = augmented(images, ("rotate", NUMBERS[:, None], {"degrees": 40, "fill": 9}))
    expected = [
        np.asarray(Image.fromarray(image).rotate(40 * share, Image.BILINEAR, fillcolor=(9, 9, 9)))
        for image, share in zip(images, EITHER_SIDE)
    ]
    assert_within_a_level(actual, np.array(expected))


@pytest.mark.parametrize(
    ("name", "parameters", "matrix"),
    [
        ("shear", {"horizontal": 0.4, "vertical": 0.2}, lambda a, b: [(1, 0.4 * a, 0), (0.2 * b, 1, 0), (0, 0, 1)]),
        ("translate", {"horizontal": 0.3, "vertical": 0.5}, lambda a, b: [(1, 0, 9 * a), (0, 1, 10 * b), (0, 0, 1)]),
        ("scale", {"factor": 2}, lambda a, _: np.diag([2.0**-a, 2.0**-a, 1])),
    ],
)
def test_matrices_are_those_of_pillow(name, parameters, matrix):
    images = levels()
    numbers = np.stack([NUMBERS, NUMBERS[::-1]], axis=1)[:, : 1 if name == "scale" else 2]
    actual = augmented(images, (name, numbers, {**parameters, "fill": 200}))
    expected = by_pillow(images, [matrix(a, b) for a, b in zip(EITHER_SIDE, EITHER_SIDE[::-1])], 200)
    assert_within_a_level(actual, expected)


@pytest.mark.parametrize("name", ["rotate", "shear", "translate", "scale"])
def test_what_moves_nothing_keeps_every_bit(name):
    images = levels(2, 7, 9, 1)
    np.testing.assert_array_equal(augmented(images, (name, np.full((2, 2), HALF))), images.astype("float32"))


def test_neighbors_are_interpolated_once_in_the_order_of_the_list():
    images = levels()
    turn, shift = ("rotate", NUMBERS[:, None], {"degrees": 90}), ("translate", np.tile([0.9, 0.2], (4, 1)), {})
    angles = EITHER_SIDE * np.pi / 2
    turns = [np.array([(np.cos(a), -np.sin(a), 0), (np.sin(a), np.cos(a), 0), (0, 0, 1)]) for a in angles]
    moved = np.array([(1, 0, 3 * 0.8), (0, 1, 2 * -0.6), (0, 0, 1)])
    assert_within_a_level(augmented(images, turn, shift), by_pillow(images, [each @ moved for each in turns]))
    assert_within_a_level(augmented(images, shift, turn), by_pillow(images, [moved @ each for each in turns]))


def test_neighbors_that_fill_otherwise_are_interpolated_one_after_the_other():
    images = np.full((1, 8, 8, 1), 100, "uint8")
    there, back = np.array([[0.0, HALF]]), np.array([[0.999999, HALF]])
    share = {"horizontal": 0.25}
    same = augmented(images, ("translate", there, share), ("translate", back, share))
    other = augmented(images, ("translate", there, {**share, "fill": 7}), ("translate", back, share))
    np.testing.assert_allclose(same, images, atol=1e-2)
    assert sorted(np.unique(other.round())) == [0, 100]  # two columns left the image for good, to the right
    assert (other[0, 0, :, 0].round() == [100] * 6 + [0] * 2).all()
