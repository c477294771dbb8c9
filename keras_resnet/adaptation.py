"""Trained networks for other images and classes: the same graph and weights, another input and head; frozen stages."""

from __future__ import annotations

import re
from collections.abc import Sequence

import keras
import numpy as np

from keras_resnet.build.head import (
    FLOAT32_HEAD,
    TOP,
    check_activation,
    check_classes,
    classifier,
    global_pool,
    has_top,
)
from keras_resnet.build.network import check_shape
from keras_resnet.build.stages import STEM, stage_names, stage_of
from keras_resnet.messages import unknown
from keras_resnet.model import ResidualNetwork, carried, deep_recursion
from keras_resnet.preprocessing import Preprocessing, fitted

HEAD, BACKBONE = "head", "backbone"
KEPT = "kept"  # the activation of the classifier that a new one takes the place of


def transfer(
    model: keras.Model,
    classes: int | None = None,
    input_shape: tuple[int | None, ...] | None = None,
    *,
    classifier_activation: str | None = KEPT,
) -> keras.Model:
    """Copy a trained network for other images, other classes or both; all its weights that still have a place come too.

    For another number of channels the first kernel is summed over its inputs (for one channel: the copy gives for a
    gray image what the network gives for the same image as RGB), or repeated and scaled to the same sum (for more).
    So it is where each image is prepared by the contract of its own network, of which the kernel takes up the colors'
    deviations, and the bias of the convolution or the normalization behind it their means. It is not exact near the
    border of the image, where the convolution sees zeros, with a mean of each pixel, and where a stem has neither bias
    nor normalization. Without a contract it is so for images standardized alike in all channels.

    Args:
        model: keras.Model of this package, with its classifier or without.
        classes: int, outputs of a new, untrained classifier; None keeps what ends the model.
        input_shape: tuple (height, width, channels), or channels first under that data format; default the model's.
        classifier_activation: str, of a new classifier, as "sigmoid" where an image may have any number of classes;
            None for logits. "kept" is that of the old one, or softmax where there is none.

    Returns:
        keras.Model with layers of the same names, all of them trainable, under Keras's present dtype policy. It
        carries the model's input contract, for its own size and channels, and with its classifier the names of the
        classes. The model is left as it was.

    Raises:
        ValueError: the network cannot take such images, classes is not a positive integer, or Keras has no such
            activation.
    """
    shape = model.input_shape[1:] if input_shape is None else tuple(input_shape)
    levels = getattr(model, "levels", None) or {}
    check_shape(shape, max((level.stride for level in levels.values()), default=1))
    inputs = keras.Input(shape, name="image")
    with deep_recursion():
        try:
            outputs = _copied(model, inputs, keeps_head=classes is None)
        except ValueError as error:
            raise ValueError(f"{model.name!r} cannot take images of shape {shape}; give larger ones.") from error
    if classes is not None:
        outputs = _classified(model, outputs, check_classes(classes), classifier_activation)
    kept = {**carried(model), "preprocessing": None, **({} if classes is None else {"labels": None})}
    copy = ResidualNetwork(inputs, outputs, name=model.name, **kept)
    for weight, value in _inherited(model, copy, without=() if classes is None else (TOP,)):
        weight.assign(value)
    if (contract := getattr(model, "preprocessing", None)) is not None:
        copy.preprocessing = fitted(contract, copy)
        if copy.preprocessing.channels == 1 < contract.channels:
            _shift_to_gray(model, copy, contract)
    return copy


def _copied(model: keras.Model, inputs, keeps_head: bool):
    """Lay out the layers of a network anew on another input, with its classifier or up to it."""
    if not keeps_head and has_top(model):
        model = ResidualNetwork(model.input, model.get_layer(TOP).input)
    copy = keras.models.clone_model(model, input_tensors=inputs, clone_function=_fresh)
    if any(size is not None and size < 1 for layer in copy.layers for size in layer.output.shape):
        raise ValueError("no pixel is left")  # Keras 3.12 says nothing
    return copy.output


