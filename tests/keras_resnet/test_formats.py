"""Every format of an export, opened by its own engine, against the Keras model it was made of."""

import functools
import importlib.util
import json
import os
import re
import sys
import zipfile
from types import SimpleNamespace
from unittest import mock

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.formats.engines import open_engine
from keras_resnet.formats.exporting import FORMATS
from keras_resnet.formats.model_card import CARD, add_section, card_of
from keras_resnet.formats.network import Exported, calibration_batches
from keras_resnet.labels import read_labels
from keras_resnet.preprocessing import Preprocessing
from keras_resnet.weights import comparison
from keras_resnet.weights.renaming import timm_config, under_names_of_timm
from tests.keras_resnet.helpers import randomise, tiny

LABELS = ("cat", "dog", "größer")
CONTRACT = Preprocessing((8, 8), 3, np.array([120.0, 110.0, 100.0]), np.array([60.0, 55.0, 50.0]), 0.875)


def network(**choices) -> keras.Model:
    activation = choices.pop("classifier_activation", "softmax")
    model = keras_resnet.ResNet(tiny(**choices), input_shape=(8, 8, 3), classes=3, classifier_activation=activation)
    randomise(model)
    model.preprocessing, model.labels = CONTRACT, LABELS
    return model


@pytest.fixture(scope="module")
def plain() -> keras.Model:
    return network()


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, "uint8")


