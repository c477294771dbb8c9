"""Augmentations of color, against Pillow and by hand."""

import colorsys
import itertools

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from tests.training.augmenting import augmented, jittered, levels

STILL = 0.5  # the draw of a factor of 1 and of a hue that stays
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
ORDERS = list(itertools.permutations(range(4)))


def jitter(images, *numbers, order=ORDERS[0], **parameters):
    """Change colors by these four numbers for every image, in a known order."""
    row = [*numbers, (ORDERS.index(order) + 0.5) / 24]
    none = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}
    return augmented(images, ("color_jitter", np.tile(row, (len(images), 1)), none | parameters))


ALL = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4}


def enhanced(images, kind, factor):
    """Let Pillow enhance each image."""
    made = [getattr(ImageEnhance, kind)(Image.fromarray(image)).enhance(factor) for image in images]
    return np.array([np.asarray(image) for image in made], "float32")


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.4])
@pytest.mark.parametrize(("place", "kind"), [(0, "Brightness"), (1, "Contrast"), (2, "Color")])
def test_each_change_is_pillows(place, kind, factor):
    images, numbers = levels(), [STILL] * 4
    numbers[place] = factor / 0.8 - 0.75  # of factors from 0.6 to 1.4
    changed = jitter(images, *numbers, **ALL)
    assert np.abs(changed - enhanced(images, kind, factor)).max() <= 1.6  # two roundings of Pillow's


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 1, 0, 3), (1, 3, 0, 2)])
def test_changes_follow_each_other_in_the_order_drawn(order):
    images = np.clip(levels(), 60, 150)
    factors = (1.3, 0.7, 1.2)
    changed = jitter(images, *((factor - 0.6) / 0.8 for factor in factors), STILL, order=order, **ALL)
    np.testing.assert_allclose(changed, jittered(images, factors, order), atol=0.01)


def test_factors_are_never_below_zero_and_levels_stay_within_black_and_white():
    images = levels()
    assert jitter(images, 0.0, STILL, STILL, STILL, brightness=3).max() == 0
    bright = jitter(images, 0.9999, STILL, STILL, STILL, brightness=3)
    np.testing.assert_allclose(bright, np.minimum(4.0 * images, 255), atol=0.2)


def test_hue_goes_around_from_red_over_green_and_keeps_brightness_and_grays():
    red = np.full((1, 2, 2, 3), (150, 90, 90), "uint8")
    for turn in (1 / 6, 1 / 3, -1 / 3):
        color = jitter(red, STILL, STILL, STILL, (turn / 0.5 + 1) / 2, hue=0.5)[0, 0, 0]
        assert color @ (0.299, 0.587, 0.114) == pytest.approx(red[0, 0, 0] @ (0.299, 0.587, 0.114), abs=0.01)
        hue = colorsys.rgb_to_hsv(*color)[0]
        assert abs((hue - turn + 0.5) % 1 - 0.5) < 0.07  # YIQ's circle is HSV's, somewhat distorted
    gray = np.full((1, 2, 2, 3), 77, "uint8")
    np.testing.assert_allclose(jitter(gray, STILL, STILL, STILL, 0.1, hue=0.5), gray, atol=0.01)


def test_gray_images_have_brightness_and_contrast_only():
    images = levels(channels=1)
    np.testing.assert_allclose(jitter(images, STILL, STILL, 0.9, 0.9, saturation=0.4, hue=0.5), images, atol=1e-3)
    expected = enhanced(images[..., 0], "Contrast", 1.4)
    assert np.abs(jitter(images, STILL, 0.9999, STILL, STILL, contrast=0.4)[..., 0] - expected).max() <= 1.6


def test_share_of_images_turns_gray_as_pillows():
    images = levels()
    changed = augmented(images, ("grayscale", [[0.29], [0.3], [0.0], [0.9]], {"share": 0.3}))
    for gray in (0, 2):
        expected = np.asarray(Image.fromarray(images[gray]).convert("L"), "float32")[..., None]
        assert np.abs(changed[gray] - expected).max() <= 0.51
    np.testing.assert_allclose(changed[[1, 3]], images[[1, 3]], atol=1e-4)


def test_principal_colors_are_added_with_normal_shares():
    images, generator = np.full((4000, 1, 1, 3), 128, "uint8"), np.random.default_rng(0)
    numbers = generator.uniform(size=(4000, 4))
    added = augmented(images, ("pca_color", numbers, {"deviation": 0.1}))[:, 0, 0] - 128.0
    axes = np.array([(-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203)])
    shares = added @ np.linalg.inv(axes).T / (255 * np.array([0.2175, 0.0188, 0.0045]))
    np.testing.assert_allclose(np.cov(shares.T), 0.01 * np.eye(3), atol=0.0006)
    np.testing.assert_allclose(shares.mean(0), 0, atol=0.006)
    # Box and Muller by hand, for the draws of one image.
    a, b, c, d = numbers[0]
    normal = np.sqrt(-2 * np.log(1 - np.array([a, c, a])))
    normal *= np.cos(2 * np.pi * b), np.cos(2 * np.pi * d), np.sin(2 * np.pi * b)
    np.testing.assert_allclose(shares[0], 0.1 * normal, atol=1e-4)


def test_neighbors_are_clipped_once_and_contrast_sees_the_mean_they_leave():
    images = np.full((1, 4, 4, 3), 200, "uint8")
    images[0, :2] = 100
    rest = [STILL] * 3 + [0.0]
    twice = ("color_jitter", [[0.9999, *rest]], {"brightness": 1, "contrast": 0, "saturation": 0})
    half = ("color_jitter", [[0.0, *rest]], {"brightness": 0.5, "contrast": 0, "saturation": 0})
    np.testing.assert_allclose(augmented(images, twice, half), images, atol=0.1)  # 400 was no 255 between the two
    flat = ("color_jitter", [[STILL, 0.0, *rest[1:]]], {"contrast": 1})
    np.testing.assert_allclose(augmented(images, half, flat), 75, atol=0.1)  # half the mean of 100 and 200


@pytest.mark.parametrize("name", ["color_jitter", "grayscale", "pca_color"])
def test_channels_that_are_no_colors_are_refused(name):
    with pytest.raises(ValueError, match=rf"{name} .* of (1 or )?3 channels; these (images )?have 2\. Leave it out\."):
        augmented(levels(channels=2), (name, np.full((4, 5), 0.5)))
