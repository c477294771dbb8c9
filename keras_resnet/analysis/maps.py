"""Pictures of what a network looks for first, and of what it sees in an image."""

from __future__ import annotations

import math
import os
from typing import Any

import keras
import numpy as np

from keras_resnet.analysis.execution import as_numpy, check_images, parts_of_units, run
from keras_resnet.analysis.pictures import new_figure, save
from keras_resnet.layers.conventions import channel_axis

COLUMNS = 16  # kernels in a row
SHOWN = 8  # maps of a stage


def first_kernels(model: keras.Model) -> np.ndarray:
    """Give the kernels of the first convolution as pictures.

    Args:
        model: keras.Model of this package.

    Returns:
        Float array (filters, height, width, 3 or 1) from 0 to 1; each kernel fills the range. Kernels of other than
        three inputs are shown by their mean over these.
    """
    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    kernels = np.moveaxis(as_numpy(layer.kernel), -1, 0)
    kernels = kernels if kernels.shape[-1] == 3 else kernels.mean(axis=-1, keepdims=True)
    return _stretched(kernels, axes=(1, 2, 3))


def draw_kernels(model: keras.Model, path: str | os.PathLike) -> None:
    """Draw the kernels of the first convolution.

    Args:
        model: keras.Model of this package.
        path: file to write, of any format that matplotlib knows by its ending.

    Raises:
        ImportError: matplotlib is missing.
        OSError: the file cannot be written; what stood there stays.
    """
    kernels = first_kernels(model)
    columns = min(COLUMNS, len(kernels))
    rows = math.ceil(len(kernels) / columns)
    figure = new_figure((0.6 * columns, 0.6 * rows))
    for axes in (places := figure.subplots(rows, columns, squeeze=False).ravel()):
        axes.set_axis_off()
    for axes, kernel in zip(places, kernels):
        axes.imshow(kernel, cmap="gray", vmin=0, vmax=1)
    save(figure, path)


def feature_maps(model: keras.Model, image: Any, most: int = SHOWN) -> dict[str, np.ndarray]:
    """Give the liveliest maps that leave each stage for one image.

    Args:
        model: keras.Model of this package.
        image: array (height, width, channels), standardized as the network takes it.
        most: int, maps of a stage, those of the largest standard deviation first.

    Returns:
        Dict of float arrays (maps, height, width) by the name of the layer that gives them.

    Raises:
        ValueError: the image does not fit, or the network has no units.
    """
    images = check_images(model, np.asarray(image)[np.newaxis])
    ends = {unit.stage: unit.exit for unit in parts_of_units(model)}  # of each stage its last
    found: dict[str, np.ndarray] = {}

    def look(name: str, output: Any) -> Any:
        if name in ends.values():
            maps = np.moveaxis(as_numpy(output)[0], channel_axis() - 1, 0)
            order = np.argsort(-maps.std(axis=(1, 2)), kind="stable")
            found[name] = maps[order[:most]]
        return output

    run(model, images, leave=look)
    return found


def draw_maps(model: keras.Model, image: Any, path: str | os.PathLike, shown: Any = None) -> None:
    """Draw the liveliest maps that leave each stage for one image, a row a stage.

    Args:
        model: keras.Model of this package.
        image: array (height, width, channels), standardized as the network takes it.
        path: file to write, of any format that matplotlib knows by its ending.
        shown: array of the image as it is to be seen, of levels from 0 to 255; default the image, stretched.

    Raises:
        ImportError: matplotlib is missing.
        OSError: the file cannot be written; what stood there stays.
        ValueError: the image does not fit, or the network has no units.
    """
    maps = feature_maps(model, image)
    seen = _stretched(np.asarray(image, "float32"), None) if shown is None else np.asarray(shown) / 255
    columns = 1 + max(map(len, maps.values()))
    figure = new_figure((1.05 * columns, 1.15 * len(maps)))
    panels = figure.subplots(len(maps), columns, squeeze=False)
    for axes in panels.ravel():
        axes.set_axis_off()
    panels[0, 0].imshow(seen if seen.shape[-1] == 3 else seen[..., 0], cmap="gray", vmin=0, vmax=1)
    panels[0, 0].set_title("image", fontsize=8)
    for row, (name, own) in zip(panels, maps.items()):
        for axes, one in zip(row[1:], own):
            axes.imshow(_stretched(one, None), cmap="viridis", vmin=0, vmax=1)
        row[1].set_title(f"{name}, {own.shape[1]}×{own.shape[2]}", fontsize=8, loc="left")
    save(figure, path)


def _stretched(values: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    """Bring values to the range from 0 to 1, over these axes together; equal ones become 0."""
    low, high = values.min(axis=axes, keepdims=True), values.max(axis=axes, keepdims=True)
    return (values - low) / np.where(high > low, high - low, 1)
