"""What is written for TensorFlow Serving and Triton, read by the messages and loaders of both."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml

import keras_resnet
from keras_resnet.formats.serving import WARMUP, write_serving
from keras_resnet.formats.serving_check import check_serving
from keras_resnet.preprocessing import Preprocessing
from tests.keras_resnet.helpers import randomise, tiny

LABELS = ("cat", "dog", "größer")
CONTRACT = Preprocessing((8, 8), 3, np.array([120.0, 110.0, 100.0]), np.array([60.0, 55.0, 50.0]))


@pytest.fixture(scope="module")
def model() -> keras.Model:
    model = randomise(keras_resnet.ResNet(tiny(), input_shape=(8, 8, 3), classes=3))
    model.preprocessing, model.labels = CONTRACT, LABELS
    return model


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "served"
    write_serving(model, folder, name="404", servers=["tensorflow_serving"])
    return folder


def test_savedmodel_lies_in_a_versioned_folder_that_the_compose_file_names(served):
    # The name is text, also where YAML would take it for a number.
    version = served / "tensorflow_serving" / "404" / "1"
    assert set(tf.saved_model.load(version).signatures) == {"serving_default", "serve_bytes"}
    (service,) = yaml.safe_load((served / "compose.yaml").read_text())["services"].values()
    assert service["environment"] == {"MODEL_NAME": "404"}
    assert service["volumes"] == ["./tensorflow_serving/404:/models/404:ro"]
    assert "/v1/models/404:predict" in (served / "README.md").read_text(encoding="utf-8")


def test_warm_up_requests_are_messages_of_tensorflow_serving(served):
    logs = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    records = tf.data.TFRecordDataset(str(served / "tensorflow_serving" / "404" / "1" / WARMUP))
    found = [logs.PredictionLog.FromString(record.numpy()).predict_log.request for record in records]
    assert [(one.model_spec.name, one.model_spec.signature_name) for one in found] == [
        ("404", "serving_default"),
        ("404", "serve_bytes"),
    ]
    pixels, encoded = (tf.make_ndarray(one.inputs[name]) for one, name in zip(found, ("images", "bytes")))
    assert pixels.shape == (1, 8, 8, 3) and pixels.dtype == np.uint8
    np.testing.assert_array_equal(tf.io.decode_png(encoded[0]), pixels[0])


def expected(model) -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), "uint8")
    return model.predict(CONTRACT(image), verbose=0)


@pytest.mark.slow
def test_fresh_process_answers_as_the_model(model, served):
    answers = check_serving(served)
    assert answers.keys() == {"tensorflow_serving"}
    np.testing.assert_allclose(answers["tensorflow_serving"]["probabilities"], expected(model), atol=1e-5)


@pytest.mark.slow
def test_triton_gets_an_onnx_file_and_its_description(model, tmp_path):
    for module in ("onnxruntime", "tf2onnx"):
        pytest.importorskip(module)
    write_serving(model, tmp_path / "served", name="pets", servers=["triton"])
    config = (tmp_path / "served" / "triton" / "pets" / "config.pbtxt").read_text(encoding="utf-8")
    assert 'name: "pets"' in config and "dims: [ -1, -1, 3 ]" in config and "dims: [ 3 ], label_filename" in config
    request = json.loads((tmp_path / "served" / "triton-request.json").read_text())["inputs"][0]
    assert request["shape"] == [1, 8, 8, 3] and len(request["data"]) == 192
    answers = check_serving(tmp_path / "served")
    np.testing.assert_allclose(answers["triton"]["probabilities"], expected(model), atol=1e-4)
    assert answers["triton"]["classes"] == [int(expected(model).argmax())]


def test_servers_and_folders_are_checked_first(model, served, tmp_path):
    with pytest.raises(ValueError, match=r"Unknown server 'tritn'. Did you mean 'triton'\?"):
        write_serving(model, tmp_path / "new", servers=["tritn"])
    for servers in ((), ("triton", "triton")):
        with pytest.raises(ValueError, match="servers must name one or several, each once: tensorflow_serving, triton"):
            write_serving(model, tmp_path / "new", servers=servers)
    with pytest.raises(ValueError, match="exists; remove it or name another folder"):
        write_serving(model, served)
    with pytest.raises(ValueError, match=r"name='a/b' is no name of a folder"):
        write_serving(model, tmp_path / "new", name="a/b")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_folder_without_anything_to_serve_is_said(tmp_path):
    with pytest.raises(ValueError, match="holds nothing that is served"):
        check_serving(tmp_path)
