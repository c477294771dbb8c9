"""The rate that falls when a figure stops improving: what counts, which figures, and that a killed run repeats it."""

import shutil

import keras
import numpy as np
import pytest

from tests.keras_resnet.helpers import run_python
from tests.training.helpers import same_weights
from training.callbacks import SaveRun
from training.optimization.curves import After, Plateau, WarmUp, plateau_of
from training.optimization.optimizers import OPTIMIZERS, make_optimizer
from training.optimization.schedules import full_rate_from, make_schedule
from training.run import train
from training.run_folder import RunFolder
from training.selection import FollowPlateau


def keras_rates(figures: list[float], rate: float, factor: float, patience: int) -> list[float]:
    """Give the rate after each epoch by Keras's own callback, which changes the optimizer."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    callback = keras.callbacks.ReduceLROnPlateau("loss", factor, patience, min_delta=0, mode="min")
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, figure in enumerate(figures):
        callback.on_epoch_end(epoch, {"loss": figure})
        rates.append(float(model.optimizer.learning_rate))
    return rates


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_rate_falls_as_by_the_callback_of_keras(patience):
    figures = list(np.exp(-np.arange(40) / 15) + np.random.default_rng(patience).uniform(0, 0.3, 40))
    schedule, ours = Plateau(0.8, 0.5, patience, threshold=0), []
    for count in range(1, 41):
        schedule.follow(figures[:count])
        ours.append(float(schedule(0)))
    assert len(set(ours)) > 2
    np.testing.assert_allclose(ours, keras_rates(figures, 0.8, 0.5, patience), rtol=1e-5)


def test_what_is_better_by_less_than_the_threshold_counts_only_when_it_has_added_up():
    assert Plateau(1.0, 0.1, 2, threshold=0.1).falls([1.0, 0.95, 0.91]) == 1
    assert Plateau(1.0, 0.1, 2, threshold=0.1).falls([1.0, 0.95, 0.89, 0.85]) == 0
    assert Plateau(1.0, 0.1, 1, threshold=0.0).falls([]) == 0
    assert Plateau(1.0, 0.1, 1, threshold=0.0).falls([0.5, 0.5, 0.4, 0.4, 0.4]) == 3


def test_plateau_survives_serialisation():
    schedule = WarmUp(3, 0.2, Plateau(0.3, 0.5, 2, 0.01), 3)
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert restored.schedule.get_config() == {"rate": 0.3, "factor": 0.5, "patience": 2, "threshold": 0.01}
    assert [float(restored(step)) for step in range(5)] == [float(schedule(step)) for step in range(5)]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_carries_it_behind_head_and_warmup(name):
    schedule = make_schedule({"name": "plateau", "warmup": 10}, 100, head_steps=20)
    optimizer = make_optimizer({"name": name, "learning_rate": 0.4}, schedule, {"conv1_conv": 0.5})
    plateau = plateau_of(keras.optimizers.LossScaleOptimizer(optimizer))
    assert type(plateau) is Plateau and plateau is plateau_of(optimizer)
    plateau.follow([1.0] * 6)
    rates = [float(schedule(0.4)(step)) for step in (0, 20, 25, 30)]
    np.testing.assert_allclose(rates, [0.4, 0.0, 0.2, 0.4], rtol=1e-6)
    optimizer.build([keras.Variable([1.0], name="bias")])
    after = []
    for step in (0, 20, 25, 30, 99):
        optimizer.iterations.assign(step)
        after.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(after, [0.4, 0.0, 0.02, 0.04, 0.04], rtol=1e-5)
    assert any(variable is plateau.current for variable in optimizer.variables)


# Three epochs of two steps, each of which adds the rate to a weight; the rate halves between the epochs.
FALLING_STEPS = """
import keras
import numpy as np
from training.optimization.curves import plateau_of
from training.optimization.optimizers import make_optimizer
from training.optimization.schedules import make_schedule

