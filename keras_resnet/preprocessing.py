"""What a network expects of its input images, as a value that travels with its weights."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import keras
import numpy as np

from keras_resnet.files import write_text
from keras_resnet.layers.conventions import channel_axis, spatial_axes
from keras_resnet.messages import shortened, unknown
from keras_resnet.pipeline import ops

MAX_SIDE = 2**14  # pixels, or channels, of the images that a contract may be for


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """The input contract of a trained network: size, channels, and the standardization of pixel values.

    Args:
        size: tuple (height, width) of the network's input, in pixels.
        channels: int, 3 for RGB or 1 for gray.
        mean: float array, of shape (channels,) or (height, width, channels), on the scale 0 to 255.
        std: float array of one of these shapes, on the same scale.
        crop: float in (0, 1], share of the shorter side that the central crop keeps before resizing.
        order: "RGB", or "BGR" for networks that want the channels of an RGB image the other way round; mean and std
            are in this order.
        interpolation: "bilinear" or "bicubic", how images are resized.

    Raises:
        ValueError: a value is not allowed.
    """

    size: tuple[int, int]
    channels: int
    mean: np.ndarray
    std: np.ndarray
    crop: float = 1.0
    order: Literal["RGB", "BGR"] = "RGB"
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    def __post_init__(self) -> None:
        sides = [*self.size] if isinstance(self.size, Sequence) else []
        if len(sides) != 2 or not all(is_count(count) for count in (*sides, self.channels)):
            raise ValueError(
                f"size must be two sides, and channels a number, of 1 to {MAX_SIDE}; received "
                f"{shortened(self.size)} and {shortened(self.channels)}."
            )
        # NumPy's numbers are numbers too, but JSON knows none of them.
        object.__setattr__(self, "size", tuple(map(int, self.size)))
        object.__setattr__(self, "channels", int(self.channels))
        shapes = (self.channels,), (*self.size, self.channels)
        for field in ("mean", "std"):
            values = _numbers(getattr(self, field))
            if values is None or values.shape not in shapes or (field == "std" and not (values > 0).all()):
                raise ValueError(
                    f"{field} must be finite numbers of shape {shapes[0]} or {shapes[1]}, those of std above 0; "
                    f"received {shortened(getattr(self, field))}."
                )
            object.__setattr__(self, field, values)
        if not isinstance(self.crop, Real) or not 0 < self.crop <= 1:
            raise ValueError(f"crop must be a share above 0 and at most 1; received {shortened(self.crop)}.")
        object.__setattr__(self, "crop", float(self.crop))
        if self.order not in ("RGB", "BGR"):
            raise ValueError(f"order must be 'RGB' or 'BGR'; received {shortened(self.order)}.")
        if self.interpolation not in ("bilinear", "bicubic"):
            raise ValueError(
                f"interpolation must be 'bilinear' or 'bicubic'; received {shortened(self.interpolation)}."
            )

    def __call__(self, images):
        """Prepare images of any one size for the network.

        Args:
            images: tensor (batch, height, width, channels), values 0 to 255, uint8 or float.

        Returns:
            float32 tensor (batch, *size, channels).
        """
        return self.standardize(self.resize(images))

    def resize(self, images):
        """Cut the central crop of the network's aspect and resize it, antialiased.

        Args:
            images: tensor (batch, height, width, channels), values 0 to 255.

        Returns:
            float32 tensor (batch, *size, channels); or `images` where their size is known to be right.
        """
        if tuple(images.shape[1:3]) == self.size and self.crop == 1:
            return images
        rows, columns = self.window(images)
        shape = ops.shape(images)
        top, left = (shape[1] - rows) // 2, (shape[2] - columns) // 2
        return self.fit(images[:, top : top + rows, left : left + columns, :])

    def window(self, images):
        """Give rows and columns of the largest window of the network's aspect, of which `crop` is kept.

        Args:
            images: tensor (batch, height, width, channels).

        Returns:
            Two int32 scalars, in pixels of the images; integers of Python where their size is known.
        """
        if None not in (known := tuple(images.shape[1:3])):  # while JAX compiles, it slices by plain numbers alone
            size = np.array(self.size, "float32")
            scale = np.float32(self.crop) * (np.array(known, "float32") / size).min()
            return tuple(max(int(side), 1) for side in np.round(scale * size))
        shape = ops.shape(images)
        height, width = (ops.cast(shape[axis], "float32") for axis in (1, 2))
        scale = self.crop * ops.minimum(height / self.size[0], width / self.size[1])
        # Of the smallest images a pixel is left.
        return tuple(ops.maximum(ops.cast(ops.round(scale * side), "int32"), 1) for side in self.size)

    def fit(self, images):
        """Resize images whole, whatever their aspect, antialiased and with the contract's interpolation.

        Args:
            images: tensor (batch, height, width, channels), values 0 to 255.

        Returns:
            float32 tensor (batch, *size, channels), values 0 to 255.
        """
        images = ops.cast(images, "float32")
        images = ops.image.resize(images, self.size, interpolation=self.interpolation, antialias=True)
        # Bicubic weights may be below zero, and lead beyond black and white.
        return ops.clip(images, 0, 255) if self.interpolation == "bicubic" else images

    def standardize(self, images):
        """Put the channels in order, subtract the mean and divide by the standard deviation.

        Args:
            images: float32 tensor (batch, *size, channels), values 0 to 255.

        Returns:
            float32 tensor of the same shape.
        """
        images = ops.flip(images, axis=-1) if self.order == "BGR" else images
        return (ops.cast(images, "float32") - self.mean.astype("float32")) / self.std.astype("float32")

    def for_images(self, size: tuple[int, int], channels: int) -> Preprocessing:
        """Give the contract for images of another size or other channels.

        Args:
            size: tuple (height, width), in pixels.
            channels: int; one has the average mean and deviation of all, more than there are repeat them, and begin
                with red, green and blue whatever the order was.

        Returns:
            Preprocessing. What is given of each pixel becomes one value of each channel, because it fits one size only.
        """
        mean, std, order = self.mean, self.std, self.order
        if tuple(size) != self.size or channels != self.channels:
            mean, std = self.by_channel()
        if channels != self.channels:
            if order == "BGR":
                mean, std, order = mean[::-1], std[::-1], "RGB"
            places = np.arange(channels) % self.channels
            mean, std = (v.mean(keepdims=True) if channels == 1 else v[places] for v in (mean, std))
        return dataclasses.replace(self, size=size, channels=channels, mean=mean, std=std, order=order)

    def by_channel(self) -> tuple[np.ndarray, np.ndarray]:
        """Give mean and deviation of each channel.

        Returns:
            Two float arrays of shape (channels,): of what is given of each pixel the mean, and the root of the mean
            variance.
        """
        mean = self.mean if self.mean.ndim == 1 else self.mean.mean(axis=(0, 1))
        std = self.std if self.std.ndim == 1 else np.sqrt(np.square(self.std).mean(axis=(0, 1)))
        return mean, std

    def to_dict(self) -> dict[str, Any]:
        """Give the contract as plain values, which `Preprocessing(**fields)` reads.

        Returns:
            Dict that JSON can hold.
        """
        return {
            "size": list(self.size),
            "channels": self.channels,
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "crop": self.crop,
            "order": self.order,
            "interpolation": self.interpolation,
        }

    def save(self, path: str | os.PathLike) -> None:
        """Write the contract as JSON.

        Args:
            path: file to write.

        Raises:
            OSError: it cannot be written; what stood there stays.
        """
        write_text(path, json.dumps(self.to_dict()))

    @classmethod
    def load(cls, path: str | os.PathLike) -> Preprocessing:
        """Read a contract that `save` wrote.

        Args:
            path: file to read.

        Returns:
            Preprocessing.

        Raises:
            ValueError: the file cannot be read, or does not hold a contract.
        """
        try:
            with open(path, encoding="utf-8") as file:
                return cls(**json.load(file))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(
                f"{os.fspath(path)!r} does not hold an input contract ({reason}); put back a copy."
            ) from error


def fitted(contract: Preprocessing, model: keras.Model) -> Preprocessing:
    """Give a contract for the images that a model takes; where it takes any size, for those of the contract's own."""
    sides = tuple(model.input_shape[axis] for axis in spatial_axes())
    return contract.for_images(contract.size if None in sides else sides, model.input_shape[channel_axis()])


