"""What TensorBoard reads of a run, and the sheet of its training images."""

import dataclasses
import io
from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_resnet.preprocessing import Preprocessing
from tests.training.helpers import Images
from training.config import make_config
from training.data.datasets import Source
from training.session import prepare_session, restored
from training.sheet import SHOWN, Example, draw_sheet, label_of, levels_of, read_examples

GENERATOR = np.random.default_rng(0)
PIXELS = [GENERATOR.integers(0, 256, (8, 8, 3), "uint8") for _ in range(40)]


def read(folder) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return events


def scalars(events: EventAccumulator, tag: str) -> list[float]:
    return [float(tf.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]


def test_learning_rate_and_speed_of_each_epoch_are_logged(trained):
    events = read(trained.folder.tensorboard / "train")
    metrics, times = trained.folder.read_metrics(), trained.folder.read_times()
    assert scalars(events, "epoch_learning_rate") == pytest.approx([row["learning_rate"] for row in metrics])
    assert scalars(events, "epoch_loss") == pytest.approx([row["loss"] for row in metrics])
    assert scalars(events, "epoch_images_per_second") == pytest.approx(
        [row["images_per_second"] for row in times], rel=1e-3
    )
    assert scalars(events, "epoch_waiting") == pytest.approx([row["waiting"] for row in times], abs=1e-3)


def test_sheet_of_training_images_is_logged_once(trained):
    events = read(trained.folder.tensorboard / "images")
    (event,) = events.Tensors("training images")
    _, _, picture = event.tensor_proto.string_val
    assert Image.open(io.BytesIO(picture)).format == "PNG"


@pytest.fixture
def source() -> Iterator[Source]:
    reader = Images(PIXELS, [number % 2 for number in range(40)], ("cat", "dog"))
    with restored():
        prepare_session(make_config({"epochs": 1}))
        yield Source("images in memory", reader, "test", "test")


@pytest.fixture
def contract() -> Preprocessing:
    return Preprocessing((8, 8), 3, np.array([120.0, 110.0, 100.0]), np.array([60.0, 55.0, 50.0]))


def test_sheet_shows_the_first_images_in_their_colors_with_their_labels(source, contract):
    examples = read_examples(source, contract, make_config({"epochs": 1}))
    assert len(examples) == SHOWN
    expected = {PIXELS[number].tobytes(): ("cat", "dog")[number % 2] for number in range(SHOWN)}
    assert {example.image.tobytes(): example.label for example in examples} == expected


def test_mixed_images_have_the_labels_of_both(source, contract):
    config = make_config({"epochs": 1, "augmentation": [{"name": "mixup", "alpha": 100.0}]})
    labels = {example.label for example in read_examples(source, contract, config)}
    assert any("% cat\n" in label and label.endswith("% dog") for label in labels)


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_standardized_images_are_brought_back(contract, order):
    own = dataclasses.replace(contract, order=order)
    images = np.stack(PIXELS)
    np.testing.assert_array_equal(levels_of(np.array(own.standardize(images.astype("float32"))), own), images)


def test_levels_beyond_black_and_white_are_clipped(contract):
    (image,) = levels_of(np.array([[[[-9.0, 0.0, 9.0]]]]), contract)
    np.testing.assert_array_equal(image, [[[0, 110, 255]]])


def test_labels_name_what_has_a_share():
    classes = ["cat", "dog", "a class of a name without end"]
    assert label_of(np.array(1), classes) == "dog"
    assert label_of(np.array([0.25, 0.0, 0.75]), classes) == "75% a class of a na…\n25% cat"
    assert label_of(np.array([0.999, 0.001, 0.0]), classes) == "cat"
    assert label_of(np.array([1.0, 1.0, 0.0]), classes) == "cat\ndog"
    assert label_of(np.array([0, 1, 1], "uint8"), list("abc")) == "b\nc"
    assert label_of(np.zeros(3), classes) == ""
    assert label_of(np.ones(6), list("abcdef")) == "a\nb\nc\nd\n…"


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_images_of_any_number_of_channels_are_drawn(channels, tmp_path):
    draw_sheet([Example(np.full((8, 8, channels), 200, "uint8"), "cat")], tmp_path / "sheet.png")
    drawn = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"))
    assert np.all(drawn == 200, axis=-1).mean() > 0.5


def test_sheet_is_drawn_with_as_many_images_as_there_are(source, contract, tmp_path):
    examples = read_examples(source, contract, make_config({"epochs": 1}))
    sizes = []
    for count in (1, 3, SHOWN):
        draw_sheet(examples[:count], tmp_path / "sheet.png")
        sizes.append(Image.open(tmp_path / "sheet.png").size)
    assert sizes[0][0] < sizes[1][0] < sizes[2][0] and sizes[0][1] == sizes[1][1] < sizes[2][1]
