"""How much of what a unit adds up is negative, and how much of it the activation behind the addition cuts off."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_resnet.analysis.execution import as_numpy, batches, check_images, parts_of_units, run


class NegativeShare(NamedTuple):
    """Shares of negative values in a unit.

    Args:
        unit: str.
        residual: float, of what the residual branch adds.
        sum: float, of the sum of shortcut and residual branch.
        cut: float, of what enters the activation behind the addition; 0 where none stands there, as in
            pre-activation networks, whose activations cut inside of branches only.
    """

    unit: str
    residual: float
    sum: float
    cut: float


def negative_shares(model: keras.Model, images: Any, training: bool = False) -> list[NegativeShare]:
    """Measure the share of negative values at each addition: what a ReLU behind it would cut off, and what it does.

    Args:
        model: keras.Model of this package.
        images: array (number, height, width, channels), standardized as the network takes them.
        training: bool, whether normalization takes the statistics of each batch of 32.

    Returns:
        List of NegativeShares, one a unit. Of a plain network residual branch and sum are the same.

    Raises:
        ValueError: the images do not fit, or the network has no units.

    Source: arXiv 1603.05027, section 4.2, "Ease of optimization".
    """
    images, units = check_images(model, images), parts_of_units(model)
    joints, exits = {unit.joint for unit in units}, {unit.exit for unit in units}
    shares: dict[tuple[str, str], list[float]] = defaultdict(list)

    def note(name: str, kind: str, x: Any) -> None:
        shares[name, kind].append(float(np.mean(as_numpy(x) < 0)))

    def enter(name: str, inputs: list) -> list:
        if name in joints:
            note(name, "residual", inputs[-1])
            note(name, "sum", inputs[0] if len(inputs) == 1 else inputs[0] + inputs[1])
        if name in exits and not isinstance(model.get_layer(name), (keras.layers.Add, keras.layers.Identity)):
            note(name, "cut", inputs[0])
        return inputs

    sizes = []
    for (batch,) in batches(images):
        sizes.append(len(batch))
        run(model, batch, training=training, enter=enter)

    def mean(name: str, kind: str) -> float:
        found = shares.get((name, kind))
        return float(np.average(found, weights=sizes)) if found else 0.0

    return [
        NegativeShare(unit.name, mean(unit.joint, "residual"), mean(unit.joint, "sum"), mean(unit.exit, "cut"))
        for unit in units
    ]