def is_count(value: object) -> bool:
    """Tell whether a value is a number of pixels or channels that images may have."""
    return isinstance(value, Integral) and 0 < value <= MAX_SIDE


def _numbers(values: object) -> np.ndarray | None:
    """Give values as an array; None where they are no finite numbers."""
    try:
        array = np.asarray(values)
    except ValueError:  # lists of several lengths
        return None
    return array if array.dtype.kind in "uif" and np.isfinite(array).all() else None


# The contracts of published weights, by the names that keras.applications gives its modes; pixels are 0 to 255.
TORCH = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}
CONTRACTS: dict[str, Preprocessing] = {
    "caffe": Preprocessing((224, 224), 3, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0), order="BGR"),
    "tf": Preprocessing((224, 224), 3, (127.5,) * 3, (127.5,) * 3),
    "torch": Preprocessing((224, 224), 3, **TORCH, crop=0.875),
    "cifar": Preprocessing((32, 32), 3, **TORCH),
}


def preprocess(images, model_or_contract):
    """Prepare images for a network, as its weights expect them; the images are left as they are.

    Args:
        images: tensor (batch, height, width, channels), values 0 to 255, uint8 or float, RGB.
        model_or_contract: keras.Model that carries its contract, a `Preprocessing`, or a name in `CONTRACTS`.

    Returns:
        float32 tensor (batch, *size, channels).

    Raises:
        ValueError: the model carries no contract, or the name is unknown.
    """
    return contract_of(model_or_contract)(images)


