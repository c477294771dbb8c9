"""The network that all rows of `inference.py` have in common: the same weights and images for peers and exports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from machine import prepare_process
from train_step import build_application, build_with_keras_norm

if TYPE_CHECKING:
    import keras
    import numpy as np

    from keras_resnet import ResidualNetwork

SEED = 0
CALIBRATION = 8  # images that int8 is fitted to: its speed does not depend on them
# Files of a plan's folder, beside a folder for each row that is exported.
IMAGES, PREPARED, REFERENCE = "images.npy", "prepared.npy", "reference.npy"
THEIR_WEIGHTS, OUR_WEIGHTS = "theirs.npz", "ours.npz"


class Plan(NamedTuple):
    """What all rows of a table have in common."""

    network: str
    batch: int  # images that are given together
    folder: Path  # with what `Maker` has made


class Maker:
    """Makes what the rows open.

    The network is that of keras.applications where it has one of that name, as ResNet-50 with the stride on the first
    convolution of a bottleneck; ours lacks the biases that a normalization would cancel. Of other names the peer is
    our network on Keras's own normalizations.
    """

    def __init__(self, plan: Plan):
        import keras
        import numpy as np

        from keras_resnet.preprocessing import CONTRACTS

        self._plan = plan
        keras.utils.set_random_seed(SEED)
        self._theirs, self._ours = build_theirs(plan.network), build_ours(plan.network)
        share_weights(self._theirs, self._ours)
        shape = self._ours.input_shape[1:]
        self._contract = CONTRACTS["tf"].for_images(shape[:2], shape[2])
        images = random_images(plan.batch, shape)
        prepared = keras.ops.convert_to_numpy(self._contract(images))
        np.save(plan.folder / IMAGES, images)
        np.save(plan.folder / PREPARED, prepared)
        np.save(plan.folder / REFERENCE, self._theirs.predict(prepared, batch_size=plan.batch, verbose=0))
        np.savez(plan.folder / THEIR_WEIGHTS, *self._theirs.get_weights())
        ours = ((layer, weight) for layer in self._ours.layers for weight in layer.weights)
        np.savez(plan.folder / OUR_WEIGHTS, **{f"{layer.name}/{weight.name}": weight.numpy() for layer, weight in ours})

    def multiply_adds(self) -> int:
        """Count the multiply-adds of an image."""
        from keras_resnet.analysis.complexity import count_multiply_adds

        return count_multiply_adds(self._ours)

    def export_theirs(self, name: str) -> None:
        """Write the peer as a SavedModel, as Keras exports it."""
        self._theirs.export(self._plan.folder / name, verbose=False)

    def export_ours(self, name: str, format: str, precision: str, fold: bool) -> None:
        """Write ours for images of the network's size and so many of them as are given together."""
        import keras_resnet

        shape, classes = self._ours.input_shape[1:], self._ours.output_shape[-1]
        keras_resnet.export(
            self._ours,
            self._plan.folder / name,
            format=format,
            precision=precision,
            fold=fold,
            labels=[f"class {number}" for number in range(classes)],
            preprocessing=self._contract,
            calibration=[random_images(CALIBRATION, shape)] if precision == "int8" else None,
            image_size=self._contract.size,
            batch_size=self._plan.batch,
        )


def make_maker(plan: Plan) -> Maker:
    """Make a Maker in a process of its own."""
    prepare_process()
    return Maker(plan)


def build_theirs(network: str) -> keras.Model:
    """Build the peer."""
    from keras_resnet.weights.published import PUBLISHED

    return build_application(network) if network in PUBLISHED else build_with_keras_norm(network)


def build_ours(network: str) -> ResidualNetwork:
    """Build the network of this package that computes the same."""
    import keras_resnet
    from keras_resnet.weights import published

    return keras_resnet.ResNet(published.architecture(network) if network in published.PUBLISHED else network)


def share_weights(theirs: keras.Model, ours: keras.Model) -> None:
    """Give ours the weights of the peer, of which all biases are zero, after its normalizations were given some."""
    import keras
    import numpy as np

    generator = np.random.default_rng(SEED)
    for layer in theirs.layers:
        for weight in layer.weights if isinstance(layer, keras.layers.BatchNormalization) else ():
            is_factor = weight.name in ("gamma", "moving_variance")
            drawn = generator.uniform(0.5, 1.5, weight.shape) if is_factor else generator.normal(0, 0.1, weight.shape)
            weight.assign(drawn)
    sources = {layer.name: layer.get_weights() for layer in theirs.layers}
    for layer in (layer for layer in ours.layers if layer.weights):
        layer.set_weights(sources[layer.name][: len(layer.weights)])


def random_images(count: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draw uint8 images."""
    import numpy as np

    return np.random.default_rng(SEED).integers(0, 256, (count, *shape), "uint8")


def load_theirs(plan: Plan) -> keras.Model:
    """Build the peer with the weights that `Maker` gave it."""
    model = build_theirs(plan.network)
    model.set_weights([*load_weights(plan, THEIR_WEIGHTS).values()])
    return model


def load_weights(plan: Plan, file: str) -> dict[str, np.ndarray]:
    """Give weights that `Maker` has written, in their order."""
    import numpy as np

    with np.load(plan.folder / file) as arrays:
        return dict(arrays)


def load_array(plan: Plan, file: str) -> np.ndarray:
    """Give what `Maker` has written: images as they are, as a network takes them, or what the peer answers."""
    import numpy as np

    return np.load(plan.folder / file)
