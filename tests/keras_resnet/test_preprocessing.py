"""The input contract by hand, and its way to a file and back."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet.preprocessing import CONTRACTS, Preprocess, Preprocessing, preprocess
from tests.keras_resnet.helpers import run_python

MEAN, STD = np.array([100.0, 110.0, 120.0]), np.array([50.0, 60.0, 70.0])


def contract(size: tuple[int, int] = (4, 4), crop: float = 1.0, channels: int = 3) -> Preprocessing:
    return Preprocessing(size, channels, MEAN[:channels], STD[:channels], crop)


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, "uint8")


def resized(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return tf.image.resize(images.astype("float32"), size, antialias=True).numpy()


def as_numpy(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def test_standardize_by_hand():
    images = np.array([[[[100, 110, 120], [150, 50, 190]]]], "uint8")
    np.testing.assert_allclose(contract((1, 2)).standardize(images), [[[[0, 0, 0], [1, -1, 1]]]], atol=1e-6)


def test_standardize_subtracts_a_mean_image():
    images, mean = pixels(2, 4, 4, 1), np.random.default_rng(1).uniform(0, 255, (4, 4, 1))
    prepared = Preprocessing((4, 4), 1, mean, np.array([255.0])).standardize(images)
    np.testing.assert_allclose(prepared, (images - mean) / 255, atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_images_of_the_right_size_are_only_standardized(dtype):
    images = pixels(2, 4, 4, 3).astype(dtype)
    prepared = as_numpy(contract()(images))
    assert prepared.dtype == "float32"
    np.testing.assert_allclose(prepared, (images - MEAN) / STD, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "size", "crop", "rows", "columns"),
    [
        # Of the shorter side 0.875 are kept: of 16 pixels 14, of 32 pixels 28, of 9 pixels 8 (7.875).
        ((16, 16), (7, 7), 0.875, slice(1, 15), slice(1, 15)),
        ((32, 48), (8, 8), 0.875, slice(2, 30), slice(10, 38)),
        ((9, 16), (4, 4), 0.875, slice(0, 8), slice(4, 12)),
        # Without a crop, the largest window of the network's aspect; odd remainders leave the larger part behind.
        ((5, 8), (4, 4), 1.0, slice(0, 5), slice(1, 6)),
        ((11, 6), (3, 3), 1.0, slice(2, 8), slice(0, 6)),
        ((10, 10), (2, 4), 1.0, slice(2, 7), slice(0, 10)),
        ((12, 5), (4, 2), 1.0, slice(1, 11), slice(0, 5)),
        # Enlarged: from 3 pixels to 8.
        ((3, 4), (8, 8), 1.0, slice(0, 3), slice(0, 3)),
        # The right size already, yet to be cropped.
        ((8, 8), (8, 8), 0.5, slice(2, 6), slice(2, 6)),
        # At least a pixel: 0.3 of one, and the width of an image much higher than the network's.
        ((1, 1), (4, 4), 0.3, slice(0, 1), slice(0, 1)),
        ((1, 9), (2, 8), 0.1, slice(0, 1), slice(4, 5)),
    ],
)
def test_central_crop_is_a_slice_resized(shape, size, crop, rows, columns):
    images = pixels(2, *shape, 3)
    actual = as_numpy(contract(size, crop).resize(images))
    np.testing.assert_allclose(actual, resized(images[:, rows, columns], size), atol=1e-3)


def test_shrinking_averages_what_it_leaves_out():
    # Stripes of one pixel are grey from afar; sampled without antialiasing they would stay black or white.
    stripes = np.zeros((1, 64, 64, 1), "uint8")
    stripes[:, :, ::2] = 255
    shrunk = as_numpy(Preprocessing((4, 4), 1, np.zeros(1), np.ones(1)).resize(stripes))
    np.testing.assert_allclose(shrunk, 127.5, atol=4)


@pytest.mark.parametrize(("size", "overshoots"), [((24, 20), False), ((96, 80), True)])
def test_bicubic_images_are_those_of_pillow(size, overshoots):
    pillow = pytest.importorskip("PIL.Image", reason="needs Pillow")
    images = pixels(1, 48, 40, 3)
    planes = [pillow.fromarray(images[0, :, :, channel].astype("float32")) for channel in range(3)]
    expected = np.stack([plane.resize(size[::-1], pillow.Resampling.BICUBIC) for plane in planes], axis=-1)
    assert (expected.min() < 0 and expected.max() > 255) == overshoots
    actual = as_numpy(dataclasses.replace(contract(size), interpolation="bicubic").resize(images))
    np.testing.assert_allclose(actual[0], expected.clip(0, 255), atol=1e-2)


def test_sizes_unknown_in_a_graph_give_the_same():
    images, preprocessing = pixels(2, 11, 17, 3), contract((6, 5), 0.9)
    signature = [tf.TensorSpec((None, None, None, 3), tf.uint8)]
    in_graph = tf.function(preprocessing.__call__, input_signature=signature)
    np.testing.assert_allclose(in_graph(images), as_numpy(preprocessing(images)), atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("size", [(4, 4), (7, 5)])
def test_input_is_not_modified(dtype, size):
    images = pixels(2, 7, 5, 3).astype(dtype)
    before = images.copy()
    contract(size)(images)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    "mean", [MEAN / 3, np.random.default_rng(1).uniform(0, 255, (5, 6, 3))], ids=["channel", "pixel"]
)
def test_contract_survives_its_file(tmp_path, mean):
    written = Preprocessing((5, 6), 3, mean, STD / 7, 0.875)
    written.save(tmp_path / "contract.json")
    read = Preprocessing.load(tmp_path / "contract.json")
    assert (read.size, read.channels, read.crop) == ((5, 6), 3, 0.875)
    np.testing.assert_array_equal(read.mean, written.mean)
    np.testing.assert_array_equal(read.std, written.std)
    images = pixels(2, 9, 9, 3)
    np.testing.assert_array_equal(as_numpy(read(images)), as_numpy(written(images)))


def test_deviation_of_each_pixel_becomes_one_of_each_channel_for_other_images():
    std = np.ones((4, 4, 3))
    std[0] = 3  # a quarter of the pixels: the mean variance is (9 + 3) / 4
    of_pixels = Preprocessing((4, 4), 3, MEAN, std)
    np.testing.assert_array_equal(of_pixels.for_images((4, 4), 3).std, std)
    for size, channels in (((8, 8), 3), ((4, 4), 1), ((4, 4), 4)):
        np.testing.assert_allclose(of_pixels.for_images(size, channels).std, [3**0.5] * channels)


def test_contract_of_numpys_numbers_survives_its_file(tmp_path):
    size = tuple(np.array([5, 6]))
    Preprocessing(size, np.int64(3), MEAN.astype("float32"), np.array([1, 2, 3]), np.float32(0.5)).save(tmp_path / "c")
    read = Preprocessing.load(tmp_path / "c")
    assert (read.size, read.channels, read.crop, read.std.tolist()) == ((5, 6), 3, 0.5, [1, 2, 3])


def test_contract_as_a_layer_computes_the_same_and_is_saved(tmp_path):
    published = CONTRACTS["caffe"]
    inputs = keras.Input((None, None, 3), dtype="uint8")
    model = keras.Model(inputs, Preprocess("caffe")(inputs))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 30, 40, 3), "uint8")
    expected = keras.ops.convert_to_numpy(published(pixels))
    model.save(tmp_path / "model.keras")
    for each in (model, keras.models.load_model(tmp_path / "model.keras")):
        assert each.output_shape == (None, 224, 224, 3)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(each(pixels)), expected, rtol=1e-5, atol=1e-4)


def test_layer_rounds_no_levels_under_a_policy_of_few_bits():
    keras.config.set_dtype_policy("mixed_bfloat16")
    levels = np.full((1, 32, 32, 3), 201.3, "float32")
    prepared = Preprocess("cifar")(levels)
    assert Preprocess.from_config(Preprocess("cifar").get_config()).compute_dtype == "float32"
    np.testing.assert_allclose(as_numpy(prepared), as_numpy(CONTRACTS["cifar"](levels)), rtol=1e-6)


def test_window_of_a_known_size_is_plain_numbers_also_in_a_graph():
    preprocessing, found = contract((6, 5), 0.9), []

    @tf.function(input_signature=[tf.TensorSpec((None, 11, 17, 3))])
    def resize(images):
        found.append(preprocessing.window(images))
        return preprocessing.resize(images)

    assert resize(pixels(2, 11, 17, 3).astype("float32")).shape == (2, 6, 5, 3)
    assert [type(side) for side in found[0]] == [int, int]
    assert found[0] == (10, 8)  # 0.9 of the window 11 x 9.17


RUN_ON_JAX = """
import keras, numpy, sys
from keras_resnet.preprocessing import CONTRACTS, Preprocess

