"""Resizing by matrix products against the resize that training and evaluation use."""

import numpy as np
import pytest
from keras import ops

from keras_resnet.formats.resizing import resized
from keras_resnet.preprocessing import Preprocessing

SIZES = [(8, 6), (9, 7), (40, 33), (3, 5), (1, 1), (64, 9)]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("crop", [1.0, 0.875, 0.3])
def test_matrix_products_resize_as_the_contract_does(interpolation, crop):
    contract = Preprocessing((8, 6), 3, np.zeros(3), np.ones(3), crop, interpolation=interpolation)
    for seed, size in enumerate(SIZES):
        images = np.random.default_rng(seed).integers(0, 256, (2, *size, 3), "uint8")
        expected, found = (ops.convert_to_numpy(resize(images)) for resize in (contract.resize, by_matrices(contract)))
        assert found.dtype == np.float32 and found.shape == (2, 8, 6, 3)
        np.testing.assert_allclose(found, expected, atol=2e-3)


def by_matrices(contract):
    return lambda images: resized(ops.convert_to_tensor(images), contract)


def test_images_of_the_networks_size_stay_to_the_bit():
    contract = Preprocessing((8, 6), 3, np.zeros(3), np.ones(3), 1.0)
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 6, 3), "uint8")
    np.testing.assert_array_equal(ops.convert_to_numpy(by_matrices(contract)(images)), images)
