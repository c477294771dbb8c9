"""Explanations of a network's answers as values: a map of the image, and what hiding its warmest part does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import keras
import numpy as np

from keras_resnet.choices.registry import parse_choice
from keras_resnet.classification import Image, labels_for, prepared, probabilities
from keras_resnet.explanation.methods import METHODS
from keras_resnet.explanation.scoring import Subject, layer_of
from keras_resnet.messages import unknown_of_many
from keras_resnet.preprocessing import Preprocessing, contract_of

HIDDEN = 0.2  # share of the pixels that are hidden to check a map


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where in an image the answer of a network comes from.

    Args:
        pixels: uint8 array (height, width, channels), the image as the network sees it.
        values: float32 array (height, width), how much each place speaks for the class.
        label: str, the class.
        probability: float, of the class.
        without_warmest: float, its probability when the fifth of the pixels with the largest values is hidden under the
            mean color.
        without_coldest: float, the same of the fifth with the smallest values. A map that points where the answer comes
            from lowers the probability by the former, and hardly by the latter.
    """

    pixels: np.ndarray
    values: np.ndarray
    label: str
    probability: float
    without_warmest: float
    without_coldest: float

    def overlay(self, strength: float = 0.5, colors: str = "inferno") -> np.ndarray:
        """Lay the map over the image in colors: what speaks for the class is bright, nothing else is.

        Args:
            strength: float in [0, 1], share of the map in the picture.
            colors: str, name of a color map of Matplotlib.

        Returns:
            uint8 array (height, width, 3).

        Raises:
            ImportError: Matplotlib, of the extra `draw`, is missing.
        """
        try:
            from matplotlib import colormaps
        except ImportError as error:
            raise ImportError(
                "overlays are colored by Matplotlib, which is not installed; install it with: "
                "pip install 'keras-resnet-suite[draw]'"
            ) from error
        heat = np.maximum(self.values, 0) / max(self.values.max(), np.finfo("float32").tiny)
        colored = 255 * colormaps[colors](heat)[..., :3]
        gray = self.pixels.mean(axis=-1, keepdims=True)  # or the colors of map and image could not be told apart
        return np.round((1 - strength) * gray + strength * colored).astype("uint8")


def explain(
    model: keras.Model,
    image: Image,
    method: str | Mapping[str, Any] = "grad_cam",
    *,
    target: str | int | None = None,
    layer: str | None = None,
    labels: Sequence[str] | None = None,
) -> Explanation:
    """Explain why a network gives an image a class: which places of the image speak for it.

    Args:
        model: keras.Model with a classifier, that carries its input contract.
        image: a file, or an array (height, width, channels) of values 0 to 255, of any size.
        method: "grad_cam", "hires_cam", "smooth_grad" or "occlusion", or a mapping with parameters as in
            `{"name": "smooth_grad", "draws": 64}`. All but the last need the TensorFlow or the JAX backend.
        target: str or int, the class to explain, by its name or number; default the most probable one.
        layer: str, the layer whose maps the first two methods look at, or a level as "C4"; default the last level.
        labels: names of the classes in the order of the outputs; default those that the model carries.

    Returns:
        Explanation.

    Raises:
        ValueError: a name is unknown, the image cannot be read, the model carries no contract or names, or the backend
            gives no gradients.
    """
    name, parameters = parse_choice("method", method, METHODS)
    contract, labels = contract_of(model), labels_for(model, labels)
    pixels = prepared(image, contract)
    images = keras.ops.convert_to_numpy(contract.standardize(pixels)).astype("float32")
    answer = probabilities(model, model.predict_on_batch(images))[0]
    index = int(answer.argmax()) if target is None else class_index(target, labels)
    values = METHODS[name](Subject(model, images, index, layer_of(model, layer)), **parameters)
    values = _of_size(values, contract)
    warmest, coldest = _without(model, images, values)[:, index]
    shown = np.clip(np.round(pixels[0]), 0, 255).astype("uint8")
    return Explanation(
        pixels=shown,
        values=values,
        label=labels[index],
        probability=float(answer[index]),
        without_warmest=float(warmest),
        without_coldest=float(coldest),
    )


def class_index(target: str | int, labels: Sequence[str]) -> int:
    """Find a class by its name or its number."""
    if target in labels:
        return list(labels).index(target)
    if isinstance(target, Integral) and 0 <= target < len(labels):
        return int(target)
    raise ValueError(
        unknown_of_many("class", target, labels, f"The network has {len(labels)}: {labels[0]!r} and others.")
    )


def _of_size(values: np.ndarray, contract: Preprocessing) -> np.ndarray:
    """Bring a map to the size of the image."""
    resized = keras.ops.image.resize(values[np.newaxis, ..., np.newaxis], contract.size, interpolation="bilinear")
    return keras.ops.convert_to_numpy(resized)[0, ..., 0]


def _without(model: keras.Model, images: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Classify an image whose warmest pixels are hidden, and one whose coldest ones are."""
    order = np.argsort(values, axis=None, kind="stable")
    count = round(HIDDEN * len(order))
    covered = np.repeat(images, 2, axis=0)
    for image, places in zip(covered, (order[len(order) - count :], order[:count])):
        image.reshape(-1, image.shape[-1])[places] = 0
    return probabilities(model, model.predict_on_batch(covered))