assert keras.backend.backend() == "jax"
data = numpy.load(sys.argv[1])
inputs = keras.Input((None, None, 3), dtype="uint8")
numpy.save(sys.argv[2], keras.Model(inputs, Preprocess("torch")(inputs)).predict(data, verbose=0))
"""


@pytest.mark.slow
def test_layer_on_jax_prepares_images_of_any_size(tmp_path):
    pytest.importorskip("jax")
    images = pixels(2, 300, 250, 3)
    np.save(tmp_path / "images.npy", images)
    run_python("-c", RUN_ON_JAX, tmp_path / "images.npy", tmp_path / "prepared.npy", KERAS_BACKEND="jax")
    expected = as_numpy(CONTRACTS["torch"](images))
    np.testing.assert_allclose(np.load(tmp_path / "prepared.npy"), expected, atol=1e-2)


def test_channels_are_turned_for_networks_that_want_bgr():
    pixels = np.array([[[[10.0, 20.0, 30.0]]]])
    actual = keras.ops.convert_to_numpy(CONTRACTS["caffe"].standardize(pixels))
    np.testing.assert_allclose(actual[0, 0, 0], [30 - 103.939, 20 - 116.779, 10 - 123.68], rtol=1e-5)


@pytest.mark.parametrize(
    ("owner", "sentence"),
    [
        ("torchvision", r"Unknown contract 'torchvision'\. .*Allowed: caffe, tf, torch, cifar"),
        (keras_resnet.ResNet("ResNet8"), r"'resnet8' does not carry what its weights expect of images; pass a Prepro"),
    ],
)
def test_missing_contract_is_refused(owner, sentence):
    with pytest.raises(ValueError, match=sentence):
        preprocess(np.zeros((1, 32, 32, 3)), owner)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": (10**9, 10**9)}, "size must be two sides, and channels a number, of 1 to 16384"),
        ({"size": (8,)}, "size must be two sides"),
        ({"size": "8x8"}, "received '8x8' and 3"),
        ({"size": {"a": 1}}, "size must be two sides"),
        ({"size": (8, 8.5)}, "size must be two sides"),
        ({"size": None}, "size must be two sides"),
        ({"channels": 0}, "and 0"),
        ({"mean": "x"}, "mean must be finite numbers of shape"),
        ({"mean": [[1], [2, 3]]}, "mean must be finite numbers"),
        ({"mean": [1.0, 2.0]}, "mean must be finite numbers"),
        ({"mean": [1.0, 2.0, np.nan]}, "mean must be finite numbers"),
        ({"std": [1.0, 0.0, 1.0]}, "those of std above 0"),
        ({"crop": 2}, "crop must be a share above 0 and at most 1; received 2"),
        ({"crop": "x"}, "crop must be a share"),
        ({"interpolation": "area"}, "interpolation must be 'bilinear' or 'bicubic'; received 'area'"),
        ({"order": "RBG"}, "order must be 'RGB' or 'BGR'; received 'RBG'"),
    ],
    ids=str,
)
def test_contracts_that_no_image_could_meet_are_refused(fields, words):
    whole = {"size": (8, 8), "channels": 3, "mean": MEAN, "std": STD}
    with pytest.raises(ValueError) as refusal:
        Preprocessing(**{**whole, **fields})
    assert words in str(refusal.value) and "\n" not in str(refusal.value)
