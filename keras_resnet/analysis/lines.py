"""The loss along the straight line between the weights of two networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_resnet.analysis.execution import as_numpy, batches, check_images, check_one_class, run
from keras_resnet.analysis.gradients import loss_of

PLACES = tuple(np.linspace(-0.25, 1.25, 25).tolist())


class PlaceOnLine(NamedTuple):
    """A network on the line between two.

    Args:
        place: float, 0 at the first network, 1 at the second.
        loss: float.
        accuracy: float.
    """

    place: float
    loss: float
    accuracy: float


def loss_along_line(
    first: keras.Model,
    second: keras.Model,
    images: Any,
    labels: Any,
    *,
    places: Sequence[float] = PLACES,
    training: bool = True,
) -> list[PlaceOnLine]:
    """Measure the loss of networks whose weights lie on the straight line through those of two.

    Args:
        first: keras.Model of this package, whose outputs are classes of which each image has one.
        second: keras.Model of the same layers, as another checkpoint of the same run.
        images: array (number, height, width, channels), standardized as the networks take them.
        labels: array of as many classes.
        places: sequence of float, where to measure; 0 is the first network, 1 the second.
        training: bool, whether normalization takes the statistics of each batch of 32, and dropout drops. Moving
            statistics half way between two networks are those of neither.

    Returns:
        List of PlacesOnLine. The networks are left as they were.

    Raises:
        ValueError: images or labels do not fit, or the networks have other weights or end in sigmoids.

    Source: arXiv 1412.6544, section 3.
    """
    images = check_images(first, images)
    labels = check_one_class(first, images, labels)
    ends = [[weight for weight in model.weights if "float" in str(weight.dtype)] for model in (first, second)]
    shapes = [[(weight.name, tuple(weight.shape)) for weight in end] for end in ends]
    if shapes[0] != shapes[1]:
        raise ValueError(f"{first.name!r} and {second.name!r} have other weights, and so no line leads between them.")
    values = [[keras.ops.convert_to_numpy(weight) for weight in end] for end in ends]
    measure, rows = loss_of(first), []
    for place in places:
        weights = [(variable, (1 - place) * a + place * b) for variable, a, b in zip(ends[0], *values)]
        loss, hits = 0.0, 0
        for batch, answers in batches(images, labels):
            output = run(first, batch, training=training, weights=weights)
            loss += len(batch) * float(measure(answers, output))
            hits += int(np.sum(np.argmax(as_numpy(output), axis=-1) == answers))
        rows.append(PlaceOnLine(float(place), loss / len(images), hits / len(images)))
    return rows
