"""One answer for an image, whatever its file is like: from predict, classify, a SavedModel and the evaluation."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

import keras_resnet
import training
from keras_resnet.weights.own import load_network
from tests.keras_resnet.helpers import randomise
from tests.keras_resnet.helpers import tiny as tiny_architecture
from tests.training.helpers import folder_config
from training.data.datasets import open_source
from training.evaluation.scores import score

CONTRACT = keras_resnet.Preprocessing((16, 16), 3, (120.0, 110.0, 100.0), (60.0, 55.0, 50.0), crop=0.875)
SIZE = (31, 22)
ROWS, COLUMNS = np.mgrid[: SIZE[1], : SIZE[0]]
PIXELS = np.stack((ROWS * 11, COLUMNS * 8, (ROWS + COLUMNS) * 4), -1).astype("uint8")  # smooth, and like no turned one
RGB = Image.fromarray(PIXELS)
GRAY = RGB.convert("L")


def lying(turn: int) -> Image.Exif:
    information = Image.Exif()
    information[0x0112] = turn
    return information


def sixteen_bits() -> tuple[Image.Image, np.ndarray]:
    levels = (ROWS * 11).astype("uint16") * 256 + COLUMNS.astype("uint16") * 7
    return Image.fromarray(levels), (levels >> 8).astype("uint8")


def of_pillow(encoded: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))).convert("RGB"))


def cases() -> dict[str, tuple[Image.Image, str, dict, np.ndarray | None]]:
    """Give of each case an image, its format, how it is saved, and its pixels; None for what Pillow reads."""
    transparent = np.dstack((PIXELS, ROWS * 11)).astype("uint8")
    gray = np.repeat(np.asarray(GRAY)[..., np.newaxis], 3, -1)
    palette = RGB.quantize(64)
    deep, upper = sixteen_bits()
    return {
        "plain.png": (RGB, "PNG", {}, PIXELS),
        **{f"turned-{turn}.png": (RGB, "PNG", {"exif": lying(turn)}, None) for turn in (3, 5, 6, 8)},
        "turned.jpg": (RGB, "JPEG", {"exif": lying(6), "quality": 95}, None),
        "gray.png": (GRAY, "PNG", {}, gray),
        "gray.jpg": (GRAY, "JPEG", {"quality": 95}, None),
        "gray-and-alpha.png": (GRAY.convert("LA"), "PNG", {}, gray),
        "alpha.png": (Image.fromarray(transparent), "PNG", {}, PIXELS),
        "alpha.webp": (RGB.convert("RGBA"), "WEBP", {"lossless": True}, PIXELS),
        "palette.png": (palette, "PNG", {}, None),
        "palette.gif": (palette, "GIF", {}, None),
        "palette-and-transparency.png": (palette, "PNG", {"transparency": 3}, None),
        "sixteen-bits.png": (deep, "PNG", {}, np.repeat(upper[..., np.newaxis], 3, -1)),
        "inks.jpg": (RGB.convert("CMYK"), "JPEG", {"quality": 95}, None),
    }


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Answer every case in four ways; each gives a dict of probabilities by name, and so does what is expected."""
    folder = tmp_path_factory.mktemp("answers")
    model = randomise(keras_resnet.ResNet(tiny_architecture(), input_shape=(16, 16, 3), classes=2))
    model.preprocessing, model.labels = CONTRACT, ("cat", "dog")
    model.save(folder / "model.keras")
    keras_resnet.export_savedmodel(model, folder / "savedmodel")
    expected, encoded = {}, {}
    for number, (name, (image, kind, options, pixels)) in enumerate(cases().items()):
        path = folder / "data" / "val" / ("cat", "dog")[number % 2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, kind, **options)
        encoded[name] = path.read_bytes()
        pixels = of_pillow(encoded[name]) if pixels is None else pixels
        expected[name] = model.predict_on_batch(CONTRACT(pixels[np.newaxis]))[0]
    paths = {path.name: path for path in (folder / "data").rglob("*.*")}
    source = open_source(folder_config(folder / "data", test_split="val", **{"data.train_split": "val"}).data)
    scores = score(load_network(folder / "model.keras"), source, CONTRACT, folder_config(folder / "data"))
    evaluated = [path.rpartition("/")[2] for path, _ in source.reader.members("val")]
    serve = tf.saved_model.load(folder / "savedmodel").signatures["serve_bytes"]
    served = serve(bytes=tf.constant([*encoded.values()]))["probabilities"].numpy()
    predicted = training.predict(folder / "model.keras", [*paths.values()], top=2)
    classified = keras_resnet.classify(model, [*paths.values()], top=2)
    return expected, {
        "evaluate": dict(zip(evaluated, scores.probabilities, strict=True)),
        "SavedModel": dict(zip(encoded, served, strict=True)),
        "predict": {
            name: by_class({guess["label"]: guess["probability"] for guess in prediction["classes"]})
            for name, prediction in zip(paths, predicted, strict=True)
        },
        "classify": {name: by_class(dict(guesses)) for name, guesses in zip(paths, classified, strict=True)},
    }


def by_class(named: dict[str, float]) -> list[float]:
    return [named["cat"], named["dog"]]


def test_all_ways_give_the_same_answer(answers):
    _, ways = answers
    for way, found in ways.items():
        assert found.keys() == cases().keys()
        for name, probabilities in found.items():
            np.testing.assert_allclose(probabilities, ways["SavedModel"][name], atol=1e-5, err_msg=f"{way}, {name}")


@pytest.mark.parametrize("name", cases())
def test_answer_is_that_of_the_pixels_upright_and_in_color(answers, name):
    expected, ways = answers
    # The decoders of JPEG round differently, and so do conversions of ink.
    np.testing.assert_allclose(ways["predict"][name], expected[name], atol=0.03 if name.endswith("jpg") else 1e-5)


def test_cases_differ(answers):
    expected, _ = answers
    assert np.ptp([row[0] for row in expected.values()]) > 0.1
    assert abs(expected["turned-6.png"][0] - expected["plain.png"][0]) > 0.01
