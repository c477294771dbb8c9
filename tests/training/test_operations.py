"""The operations of AutoAugment against Pillow's, one by one, and which of them are drawn."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from tests.training.augmenting import augmented, levels
from training.data.augmentation.automatic import DRAWN
from training.data.augmentation.operations import OPERATIONS, _all_at_once, operate
from training.data.augmentation.policies import POLICIES

FILL = (50, 50, 50)


def transformed(image, data):
    return image.transform(image.size, Image.AFFINE, data, Image.BILINEAR, fillcolor=FILL)


def sheared(image, x, y):
    """Slant around the center."""
    return transformed(image, (1, x, -x * image.height / 2, y, 1, -y * image.width / 2))


# What Pillow makes of an image, by the amount.
PILLOW = {
    "identity": lambda image, _: image,
    "auto_contrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "invert": lambda image, _: ImageOps.invert(image),
    "solarize": lambda image, threshold: ImageOps.solarize(image, threshold),
    "posterize": lambda image, bits: ImageOps.posterize(image, bits),
    "color": lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    "contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    "brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    "sharpness": lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor),
    "rotate": lambda image, degrees: image.rotate(degrees, Image.BILINEAR, fillcolor=FILL),
    "shear_x": lambda image, slant: sheared(image, slant, 0),
    "shear_y": lambda image, slant: sheared(image, 0, slant),
    "translate_x": lambda image, share: transformed(image, (1, 0, share * image.width, 0, 1, 0)),
    "translate_y": lambda image, share: transformed(image, (1, 0, 0, 0, 1, share * image.height)),
}
AMOUNTS = {
    **dict.fromkeys(("color", "contrast", "brightness", "sharpness"), (0.1, 0.55, 1.0, 1.9)),
    **dict.fromkeys(("shear_x", "shear_y", "translate_x", "translate_y"), (-0.3, -0.11, 0.0, 0.453)),
    "rotate": (-30.0, 7.5, 135.0, 0.0),
    "solarize": (0, 90, 256, 142),
    "posterize": (2, 4, 7, 8),
}


def operated(images, names, amounts, fill=50):
    places = np.array([OPERATIONS.index(name) for name in names], "int32")
    return np.asarray(operate(np.asarray(images, "float32"), places, np.array(amounts, "float32"), fill))


def by_pillow(images, names, amounts):
    made = [PILLOW[name](Image.fromarray(image), amount) for image, name, amount in zip(images, names, amounts)]
    return np.array([np.asarray(image) for image in made], "float32")


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_pillows(name):
    images, amounts = levels(), AMOUNTS.get(name, (0, 0, 0, 0))
    actual, expected = operated(images, [name] * 4, amounts), by_pillow(images, [name] * 4, amounts)
    difference = np.abs(actual - expected)
    assert difference.max() <= 1.01
    if name in ("identity", "equalize", "invert", "solarize", "posterize"):
        assert difference.max() == 0


def test_every_image_of_a_batch_has_an_operation_of_its_own():
    images = levels(len(OPERATIONS))
    amounts = [AMOUNTS.get(name, (0,))[0] for name in OPERATIONS]
    actual, expected = operated(images, OPERATIONS, amounts), by_pillow(images, OPERATIONS, amounts)
    assert np.abs(actual - expected).max() <= 1.01


@pytest.mark.slow
def test_compiled_image_by_image_and_for_all_at_once_is_the_same():
    images = np.repeat(levels(2), len(OPERATIONS), axis=0).astype("float32")
    places = np.tile(np.arange(len(OPERATIONS), dtype="int32"), 2)
    amounts = np.array([AMOUNTS.get(OPERATIONS[place], (0, 0))[1] for place in places], "float32")
    actual = tf.function(operate, jit_compile=True)(images, places, amounts, 50.0)
    # A product and a sum in one instruction may end on the other side of a whole level, where levels are cut.
    difference = np.abs(actual - np.asarray(_all_at_once(images, places, amounts, 50.0)))
    assert difference.max() <= 1.01 and (difference > 1e-3).mean() < 1e-3


@pytest.mark.parametrize("name", ["auto_contrast", "equalize", "contrast"])
def test_operation_is_pillows_for_images_of_one_level(name):
    images = np.full((2, 6, 5, 3), 99, "uint8")
    images[1, 0, 0] = 0  # one pixel of another level: too few to share out
    np.testing.assert_array_equal(operated(images, [name] * 2, [0.5, 0.5]), by_pillow(images, [name] * 2, [0.5, 0.5]))


def test_gray_images_have_all_operations_and_color_leaves_them():
    images, names = levels(channels=1), ["color", "equalize", "sharpness", "rotate"]
    amounts = [1.9, 0, 1.9, 20]
    expected = by_pillow(np.repeat(images, 3, axis=3), names, amounts)[..., :1]
    assert np.abs(operated(images, names, amounts) - expected).max() <= 1.01


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (3, 3)])
def test_smallest_images_are_sharpened_as_pillows(size):
    images = levels(1, *size)
    np.testing.assert_array_equal(operated(images, ["sharpness"], [0.1]), by_pillow(images, ["sharpness"], [0.1]))


# Which operations are drawn.


def test_rand_augment_is_its_operations_one_after_the_other():
    images = levels()
    numbers = np.zeros((4, 8))
    first, second = ["solarize", "rotate", "sharpness", "shear_x"], ["rotate", "posterize", "brightness", "identity"]
    for column, names in ((0, first), (2, second)):
        numbers[:, column] = [(DRAWN.index(name) + 0.5) / 14 for name in names]
    numbers[:, 1], numbers[:, 3] = 0.2, 0.7  # to one side and to the other
    one, other = [256 * 0.5, -15, 0.55, -0.15], [15, 6, 1.45, 0]
    between = operated(images, first, one, 128)
    actual = augmented(images, ("rand_augment", numbers, {"magnitude": 5}))
    np.testing.assert_allclose(actual, operated(between, second, other, 128), atol=1e-3)


def test_rand_augment_of_no_magnitude_leaves_but_what_has_none():
    images = levels(14)
    numbers = np.tile((np.arange(14) + 0.5)[:, None] / 14, (1, 8))
    actual = augmented(images, ("rand_augment", numbers, {"magnitude": 0, "count": 1}))
    changed = {name for name, one, other in zip(DRAWN, actual, images) if np.abs(one - other).max() > 0.01}
    assert changed == {"auto_contrast", "equalize"}


def test_trivial_augment_is_one_operation_of_any_magnitude():
    images, names = levels(height=64, width=80), ["rotate", "posterize", "translate_x", "color"]
    numbers = np.zeros((4, 3))
    numbers[:, 0] = [(DRAWN.index(name) + 0.5) / 14 for name in names]
    numbers[:, 1] = [(strength + 0.5) / 31 for strength in (10, 30, 30, 15)]
    numbers[:, 2] = 0.7
    expected = operated(images, names, [45, 2, 32 / 80, 1.495], 128)
    np.testing.assert_allclose(augmented(images, ("trivial_augment", numbers)), expected, atol=1.01)


def test_auto_augment_is_a_pair_of_the_policy_each_with_its_probability():
    images = levels(3)
    # The second pair of CIFAR-10's: rotate 0.7 2, translate_x 0.3 9.
    draws = [(0.69, 0.7, 0.31, 0.2), (0.71, 0.7, 0.29, 0.2), (0.6, 0.2, 0.2, 0.7)]
    numbers = [(1.5 / 25, *draw) for draw in draws]
    actual = augmented(images, ("auto_augment", numbers, {"policy": "cifar10"}))
    turned = operated(images, ["rotate", "identity", "rotate"], [30 * 2 / 9, 0, -30 * 2 / 9], 128)
    moved = operated(turned, ["identity", "translate_x", "translate_x"], [0, -150 / 331, 150 / 331], 128)
    np.testing.assert_allclose(actual, moved, atol=1e-3)


def test_auto_augment_takes_color_at_magnitude_0_nearly_away():
    images = levels(1)
    numbers = [[10.5 / 25, 0.9, 0.0, 0.39, 0.0]]  # rotate 0.8 8, color 0.4 0
    expected = operated(images, ["color"], [0.1])
    np.testing.assert_allclose(augmented(images, ("auto_augment", numbers)), expected, atol=1e-3)


@pytest.mark.parametrize("name", POLICIES)
def test_policies_are_25_pairs_of_known_operations(name):
    pairs = POLICIES[name]
    assert len(pairs) == 25
    for part in (part for pair in pairs for part in pair):
        assert part.operation in OPERATIONS and 0 <= part.probability <= 1 and 0 <= part.magnitude <= 9
        assert round(part.probability * 10) == pytest.approx(part.probability * 10)
