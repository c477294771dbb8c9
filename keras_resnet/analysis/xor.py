"""Why a network needs a non-linearity: exclusive or, which no linear network computes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_resnet.analysis.pictures import new_figure, save
from keras_resnet.choices.activations import Activation, activation_factory, channels_taken
from keras_resnet.layers.conventions import channel_axis

POINTS = np.array([(0, 0), (0, 1), (1, 0), (1, 1)], "float32")
ANSWERS = np.array([0, 1, 1, 0])
RANGE = (-0.5, 1.5)  # of both inputs, over which the surface is drawn
SIDE = 81  # its points along each axis


class XorFit(NamedTuple):
    """What a network has learned of exclusive or.

    Args:
        activation: str, what stands between its two layers.
        loss: float, cross-entropy; ln 2 of one that answers 1/2 everywhere.
        probabilities: float array (4,), of the answer 1 at (0, 0), (0, 1), (1, 0) and (1, 1).
        surface: float array (SIDE, SIDE), the same over `RANGE`; rows are the second input, from below.
    """

    activation: str
    loss: float
    probabilities: np.ndarray
    surface: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of the four points that are on the right side of 1/2."""
        return float(np.mean((self.probabilities > 0.5) == ANSWERS))


def fit_xor(activation: Activation = "relu", *, hidden: int = 8, steps: int = 400, seed: int = 0) -> XorFit:
    """Train a network of two layers on exclusive or, by Adam at a rate of 0.05.

    Args:
        activation: what stands between the layers, as of the builders, those that learn too; "linear" for nothing.
        hidden: int, outputs of the first layer.
        steps: int, each on all four points.
        seed: int, of the weights.

    Returns:
        XorFit.

    Raises:
        ValueError: the activation is unknown.

    Source: Goodfellow et al., Deep Learning, 2016, section 6.1: a linear network can do no better than 1/2 everywhere.
    """
    model = _network(activation, hidden, seed)
    model.compile(keras.optimizers.Adam(0.05), keras.losses.BinaryCrossentropy(from_logits=True))
    for _ in range(steps):
        model.train_on_batch(POINTS, ANSWERS.reshape(-1, 1))
    axis = np.linspace(*RANGE, SIDE, dtype="float32")
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    at_points, over = (_probabilities(model, inputs) for inputs in (POINTS, grid))
    loss = -np.mean(np.log(np.clip(np.where(ANSWERS, at_points, 1 - at_points), 1e-12, 1)))
    name = activation if isinstance(activation, str) else getattr(activation, "__name__", str(activation))
    return XorFit(name, float(loss), at_points, over.reshape(SIDE, SIDE))


def _network(activation: Activation, hidden: int, seed: int) -> keras.Model:
    """Lay out the two layers on images of one pixel, for which all activations are made."""
    first, second = (keras.initializers.GlorotUniform(seed + place) for place in (0, 1))
    inputs = keras.Input((2,))
    x = keras.layers.Reshape((1, 1, 2) if channel_axis() == 3 else (2, 1, 1))(inputs)
    x = keras.layers.Conv2D(hidden * channels_taken(activation), 1, kernel_initializer=first)(x)
    x = activation_factory(activation)(name="activation")(x)
    x = keras.layers.Conv2D(1, 1, kernel_initializer=second)(x)
    return keras.Model(inputs, keras.layers.Flatten()(x))


def _probabilities(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    logits = keras.ops.convert_to_numpy(model(inputs, training=False)).ravel()
    return 1 / (1 + np.exp(-logits))


def draw_xor(fits: Sequence[XorFit], path: str | os.PathLike) -> None:
    """Draw the decision surfaces of networks that have learned exclusive or, side by side.

    Args:
        fits: sequence of XorFits.
        path: file to write, of any format that matplotlib knows by its ending.

    Raises:
        ImportError: matplotlib is missing.
        OSError: the file cannot be written; what stood there stays.
    """
    figure = new_figure((2.9 * len(fits) + 0.5, 3.3))
    panels = figure.subplots(1, len(fits), squeeze=False)[0]
    for axes, fit in zip(panels, fits):
        image = axes.imshow(fit.surface, origin="lower", extent=(*RANGE, *RANGE), cmap="coolwarm", vmin=0, vmax=1)
        if fit.surface.min() < 0.5 < fit.surface.max():
            axes.contour(fit.surface, [0.5], origin="lower", extent=(*RANGE, *RANGE), colors="black", linewidths=1)
        _mark_points(axes)
        axes.set_title(f"{fit.activation}: {fit.accuracy:.0%} right, loss {fit.loss:.3f}", fontsize=10)
        axes.set(xticks=(0, 1), yticks=(0, 1))
    figure.colorbar(image, ax=panels.tolist(), label="probability of 1", shrink=0.85)
    save(figure, path)


def _mark_points(axes: Any) -> None:
    """Mark the four points, those of the answer 1 full."""
    for (x, y), answer in zip(POINTS, ANSWERS):
        fill = "black" if answer else "white"
        axes.plot(x, y, "o", markersize=9, markerfacecolor=fill, markeredgecolor="black")
