"""A residual network as many paths: how many there are of each length, what they carry, what removing a unit costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_resnet.analysis.execution import (
    UnitParts,
    as_numpy,
    batches,
    check_images,
    check_labels,
    check_one_class,
    parts_of_units,
    root_mean_square,
    run,
)
from keras_resnet.analysis.gradients import loss_of, unit_gradients


class PathLength(NamedTuple):
    """The paths through a network that lead through as many residual branches.

    Args:
        length: int, residual branches on the path.
        paths: int, how many there are.
        gradient: float, root mean square of the gradient that one of them carries to what enters the first unit; the
            mean of those sampled.
    """

    length: int
    paths: int
    gradient: float

    @property
    def contribution(self) -> float:
        """What all paths of the length carry, to a common factor."""
        return self.paths * self.gradient


class Lesion(NamedTuple):
    """What a network does without the residual branch of a unit.

    Args:
        unit: str; "" of the whole network.
        loss: float; nan where a unit without shortcut changes the shape, so that nothing can take its place.
        accuracy: float.
    """

    unit: str
    loss: float
    accuracy: float


def path_lengths(units: int) -> list[int]:
    """Count the paths through so many residual units by length: binomial coefficients.

    Source: arXiv 1605.06431, section 3 and Figure 6(a).
    """
    return [math.comb(units, length) for length in range(units + 1)]


def path_gradients(
    model: keras.Model, images: Any, labels: Any, *, samples: int = 3, lengths: int = 12, seed: int = 0
) -> list[PathLength]:
    """Measure the gradient that paths of each length carry from the loss to what enters the first unit.

    The network works forward as it is. Backward, of each unit only the branch is open that is on the path.

    Args:
        model: keras.Model of this package, with shortcuts.
        images: array (number, height, width, channels), standardized as the network takes them; one batch.
        labels: array of as many classes.
        samples: int, paths drawn of each length.
        lengths: int, at most so many lengths are measured, from 0 to the number of units.
        seed: int, of the paths.

    Returns:
        List of PathLengths.

    Raises:
        ValueError: the network is plain: it has one path; or images or labels do not fit.

    Source: arXiv 1605.06431, section 4.2 and Figure 6(b) and (c).
    """
    images, units = check_images(model, images), parts_of_units(model)
    labels = check_labels(model, images, labels)
    if not all(unit.has_shortcut for unit in units):
        raise ValueError(f"{model.name!r} has units without shortcuts, and so a single path.")
    counts, drawn = path_lengths(len(units)), np.random.default_rng(seed)
    rows = []
    for length in sorted({round(place) for place in np.linspace(0, len(units), min(lengths, len(units) + 1))}):
        sizes = []
        for _ in range(min(samples, counts[length])):
            path = {units[place].joint for place in drawn.choice(len(units), length, replace=False)}
            found = unit_gradients(model, images, labels, [units[0].entrance], _along(path, units), training=False)
            sizes.append(root_mean_square(found[units[0].entrance]))
        rows.append(PathLength(length, counts[length], float(np.mean(sizes))))
    return rows


def _along(path: set[str], units: list[UnitParts]) -> Callable[[str, list], list]:
    """Close, for gradients, the shortcuts of the units on a path and the residual branches of all others."""
    joints = {unit.joint for unit in units}

    def enter(name: str, inputs: list) -> list:
        if name not in joints:
            return inputs
        shortcut, residual = inputs
        if name in path:
            return [keras.ops.stop_gradient(shortcut), residual]
        return [shortcut, keras.ops.stop_gradient(residual)]

    return enter


def lesions(model: keras.Model, images: Any, labels: Any) -> list[Lesion]:
    """Test a network without each of its residual branches in turn; a plain unit is replaced by what enters it.

    Args:
        model: keras.Model of this package, trained, whose outputs are classes of which each image has one.
        images: array (number, height, width, channels), standardized as the network takes them.
        labels: array of as many classes.

    Returns:
        List of Lesions, the whole network first.

    Raises:
        ValueError: images or labels do not fit, or the network has no units or ends in sigmoids.

    Source: arXiv 1605.06431, section 4.1 and Figure 3.
    """
    images, units = check_images(model, images), parts_of_units(model)
    labels = check_one_class(model, images, labels)
    rows = [Lesion("", *_test(model, images, labels, None))]
    for unit in units:
        possible = unit.has_shortcut or unit.keeps_shape
        rows.append(Lesion(unit.name, *(_test(model, images, labels, unit) if possible else (math.nan, math.nan))))
    return rows


def _test(model: keras.Model, images: np.ndarray, labels: np.ndarray, without: UnitParts | None) -> tuple[float, float]:
    """Give loss and accuracy, the residual branch of a unit left out."""
    measure, losses, hits = loss_of(model), 0.0, 0
    for batch, answers in batches(images, labels):
        output = run(model, batch, **(_leaving_out(without) if without else {}))
        losses += len(batch) * float(measure(answers, output))
        hits += int(np.sum(np.argmax(as_numpy(output), axis=-1) == answers))
    return losses / len(images), hits / len(images)


def _leaving_out(unit: UnitParts) -> dict[str, Callable]:
    """Give what `run` does to leave out a residual branch, or a whole unit where it has no shortcut."""
    entered: dict[str, Any] = {}

    def enter(name: str, inputs: list) -> list:
        if name == unit.joint and unit.has_shortcut:
            return [inputs[0], keras.ops.zeros_like(inputs[1])]
        return inputs

    def leave(name: str, output: Any) -> Any:
        if name == unit.entrance:
            entered[name] = output
        return entered[unit.entrance] if name == unit.exit and not unit.has_shortcut else output

    return {"enter": enter, "leave": leave}