def contract_of(model_or_contract) -> Preprocessing:
    """Give the contract that a model carries, a `Preprocessing` itself, or the one of a name in `CONTRACTS`."""
    if isinstance(model_or_contract, Preprocessing):
        return model_or_contract
    if isinstance(model_or_contract, str):
        if model_or_contract not in CONTRACTS:
            raise ValueError(unknown("contract", model_or_contract, CONTRACTS))
        return CONTRACTS[model_or_contract]
    contract = getattr(model_or_contract, "preprocessing", None)
    if contract is None:
        raise ValueError(
            f"{getattr(model_or_contract, 'name', model_or_contract)!r} does not carry what its weights expect of "
            "images; pass a Preprocessing, or a name: " + ", ".join(CONTRACTS) + "."
        )
    return contract


@keras.saving.register_keras_serializable("keras_resnet")
class Preprocess(keras.layers.Layer):
    """An input contract as a layer, to stand before a network; it computes in float32 under any dtype policy.

    Args:
        contract: Preprocessing, its dict, or a name in `CONTRACTS`.
        **kwargs: those of `keras.layers.Layer`.
    """

    def __init__(self, contract: Preprocessing | Mapping[str, Any] | str, **kwargs: Any):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.contract = Preprocessing(**contract) if isinstance(contract, Mapping) else contract_of(contract)

    def call(self, images):
        """Prepare `images`, of shape (batch, height, width, channels), values 0 to 255."""
        return self.contract(images)

    def compute_output_shape(self, input_shape):
        """Return the shape that the network takes."""
        return (input_shape[0], *self.contract.size, self.contract.channels)

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration."""
        return {**super().get_config(), "contract": self.contract.to_dict()}
