"""The conventions of all layers: the axes of a batch of images, and how kernels are initialized."""

from __future__ import annotations

import keras

PACKAGE = "keras_resnet"  # under which Keras registers the classes of this package


def he_initializer(gain: float) -> keras.initializers.Initializer:
    """Make the initializer of a convolution; a fresh one each time, because Keras's draw the same values again.

    `gain` is a factor on the deviation that He et al. work out, which is 1 but for networks that are to start worse.

    Source: arXiv 1502.01852, equation 10 in its fan-out form, as the authors' Torch code has it.
    """
    return keras.initializers.VarianceScaling(2.0 * gain**2, "fan_out", "untruncated_normal")


def channel_axis(data_format: str | None = None) -> int:
    """Give the axis of the channels in a batch of images, 3 or 1; of Keras's data format by default."""
    return 3 if (data_format or keras.config.image_data_format()) == "channels_last" else 1


def spatial_axes(data_format: str | None = None) -> list[int]:
    """Give the axes of height and width in a batch of images; of Keras's data format by default."""
    return [axis for axis in (1, 2, 3) if axis != channel_axis(data_format)]


def channels(x) -> int:
    """Give the number of channels of a batch of images, a tensor of rank 4 in Keras's data format."""
    return x.shape[channel_axis()]
