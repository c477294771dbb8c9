"""Every format of the ResNet-20 that comes with the package, on real images of CIFAR-10."""

import numpy as np
import pytest

import keras_resnet
from keras_resnet.formats.engines import ENGINES, open_engine
from keras_resnet.formats.exporting import FORMATS
from tests.shared import shared_file

pytestmark = pytest.mark.slow
CASES = [(name, precision) for name in ENGINES for precision in FORMATS[name].precisions]
TESTED = 1000  # images on which int8 is compared


@pytest.fixture(scope="module")
def model():
    return keras_resnet.ResNet20(weights="cifar10")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.load(shared_file("data/weights/cifar10_option_a/reference_logits.npz"))["images"]


def drawn(split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    tfds = pytest.importorskip("tensorflow_datasets")
    folder = shared_file("data/tfds")
    examples = tfds.load("cifar10", split=f"{split}[:{count}]", data_dir=folder, download=False, as_supervised=True)
    images, labels = zip(*examples.as_numpy_iterator())
    return np.stack(images), np.array(labels)


def engine_of(model, folder, format: str, precision: str):
    for module in FORMATS[format].needs:
        pytest.importorskip(module)
    calibration = np.split(drawn("train", 320)[0], 10) if precision == "int8" else None
    keras_resnet.export(model, folder, format=format, precision=precision, fold=True, calibration=calibration)
    return open_engine(folder, format, precision)


@pytest.mark.parametrize("format, precision", CASES)
def test_format_classifies_real_images_as_keras_does(model, images, tmp_path, format, precision):
    engine = engine_of(model, tmp_path / "exported", format, precision)
    wanted = model.predict(model.preprocessing(images), verbose=0)
    answer = engine(images)
    if precision == "float32":
        np.testing.assert_allclose(answer["probabilities"], wanted, atol=1e-4)
        np.testing.assert_array_equal(answer["classes"], wanted.argmax(1))
    elif precision == "bfloat16":
        assert np.mean(answer["classes"] == wanted.argmax(1)) >= 0.99
        assert np.abs(answer["probabilities"] - wanted).max() > 1e-4  # which float32 would not reach
    else:
        tested, labels = drawn("test", TESTED)
        before = np.mean(model.predict(model.preprocessing(tested), verbose=0).argmax(1) == labels)
        after = np.mean(np.concatenate([engine(batch)["classes"] for batch in np.split(tested, 10)]) == labels)
        print(f"{format}: accuracy {before:.3f} in float32, {after:.3f} in int8")
        assert after >= before - 0.01
        assert np.abs(answer["probabilities"] - wanted).max() > 1e-3