class Fall(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        plateau_of(self.model.optimizer).follow([1.0] * (epoch + 1))

model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
schedule = make_schedule({"name": "plateau", "factor": 0.5, "patience": 1}, 6)
optimizer = make_optimizer({"name": "sgd", "learning_rate": 1.0, "momentum": 0.0, "weight_decay": 0.0}, schedule)
model.compile(optimizer, loss=lambda labels, outputs: -outputs)
model.fit(np.ones((4, 1)), np.ones((4, 1)), batch_size=2, epochs=3, callbacks=[Fall()], verbose=0)
print(float(keras.ops.squeeze(model.get_weights()[0])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_compiled_step_takes_the_rate_that_has_fallen(backend):
    pytest.importorskip(backend, reason="needs another backend than TensorFlow: pip install jax")
    printed = run_python("-c", FALLING_STEPS, KERAS_BACKEND=backend).stdout.splitlines()[-1]
    assert float(printed) == pytest.approx(2 * (1 + 0.5 + 0.25), rel=1e-6)


def test_other_schedules_are_none():
    for schedule in (0.1, After(3, 0.1, keras.optimizers.schedules.CosineDecay(0.1, 9))):
        assert plateau_of(keras.optimizers.SGD(schedule)) is None


def test_epochs_count_from_the_first_at_the_full_rate():
    assert full_rate_from({"warmup": 0.0}, 100) == 0
    assert full_rate_from({"warmup": 10}, 100, head_steps=20) == 30
    assert full_rate_from({"warmup": 0.5}, 100, head_steps=20) == 60
    assert full_rate_from({"warmup": 3, "warmup_steps": 7}, 100, head_steps=20) == 27


class Folder:
    """Rows of a run in which the figures of the three splits go their own ways."""

    def read_metrics(self):
        losses, errors = (4.0, 3.0, 2.0, 1.0, 9.0), (0.9, 0.5, 0.5, 0.5, 0.1)
        return [
            {"epoch": epoch + 1.0, "loss": loss, "val_accuracy": 1 - error}
            for epoch, (loss, error) in enumerate(zip(losses, errors))
        ]


@pytest.mark.parametrize(
    ("validated", "first", "epoch", "rate"),
    [
        (True, 0, 4, 0.01),  # two epochs without a lower error; the fifth row is of the epoch that begins
        (True, 2, 4, 0.1),
        (True, 3, 4, 1.0),
        (False, 0, 4, 1.0),
        (False, 0, 5, 0.1),
    ],
)
def test_it_watches_the_error_of_the_validation_split_or_else_the_training_loss(validated, first, epoch, rate):
    schedule = Plateau(1.0, 0.1, 1)
    FollowPlateau(Folder(), schedule, validated, first).on_epoch_begin(epoch)
    assert float(schedule(0)) == pytest.approx(rate)


# A rate so high that the error does not fall in every epoch.
FALLING = {
    "epochs": 5,
    "optimizer": {"name": "sgd", "learning_rate": 0.8},
    "schedule": {"name": "plateau", "factor": 0.5, "patience": 1, "threshold": 0.2, "warmup": 2},
    "test_split": "test",
    "data": {"train_split": "train[:200]"},
}


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.3, 0.0], ids=["error", "loss"])
def test_killed_run_falls_at_the_same_epochs_to_the_bit(share, tiny, tmp_path, monkeypatch):
    config = tiny(**FALLING, validation=share)
    whole, killed, save = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "killed"), SaveRun.save

    def keep_and_save(self):  # what a run leaves that is killed between a row and its checkpoint
        if len(whole.read_metrics()) == 3:
            shutil.copytree(whole.path, killed.path)
        save(self)

    with monkeypatch.context() as patch:
        patch.setattr(SaveRun, "save", keep_and_save)
        train(config, whole)
    rows = whole.read_metrics()
    measure = [1 - row["val_accuracy"] if share else row["loss"] for row in rows]
    falls = [Plateau(0.8, 0.5, 1, 0.2).falls(measure[1:count]) for count in range(5)]
    assert falls[-1] > 0
    np.testing.assert_allclose([row["learning_rate"] for row in rows], 0.8 * 0.5 ** np.array(falls), rtol=1e-6)
    assert len(killed.read_metrics()) == 3
    train(config, killed, resume=True)
    assert killed.read_metrics() == rows and same_weights(whole, killed)
