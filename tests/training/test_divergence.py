"""Runs that diverge: which step is named, what is kept, and that the advice works."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.keras_resnet.helpers import run_python
from tests.training.helpers import same_weights
from training.config import make_config
from training.config.fields import flat_config
from training.divergence import CountSkippedSteps, StopAtDivergence
from training.optimization.optimizers import make_optimizer
from training.optimization.schedules import make_schedule
from training.plan import Plan
from training.run import train
from training.run_folder import RunFolder

PLAN = Plan(steps=8, epochs=3, iterations=24, phases=())


def fit(tmp_path, broken: int | None, *callbacks, number=np.inf, epoch: int = 0, **compiled) -> keras.Model:
    """Fit a line to eight batches of one example, one of which holds a number that is none."""
    inputs = np.ones((8, 1), "float32")
    if broken is not None:
        inputs[broken] = number
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.1), "loss": "mse", **compiled})
    data = tf.data.Dataset.from_tensor_slices((inputs, np.zeros((8, 1), "float32"))).batch(1).repeat()
    arguments = {"initial_epoch": epoch, "epochs": epoch + 1, "steps_per_epoch": 8, "shuffle": False, "verbose": 0}
    stop = StopAtDivergence(PLAN, RunFolder(tmp_path / "my run"), compiled.get("steps_per_execution", 1))
    model.fit(data, callbacks=[stop, *callbacks], **arguments)
    return model


@pytest.mark.parametrize(
    ("number", "execution", "steps"),
    [(np.inf, 1, "step 6"), (np.nan, 1, "step 6"), (np.nan, 2, "steps 5 to 6"), (np.nan, 4, "steps 5 to 8")],
)
def test_step_whose_loss_is_no_number_is_named(tmp_path, number, execution, steps):
    with pytest.raises(ValueError, match="became") as refusal:
        fit(tmp_path, 5, number=number, steps_per_execution=execution)
    assert str(refusal.value) == (
        f"The loss became {number} in epoch 1, {steps} of 8. Resumed, the run would come to the same; begin another "
        "one from the start, with one of: a lower learning_rate, a longer warmup, a clip_norm."
    )


def test_epoch_that_is_kept_is_named_as_weights_to_start_from(tmp_path):
    with pytest.raises(ValueError, match=f"from epoch 2, which is kept, by --weights '{tmp_path}/my run'; or from the"):
        fit(tmp_path, 0, epoch=2)


class Steps(keras.callbacks.Callback):
    """Counts the steps, and keeps how many the optimizer knows of before each epoch ends."""

    def __init__(self):
        super().__init__()
        self.taken, self.known = 0, []

    def on_train_batch_end(self, batch, logs=None):
        self.taken += 1

    def on_epoch_end(self, epoch, logs=None):
        self.known.append(int(self.model.optimizer.iterations))


def test_gradient_that_overflows_in_float16_is_left_out_and_its_step_counted(tmp_path):
    # Of an input of 1e36 the loss, as much, is finite in float32; its gradient times 2**15 is not.
    steps, optimizer = Steps(), make_optimizer({"name": "sgd"}, make_schedule("constant", 8), dtype="mixed_float16")
    callbacks = [steps, CountSkippedSteps(PLAN)]
    model = fit(tmp_path, 3, *callbacks, number=1e36, optimizer=optimizer, loss="mae")
    assert steps.taken == 8 and np.isfinite(model.get_weights()[0]).all()
    assert float(optimizer.dynamic_scale) == 2**14
    assert int(model.optimizer.iterations) == 8


# A step on two devices, of which the second one has a gradient that overflows.
ON_TWO = """
import json
import keras
import numpy as np
import tensorflow as tf
from training.distribution.mirrored import choose_devices, strategy
from training.optimization.optimizers import make_optimizer
from training.optimization.schedules import make_schedule

two = strategy(choose_devices(("CPU:0", "CPU:1")))  # before TensorFlow makes its first tensor
inputs = np.ones((8, 1), "float32")
inputs[6] = 1e36
with two.scope():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(make_optimizer("sgd", make_schedule("constant", 1), dtype="mixed_float16"), "mae")
model.fit(tf.data.Dataset.from_tensor_slices((inputs, np.zeros((8, 1), "float32"))).batch(8), verbose=0)
states = *model.weights, model.optimizer.dynamic_scale, model.optimizer.iterations
print(json.dumps([float(np.squeeze(keras.ops.convert_to_numpy(state))) for state in states]))
"""


@pytest.mark.slow
def test_step_is_left_out_where_the_gradient_of_any_device_overflows():
    printed = run_python("-c", ON_TWO).stdout.splitlines()[-1]
    assert json.loads(printed) == [1, 0, 2**14, 0]


def test_skipped_steps_are_counted_to_the_end_of_the_run_and_not_further(tmp_path):
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    plan = PLAN.__class__(steps=8, epochs=1, iterations=5, phases=())
    assert int(fit(tmp_path, None, CountSkippedSteps(plan), optimizer=optimizer).optimizer.iterations) == 5


class Poison(keras.callbacks.Callback):
    """Makes the head's bias NaN before a step of the second epoch, and keeps what the folder holds then."""

    def __init__(self, folder: RunFolder):
        super().__init__()
        self.folder, self.files, self.epoch = folder, {}, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == (1, 3):
            self.files = kept(self.folder)
            bias = self.model.trainable_variables[-1]
            bias.assign(np.full(bias.shape, np.nan))


def kept(folder: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}


@pytest.mark.slow
def test_run_that_diverges_keeps_its_last_epoch_and_the_advice_works(tiny, trained, tmp_path):
    folder = RunFolder(tmp_path / "run")
    poison = Poison(folder)
    with pytest.raises(ValueError, match=r"nan in epoch 2, step 4 of 22\. .* from epoch 1, which is kept, "):
        train(trained.config, folder, callbacks=[poison])
    assert kept(folder) == poison.files and len(folder.read_metrics()) == 1
    with pytest.raises(ValueError, match=r"cannot be resumed with other settings: learning_rate was 0\.05"):
        train(tiny(learning_rate=0.01), folder, resume=True)
    config = make_config({"weights": str(folder.path), "learning_rate": 0.01}, base=flat_config(trained.config))
    train(config, RunFolder(tmp_path / "other"))
    assert len(RunFolder(tmp_path / "other").read_metrics()) == 2
    # Here the settings were not at fault.
    train(trained.config, folder, resume=True)
    assert same_weights(folder, trained.folder)
