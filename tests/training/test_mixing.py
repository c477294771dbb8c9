"""Mixtures of images and labels against loops, and the distribution of their shares against SciPy's."""

import numpy as np
import pytest
from scipy import stats

from tests.training.augmenting import levels, mixed
from training.config import make_config
from training.data.augmentation.mixing import beta_quantiles, beta_share

LABELS = np.array([2, 0, 1, 1, 0])
IMAGES = levels(5, 12, 16).astype("float32")


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.4, 1, 8, 100])
def test_shares_are_of_the_beta_distribution(alpha):
    table = beta_quantiles(alpha)
    places = np.array([1, 40, 1000, 2000, 2048, 3000, 4000, 4095])
    np.testing.assert_allclose(table[places], stats.beta.ppf(places / 4096, alpha, alpha), rtol=1e-5, atol=1e-30)
    assert (table[0], table[-1]) == (0, 1) and (np.diff(table) >= 0).all()
    between = (np.arange(40, 4056) + 0.3) / 4096
    drawn = np.asarray(beta_share(between.astype("float32"), alpha))
    np.testing.assert_allclose(drawn, stats.beta.ppf(between, alpha, alpha), rtol=0.3 if alpha < 0.1 else 0.02)


def soft(kept, classes=3):
    """Mix the labels of a batch with those from its end."""
    one_hot = np.eye(classes)[LABELS]
    return kept[:, None] * one_hot + (1 - kept[:, None]) * one_hot[::-1]


def test_mixup_averages_images_and_labels_by_example():
    numbers = np.stack([[0.1, 0.2, 0.9, 0.3, 0.4], [0.25, 0.9, 0.5, 0.0, 0.6]], axis=1)
    images, labels = mixed(IMAGES, LABELS, 3, ("mixup", numbers, {"alpha": 1, "share": 0.5, "by": "example"}))
    kept = np.array([0.25, 0.9, 1, 0, 0.6])  # Beta(1, 1) is even; the third is not mixed
    weights = kept[:, None, None, None]
    np.testing.assert_allclose(images, weights * IMAGES + (1 - weights) * IMAGES[::-1], atol=1e-3)
    np.testing.assert_allclose(labels, soft(kept), atol=1e-6)
    assert labels.dtype == "float32"
    np.testing.assert_array_equal(images[2], IMAGES[2])


def test_mixup_of_a_batch_goes_by_its_first_example():
    numbers = np.random.default_rng(0).uniform(size=(5, 2))
    numbers[0] = 0.3, 0.7
    images, labels = mixed(IMAGES, LABELS, 3, ("mixup", numbers, {"alpha": 1, "share": 0.4}))
    np.testing.assert_allclose(images, 0.7 * IMAGES + 0.3 * IMAGES[::-1], atol=1e-3)
    np.testing.assert_allclose(labels, soft(np.full(5, 0.7)), atol=1e-6)
    images, labels = mixed(IMAGES, LABELS, 3, ("mixup", numbers, {"alpha": 1, "share": 0.2}))
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, np.eye(3)[LABELS])


def test_cutmix_puts_in_a_rectangle_and_mixes_labels_by_its_area():
    # A quarter of the area: 6 rows and 8 columns around the center, of which the border cuts off what is outside.
    rows, columns = np.array([5, 0, 11, 6, 3]), np.array([8, 15, 0, 8, 12])
    numbers = np.stack([np.zeros(5), np.full(5, 0.75), (rows + 0.5) / 12, (columns + 0.5) / 16], axis=1)
    expected, kept = IMAGES.copy(), np.ones(5)
    for place, (row, column) in enumerate(zip(rows, columns)):
        box = slice(max(row - 3, 0), row + 3), slice(max(column - 4, 0), column + 4)
        expected[place][box] = IMAGES[::-1][place][box]
        kept[place] = 1 - expected[place][box][..., 0].size / (12 * 16)
    images, labels = mixed(IMAGES, LABELS, 3, ("cutmix", numbers, {"by": "example"}))
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_allclose(labels, soft(kept), atol=1e-6)


def test_second_mixture_takes_the_batches_that_the_first_one_leaves():
    first = np.tile([[0.6, 0.5]], (5, 1))
    second = np.tile([[0.0, 0.75, 0.5, 0.5]], (5, 1))
    up, cut = ("mixup", first, {"alpha": 1, "share": 0.7}), ("cutmix", second)
    taken, _ = mixed(IMAGES, LABELS, 3, up, cut)
    np.testing.assert_array_equal(taken, mixed(IMAGES, LABELS, 3, up)[0])
    left, labels = mixed(IMAGES, LABELS, 3, ("mixup", first, {"alpha": 1, "share": 0.5}), cut)
    alone = mixed(IMAGES, LABELS, 3, cut)
    np.testing.assert_array_equal(left, alone[0])
    np.testing.assert_array_equal(labels, alone[1])
    assert not np.array_equal(left, taken)


def test_shares_sum_to_one():
    numbers = np.random.default_rng(1).uniform(size=(5, 4))
    for name in ("mixup", "cutmix"):
        _, labels = mixed(IMAGES, LABELS, 3, (name, numbers, {"by": "example"}))
        np.testing.assert_allclose(labels.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("augmentation", "sentence"),
    [
        (
            ["mixup", "flip"],
            r"mixup mixes .* are otherwise complete, so it must come last: put flip before it\.",
        ),
        (
            ["mixup", "cutmix"],
            r"cutmix mixes what is not mixed yet, and mixup mixes all\. Give mixup a share, as in "
            r"\[\{name: mixup, share: 0\.5\}, cutmix\]\.",
        ),
    ],
)
def test_mixtures_that_cannot_be_are_refused(augmentation, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_config({"augmentation": augmentation, "epochs": 1})
    make_config({"augmentation": ["flip", {"name": "mixup", "share": 0.5}, "cutmix"], "epochs": 1})
