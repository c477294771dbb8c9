"""SavedModels against the Keras model they were made of."""

import dataclasses
import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_resnet
from keras_resnet.formats.savedmodel import export_savedmodel
from keras_resnet.labels import read_labels
from keras_resnet.preprocessing import Preprocessing
from tests.keras_resnet.helpers import randomise, tiny

LABELS = ["cat", "dog", "größer"]
PREPROCESSING = Preprocessing((8, 8), 3, np.array([120.0, 110.0, 100.0]), np.array([60.0, 55.0, 50.0]), 0.875)
NO_CROP = dataclasses.replace(PREPROCESSING, crop=1.0)


def network(channels: int = 3) -> keras.Model:
    return randomise(keras_resnet.ResNet(tiny(), input_shape=(8, 8, channels), classes=3))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network, and its SavedModel loaded again."""
    folder, model = tmp_path_factory.mktemp("exported") / "savedmodel", network()
    export_savedmodel(model, folder, LABELS, PREPROCESSING)
    return model, tf.saved_model.load(folder)


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, "uint8")


def probabilities(model: keras.Model, images: np.ndarray, preprocessing: Preprocessing = PREPROCESSING) -> np.ndarray:
    return model.predict(preprocessing(images), verbose=0)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("size", [(8, 8), (13, 21), (5, 3)])
@pytest.mark.parametrize("count", [1, 4])
def test_serving_default_gives_the_models_probabilities(exported, size, count):
    model, loaded = exported
    images = pixels(count, *size, 3)
    served = loaded.signatures["serving_default"](images=tf.constant(images))
    expected = probabilities(model, images)
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)
    np.testing.assert_array_equal(served["classes"], expected.argmax(1))
    assert np.ptp(expected) > 0.01


def encoded(image: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def test_serve_bytes_takes_files_of_different_sizes_at_once(exported):
    model, loaded = exported
    images = [pixels(13, 21, 3), pixels(8, 8, 3, seed=1), pixels(30, 9, 3, seed=2)]
    served = loaded.signatures["serve_bytes"](bytes=tf.constant([encoded(image, "PNG") for image in images]))
    expected = np.concatenate([probabilities(model, image[np.newaxis]) for image in images])
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)
    np.testing.assert_array_equal(served["classes"], expected.argmax(1))


def test_serve_bytes_decodes_jpeg_and_repeats_grey(exported):
    model, loaded = exported
    files = [encoded(pixels(16, 16, 3), "JPEG"), encoded(pixels(16, 16), "JPEG"), encoded(pixels(16, 16), "PNG")]
    served = loaded.signatures["serve_bytes"](bytes=tf.constant(files))
    images = [tf.io.decode_image(file, channels=3).numpy()[np.newaxis] for file in files]
    expected = np.concatenate([probabilities(model, image) for image in images])
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)


def test_serve_bytes_turns_photographs_upright(exported):
    model, loaded = exported
    stored = pixels(13, 21, 3)
    information = Image.Exif()
    information[0x0112] = 6  # to be turned clockwise
    file = io.BytesIO()
    Image.fromarray(stored).save(file, "PNG", exif=information)
    served = loaded.signatures["serve_bytes"](bytes=tf.constant([file.getvalue(), encoded(stored, "PNG")]))
    expected = [probabilities(model, image[np.newaxis])[0] for image in (np.rot90(stored, -1), stored)]
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)
    assert np.abs(np.subtract(*expected)).max() > 0.001


def test_serve_bytes_takes_images_of_a_pixel(exported):
    model, loaded = exported
    pixel = pixels(1, 1, 3)
    served = loaded.signatures["serve_bytes"](bytes=tf.constant([encoded(pixel, "PNG")]))["probabilities"]
    np.testing.assert_allclose(served, probabilities(model, np.tile(pixel, (1, 8, 8, 1)), NO_CROP), atol=1e-5)


@pytest.mark.slow
def test_grey_network_serves_grey_and_colour_files(tmp_path):
    model, preprocessing = network(1), Preprocessing((8, 8), 1, np.array([120.0]), np.array([60.0]))
    export_savedmodel(model, tmp_path / "grey", LABELS, preprocessing)
    serve = tf.saved_model.load(tmp_path / "grey").signatures["serve_bytes"]
    grey = pixels(8, 8)
    files = [encoded(grey, "PNG"), encoded(np.stack([grey] * 3, -1), "PNG")]
    expected = probabilities(model, grey[np.newaxis, ..., np.newaxis], preprocessing)
    served = serve(bytes=tf.constant(files))["probabilities"].numpy()
    np.testing.assert_allclose(served[:1], expected, atol=1e-5)
    # From colour, the decoder weighs red, green and blue, and may be off by one level.
    np.testing.assert_allclose(served[1:], expected, atol=0.05)


def test_inputs_and_outputs_are_named(exported):
    _, loaded = exported
    assert set(loaded.signatures) == {"serving_default", "serve_bytes"}
    for signature, name, dtype in (("serving_default", "images", tf.uint8), ("serve_bytes", "bytes", tf.string)):
        function = loaded.signatures[signature]
        ((), inputs), outputs = function.structured_input_signature, function.structured_outputs
        assert {key: spec.dtype for key, spec in inputs.items()} == {name: dtype}
        dtypes = {key: spec.dtype for key, spec in outputs.items()}
        assert dtypes == {"probabilities": tf.float32, "classes": tf.int64}


def test_labels_travel_as_an_asset(exported):
    _, loaded = exported
    assert tf.io.read_file(loaded.labels.asset_path).numpy().decode().splitlines() == LABELS


def test_labels_keep_what_other_readers_take_for_ends_of_lines(tmp_path):
    labels = ["a\u2028b", "c\x85", "d"]
    export_savedmodel(network(), tmp_path / "new", labels, PREPROCESSING)
    assert read_labels(tmp_path / "new" / "assets" / "labels.txt") == labels


def test_label_of_two_lines_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"class name 'a\\nb' has a line break"):
        export_savedmodel(network(), tmp_path / "new", ["a\nb", "c", "d"], PREPROCESSING)
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_mixed_precision_serves_float32(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = network()
    export_savedmodel(model, tmp_path / "mixed", LABELS, PREPROCESSING)
    images = pixels(4, 8, 8, 3)
    served = tf.saved_model.load(tmp_path / "mixed").signatures["serving_default"](images=tf.constant(images))
    assert served["probabilities"].dtype == tf.float32
    np.testing.assert_allclose(served["probabilities"], probabilities(model, images), atol=0.02)


def test_existing_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(ValueError, match="exists; remove it or name another folder"):
        export_savedmodel(network(), tmp_path, LABELS, PREPROCESSING)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_other_backend_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="needs the TensorFlow backend: set KERAS_BACKEND=tensorflow"):
        export_savedmodel(network(), tmp_path / "new", LABELS, PREPROCESSING)


def test_model_is_exported_with_the_contract_that_it_carries(exported, tmp_path):
    model, loaded = exported
    model.preprocessing = PREPROCESSING
    export_savedmodel(model, tmp_path / "own", LABELS)
    images = tf.constant(pixels(2, 13, 21, 3))
    served, expected = (
        module.signatures["serving_default"](images=images)["probabilities"]
        for module in (tf.saved_model.load(tmp_path / "own"), loaded)
    )
    np.testing.assert_allclose(served, expected, atol=1e-6)


def test_model_that_does_not_say_what_it_expects_is_not_exported(tmp_path):
    with pytest.raises(ValueError, match="does not carry what its weights expect of images; pass a Preprocessing"):
        export_savedmodel(network(), tmp_path / "new", LABELS)


def test_contract_for_other_images_than_the_network_takes_is_refused(tmp_path):
    other = dataclasses.replace(PREPROCESSING, size=(9, 8))
    with pytest.raises(
        ValueError, match=r"takes images of the shape \(8, 8, 3\), and preprocessing prepares them in \(9"
    ):
        export_savedmodel(network(), tmp_path / "new", LABELS, other)


def test_labels_must_be_as_many_as_outputs(tmp_path):
    with pytest.raises(ValueError, match="2 labels cannot name the 3 outputs of 'resnet'"):
        export_savedmodel(network(), tmp_path / "new", LABELS[:2], PREPROCESSING)


@pytest.mark.slow
def test_network_of_sigmoids_says_which_classes_are_present(tmp_path):
    model = randomise(keras_resnet.ResNet(tiny(), input_shape=(8, 8, 3), classes=3, classifier_activation="sigmoid"))
    export_savedmodel(model, tmp_path / "exported", LABELS, PREPROCESSING)
    images = pixels(4, 9, 8, 3)
    served = tf.saved_model.load(tmp_path / "exported").signatures["serving_default"](images=tf.constant(images))
    assert set(served) == {"probabilities", "present"}
    expected = probabilities(model, images)
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-5)
    np.testing.assert_array_equal(served["present"], expected > 0.5)
