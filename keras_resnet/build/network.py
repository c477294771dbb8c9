"""From an Architecture to the input and output of its graph."""

from __future__ import annotations

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.build.head import POOLING, build_head, check_classes, pooled
from keras_resnet.build.stages import build_stages
from keras_resnet.build.stem import build_stem
from keras_resnet.layers.conventions import channel_axis
from keras_resnet.messages import unknown

Shape = tuple[int | None, ...]  # of an image, in Keras's data format; a side may be None


def build_graph(
    architecture: Architecture,
    *,
    include_top: bool = True,
    input_tensor=None,
    input_shape: Shape | None = None,
    pooling: str | None = None,
    classes: int | None = None,
    classifier_activation: str | None = "softmax",
):
    """Lay out a network from its input to its output; see `keras_resnet.ResNet` for the arguments."""
    if pooling not in (None, *POOLING):
        raise ValueError(unknown("pooling", pooling, ["None", *POOLING]))
    classes = check_classes(architecture.classes if classes is None else classes)
    inputs = network_input(architecture, include_top, input_tensor, input_shape)
    x = build_stages(architecture, build_stem(architecture, inputs))
    x = build_head(architecture, x, classes, classifier_activation) if include_top else pooled(x, pooling)
    return inputs if input_tensor is None else keras.utils.get_source_inputs(input_tensor), x


def network_input(architecture: Architecture, include_top: bool, input_tensor, input_shape: Shape | None):
    """Make or take the input tensor, and check that every stride has pixels to work on."""
    if input_tensor is not None and not keras.backend.is_keras_tensor(input_tensor):
        raise ValueError(
            f"input_tensor must be a KerasTensor, such as keras.Input(...) gives; received {type(input_tensor)}."
        )
    if input_tensor is None:
        shape = _default_shape(architecture, include_top) if input_shape is None else tuple(input_shape)
    else:
        shape = tuple(input_tensor.shape[1:])
        if input_shape is not None and tuple(input_shape) != shape:
            raise ValueError(f"input_shape={tuple(input_shape)} contradicts input_tensor, whose shape is {shape}.")
    check_shape(shape, architecture.stride)
    _check_slopes(architecture, shape)
    if include_top and architecture.hidden and None in shape:
        raise ValueError(
            f"input_shape={shape}: this network's fully connected layers need a fixed image size. Pass one, or "
            "include_top=False."
        )
    return keras.Input(shape, name="image") if input_tensor is None else input_tensor


def _default_shape(architecture: Architecture, include_top: bool) -> Shape:
    side = architecture.image_size if include_top else None
    return (side, side, 3) if channel_axis() == 3 else (3, side, side)


def check_shape(shape: Shape, stride: int) -> None:
    """Refuse a shape that is not that of an image, or is too small for the stride of the network."""
    layout = "(height, width, channels)" if channel_axis() == 3 else "(channels, height, width)"
    if len(shape) != 3:
        raise ValueError(f"input_shape must be {layout}; received {shape}.")
    sides = list(shape)
    channels = sides.pop(channel_axis() - 1)
    if not channels or channels < 1:
        raise ValueError(f"input_shape must be {layout} with a known number of channels; received {shape}.")
    if any(side is not None and side < stride for side in sides):
        raise ValueError(
            f"input_shape={shape} is too small: the strides of this network divide each side by {stride}, so a side "
            f"needs at least {stride} pixels."
        )


def _check_slopes(architecture: Architecture, shape: Shape) -> None:
    slopes = architecture.activation
    if None in shape and isinstance(slopes, keras.layers.PReLU) and not slopes.shared_axes:
        raise ValueError(
            "This PReLU has a slope for each pixel and needs a fixed image size. Pass activation='prelu', or "
            "PReLU(shared_axes=(1, 2)), for a slope for each channel."
        )
