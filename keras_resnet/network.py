"""Architecture -> keras.Model: stem, stages, head, on the functional API."""

from __future__ import annotations

import os
from numbers import Integral
from typing import TYPE_CHECKING, Any

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.catalogue import get_architecture
from keras_resnet.features import levels_of
from keras_resnet.garbage import uncollected
from keras_resnet.layers import ResidualNetwork, channel_axis, he_initializer, spatial_axes
from keras_resnet.messages import unknown
from keras_resnet.stems import stem
from keras_resnet.units import Unit, operations, residual_unit
from keras_resnet.weight_files import load_weights
from keras_resnet.weights.published import published_architecture

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_resnet.architecture import Choices

TOP = "predictions"  # the layer of the classifier
FLOAT32_HEAD = ("avg_pool", "dropout", TOP)  # the layers that compute in float32 under any dtype policy
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
        weights: None for He's initialisation; "imagenet" for those that keras.applications publishes of 50, 101 and
            152 layers, fetched once and checked by hash; or the path of a weights file of this network.
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
    network, architecture = architecture, chosen_architecture(architecture, weights, choices)
    if pooling not in (None, *POOLING):
        raise ValueError(unknown("pooling", pooling, ["None", *POOLING]))
    classes = check_classes(architecture.classes if classes is None else classes)
    with uncollected():
        inputs = network_input(architecture, include_top, input_tensor, input_shape)
        x = stages(architecture, stem(architecture, inputs))
        x = head(architecture, x, classes, classifier_activation) if include_top else pooled(x, pooling)
        if input_tensor is not None:
            inputs = keras.utils.get_source_inputs(input_tensor)
        levels = levels_of(architecture, units(architecture))
        model = ResidualNetwork(inputs, x, name=name, levels=levels)
    if weights == "imagenet":
        from keras_resnet.weights.loading import load_published  # builds on this module

        load_published(model, network, include_top)
    elif weights is not None:
        load_weights(model, weights)
    return model


def has_top(model: keras.Model) -> bool:
    """Tell whether a network ends in its classifier.

    Args:
        model: keras.Model.

    Returns:
        bool.
    """
    return any(layer.name == TOP for layer in model.layers)


def check_classes(classes: int) -> int:
    """Check the number of classes.

    Args:
        classes: int.

    Returns:
        int.

    Raises:
        ValueError: it is not a positive integer.
    """
    if isinstance(classes, bool) or not isinstance(classes, Integral) or classes < 1:
        raise ValueError(f"classes must be a positive integer; received {classes!r}.")
    return int(classes)


def chosen_architecture(architecture: Architecture | str, weights, choices: dict[str, Any]) -> Architecture:
    """Work out the architecture that a call of `ResNet` asks for.

    Args:
        architecture: Architecture or name.
        weights: as of `ResNet`; the published ones decide choices that the call leaves open.
        choices: fields of `Architecture` to set otherwise.

    Returns:
        Architecture.

    Raises:
        TypeError: a choice does not exist.
        ValueError: a value is not allowed, the name is unknown, or no weights of it are published.
    """
    if weights == "imagenet":
        return published_architecture(architecture, choices)
    if isinstance(architecture, str):
        architecture = get_architecture(architecture)
    if not isinstance(architecture, Architecture):
        raise ValueError(f"architecture must be an Architecture or a name; received {architecture!r}.")
    return architecture.replace(**choices)


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
    check_shape(shape, architecture.stride)
    _check_slopes(architecture, shape)
    if include_top and architecture.hidden and None in shape:
        raise ValueError(
            f"input_shape={shape}: this network's fully connected layers need a fixed image size. Pass one, or "
            "include_top=False."
        )
    return keras.Input(shape, name="image") if input_tensor is None else input_tensor


def _default_shape(architecture: Architecture, include_top: bool) -> tuple[int | None, ...]:
    side = architecture.image_size if include_top else None
    return (side, side, 3) if channel_axis() == 3 else (3, side, side)


def check_shape(shape: tuple[int | None, ...], stride: int) -> None:
    """Check the shape of the images that a network is to take.

    Args:
        shape: tuple (height, width, channels), or channels first under that data format; a side may be None.
        stride: int, of the whole network.

    Raises:
        ValueError: it is no such tuple, or a side leaves no pixel at the end.
    """
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


def _check_slopes(architecture: Architecture, shape: tuple[int | None, ...]) -> None:
    slopes = architecture.activation
    if None in shape and isinstance(slopes, keras.layers.PReLU) and not slopes.shared_axes:
        raise ValueError(
            "This PReLU has a slope for each pixel and needs a fixed image size. Pass activation='prelu', or "
            "PReLU(shared_axes=(1, 2)), for a slope for each channel."
        )


