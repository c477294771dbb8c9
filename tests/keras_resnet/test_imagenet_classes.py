"""What users of keras.applications look for: preprocessing as theirs, classes by name."""

import json

import keras
import numpy as np
import pytest

import keras_resnet.resnet
import keras_resnet.resnet_v2

INDEX = {str(number): [f"n{number:08}", f"class_{number}"] for number in range(1000)}


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Put an index of invented classes in the place of the download."""
    path = tmp_path / "imagenet_class_index.json"
    path.write_text(json.dumps(INDEX), encoding="utf-8")
    asked = []
    monkeypatch.setattr(keras.utils, "get_file", lambda file, *args, **kwargs: asked.append(file) or str(path))
    return asked


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (keras_resnet.resnet, keras.applications.resnet),
        (keras_resnet.resnet_v2, keras.applications.resnet_v2),
    ],
)
def test_preprocess_input_is_that_of_keras_applications_but_leaves_its_input_alone(ours, theirs, kind):
    x = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype(kind)
    before = x.copy()
    actual = keras.ops.convert_to_numpy(ours.preprocess_input(x))
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(actual, theirs.preprocess_input(x.astype("float32")), rtol=1e-5, atol=1e-5)


def test_predictions_are_named_from_the_most_probable_down(index):
    predictions = np.full((2, 1000), 1e-4)
    predictions[0, [7, 3]] = 0.5, 0.3
    predictions[1, 999] = 0.9
    decoded = keras_resnet.resnet.decode_predictions(predictions, top=2)
    assert decoded[0] == [("n00000007", "class_7", 0.5), ("n00000003", "class_3", 0.3)]
    assert decoded[1][0] == ("n00000999", "class_999", 0.9)
    assert index == ["imagenet_class_index.json"]


def test_other_classes_than_imagenets_are_refused():
    with pytest.raises(ValueError, match=r"must have the shape \(batch, 1000\); received \(2, 10\)"):
        keras_resnet.resnet.decode_predictions(np.zeros((2, 10)))


def test_names_that_can_not_be_fetched_are_asked_for(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(keras.utils, "get_file", offline)
    with pytest.raises(ValueError, match=r"The class names imagenet_class_index\.json could not be fetched \(no net"):
        keras_resnet.resnet.decode_predictions(np.zeros((1, 1000)))
