"""Architecture -> keras.Model: stem, stages, head, on the functional API."""

from __future__ import annotations

import os
from numbers import Integral
from typing import TYPE_CHECKING

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.catalogue import get_architecture
from keras_resnet.layers import MaxPoolPadding2D, ResidualNetwork, channel_axis
from keras_resnet.messages import unknown
from keras_resnet.units import Unit, convolution, operations, residual_unit
from keras_resnet.weight_files import load_weights

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_resnet.architecture import Choices

POOLING = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}


def ResNet(  # noqa: N802 - the name that users of keras.applications look for
    architecture: Architecture | str,
    include_top: bool = True,
    weights: str | os.PathLike | None = None,
    input_tensor=None,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: str | None = None,
    classes: int | None = None,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
    **choices: Unpack[Choices],
) -> keras.Model:
    """Build any network that an Architecture can say.

    Args:
        architecture: Architecture, or the name of one: in the catalogue ("ResNet50") or of any valid CIFAR
            depth ("ResNet26").
        include_top: bool, whether to end in global average pooling and the classifier `predictions`.
        weights: None for He's initialisation, or the path of a weights file of this network.
        input_tensor: KerasTensor to build on, or None.
        input_shape: tuple (height, width, channels), or channels first under that data format; a side may be
            None. Default: the paper's image size with the top, any size without; three channels.
        pooling: without the top, None for the last feature map, "avg" or "max" for a vector.
        classes: int, outputs of the classifier; default 1000 in the ImageNet family, 10 in the CIFAR family.
        classifier_activation: of the classifier; None for logits.
        name: str, the model's name; default the network's name in lower case.
        **choices: fields of `Architecture` to set otherwise, as in `shortcut="C"`.

    Returns:
        keras.Model whose output is (batch, classes) in float32, (batch, channels), or a feature map.

    Raises:
        TypeError: a choice does not exist.
        ValueError: a value is not allowed, or the weights file is not of this network.

    Source: arXiv 1512.03385 and 1603.05027; the call is that of keras.applications.
    """
    name = name or (architecture.lower() if isinstance(architecture, str) else "resnet")
    if isinstance(architecture, str):
        architecture = get_architecture(architecture)
    if not isinstance(architecture, Architecture):
        raise ValueError(f"architecture must be an Architecture or a name; received {architecture!r}.")
    architecture = architecture.replace(**choices)
    if pooling not in (None, *POOLING):
        raise ValueError(unknown("pooling", pooling, ["None", *POOLING]))
    classes = architecture.classes if classes is None else classes
    if isinstance(classes, bool) or not isinstance(classes, Integral) or classes < 1:
        raise ValueError(f"classes must be a positive integer; received {classes!r}.")
    inputs = network_input(architecture, include_top, input_tensor, input_shape)
    x = stages(architecture, stem(architecture, inputs))
    x = head(x, int(classes), classifier_activation) if include_top else pooled(x, pooling)
    if input_tensor is not None:
        inputs = keras.utils.get_source_inputs(input_tensor)
    model = ResidualNetwork(inputs, x, name=name)
    if weights is not None:
        load_weights(model, weights)
    return model


def network_input(architecture: Architecture, include_top: bool, input_tensor, input_shape):
    """Make or take the input tensor, and check that every stride has pixels to work on.

    Args:
        architecture: Architecture.
        include_top: bool, decides the default size.
        input_tensor: KerasTensor or None.
        input_shape: tuple or None.

    Returns:
        KerasTensor.

    Raises:
        ValueError: the shape is impossible for this network.
    """
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
    _check_shape(architecture, shape)
    return keras.Input(shape, name="image") if input_tensor is None else input_tensor


def _default_shape(architecture: Architecture, include_top: bool) -> tuple[int | None, ...]:
    side = architecture.image_size if include_top else None
    return (side, side, 3) if channel_axis() == 3 else (3, side, side)


