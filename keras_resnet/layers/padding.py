"""Padding that Keras lacks: channels of zeros, and borders that a max pool never picks."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_resnet.layers.conventions import PACKAGE, channel_axis


@keras.saving.register_keras_serializable(PACKAGE)
class ZeroPadChannels(keras.layers.Layer):
    """Add channels of zeros to a batch of images.

    Args:
        padding: tuple of two ints, how many channels to add in front and behind.
        data_format: "channels_last", "channels_first", or None for Keras's setting.
        **kwargs: those of `keras.layers.Layer`.

    Source: arXiv 1512.03385, section 3.3, option A.
    """

    def __init__(self, padding: tuple[int, int], data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.padding = tuple(padding)
        self.data_format = data_format or keras.config.image_data_format()

    def call(self, inputs):
        """Pad `inputs`, a batch of images of shape (batch, height, width, channels) or channels first."""
        widths = [(0, 0)] * 4
        widths[channel_axis(self.data_format)] = self.padding
        return ops.pad(inputs, widths)

    def compute_output_shape(self, input_shape):
        """Return the input's shape with the added channels."""
        shape = list(input_shape)
        shape[channel_axis(self.data_format)] += sum(self.padding)
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration."""
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


@keras.saving.register_keras_serializable(PACKAGE)
class MaxPoolPadding2D(keras.layers.Layer):
    """Pad images on all sides with minus infinity, so that a max pool never picks the border.

    Zeros do the same only where no input is negative: not before a pre-activation, and not after an
    activation other than ReLU.

    Args:
        padding: int, rows and columns to add on each side.
        data_format: "channels_last", "channels_first", or None for Keras's setting.
        **kwargs: those of `keras.layers.Layer`.
    """

    def __init__(self, padding: int = 1, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.padding = padding
        self.data_format = data_format or keras.config.image_data_format()

    def call(self, inputs):
        """Pad `inputs`, a batch of images of shape (batch, height, width, channels) or channels first."""
        widths = [(self.padding, self.padding)] * 4
        widths[0] = widths[channel_axis(self.data_format)] = (0, 0)
        return ops.pad(inputs, widths, constant_values=float("-inf"))

    def compute_output_shape(self, input_shape):
        """Return the input's shape with the added rows and columns."""
        kept = (0, channel_axis(self.data_format))
        grown = (None if size is None else size + 2 * self.padding for size in input_shape)
        return tuple(old if axis in kept else new for axis, (old, new) in enumerate(zip(input_shape, grown)))

    def get_config(self) -> dict[str, Any]:
        """Return the layer's configuration."""
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}
