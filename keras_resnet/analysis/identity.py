"""How far units are from the identity."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_resnet.analysis.execution import as_numpy, batches, check_images, parts_of_units, run


class IdentityDistance(NamedTuple):
    """How far what leaves a unit is from what enters it.

    Args:
        unit: str.
        distance: float, norm of the difference as a share of the norm of what enters; nan where the shapes differ.
        cosine: float, of the angle between the two.
    """

    unit: str
    distance: float
    cosine: float


def identity_distances(model: keras.Model, images: Any, training: bool = True) -> list[IdentityDistance]:
    """Measure how far each unit is from the identity on the activations that reach it.

    With weights drawn around zero, a residual unit of an untrained network starts near its shortcut; a plain unit
    starts far from the identity.

    Args:
        model: keras.Model of this package.
        images: array (number, height, width, channels), standardized as the network takes them.
        training: bool, whether normalization takes the statistics of each batch of 32, as an untrained network's must.

    Returns:
        List of IdentityDistances, one a unit.

    Raises:
        ValueError: the images do not fit, or the network has no units.

    Source: arXiv 1512.03385, section 3.1, "reasonable preconditioning".
    """
    images, units = check_images(model, images), parts_of_units(model)
    by_exit = {unit.exit: unit for unit in units}
    sums: dict[str, list[np.ndarray]] = defaultdict(list)
    entrances = {unit.entrance for unit in units}
    for (batch,) in batches(images):
        entered: dict[str, np.ndarray] = {}

        def leave(name: str, output: Any, entered: dict[str, np.ndarray] = entered) -> Any:
            if (unit := by_exit.get(name)) and unit.keeps_shape:
                before, after = entered[unit.entrance], as_numpy(output).astype("float64")
                products = [(after - before) ** 2, before**2, after**2, before * after]
                sums[unit.name].append(np.array([product.sum() for product in products]))
            if name in entrances:
                entered[name] = as_numpy(output).astype("float64")
            return output

        run(model, batch, training=training, leave=leave)
    return [_distance(unit.name, sums.get(unit.name)) for unit in units]


def _distance(unit: str, sums: list[np.ndarray] | None) -> IdentityDistance:
    if sums is None:
        return IdentityDistance(unit, math.nan, math.nan)
    difference, before, after, product = np.sum(sums, axis=0)
    distance = math.sqrt(difference / before) if before else math.nan
    both = math.sqrt(before * after)
    return IdentityDistance(unit, distance, float(product / both) if both else math.nan)
