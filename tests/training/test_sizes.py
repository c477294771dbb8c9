"""Training images that grow along a run: which sizes when, that the network learns from them, and that it resumes."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.model import ResidualNetwork
from keras_resnet.preprocessing import Preprocessing
from tests.training.helpers import Keep, same_weights
from training import run as running
from training.config import make_config
from training.plan import Phase
from training.resizing import check_sizes, size_in, spans, taking
from training.run_folder import RunFolder

GROWING = {"name": "progressive", "smallest": 0.5, "sizes": 3, "until": 0.5}
CONTRACT = Preprocessing((16, 16), 3, np.zeros(3), np.ones(3))


def sides(choice, side: int, epochs: int) -> list[int]:
    return [size_in(choice, (side, side), epoch, epochs)[0] for epoch in range(epochs)]


def test_images_grow_in_equal_steps_and_have_their_full_size_at_the_end():
    assert sides(GROWING, 32, 8) == [16, 16, 24, 24, 32, 32, 32, 32]
    # The defaults, from half the side in four sizes, for 224: 112, 149, 187 and 224, at multiples of 4.
    assert sides("progressive", 224, 10) == [112] * 3 + [148] * 3 + [188] * 2 + [224] * 2
    assert sides("full", 30, 3) == [30] * 3
    assert sides({**GROWING, "until": 0.4}, 224, 5) == [112, 168, 224, 224, 224]  # whatever 0.4 is as a float


def test_smaller_images_stay_so_and_are_those_of_the_recipes():
    assert sides("smaller", 224, 3) == [176] * 3
    assert sides({"name": "smaller", "share": 0.7143}, 224, 2) == [160] * 2
    assert spans({"name": "smaller", "share": 0.5}, (32, 32), Phase(1, 6, ()), 8) == [((1, 6, ()), (16, 16))]


def test_sides_are_multiples_of_four_and_no_larger_than_the_full_ones():
    assert [size_in(GROWING, (33, 50), epoch, 4) for epoch in range(4)] == [(16, 24), (24, 36), (33, 50), (33, 50)]
    assert size_in({**GROWING, "smallest": 0.01}, (32, 32), 0, 4) == (4, 4)
    assert size_in({**GROWING, "smallest": 0.99}, (30, 3), 0, 4) == (28, 3)


def test_phases_are_parted_where_the_size_changes():
    assert spans(GROWING, (32, 32), Phase(1, 6, ("conv1",)), 8) == [
        ((1, 2, ("conv1",)), (16, 16)),
        ((2, 4, ("conv1",)), (24, 24)),
        ((4, 6, ("conv1",)), (32, 32)),
    ]
    whole = Phase(0, 3, ())
    assert spans({"name": "full"}, (32, 32), whole, 3) == [(whole, (32, 32))]


@pytest.mark.slow
def test_a_step_on_smaller_images_is_that_of_the_network_made_for_them(tmp_path):
    generator = np.random.default_rng(0)
    images, labels = generator.normal(size=(6, 8, 8, 3)).astype("float32"), np.arange(6) % 3
    model = keras_resnet.ResNet("ResNet8", classes=3, input_shape=(16, 16, 3))
    model.preprocessing = CONTRACT
    twin = keras_resnet.transfer(model, input_shape=(8, 8, 3))
    for network in (model, twin):
        network.compile(optimizer=keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="incompatible"):
        model.train_on_batch(images, labels)
    with taking(model, (8, 8)):
        loss = model.train_on_batch(images, labels)
        model.save(tmp_path / "model.keras")
    assert loss == pytest.approx(twin.train_on_batch(images, labels), rel=1e-6)
    for one, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert keras.models.load_model(tmp_path / "model.keras", compile=False).input_shape == (None, 16, 16, 3)
    with pytest.raises(ValueError, match="incompatible"):
        model.predict(images, verbose=0)
    assert model.predict(np.zeros((1, 16, 16, 3)), verbose=0).shape == (1, 3)


def small(**fields):
    return make_config({"epochs": 4, "data.sizes": GROWING, **fields})


def test_networks_that_cannot_take_smaller_images_are_refused():
    inputs = keras.Input((16, 16, 3))
    hidden = keras.layers.Flatten(name="flat")(keras.layers.Conv2D(2, 3, name="conv")(inputs))
    model = ResidualNetwork(inputs, keras.layers.Dense(3, name="hidden")(hidden), name="flattened")
    model.preprocessing = CONTRACT
    sentence = (
        r"^data\.sizes begins with images of 8x8, which the network cannot take\. hidden/kernel .*Begin with larger"
    )
    with pytest.raises(ValueError, match=sentence):
        check_sizes(model, small())
    check_sizes(model, small(**{"data.sizes": "full"}))


def test_augmentation_that_is_too_wide_for_the_smallest_images_is_refused():
    model = keras_resnet.ResNet("ResNet8", classes=3, input_shape=(16, 16, 3))
    model.preprocessing = CONTRACT
    check_sizes(model, small(augmentation=["pad_crop"]))
    with pytest.raises(ValueError, match=r"pad_crop: pixels=8 needs images of more than 8 pixels; these are 8x8"):
        check_sizes(model, small(augmentation=[{"name": "pad_crop", "pixels": 8}]))


@pytest.mark.parametrize(
    ("parameter", "value"), [("smallest", 0), ("smallest", 1), ("sizes", 1), ("sizes", 2.5), ("until", 0)]
)
def test_parameters_out_of_range_are_refused(parameter, value):
    with pytest.raises(ValueError, match=rf"data\.sizes: {parameter} must be "):
        small(**{"data.sizes": {"name": "progressive", parameter: value}})


@pytest.mark.slow
def test_run_trains_on_growing_images_is_tested_in_full_size_and_resumes_to_the_bit(tiny, tmp_path, monkeypatch):
    seen, read = [], running.batches.training_batches

    def noting(source, preprocessing, data, epochs, **own):
        seen.append((preprocessing.size, epochs))
        return read(source, preprocessing, data, epochs, **own)

    monkeypatch.setattr(running.batches, "training_batches", noting)
    fields = {"data.train_split": "train[:128]", "test_split": "test[:64]", "epochs": 4, "data.standardize": "pixel"}
    config = tiny(**fields, **{"data.sizes": GROWING})
    whole, parted = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parted")
    expected = running.train(config, whole, callbacks=[Keep(whole, parted)])
    assert seen == [((4, 4), range(1)), ((8, 8), range(1, 4))]
    assert len(parted.read_metrics()) == 1
    assert running.train(config, parted, resume=True) == expected
    assert same_weights(whole, parted)
    assert whole.metrics_file.read_bytes() == parted.metrics_file.read_bytes()
    assert parted.load_model().input_shape == (None, 8, 8, 1)
