"""The builders: `ResNet` for any architecture, and one for each network of the catalogue, as in keras.applications."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.architecture.catalogue import CATALOGUE
from keras_resnet.architecture.phrase import describe
from keras_resnet.model import build_network
from keras_resnet.weights.loading import load_published
from keras_resnet.weights.own import load_weights
from keras_resnet.weights.published import published_architecture

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_resnet.architecture.value import Choices


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
    network = architecture
    if weights == "imagenet":
        architecture, choices = published_architecture(network, choices), {}
    model = build_network(
        architecture,
        name=name,
        include_top=include_top,
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        classes=classes,
        classifier_activation=classifier_activation,
        **choices,
    )
    if weights == "imagenet":
        load_published(model, network, include_top)
    elif weights is not None:
        load_weights(model, weights)
    return model


class Builder(Protocol):
    """The call of every named builder."""

    def __call__(
        self,
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
        """Build the network; see `keras_resnet.ResNet` for the arguments."""


def named(network: str) -> Builder:
    """Make the builder of a network of the catalogue, documented for it."""

    def build(
        include_top=True,
        weights=None,
        input_tensor=None,
        input_shape=None,
        pooling=None,
        classes=None,
        classifier_activation="softmax",
        name=None,
        **choices,
    ):
        return ResNet(
            network,
            include_top=include_top,
            weights=weights,
            input_tensor=input_tensor,
            input_shape=input_shape,
            pooling=pooling,
            classes=classes,
            classifier_activation=classifier_activation,
            name=name,
            **choices,
        )

    arguments = ResNet.__doc__[ResNet.__doc__.index("include_top:") :]
    build.__name__ = build.__qualname__ = network
    build.__doc__ = f"Build {describe(CATALOGUE[network])}.\n\n    Args:\n        {arguments}"
    return build


ResNet18: Builder = named("ResNet18")
ResNet34: Builder = named("ResNet34")
ResNet50: Builder = named("ResNet50")
ResNet101: Builder = named("ResNet101")
ResNet152: Builder = named("ResNet152")
ResNet200: Builder = named("ResNet200")
ResNet18V2: Builder = named("ResNet18V2")
ResNet34V2: Builder = named("ResNet34V2")
ResNet50V2: Builder = named("ResNet50V2")
ResNet101V2: Builder = named("ResNet101V2")
ResNet152V2: Builder = named("ResNet152V2")
ResNet200V2: Builder = named("ResNet200V2")
Plain18: Builder = named("Plain18")
Plain34: Builder = named("Plain34")
ResNet20: Builder = named("ResNet20")
ResNet32: Builder = named("ResNet32")
ResNet44: Builder = named("ResNet44")
ResNet56: Builder = named("ResNet56")
ResNet110: Builder = named("ResNet110")
ResNet1202: Builder = named("ResNet1202")
ResNet164: Builder = named("ResNet164")
ResNet1001: Builder = named("ResNet1001")
ResNet20V2: Builder = named("ResNet20V2")
ResNet32V2: Builder = named("ResNet32V2")
ResNet44V2: Builder = named("ResNet44V2")
ResNet56V2: Builder = named("ResNet56V2")
ResNet110V2: Builder = named("ResNet110V2")
ResNet1202V2: Builder = named("ResNet1202V2")
ResNet164V2: Builder = named("ResNet164V2")
ResNet1001V2: Builder = named("ResNet1001V2")
Plain20: Builder = named("Plain20")
Plain32: Builder = named("Plain32")
Plain44: Builder = named("Plain44")
Plain56: Builder = named("Plain56")
Plain110: Builder = named("Plain110")
ResNet18D: Builder = named("ResNet18D")
ResNet34D: Builder = named("ResNet34D")
ResNet50D: Builder = named("ResNet50D")
ResNet101D: Builder = named("ResNet101D")
ResNet152D: Builder = named("ResNet152D")
ResNet200D: Builder = named("ResNet200D")
SEResNet50: Builder = named("SEResNet50")
SEResNet101: Builder = named("SEResNet101")
SEResNet152: Builder = named("SEResNet152")
ResNeXt50_32x4d: Builder = named("ResNeXt50_32x4d")
ResNeXt101_32x8d: Builder = named("ResNeXt101_32x8d")
ResNeXt101_64x4d: Builder = named("ResNeXt101_64x4d")
WideResNet50_2: Builder = named("WideResNet50_2")
WideResNet101_2: Builder = named("WideResNet101_2")
VGG16: Builder = named("VGG16")
VGG19: Builder = named("VGG19")
VGG16BN: Builder = named("VGG16BN")
VGG19BN: Builder = named("VGG19BN")
ResNeXt29_8x64d: Builder = named("ResNeXt29_8x64d")
WideResNet16_8: Builder = named("WideResNet16_8")
WideResNet28_10: Builder = named("WideResNet28_10")
WideResNet40_4: Builder = named("WideResNet40_4")
Highway20: Builder = named("Highway20")
Highway32: Builder = named("Highway32")