def _fresh(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Make a layer anew, under the present dtype policy; a classifier stays in float32 under any."""
    policy = layer.dtype_policy if layer.name in FLOAT32_HEAD else keras.config.dtype_policy()
    return type(layer).from_config({**layer.get_config(), "dtype": policy, "trainable": True})


def _classified(model: keras.Model, x, classes: int, activation: str | None):
    """End a network in a new classifier, like its old one where it had one."""
    given = {} if activation == KEPT else {"activation": activation}
    check_activation(given.get("activation"))
    if has_top(model):
        config = model.get_layer(TOP).get_config()
        return keras.layers.Dense.from_config({**config, "units": classes, "trainable": True, **given})(x)
    return classifier(global_pool(x) if len(x.shape) == 4 else x, classes, given.get("activation", "softmax"))


def _inherited(model: keras.Model, copy: keras.Model, without: Sequence[str]):
    """Pair the weights of a copy with the values that the network has for them."""
    contract = getattr(model, "preprocessing", None)
    known = {layer.name: layer for layer in model.layers}
    for layer in copy.layers:
        if layer.name in known and layer.name not in without:
            for weight, value in zip(layer.weights, known[layer.name].get_weights(), strict=True):
                yield weight, _fitted(f"{layer.name}/{weight.name}", value, tuple(weight.shape), contract)


def _fitted(name: str, value: np.ndarray, shape: tuple[int, ...], contract: Preprocessing | None) -> np.ndarray:
    """Give a weight in the shape of its copy: the same, or of a first convolution for other channels."""
    if value.shape == shape:
        return value
    if len(shape) == 4 and value.shape[:2] + value.shape[3:] == shape[:2] + shape[3:]:
        return _for_channels(value, shape[2], contract)
    raise ValueError(
        f"{name} of shape {value.shape} belongs to the images it was trained on; it cannot become {shape}."
    )


def _for_channels(kernel: np.ndarray, count: int, contract: Preprocessing | None) -> np.ndarray:
    """Turn a first kernel (height, width, inputs, filters) to other inputs that show it the same image."""
    if count == 1:
        if contract is not None:
            gray, (_, std) = contract.for_images(contract.size, 1), contract.by_channel()
            kernel = kernel * (gray.std / std)[:, np.newaxis]
        return kernel.sum(axis=2, keepdims=True)
    if contract is not None and contract.order == "BGR":
        kernel = kernel[:, :, ::-1]  # of any other number of channels the contract is RGB
    before = kernel.shape[2]
    return np.take(kernel, np.arange(count) % before, axis=2) * (before / count)


def _shift_to_gray(model: keras.Model, copy: keras.Model, contract: Preprocessing) -> None:
    """Make up, behind the first convolutions, for the mean of gray images, which is that of no color."""
    mean, std = contract.by_channel()
    offset = (contract.for_images(contract.size, 1).mean - mean) / std
    layers = {layer.name: layer for layer in copy.layers}
    for layer in model.layers:
        kernel, own = (getattr(each, "kernel", None) for each in (layer, layers.get(layer.name)))
        if own is None or len(own.shape) != 4 or own.shape == kernel.shape:
            continue
        shift = np.einsum("hwcf,c->f", keras.ops.convert_to_numpy(kernel), offset).astype("float32")
        norm = layers.get(f"{layer.name.removesuffix('_conv')}_bn")
        if layers[layer.name].bias is not None:
            layers[layer.name].bias.assign_add(shift)
        elif norm is not None:
            norm.moving_mean.assign_sub(shift)


def stages_of(model: keras.Model) -> dict[str, list[keras.layers.Layer]]:
    """Sort the layers with weights by stage: "conv1" for the stem, "conv2" to the last one with its end, "head"."""
    names = names_of_stages(model)
    stages: dict[str, list[keras.layers.Layer]] = {}
    for layer in model.layers:
        if layer.weights:
            stages.setdefault(stage_of(layer.name, names) or HEAD, []).append(layer)
    return stages


def names_of_stages(model: keras.Model) -> list[str]:
    """Name stem and stages of a network, by its architecture, or else by what its layers are called."""
    if (architecture := getattr(model, "architecture", None)) is not None:
        return stage_names(architecture)
    names = {match[1] for layer in model.layers if (match := re.match(r"(conv\d+)_", layer.name))}
    return sorted(names, key=lambda name: int(name.removeprefix("conv"))) or [STEM]


def freeze(model: keras.Model, stages: str | int | Sequence[str | int] = (BACKBONE,)) -> None:
    """Freeze stages of a network; all the others learn. Compile the model after it.

    The weights of a frozen stage stay as they are, and its normalizations work as at inference: their moving statistics
    stay too.

    Args:
        model: keras.Model of this package.
        stages: names, as in "conv1" for the stem and "conv2" for the first stage; their numbers, as in 2; "head"; or
            "backbone" for all but the head; or a single one. None of them: everything learns.

    Raises:
        ValueError: the network has no such stage.
    """
    known = stages_of(model)
    frozen: set[str] = set()
    for stage in [stages] if isinstance(stages, (str, int)) else stages:
        name = f"conv{stage}" if str(stage).isdecimal() else stage
        if name not in (*known, BACKBONE):
            raise ValueError(unknown("stage", name, [*known, BACKBONE]))
        frozen |= set(known) - {HEAD} if name == BACKBONE else {name}
    for name, layers in known.items():
        for layer in layers:
            layer.trainable = name not in frozen
