"""Averages of weights: what optimizers keep, their batch statistics, and that a run is tested and saved by them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.helpers import Keep, same_weights
from training.averaging import ShownAverage, averages_of, normalizations_of
from training.data.batches import sample_batches
from training.data.datasets import open_source
from training.data.standardization import make_preprocessing
from training.optimization.averages import make_average
from training.optimization.optimizers import OPTIMIZERS, make_optimizer
from training.optimization.schedules import make_schedule
from training.run import evaluate, train
from training.run_folder import RunFolder

STEPS = 12


def decays(choice: dict) -> list[float]:
    """Give what each step leaves of an average."""
    if choice["name"] == "swa":
        first = int(choice["start"] * STEPS)
        return [0.0 if step <= first else 1 - 1 / (1 + step - first) for step in range(STEPS)]
    rising = [(1 + step) / (10 + step) for step in range(STEPS)]
    return [min(choice["decay"], rate) if choice.get("warmup", True) else choice["decay"] for rate in rising]


CHOICES = [
    {"name": "ema", "decay": 0.3},
    {"name": "ema", "decay": 0.8, "warmup": False},
    {"name": "swa", "start": 0.5},
    {"name": "swa", "start": 0.0},
]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_average_is_that_of_a_loop(choice, compiled):
    variable = keras.Variable([1.0, -2.0], name="kernel")
    average = make_average(choice, STEPS)
    optimizer = make_optimizer({"name": "sgd", "momentum": 0.5}, make_schedule("constant", STEPS), average=average)
    optimizer.build([variable])

    def apply(slope):
        optimizer.apply([slope], [variable])

    step = tf.function(apply) if compiled else apply
    expected, slopes = variable.numpy(), np.random.default_rng(0).normal(size=(STEPS, 2)).astype("float32")
    for slope, decay in zip(slopes, decays(choice), strict=True):
        step(tf.constant(slope))
        expected = decay * expected + (1 - decay) * variable.numpy()
        ((learned, averaged),) = zip(*averages_of(optimizer))
        assert learned is variable
        np.testing.assert_allclose(averaged.numpy(), expected, rtol=1e-5)
    if choice["name"] == "swa":
        return
    optimizer.finalize_variable_values([variable])  # where Keras would put its average into the network
    assert np.abs(variable.numpy() - averaged.numpy()).max() > 1e-3


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_keeps_an_average_and_steps_as_without(name):
    def stepped(average):
        kernel = np.arange(8, dtype="float32").reshape(1, 1, 2, 4)
        trained = [keras.Variable(kernel, name="kernel"), keras.Variable([0.5], name="bias")]
        optimizer = make_optimizer({"name": name}, make_schedule("constant", 3), average=average)
        before = []
        for _ in range(3):
            optimizer.apply([tf.ones(v.shape) * 0.3 for v in trained], trained)
            before.append([v.numpy() for v in trained])
        return before, [v.numpy() for v in averages_of(optimizer)[1]]

    plain, none = stepped(None)
    steps, averages = stepped(make_average({"name": "swa", "start": 0.0}, 3))
    assert none == []
    for one, other in zip(plain, steps, strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)
    for mean, values in zip(averages, zip(*steps), strict=True):
        np.testing.assert_allclose(mean, np.mean(values, axis=0), rtol=1e-5)


def test_average_of_what_does_not_learn_at_first_begins_at_its_value():
    trained = [keras.Variable([1.0], name="kernel"), keras.Variable([3.0], name="bias")]
    average = make_average({"name": "ema", "decay": 0.5, "warmup": False}, 2)
    optimizer = make_optimizer("sgd", make_schedule("constant", 2), average=average)
    optimizer.build(trained)
    optimizer.apply([tf.constant([0.1])], trained[:1])
    assert averages_of(optimizer)[1][1].numpy() == 3.0


def test_average_under_the_loss_scale_of_float16_waits_with_the_step():
    variable = keras.Variable([1.0], name="kernel")
    inner = make_optimizer({"name": "sgd"}, lambda peak: peak, average=make_average({"name": "swa", "start": 0.0}, 2))
    scaled = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0)
    scaled.build([variable])
    scaled.apply([tf.constant([np.inf])], [variable])
    ((_, average),) = zip(*averages_of(scaled))
    assert average.numpy() == 1.0
    scaled.apply([tf.constant([2.0])], [variable])
    assert average.numpy() == variable.numpy() != 1.0


# Statistics.


def small_network() -> keras.Model:
    """Make a network of two normalizations: of the images, and of what dropout leaves of their square."""
    image = keras.Input((4, 4, 2))
    first = keras.layers.BatchNormalization(momentum=0.9, name="first")(image)
    x = keras.layers.Dropout(0.5)(keras.ops.square(first))
    x = keras.layers.BatchNormalization(momentum=0.8, name="second")(x)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    model.compile(make_optimizer("sgd", lambda peak: peak, average=make_average("ema", 9)), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def shown(model: keras.Model, images: np.ndarray, batch: int) -> ShownAverage:
    callback = ShownAverage(tf.data.Dataset.from_tensor_slices((images, np.zeros(len(images)))).batch(batch))
    callback.set_model(model)
    return callback


def test_statistics_are_those_of_the_images_without_dropout():
    model, images = small_network(), np.random.default_rng(0).normal(3, 2, (24, 4, 4, 2)).astype("float32")
    before = model.get_weights()
    callback = shown(model, images, 8)
    callback.on_test_begin()
    first, second = normalizations_of(model)
    axes = (0, 1, 2)
    np.testing.assert_allclose(first.moving_mean.numpy(), images.mean(axis=axes), rtol=1e-5)
    np.testing.assert_allclose(first.moving_variance.numpy(), images.var(axis=axes), rtol=1e-5)
    parts = images.astype("float64").reshape(3, 8, 4, 4, 2)
    squares = np.concatenate(
        [(part - part.mean(axis=axes)) ** 2 / (part.var(axis=axes) + first.epsilon) for part in parts]
    )
    np.testing.assert_allclose(second.moving_mean.numpy(), squares.mean(axis=axes), rtol=1e-5)
    np.testing.assert_allclose(second.moving_variance.numpy(), squares.var(axis=axes), rtol=1e-5)
    callback.put_back()
    for left, right in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_statistics_of_frozen_stages_stay_as_they_are():
    model, images = small_network(), np.ones((4, 4, 4, 2), "float32") * 5
    model.get_layer("first").trainable = False
    shown(model, images, 4).on_test_begin()
    assert model.get_layer("first").moving_mean.numpy().tolist() == [0, 0]
    assert model.get_layer("second").moving_mean.numpy() == pytest.approx([25 / 1.001] * 2, rel=1e-3)


@pytest.mark.slow
def test_sample_is_drawn_by_the_seed_from_the_training_images_of_all_classes(tiny):
    config = tiny(validation=0.3)
    source = open_source(config.data)
    contract = make_preprocessing(source, config.data, None, (8, 8))

    def labels(seed, size=200):
        return np.concatenate([own for _, own in sample_batches(source, contract, size, 64, seed)])

    tf.random.set_seed(1)
    first = labels(0)
    assert len(first) == 192 and set(first[:64]) == set(range(10))
    tf.random.set_seed(1)
    np.testing.assert_array_equal(labels(0), first)
    assert (labels(1) != first).any()
    count = source.count(source.train_split)
    assert len(labels(0, 10**6)) == count // 64 * 64
    assert len(labels(0, 1)) == 64


# Runs.

EMA = {"averaging": {"name": "ema", "decay": 0.9, "images": 300}}


class Follow(keras.callbacks.Callback):
    """Averages the weights of a run in NumPy, and keeps the average and the weights of every epoch."""

    def __init__(self, decay: float = 0.9, last: int = 99):
        super().__init__()
        self.decay, self.last, self.steps, self.average = decay, last, 0, None
        self.averages, self.weights = [], []

    def values(self) -> list[np.ndarray]:
        return [variable.numpy().astype("float64") for variable in averages_of(self.model.optimizer)[0]]

    def on_train_begin(self, logs=None):
        self.average = self.average or self.values()

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.last:
            raise KeyboardInterrupt

    def on_train_batch_end(self, batch, logs=None):
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.average = [decay * one + (1 - decay) * new for one, new in zip(self.average, self.values(), strict=True)]
        self.steps += 1

    def on_epoch_end(self, epoch, logs=None):
        self.averages.append(self.average)
        self.weights.append(self.values())


@pytest.mark.slow
def test_run_tests_and_saves_the_average_and_goes_on_with_its_weights(tiny, tmp_path):
    config, folder, follow = tiny(**EMA, iterations=30), RunFolder(tmp_path / "run"), Follow()
    results = train(config, folder, callbacks=[follow])
    model = folder.load_model()
    for own, average, raw in zip(model.trainable_weights, follow.average, follow.weights[-1], strict=True):
        np.testing.assert_allclose(own.numpy(), average, rtol=1e-4, atol=1e-6)
        assert np.abs(average - raw).max() > 1e-6
    last = folder.read_metrics()[-1]
    assert results["accuracy"] == pytest.approx(last["val_accuracy"], abs=1e-6)
    assert results["loss"] == pytest.approx(last["val_loss"], rel=1e-5)
    again = evaluate(model, open_source(config.data), folder.read_preprocessing(), config)
    assert again["loss"] == pytest.approx(results["loss"], rel=1e-6)
    plain = RunFolder(tmp_path / "plain")
    train(tiny(iterations=30), plain)
    # The weights learn as without an average: so do the losses of training, and nothing else.
    for with_average, without in zip(folder.read_metrics(), plain.read_metrics(), strict=True):
        assert with_average["loss"] == without["loss"] and with_average["val_loss"] != without["val_loss"]
    complete = train(config, folder, resume=True)
    assert complete == results


LONG = {
    "fine-tuning in bfloat16": {"start": {"head_epochs": 1}, "hardware.dtype": "mixed_bfloat16"},
    "chosen": {
        "validation": 0.3,
        "evaluation": {"keep_best": True, "patience": 2},
        "network.choices": {"dropout": 0.2, "stochastic_depth": 0.5},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("fields", LONG.values(), ids=LONG)
def test_interrupted_run_of_an_average_goes_on_to_the_very_same_end(fields, tiny, trained, tmp_path):
    if "start" in fields:
        fields = {"start": {**fields["start"], "weights": str(trained.folder.path)}}
    config = tiny(**EMA, **fields, epochs=3)
    whole, parts, follow = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts"), Follow()
    results = train(config, whole, callbacks=[follow, Keep(whole, parts)])
    with pytest.raises(KeyboardInterrupt):
        train(config, parts, resume=True, callbacks=[Follow(last=2)])
    assert len(parts.read_metrics()) == 2
    assert train(config, parts, resume=True) == results
    assert same_weights(whole, parts) and whole.read_metrics() == parts.read_metrics()
    learned = [weight.numpy() for weight in whole.load_model().trainable_weights]
    for own, average in zip(learned, follow.average, strict=True):
        np.testing.assert_allclose(own, average, rtol=1e-4, atol=1e-5)
    if config.evaluation.keep_best:
        for left, right in zip(*(keras.models.load_model(f.best_file).get_weights() for f in (whole, parts))):
            np.testing.assert_array_equal(left, right)
