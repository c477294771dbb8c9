"""What is exported, as a value: a network with its input contract and the names of its classes; and its graph."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_resnet
from keras_resnet.build.head import has_logits, has_sigmoids
from keras_resnet.formats.resizing import resized
from keras_resnet.layers.conventions import channel_axis, spatial_axes
from keras_resnet.model import ResidualNetwork, carried
from keras_resnet.preprocessing import Preprocessing

PREPARATION = "preparation"  # the scope of what stands before the network in a graph, which stays in float32


@dataclass(frozen=True)
class Exported:
    """A network as it goes out.

    Args:
        model: keras.Model, folded and in the precision that was asked for.
        contract: Preprocessing.
        labels: tuple of the names of the classes.
        precision: "float32", "bfloat16" or "int8".
        constants: bool, whether the weights become constants of the graph.
        calibration: iterable of uint8 arrays (batch, height, width, channels), to which int8 is fitted.
        layout: str, how tensors are named where only these are written.
        about: mapping of what else is known of the network.
        image_size: tuple (height, width), in pixels of the images that the graph takes; None for any one size.
        batch_size: int, how many it takes together; None for any number.
    """

    model: keras.Model
    contract: Preprocessing
    labels: tuple[str, ...]
    precision: str = "float32"
    constants: bool = False
    calibration: Iterable[np.ndarray] = ()
    layout: str = "keras_resnet"
    about: Mapping[str, Any] = field(default_factory=dict)
    image_size: tuple[int, int] | None = None
    batch_size: int | None = None

    @property
    def images(self) -> tuple[int | None, ...]:
        """The shape of what the graph takes, None where any number will do."""
        return (self.batch_size, *(self.image_size or (None, None)), self.contract.channels)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what the graph gives."""
        return "probabilities", "present" if has_sigmoids(self.model) else "classes"

    @property
    def carrying(self) -> ResidualNetwork:
        """The network itself, which carries input contract and labels into files of this package."""
        known = {**carried(self.model), "preprocessing": self.contract, "labels": self.labels}
        return ResidualNetwork(self.model.input, self.model.output, name=self.model.name, **known)

    def metadata(self) -> dict[str, str]:
        """Give what a file says of its network, as text; lists and mappings as JSON."""
        architecture = getattr(self.model, "architecture", None)
        return {
            "network": self.model.name,
            "labels": json.dumps(list(self.labels), ensure_ascii=False),
            "preprocessing": json.dumps(self.contract.to_dict()),
            **({} if architecture is None else {"architecture": json.dumps(architecture.to_dict())}),
            "precision": self.precision,
            "producer": f"keras-resnet-suite {keras_resnet.__version__}",
        }


def check_fit(model: keras.Model, contract: Preprocessing) -> None:
    """Refuse a contract that prepares images otherwise than the network takes them."""
    taken = [model.input_shape[axis] for axis in (*spatial_axes(), channel_axis())]
    prepared = [*contract.size, contract.channels]
    if any(side not in (None, own) for side, own in zip(taken, prepared)):
        raise ValueError(
            f"{model.name!r} takes images of the shape {shape_text(taken)}, and preprocessing prepares them in "
            f"{shape_text(prepared)}; pass the one that its weights were trained with."
        )


def network_of(exported: Exported) -> Callable:
    """Give the function from prepared images to named outputs, on TensorFlow."""
    import tensorflow as tf

    model = exported.model
    run = _frozen(exported) if exported.constants else lambda prepared: model(prepared, training=False)

    def answer(prepared) -> dict[str, Any]:
        outputs = ops.cast(run(prepared), "float32")
        if has_sigmoids(model):
            return {"probabilities": outputs, "present": outputs > 0.5}
        probabilities = ops.softmax(outputs) if has_logits(model) else outputs
        return {"probabilities": probabilities, "classes": tf.argmax(probabilities, axis=-1)}

    return answer


def _frozen(exported: Exported) -> Callable:
    """Turn a network's weights to constants of a graph, which TensorFlow can compute with beforehand."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    shape = (exported.batch_size, *exported.contract.size, exported.contract.channels)
    traced = tf.function(lambda prepared: exported.model(prepared, training=False))
    frozen = convert_variables_to_constants_v2(traced.get_concrete_function(tf.TensorSpec(shape, tf.float32)))

    def run(prepared):
        (outputs,) = frozen(tf.ensure_shape(prepared, shape))
        return outputs

    return run


def pixels_function(exported: Exported):
    """Make the TensorFlow function from pixels to named outputs that every format can hold."""
    import tensorflow as tf

    answer, contract = network_of(exported), exported.contract

    @tf.function(input_signature=[tf.TensorSpec(exported.images, tf.uint8, "images")])
    def serving_default(images):
        with tf.name_scope(PREPARATION):
            prepared = contract.standardize(resized(images, contract))
        return answer(prepared)

    return serving_default


def save_pixels(exported: Exported, folder: str) -> None:
    """Write a SavedModel of plain arithmetic with constants alone, which converters of other formats read."""
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), folder, signatures={"serving_default": pixels_function(exported)})


def calibration_batches(exported: Exported) -> Iterator[np.ndarray]:
    """Give the calibration images, those of one size as many together as the graph takes."""
    for _, group in itertools.groupby(_checked(exported), key=lambda images: images.shape[1:]):
        if exported.batch_size is None:
            yield from group
        else:
            yield from in_batches(np.concatenate([*group]), exported.batch_size)


def in_batches(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Give so many images together; the last ones are repeated to fill up their batch."""
    for first in range(0, len(images), size):
        yield np.resize(images[first : first + size], (size, *images.shape[1:]))


def _checked(exported: Exported) -> Iterator[np.ndarray]:
    """Give the calibration images as they are; refuse what the graph does not take, and none at all."""
    wanted, are_given = exported.images[1:], False
    for images in map(np.asarray, exported.calibration):
        fits = images.ndim == 4 and all(one in (None, own) for one, own in zip(wanted, images.shape[1:]))
        if not fits or 0 in images.shape or images.dtype != np.uint8:
            raise ValueError(
                f"calibration must be uint8 arrays of the shape {shape_text((None, *wanted))}; received "
                f"{images.dtype} of the shape {images.shape}."
            )
        are_given = True
        yield images
    if not are_given:
        raise ValueError("calibration holds no image, and int8 is fitted to some; a few hundred do.")


def shape_text(shape: Iterable[int | None]) -> str:
    """Write a shape for a message."""
    return f"({', '.join('any' if side is None else str(side) for side in shape)})"