def expected(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return model.predict(model.preprocessing(images), verbose=0)


def by_savedmodel(folder, images):
    import tensorflow as tf

    answer = tf.saved_model.load(folder).signatures["serving_default"](images=tf.constant(images))
    return {name: value.numpy() for name, value in answer.items()}


def by_onnx(folder, images):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    return dict(zip([each.name for each in session.get_outputs()], session.run(None, {"images": images})))


def by_openvino(folder, images, hint="f32"):
    openvino = pytest.importorskip("openvino")
    compiled = openvino.Core().compile_model(folder / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": hint})
    return {key.any_name: value for key, value in compiled({"images": images}).items()}


def by_litert(folder, images):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    runner = interpreter.Interpreter(str(folder / "model.tflite")).get_signature_runner("serving_default")
    return runner(images=images)


ENGINES = {"savedmodel": by_savedmodel, "onnx": by_onnx, "openvino": by_openvino, "litert": by_litert}


def export(model, folder, format, **choices):
    for module in FORMATS[format].needs:
        if choices.get("precision") == "int8" or module not in ("nncf", "ai_edge_quantizer"):
            pytest.importorskip(module)
    keras_resnet.export(model, folder, format=format, **choices)
    return functools.partial(ENGINES[format], folder)


@pytest.mark.slow
@pytest.mark.parametrize("format", ENGINES)
@pytest.mark.parametrize("choices", [{"placement": "full_preactivation", "squeeze_excitation": 2}, {"shortcut": "C"}])
def test_every_engine_gives_the_models_probabilities(tmp_path, format, choices):
    model = network(**choices)
    engine = export(model, tmp_path / "exported", format, fold="shortcut" in choices)
    for count, size in ((1, (8, 8)), (3, (13, 21)), (2, (5, 3))):
        images = pixels(count, *size, 3)
        answer, wanted = engine(images), expected(model, images)
        assert set(answer) == {"probabilities", "classes"}
        assert answer["probabilities"].dtype == np.float32 and answer["classes"].dtype == np.int64
        np.testing.assert_allclose(answer["probabilities"], wanted, atol=1e-4)
        np.testing.assert_array_equal(answer["classes"], wanted.argmax(1))
        assert np.ptp(wanted) > 0.01


def input_shape(folder, format: str) -> list[int]:
    """Give the shape that the file of an export states of its images."""
    if format == "savedmodel":
        import tensorflow as tf

        signatures = tf.saved_model.load(folder).signatures
        assert [*signatures["serve_bytes"].structured_input_signature[1]["bytes"].shape] == [2]
        return [*signatures["serving_default"].structured_input_signature[1]["images"].shape]
    if format == "onnx":
        import onnx
        import onnxruntime

        # The matrices of the resize, which the size of the images decides, are constants.
        assert not {"Range", "Round"} & {node.op_type for node in onnx.load(folder / "model.onnx").graph.node}
        session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
        assert {output.name: output.shape for output in session.get_outputs()} == {
            "probabilities": [2, 3],
            "classes": [2],
        }
        return session.get_inputs()[0].shape
    if format == "openvino":
        import openvino

        return [*openvino.Core().read_model(folder / "model.xml").input("images").shape]
    from ai_edge_litert.interpreter import Interpreter

    (details,) = Interpreter(str(folder / "model.tflite")).get_input_details()
    return details["shape_signature"].tolist()


@pytest.mark.parametrize(
    "format", [pytest.param(name, marks=[pytest.mark.slow] * (name != "savedmodel")) for name in ENGINES]
)
def test_size_and_number_of_images_are_fixed_in_the_file_and_told_by_the_card(plain, tmp_path, format):
    folder, images = tmp_path / "exported", pixels(3, 13, 21, 3)
    export(plain, folder, format, image_size=(13, 21), batch_size=2)
    assert input_shape(folder, format) == [2, 13, 21, 3]
    engine, wanted = open_engine(folder, format, batch_size=2), expected(plain, images)
    for count in (2, 3):
        answer = engine(images[:count])
        np.testing.assert_allclose(answer["probabilities"], wanted[:count], atol=1e-4)
        np.testing.assert_array_equal(answer["classes"], wanted[:count].argmax(1))
    card = (folder / CARD).read_text(encoding="utf-8")
    assert "- `images`: uint8, (2, 13, 21, 3), exactly 2 of 13 x 21 pixels, values 0 to 255, RGB\n" in card
    assert "- `probabilities`: float32, (2, 3)\n" in card


def test_litert_computes_on_all_processors(monkeypatch, tmp_path):
    interpreter = mock.Mock()
    monkeypatch.setitem(sys.modules, "ai_edge_litert", mock.Mock())
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", mock.Mock(Interpreter=interpreter))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    open_engine(tmp_path, "litert")
    interpreter.assert_called_once_with(str(tmp_path / "model.tflite"), num_threads=3)


def test_savedmodel_folded_holds_constants_alone_and_takes_files(tmp_path):
    import tensorflow as tf

    model = network()
    keras_resnet.export(model, tmp_path / "exported", fold=True, about={"dataset": "cats", "license": "CC0"})
    loaded, images = tf.saved_model.load(tmp_path / "exported"), pixels(2, 13, 21, 3)
    files = [tf.io.encode_png(image).numpy() for image in images]
    for signature, given in (("serving_default", {"images": images}), ("serve_bytes", {"bytes": files})):
        answer = loaded.signatures[signature](**{name: tf.constant(value) for name, value in given.items()})
        np.testing.assert_allclose(answer["probabilities"], expected(model, images), atol=1e-5)
    graph = loaded.signatures["serving_default"].graph.as_graph_def()
    operations = {node.op for nodes in (graph.node, *(f.node_def for f in graph.library.function)) for node in nodes}
    assert "Conv2D" in operations and not operations & {"ReadVariableOp", "Rsqrt", "FusedBatchNormV3"}
    card = (tmp_path / "exported" / CARD).read_text(encoding="utf-8")
    assert "- `images`: uint8, (batch, height, width, 3), any number of any one size, values 0 to 255, RGB\n" in card
    assert "| dataset | cats |" in card and card.endswith("## License\n\nCC0\n") and "cat, dog, größer." in card


@pytest.mark.slow
def test_bfloat16_computes_in_bfloat16_and_answers_in_float32(tmp_path):
    import tensorflow as tf

    model = network()
    keras_resnet.export(model, tmp_path / "exported", fold=True, precision="bfloat16")
    assert keras.config.dtype_policy().name == "float32"
    function = tf.saved_model.load(tmp_path / "exported").signatures["serving_default"]
    convolutions = {
        node.attr["T"].type
        for library in function.graph.as_graph_def().library.function
        for node in library.node_def
        if node.op == "Conv2D"
    }
    assert convolutions == {tf.bfloat16.as_datatype_enum}
    images = pixels(8, 8, 8, 3)
    answer = function(images=tf.constant(images))["probabilities"]
    assert answer.dtype == tf.float32
    np.testing.assert_allclose(answer, expected(model, images), atol=0.03)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_logits_become_probabilities_and_sigmoids_say_what_is_present(tmp_path, activation):
    model = network(classifier_activation=activation)
    keras_resnet.export(model, tmp_path / "exported")
    images = pixels(2, 8, 8, 3)
    answer, outputs = by_savedmodel(tmp_path / "exported", images), expected(model, images)
    exponents = np.exp(outputs)
    wanted = exponents / exponents.sum(1, keepdims=True) if activation is None else outputs
    np.testing.assert_allclose(answer["probabilities"], wanted, atol=1e-5)
    named = {"classes": wanted.argmax(1)} if activation is None else {"present": wanted > 0.5}
    assert set(answer) == {"probabilities", *named}
    np.testing.assert_array_equal(answer[next(iter(named))], next(iter(named.values())))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("format, name", [("keras", "model.keras"), ("safetensors", "model.safetensors")])
@pytest.mark.parametrize("fold", [False, True])
def test_network_itself_comes_back_to_the_bit(tmp_path, format, name, fold):
    model = network(shortcut="B")
    keras_resnet.export(model, tmp_path / "new" / "exported", format=format, fold=fold)
    again, reference = (
        keras_resnet.network_of(tmp_path / "new" / "exported" / name),
        keras_resnet.fold(model) if fold else model,
    )
    assert again.labels == LABELS and again.preprocessing.to_dict() == CONTRACT.to_dict()
    assert again.architecture == reference.architecture
    for layer in (layer for layer in reference.layers if layer.weights):
        for ours, theirs in zip(layer.get_weights(), again.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


OF_TIMM = {
    "torchvision": {"unit": "bottleneck", "stem": "imagenet", "stride_on": "3x3", "shortcut": "B"},
    "resnet-d": {"unit": "bottleneck", "stem": "deep", "stride_on": "3x3", "projection": "average_pool"},
    "seresnet": {"unit": "bottleneck", "stem": "imagenet", "stride_on": "3x3", "squeeze_excitation": 4},
    "resnetv2": {
        "unit": "bottleneck",
        "stem": "imagenet",
        "stride_on": "3x3",
        "placement": "full_preactivation",
        "stem_activation": False,
    },
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("kind", OF_TIMM)
def test_tensors_of_timm_come_back_to_the_bit(tmp_path, kind):
    model = network(**OF_TIMM[kind])
    keras_resnet.export(model, tmp_path / "exported", format="safetensors", layout="timm")
    again = keras_resnet.network_of(tmp_path / "exported" / "model.safetensors", input_shape=(8, 8, 3))
    assert not comparison.differences(model.architecture, again.architecture)
    for layer in (layer for layer in model.layers if layer.weights):
        for ours, theirs in zip(layer.get_weights(), again.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_tensors_have_the_names_and_shapes_of_torchvision(tmp_path):
    model = network(**OF_TIMM["torchvision"])
    shapes = {name: array.shape for name, array in under_names_of_timm(model).items()}
    # torchvision 0.20, resnet.py: as its state_dict gives them, without the counts of batches.
    norm = ("weight", "bias", "running_mean", "running_var")
    unit = [f"{kind}{number}" for kind in ("conv", "bn") for number in (1, 2, 3)]
    layers = ["conv1", "bn1", *(f"{stage}.{each}" for stage in ("layer1.0", "layer2.0", "layer2.1") for each in unit)]
    layers += [f"{stage}.downsample.{place}" for stage in ("layer1.0", "layer2.0") for place in (0, 1)] + ["fc"]
    normal = [layer for layer in layers if "bn" in layer or layer.endswith("downsample.1")]
    parts = {
        layer: norm if layer in normal else ("weight", "bias") if layer == "fc" else ("weight",) for layer in layers
    }
    assert set(shapes) == {f"{layer}.{part}" for layer in layers for part in parts[layer]}
    assert shapes["conv1.weight"] == (4, 3, 7, 7) and shapes["fc.weight"] == (3, 24)
    assert shapes["layer2.0.downsample.0.weight"] == (24, 16, 1, 1)


def test_what_timm_cannot_compute_is_refused():
    with pytest.raises(ValueError, match="stride_on is 'first' here and '3x3' there"):
        under_names_of_timm(network(unit="bottleneck", stem="imagenet"))
    with pytest.raises(ValueError, match="timm's networks have batch normalizations"):
        under_names_of_timm(keras_resnet.fold(network()))


V2D = {"stem": "deep", "projection": "average_pool"}


@pytest.mark.parametrize(
    ("network", "choices", "name"),
    [
        ("ResNet50", {"stride_on": "3x3"}, "resnet50"),
        ("ResNet50", {"shortcut": "C"}, None),
        ("ResNet50", {"biased": ("stem",)}, None),
        ("SEResNet50", {}, "seresnet50"),
        ("WideResNet50_2", {}, "wide_resnet50_2"),
        ("WideResNet28_10", {}, None),
        ("ResNet50V2", {"stem_activation": False}, "resnetv2_50"),
        ("ResNet50V2", V2D, "resnetv2_50d"),
        ("ResNet50V2", {"projection": "average_pool"}, None),
        ("ResNet50V2", {"stem": "deep"}, None),
        ("ResNet50V2", {"blocks": (1, 1, 1, 1)}, None),
        ("ResNet50V2", {"widths": (16, 32, 64, 128)}, None),
        ("ResNet50V2", {"width_per_group": 128}, None),
        ("ResNet18V2", {}, "resnetv2_18"),
        ("ResNet18V2", {"squeeze_excitation": 16}, None),
        ("ResNet200V2", {}, None),
        ("ResNet20V2", {}, None),
    ],
    ids=str,
)
def test_configuration_names_networks_that_timm_has_alone(network, choices, name):
    # timm 1.0.19, resnet.py and resnetv2.py, as the functions under @register_model are called.
    model = SimpleNamespace(architecture=keras_resnet.get_architecture(network).replace(**choices))
    config = timm_config(model, keras_resnet.CONTRACTS["torch"], LABELS)
    assert (config and config["architecture"]) == name


def test_configuration_of_timm_has_no_deviation_of_each_pixel():
    model = SimpleNamespace(architecture=keras_resnet.get_architecture("ResNet50"))
    assert timm_config(model, Preprocessing((2, 2), 3, np.ones(3), np.ones((2, 2, 3))), LABELS) is None


@pytest.mark.slow
def test_configuration_of_timm_is_read_back(tmp_path):
    model = keras_resnet.ResNet18(classes=3, input_shape=(32, 32, 3), activation="silu", stride_on="3x3")
    contract = Preprocessing((32, 32), 3, np.array([120.0, 110.0, 100.0]), np.array([60.0, 55.0, 50.0]), 0.875)
    keras_resnet.export(
        model, tmp_path / "exported", format="safetensors", layout="timm", labels=LABELS, preprocessing=contract
    )
    assert json.loads((tmp_path / "exported" / "config.json").read_text())["architecture"] == "resnet18"
    again = keras_resnet.network_of(tmp_path / "exported")
    assert again.labels == LABELS and again.architecture.activation == "silu"
    np.testing.assert_allclose(again.preprocessing.mean, contract.mean)
    assert again.preprocessing.size == (32, 32) and again.preprocessing.crop == 0.875


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "litert", "openvino"])
def test_labels_and_contract_are_in_the_file(tmp_path, format):
    export(network(), tmp_path / "exported", format)
    folder = tmp_path / "exported"
    if format == "onnx":
        import onnx

        model = onnx.load(folder / "model.onnx")
        told = {entry.key: entry.value for entry in model.metadata_props}
        labels, contract = told["labels"], told["preprocessing"]
        axes = [axis.dim_param or axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim]
        assert axes == ["batch", "height", "width", 3]
    elif format == "litert":
        with zipfile.ZipFile(folder / "model.tflite") as archive:
            labels, contract = archive.read("labels.json"), archive.read("preprocessing.json")
    else:
        import openvino

        model = openvino.Core().read_model(folder / "model.xml")
        labels, contract = (model.get_rt_info(["keras_resnet", key]).value for key in ("labels", "preprocessing"))
    assert tuple(json.loads(labels)) == LABELS
    assert Preprocessing(**json.loads(contract)).to_dict() == CONTRACT.to_dict()
    assert read_labels(folder / "labels.txt") == list(LABELS)
    assert Preprocessing.load(folder / "preprocessing.json").to_dict() == CONTRACT.to_dict()


def test_what_is_not_installed_is_named_with_its_extra(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else True)
    with pytest.raises(ImportError, match=r"ONNX in float32 needs tf2onnx: pip install 'keras-resnet-suite\[onnx\]'"):
        keras_resnet.export(plain, tmp_path / "exported", format="onnx")


WRONG = {
    "Unknown format 'onxx'. Did you mean 'onnx'?": {"format": "onxx"},
    "Unknown precision 'int4'": {"precision": "int4"},
    "SavedModel is written in float32 or bfloat16; int8 is to be had in onnx, openvino, litert": {"precision": "int8"},
    "ONNX is written in float32 or int8; bfloat16": {"format": "onnx", "precision": "bfloat16"},
    "layout='timm' is for the tensors of safetensors; the format is 'keras'": {"format": "keras", "layout": "timm"},
    "calibration images are needed for int8, and for nothing else": {"format": "onnx", "precision": "int8"},
    "2 labels cannot name the 3 outputs": {"labels": ["a", "b"]},
    "The class name 0 is no text; give the names of classes as str.": {"labels": range(3)},
    "labels must be a sequence of names, one a class; received the text 'abc'.": {"labels": "abc"},
    "batch_size must be a whole number from 1 on, or None for any; received 0.": {"batch_size": 0},
    "image_size must be a side, or height and width, of 1 to 16384 pixels, or None for any; received (0, 3).": {
        "image_size": (0, 3)
    },
    "image_size must be a side, or height and width, of 1 to 16384 pixels, or None for any; received (8, 8, 8).": {
        "image_size": (8, 8, 8)
    },
    "image_size and batch_size are for formats that hold everything from the image to the class; Keras holds": {
        "format": "keras",
        "image_size": 8,
    },
    "takes images of the shape (8, 8, 3), and preprocessing prepares them in (16, 16, 3)": {
        "format": "keras",
        "preprocessing": Preprocessing((16, 16), 3, np.full(3, 100.0), np.full(3, 50.0)),
    },
}


@pytest.mark.parametrize("sentence", WRONG)
def test_what_cannot_be_had_is_refused(plain, tmp_path, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        keras_resnet.export(plain, tmp_path / "exported", **WRONG[sentence])
    assert not list(tmp_path.iterdir())


# Images that int8 is fitted to.


def test_calibration_images_come_as_many_together_as_the_graph_takes():
    calibration = [pixels(3, 8, 8, 3), pixels(2, 8, 8, 3, seed=1), pixels(1, 9, 8, 3)]
    free = Exported(None, CONTRACT, LABELS, calibration=iter(calibration))
    assert [batch.shape for batch in calibration_batches(free)] == [(3, 8, 8, 3), (2, 8, 8, 3), (1, 9, 8, 3)]
    fixed = Exported(None, CONTRACT, LABELS, calibration=iter(calibration), batch_size=4)
    first, second, other = calibration_batches(fixed)
    assert (first.shape, second.shape, other.shape) == ((4, 8, 8, 3), (4, 8, 8, 3), (4, 9, 8, 3))
    np.testing.assert_array_equal(np.concatenate([first, second])[:5], np.concatenate(calibration[:2]))
    np.testing.assert_array_equal(second[1:], second[:3])  # one image, repeated


@pytest.mark.parametrize(
    ("calibration", "sentence"),
    [
        ([], "calibration holds no image"),
        (
            [np.zeros((2, 8, 8, 3), "float32")],
            "of the shape (any, 9, 9, 3); received float32 of the shape (2, 8, 8, 3).",
        ),
        ([pixels(2, 8, 8, 3)], "of the shape (any, 9, 9, 3); received uint8 of the shape (2, 8, 8, 3)."),
        (pixels(2, 9, 9, 3), "of the shape (any, 9, 9, 3); received uint8 of the shape (9, 9, 3)."),
        ([pixels(0, 9, 9, 3)], "received uint8 of the shape (0, 9, 9, 3)."),
    ],
)
def test_calibration_images_that_the_graph_does_not_take_are_refused(calibration, sentence):
    exported = Exported(None, CONTRACT, LABELS, calibration=calibration, image_size=(9, 9))
    with pytest.raises(ValueError, match=re.escape(sentence)):
        list(calibration_batches(exported))


def test_other_backends_write_the_network_itself_alone(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="SavedModel needs the TensorFlow backend: set KERAS_BACKEND=tensorflow"):
        keras_resnet.export(plain, tmp_path / "exported")


def test_partly_folded_network_has_no_tensors_to_publish(tmp_path):
    with pytest.raises(ValueError, match=r"does not carry its Architecture.*folded in part"):
        keras_resnet.export(network(placement="full_preactivation"), tmp_path / "new", format="safetensors", fold=True)


def test_facts_are_added_before_the_license_whatever_classes_are_called(plain, tmp_path):
    labels, folder = ["## License", "b", "c"], tmp_path / "exported"
    keras_resnet.export(plain, folder, format="keras", labels=labels, about={"license": "CC0"})
    add_section(folder, "Precision", {"accuracy": "90 %"})
    card = (folder / CARD).read_text(encoding="utf-8")
    table = "## Precision\n\n| | |\n|---|---|\n| accuracy | 90 % |\n"
    assert card.endswith(f"## Classes\n\n## License, b, c.\n\n{table}\n## License\n\nCC0\n")


def test_of_two_exports_to_one_place_the_first_stays_whole(plain, tmp_path, monkeypatch):
    other = tmp_path / "exported" / "other"

    def written_meanwhile(*given):
        other.parent.mkdir()
        other.touch()
        return card_of(*given)

    monkeypatch.setattr("keras_resnet.formats.exporting.card_of", written_meanwhile)
    reason = "another process has written a folder there meanwhile"
    with pytest.raises(OSError, match=rf"^Cannot save .*exported: {reason}\. What was saved before is untouched\.$"):
        keras_resnet.export(plain, tmp_path / "exported", format="keras")
    assert list(tmp_path.iterdir()) == [other.parent] and list(other.parent.iterdir()) == [other]


def test_export_comes_to_its_place_when_its_check_is_passed(plain, tmp_path):
    folder, seen = tmp_path / "exported", []

    def check(written):
        seen.append((keras.models.load_model(written / "model.keras").count_params(), folder.exists()))
        add_section(written, "Precision", {"accuracy": "90 %"})

    keras_resnet.export(plain, folder, format="keras", check=check)
    assert seen == [(plain.count_params(), False)]
    assert "| accuracy | 90 % |" in (folder / CARD).read_text(encoding="utf-8")


def test_export_that_fails_its_check_leaves_nothing(plain, tmp_path):
    def check(written):
        raise ValueError("It answers otherwise.")

    with pytest.raises(OSError, match=r"^Cannot save .*exported: It answers otherwise\. What was saved before is unt"):
        keras_resnet.export(plain, tmp_path / "exported", format="keras", check=check)
    assert not list(tmp_path.iterdir())


def test_failing_conversion_leaves_nothing(plain, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_resnet.formats.exporting.card_of", lambda *_: 1 / 0)
    with pytest.raises(OSError, match=r"Cannot save .*exported: division by zero"):
        keras_resnet.export(plain, tmp_path / "exported", format="keras")
    assert not list(tmp_path.iterdir())
