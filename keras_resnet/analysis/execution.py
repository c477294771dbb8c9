"""Runs of a network layer by layer, in which analyses look at tensors or put others in their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_resnet.analysis.graph import sources, unit_graph
from keras_resnet.build.head import has_sigmoids

# What may be done at a layer: with the tensors that enter it, and with the one that leaves it.
Enter = Callable[[str, list], list]
Leave = Callable[[str, Any], Any]
BATCH = 32  # images at a time, unless an analysis needs them together


class UnitParts(NamedTuple):
    """Where a residual unit begins, where its branches meet and where it ends.

    Args:
        name: str, as in "conv3_block1".
        entrance: str, the layer whose output enters the unit.
        joint: str, the layer that adds shortcut and residual branch; of a unit without shortcut that which ends it.
        exit: str, the layer that gives the unit's output.
        has_shortcut: bool.
        keeps_shape: bool, whether what leaves the unit has the shape of what enters it.
    """

    name: str
    entrance: str
    joint: str
    exit: str
    has_shortcut: bool
    keeps_shape: bool

    @property
    def stage(self) -> str:
        """The stage in which the unit stands."""
        return self.name.partition("_")[0]


def parts_of_units(model: keras.Model) -> list[UnitParts]:
    """Find the residual units of a network, or the same of a plain network, in their order.

    Raises:
        ValueError: there are none.
    """
    names = {layer.name: layer for layer in model.layers}
    found = []
    for layer in model.layers:
        if layer.name.endswith("_out"):
            unit = layer.name.removesuffix("_out")
            entrance = unit_graph(model, unit).nodes[0].name
            joint = f"{unit}_add" if f"{unit}_add" in names else layer.name
            found.append(
                UnitParts(
                    name=unit,
                    entrance=entrance,
                    joint=joint,
                    exit=layer.name,
                    has_shortcut=isinstance(names[joint], keras.layers.Add),
                    keeps_shape=names[entrance].output.shape == layer.output.shape,
                )
            )
    if not found:
        raise ValueError(f"{model.name!r} has no units whose layers are named as in keras_resnet.")
    return found


def run(
    model: keras.Model,
    images: Any,
    *,
    training: bool = False,
    weights: Sequence[tuple[keras.Variable, Any]] = (),
    enter: Enter | None = None,
    leave: Leave | None = None,
) -> Any:
    """Run a flat network layer by layer and give its output; tensors are let go as soon as nothing needs them.

    What a network keeps of a training step, such as moving statistics, stays as it is. `weights` pairs variables with
    the tensors that stand for them.
    """
    values: dict[str, Any] = {}
    last = model.output._keras_history.operation.name
    needed = Counter([last, *(source.name for layer in model.layers for source in sources(layer))])
    with keras.StatelessScope(list(weights)):
        for layer in model.layers:
            feeding = [source.name for source in sources(layer)]
            if feeding:
                inputs = [values[name] for name in feeding]
                inputs = inputs if enter is None else enter(layer.name, inputs)
                output = layer(inputs if len(inputs) > 1 else inputs[0], training=training)
            else:
                output = keras.ops.convert_to_tensor(images)
            values[layer.name] = output if leave is None else leave(layer.name, output)
            for name in feeding:
                needed[name] -= 1
                if not needed[name]:
                    del values[name]
        return values[last]


def batches(*arrays: np.ndarray, size: int = BATCH) -> Iterator[tuple[np.ndarray, ...]]:
    """Cut arrays of as many examples into batches."""
    for start in range(0, len(arrays[0]), size):
        yield tuple(array[start : start + size] for array in arrays)


def root_mean_square(x: Any) -> float:
    """Give the root of the mean of the squares of a tensor, computed in float32."""
    return float(np.sqrt(np.mean(np.square(as_numpy(x)), dtype="float64")))


def as_numpy(x: Any) -> np.ndarray:
    """Give a tensor as an array of float32."""
    return keras.ops.convert_to_numpy(keras.ops.cast(x, "float32"))


def check_images(model: keras.Model, images: Any) -> np.ndarray:
    """Give images as an array, and refuse what is not a batch of images as the network takes them."""
    images = np.asarray(images)
    wanted = model.input_shape[1:]
    fits = images.ndim == 4 and all(size in (None, given) for size, given in zip(wanted, images.shape[1:]))
    if not fits or not len(images):
        raise ValueError(
            f"images must be an array of the shape (number, {', '.join(map(str, wanted))}), standardized as "
            f"{model.name!r} takes them; received the shape {images.shape}."
        )
    return images.astype("float32", copy=False)


def check_labels(model: keras.Model, images: np.ndarray, labels: Any) -> np.ndarray:
    """Give labels as an array: the number of a class for each image, or of a network of sigmoids 0 or 1 for each class.

    Numbers may stand in a column, as in the data sets of Keras.
    """
    labels = np.asarray(labels)
    wanted = (len(images), *(model.output_shape[1:] if has_sigmoids(model) else ()))
    if {labels.shape, wanted} == {(len(images),), (len(images), 1)}:
        labels = labels.reshape(wanted)
    if labels.shape != wanted:
        meaning = "the number of a class for each image" if len(wanted) == 1 else "0 or 1 for each class of each image"
        raise ValueError(
            f"labels must be an array of the shape {wanted}, {meaning}; received the shape {labels.shape}."
        )
    return labels


def check_one_class(model: keras.Model, images: np.ndarray, labels: Any) -> np.ndarray:
    """Give the class of each image as an array, and refuse a network that gives an image any number of classes."""
    if has_sigmoids(model):
        raise ValueError(
            f"{model.name!r} ends in sigmoids, for images of any number of classes; accuracies are measured of "
            "networks that give each image one."
        )
    return check_labels(model, images, labels)
