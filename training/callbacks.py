"""Callbacks of a run: saving, stopping after the last step, seeding layers that draw random numbers."""

from __future__ import annotations

import math
from pathlib import Path

import keras

from keras_resnet.files import write_atomically
from keras_resnet.model import uncompiled
from keras_resnet.weights.own import note_down
from training.averaging import ShownAverage
from training.clock import EpochClock
from training.divergence import check_epoch, check_weights
from training.plan import Plan
from training.rows import add_row
from training.run_folder import EPOCH, RunFolder
from training.selection import best_epoch


class SaveRun(keras.callbacks.Callback):
    """Writes metrics, model and checkpoint after every epoch, each of them whole or not at all, and all of them finite.

    With `keep_best` the model of the epoch of the highest validation accuracy lies beside the last one. The checkpoint
    comes last: it says which epochs are complete, so that a run that is killed between two files is resumed where all
    of them agree; and models tell of which epoch they are. They are those of the average of the weights, where a run
    has one; checkpoints hold both.
    """

    def __init__(
        self, folder: RunFolder, clock: EpochClock, keep_best: bool = False, average: ShownAverage | None = None
    ):
        super().__init__()
        self.folder, self.clock, self.keep_best, self.average = folder, clock, keep_best, average
        self.epoch = 0  # of which the network is

    def on_train_begin(self, logs=None) -> None:
        """Save before the first epoch, so that a full disk shows at once."""
        check_weights(self.model)
        if not self.folder.model_file.exists():  # else it is that of the last complete epoch
            self.save_model()
        self.save_checkpoint()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Save the epoch; raise an error where something is not finite."""
        check_epoch(self.model, logs, self.folder, epoch)
        self.epoch = epoch + 1
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        is_tested = any(name.startswith("val_") for name in logs)
        untested = {} if is_tested else {f"val_{name}": math.nan for name in logs}
        metrics = {"epoch": epoch + 1, **logs, **untested, "learning_rate": rate}
        before = [row for row in self.folder.read_metrics() if row["epoch"] <= epoch]
        if self.keep_best and best_epoch([*before, metrics]) == epoch + 1:
            write_atomically(self.folder.best_file, self.write_network)
        add_row(self.folder.metrics_file, before, metrics)
        times = {
            "epoch": epoch + 1,
            "seconds": round(self.clock.seconds, 3),
            "images_per_second": round(self.clock.images_per_second, 1),
            "waiting": round(self.clock.share_waiting, 4),
        }
        add_row(self.folder.times_file, self.folder.read_times(), times)
        self.save()

    def save(self) -> None:
        """Save model and checkpoint, and go on with the weights that it holds."""
        if self.average and not self.average.aside:  # the epoch was not tested
            self.average.on_test_begin()
        self.save_model()
        if self.average:
            self.average.put_back()
        self.save_checkpoint()

    def save_model(self) -> None:
        """Save the network."""
        write_atomically(self.folder.model_file, self.write_network)

    def write_network(self, part: Path) -> None:
        """Write the network, without what only its training needs, and of which epoch it is."""
        uncompiled(self.model).save(part)
        note_down(part, {EPOCH: self.epoch})

    def save_checkpoint(self) -> None:
        """Save the weights and the state of the optimizer."""
        self.model.save_weights(self.folder.checkpoint_file)


class StopAt(keras.callbacks.Callback):
    """Ends the training within its last epoch, without reading the step from the device."""

    def __init__(self, plan: Plan):
        super().__init__()
        self.plan = plan
        self.left = plan.iterations

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Note how many steps of the plan are left."""
        self.left = self.plan.iterations - epoch * self.plan.steps

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        """Stop after the last step."""
        if batch + 1 >= self.left:
            self.model.stop_training = True


class SeedLayers(keras.callbacks.Callback):
    """Puts the layers that draw numbers, such as dropout, to where they stand at the start of each epoch.

    No file of Keras's holds the state of their generators, so a resumed run would draw other numbers.
    """

    def __init__(self, plan: Plan, seed: int, draws: int = 1):
        super().__init__()
        self.plan, self.seed, self.draws = plan, seed, draws

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Count the draws of the epochs before, as many a step as it has parts."""
        drawing = [layer for layer in self.model.layers if hasattr(layer, "seed_generator")]
        for place, layer in enumerate(drawing):
            state = layer.seed_generator.state
            # Devices of TensorFlow hold a copy each; by one seed all would drop the same places of their shares.
            for device, copy in enumerate(getattr(state.value, "values", (state,))):
                seed = self.seed * 10_007 + device * len(drawing) + place
                copy.assign([seed % 2**32, epoch * self.plan.steps * self.draws])  # JAX has 32 bits for each