def _check_shape(architecture: Architecture, shape: tuple[int | None, ...]) -> None:
    layout = "(height, width, channels)" if channel_axis() == 3 else "(channels, height, width)"
    if len(shape) != 3:
        raise ValueError(f"input_shape must be {layout}; received {shape}.")
    sides = list(shape)
    channels = sides.pop(channel_axis() - 1)
    if not channels or channels < 1:
        raise ValueError(f"input_shape must be {layout} with a known number of channels; received {shape}.")
    slopes = architecture.activation
    if None in sides and isinstance(slopes, keras.layers.PReLU) and not slopes.shared_axes:
        raise ValueError(
            "This PReLU has a slope for each pixel and needs a fixed image size. Pass activation='prelu', or "
            "PReLU(shared_axes=(1, 2)), for a slope for each channel."
        )
    if any(side is not None and side < architecture.stride for side in sides):
        raise ValueError(
            f"input_shape={shape} is too small: the strides of this network divide each side by "
            f"{architecture.stride}, so a side needs at least {architecture.stride} pixels."
        )


def stem(architecture: Architecture, x):
    """Lay out what stands before the first stage.

    Args:
        architecture: Architecture.
        x: KerasTensor, a batch of images.

    Returns:
        KerasTensor of as many channels as the first stage is wide.

    Source: arXiv 1512.03385, Table 1 and section 4.2; arXiv 1603.05027, appendix.
    """
    imagenet = architecture.stem == "imagenet"
    kernel, stride = (7, 2) if imagenet else (3, 1)
    x = convolution(architecture, x, architecture.widths[0], kernel, stride, "stem", "conv1")
    if architecture.stem_activation:
        x = operations(architecture, x, ("norm", "act"), "conv1")
    return max_pool(architecture, x) if imagenet else x


def max_pool(architecture: Architecture, x):
    """Halve the map by the 3x3 max pool of the ImageNet stem.

    Args:
        architecture: Architecture.
        x: KerasTensor.

    Returns:
        KerasTensor.

    Source: arXiv 1512.03385, Table 1.
    """
    if architecture.padding == "same":
        return keras.layers.MaxPooling2D(3, 2, padding="same", name="pool1_pool")(x)
    pad = MaxPoolPadding2D if architecture.pool_padding == "lowest" else keras.layers.ZeroPadding2D
    x = pad(1, name="pool1_pad")(x)
    return keras.layers.MaxPooling2D(3, 2, name="pool1_pool")(x)


def stages(architecture: Architecture, x):
    """Lay out all residual units, and the activation that ends a pre-activation network.

    Args:
        architecture: Architecture.
        x: KerasTensor, the stem's output.

    Returns:
        KerasTensor, the last feature map.

    Source: arXiv 1512.03385, Table 1; arXiv 1603.05027, appendix, for the first and the last unit.
    """
    filters = architecture.widths[0]
    activated = architecture.stem_activation
    for stage, (blocks, width) in enumerate(zip(architecture.blocks, architecture.widths)):
        for block in range(blocks):
            stride = unit_stride(architecture, stage, block)
            unit = Unit(architecture, f"conv{stage + 2}_block{block + 1}", width, filters, stride)
            x = residual_unit(unit, x, activated)
            filters, activated = unit.filters_out, False
    return operations(architecture, x, architecture.entry.prefix, "post")


def unit_stride(architecture: Architecture, stage: int, block: int) -> int:
    """Tell the stride of a unit: each stage but the first has half the size of the one before.

    Args:
        architecture: Architecture.
        stage: int, from 0.
        block: int, from 0, the unit's place in its stage.

    Returns:
        int, 1 or 2.

    Source: arXiv 1512.03385, Table 1.
    """
    if architecture.stride_unit == "first":
        strided = stage > 0 and block == 0
    else:
        strided = stage < len(architecture.blocks) - 1 and block == architecture.blocks[stage] - 1
    return 2 if strided else 1


def head(x, classes: int, activation: str | None):
    """Pool globally and classify, in float32 under any dtype policy.

    Args:
        x: KerasTensor, the last feature map.
        classes: int.
        activation: of the classifier; None for logits.

    Returns:
        KerasTensor (batch, classes).

    Source: arXiv 1512.03385, Table 1; initialisation as in the authors' Torch code.
    """
    x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="avg_pool")(x)
    return keras.layers.Dense(
        classes,
        activation=activation,
        kernel_initializer=keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
        dtype="float32",
        name="predictions",
    )(x)


def pooled(x, pooling: str | None):
    """Pool the last feature map of a network without its top.

    Args:
        x: KerasTensor, the last feature map.
        pooling: None, "avg" or "max".

    Returns:
        KerasTensor.
    """
    return x if pooling is None else POOLING[pooling](name=f"{pooling}_pool")(x)