def stages(architecture: Architecture, x):
    """Lay out all residual units, and the activation that ends a pre-activation network.

    Args:
        architecture: Architecture.
        x: KerasTensor, the stem's output.

    Returns:
        KerasTensor, the last feature map.

    Source: arXiv 1512.03385, Table 1; arXiv 1603.05027, appendix, for the first and the last unit; arXiv 1409.1556,
        Table 1, for the pools of VGG.
    """
    activated = architecture.stem != "none" and architecture.stem_activation
    for stage in units(architecture):
        for unit in stage:
            x = residual_unit(unit, x, activated)
            activated = False
        if architecture.downsampling == "max_pool":
            x = keras.layers.MaxPooling2D(2, name=f"{unit.name.split('_')[0]}_pool")(x)
    return operations(architecture, x, architecture.entry.prefix, "post")


def units(architecture: Architecture) -> list[list[Unit]]:
    """Describe every unit of a network, stage by stage.

    Args:
        architecture: Architecture.

    Returns:
        List of a list of Units for each stage.

    Source: arXiv 1603.09382, section 3, for the linear rule of stochastic depth; arXiv 1606.00915, section 3.1, for
        dilation in place of strides.
    """
    first = 1 if architecture.stem == "none" else 2
    total, place = sum(architecture.blocks), 0
    reached, dilation = architecture.stem_stride, 1
    stages: list[list[Unit]] = []
    for stage, (blocks, width) in enumerate(zip(architecture.blocks, architecture.widths)):
        stages.append([])
        for block in range(blocks):
            place += 1
            stride = unit_stride(architecture, stage, block)
            dilates = architecture.output_stride is not None and reached * stride > architecture.output_stride
            name = f"conv{stage + first}_block{block + 1}"
            drop_rate = architecture.stochastic_depth * place / total
            stages[-1].append(Unit(architecture, name, width, 1 if dilates else stride, drop_rate, dilation, dilates))
            reached, dilation = (reached, dilation * stride) if dilates else (reached * stride, dilation)
    return stages


def unit_stride(architecture: Architecture, stage: int, block: int) -> int:
    """Tell the stride of a unit: each stage but the first has half the size of the one before, unless pools see to it.

    Args:
        architecture: Architecture.
        stage: int, from 0.
        block: int, from 0, the unit's place in its stage.

    Returns:
        int, 1 or 2.

    Source: arXiv 1512.03385, Table 1.
    """
    if architecture.downsampling == "max_pool":
        return 1
    if architecture.stride_unit == "first":
        strided = stage > 0 and block == 0
    else:
        strided = stage < len(architecture.blocks) - 1 and block == architecture.blocks[stage] - 1
    return 2 if strided else 1


def head(architecture: Architecture, x, classes: int, activation: str | None):
    """Pool globally and classify, in float32 under any dtype policy.

    Args:
        architecture: Architecture.
        x: KerasTensor, the last feature map.
        classes: int.
        activation: of the classifier; None for logits.

    Returns:
        KerasTensor (batch, classes).

    Source: arXiv 1512.03385, Table 1; initialisation as in the authors' Torch code.
    """
    x = global_pool(hidden_layers(architecture, x))
    if architecture.classifier_dropout and not architecture.hidden:
        x = keras.layers.Dropout(architecture.classifier_dropout, dtype="float32", name="dropout")(x)
    return classifier(x, classes, activation, architecture.penalty)


def global_pool(x):
    """Average the last feature map, in float32 under any dtype policy.

    Args:
        x: KerasTensor, the last feature map.

    Returns:
        KerasTensor (batch, channels).
    """
    return keras.layers.GlobalAveragePooling2D(dtype="float32", name="avg_pool")(x)


def classifier(x, classes: int, activation: str | None, penalty: keras.regularizers.Regularizer | None = None):
    """Classify a vector, in float32 under any dtype policy.

    Args:
        x: KerasTensor (batch, channels).
        classes: int.
        activation: as of Keras; None for logits.
        penalty: of the kernel, or None.

    Returns:
        KerasTensor (batch, classes).
    """
    return keras.layers.Dense(
        classes,
        activation=activation,
        kernel_initializer=keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
        kernel_regularizer=penalty,
        dtype="float32",
        name=TOP,
    )(x)


def hidden_layers(architecture: Architecture, x):
    """Lay out the fully connected layers before the classifier, as convolutions of which the first spans the map.

    Args:
        architecture: Architecture.
        x: KerasTensor, the last feature map.

    Returns:
        KerasTensor; `x` itself where there are none.

    Source: arXiv 1409.1556, Table 1, "FC-4096", and section 3.2, which makes the same convolutions of them.
    """
    for index, width in enumerate(architecture.hidden, start=1):
        x = keras.layers.Conv2D(
            width * architecture.pieces,
            tuple(x.shape[axis] for axis in spatial_axes()),
            kernel_initializer=he_initializer(),
            kernel_regularizer=architecture.penalty,
            name=f"fc{index}",
        )(x)
        x = operations(architecture, x, ("act",), f"fc{index}")
        if architecture.classifier_dropout:
            x = keras.layers.Dropout(architecture.classifier_dropout, name=f"fc{index}_dropout")(x)
    return x


def pooled(x, pooling: str | None):
    """Pool the last feature map of a network without its top.

    Args:
        x: KerasTensor, the last feature map.
        pooling: None, "avg" or "max".

    Returns:
        KerasTensor.
    """
    return x if pooling is None else POOLING[pooling](name=f"{pooling}_pool")(x)
