"""What a network says for a class, and how that depends on what a layer gives out."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_resnet.analysis.execution import Leave, as_numpy, run
from keras_resnet.analysis.gradients import gradients_of
from keras_resnet.messages import unknown


class Subject(NamedTuple):
    """What is explained.

    Args:
        model: keras.Model with a classifier.
        images: float32 array (1, height, width, channels), standardized.
        index: int, the class.
        layer: str, the layer whose maps are looked at.
    """

    model: keras.Model
    images: np.ndarray
    index: int
    layer: str


def scores(subject: Subject, images: Any, leave: Leave | None = None) -> Any:
    """Give the score of the class for each image: the logit, which its classifier turns to a probability."""
    classifier, entered = subject.model.layers[-1], []

    def enter(name: str, inputs: list) -> list:
        if name == classifier.name:
            entered[:] = inputs
        return inputs

    outputs = run(subject.model, images, enter=enter, leave=leave)
    if isinstance(classifier, keras.layers.Dense):
        outputs = ops.matmul(ops.cast(entered[0], "float32"), ops.cast(classifier.kernel, "float32"))
        outputs = outputs if classifier.bias is None else outputs + ops.cast(classifier.bias, "float32")
    return outputs[:, subject.index]


def input_gradients(subject: Subject, images: np.ndarray) -> np.ndarray:
    """Give the gradient of the score of each of several images with respect to its pixels."""
    (found,) = gradients_of(lambda values: ops.sum(scores(subject, values[0])), [images])
    return as_numpy(found)


def maps_and_gradients(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """Give what the layer gives out, (height, width, channels), and the gradient of the score with respect to it."""
    noted = {}

    def note(name: str, output: Any) -> Any:
        if name == subject.layer:
            noted["maps"] = output
        return output

    scores(subject, subject.images, note)
    maps = noted["maps"]

    def value(values: list) -> Any:
        return ops.sum(scores(subject, subject.images, lambda name, x: x + values[0] if name == subject.layer else x))

    (gradient,) = gradients_of(value, [ops.zeros_like(maps)])
    last = keras.config.image_data_format() == "channels_last"
    return tuple(one[0] if last else one[0].transpose(1, 2, 0) for one in (as_numpy(maps), as_numpy(gradient)))


def layer_of(model: keras.Model, layer: str | None) -> str:
    """Find the layer to look at: by its name, or that of a level as "C4"; default the last level of the network."""
    maps = [one.name for one in model.layers if len(one.output.shape) == 4]
    known = (getattr(model, "levels", None) or {}).items()
    levels = {name: level.layer for name, level in known if level.layer in maps}  # a file may tell of others
    if not maps:
        raise ValueError(f"{model.name!r} has no layer with maps to look at.")
    if layer is None:
        return list(levels.values() or maps)[-1]
    if layer not in levels and layer not in maps:
        raise ValueError(unknown("layer with maps", layer, [*levels, *maps]))
    return levels.get(layer, layer)
