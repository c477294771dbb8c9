"""The embedded digits against scikit-learn's."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from training.data.datasets import open_source


@pytest.fixture
def digits(tiny):
    return open_source(tiny().data)


def examples(source, split: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(image.numpy(), label.numpy()) for image, label in source.examples(split)]
    return np.array([image for image, _ in pairs]), np.array([label for _, label in pairs])


def original() -> tuple[np.ndarray, np.ndarray]:
    """Give scikit-learn's digits, their sixteen grey levels brought to the range of a byte."""
    bunch = load_digits()
    return np.round(bunch.images * 255 / 16).astype("uint8")[..., np.newaxis], bunch.target


def test_digits_are_those_of_scikit_learn_pixel_by_pixel(digits):
    parts = [examples(digits, split) for split in ("train", "test")]
    assert [len(labels) for _, labels in parts] == [digits.count("train"), digits.count("test")] == [1433, 364]
    actual = sorted((image.tobytes(), label) for images, labels in parts for image, label in zip(images, labels))
    assert actual == sorted((image.tobytes(), label) for image, label in zip(*original()))


def test_every_fifth_digit_of_a_class_is_for_testing(digits):
    images, labels = original()
    actual = sorted((image.tobytes(), label) for image, label in zip(*examples(digits, "test")))
    chosen = np.concatenate([np.flatnonzero(labels == label)[::5] for label in range(10)])
    assert actual == sorted((images[index].tobytes(), labels[index]) for index in chosen)


def test_digits_are_described(digits):
    assert digits.classes == tuple("0123456789")
    assert (digits.shape, digits.is_encoded, digits.test_split) == ((8, 8, 1), False, "test")
