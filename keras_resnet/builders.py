"""The named builders: one function per network of the catalogue, called like those of keras.applications."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.catalogue import CATALOGUE
from keras_resnet.network import ResNet

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from keras_resnet.architecture import Choices


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
    """Make the builder of a network of the catalogue.

    Args:
        network: str, a key of `CATALOGUE`.

    Returns:
        Function with the call of `Builder`, documented for this network.
    """

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
            include_top,
            weights,
            input_tensor,
            input_shape,
            pooling,
            classes,
            classifier_activation,
            name,
            **choices,
        )

    arguments = ResNet.__doc__[ResNet.__doc__.index("include_top:") :]
    build.__name__ = build.__qualname__ = network
    build.__doc__ = f"Build {describe(CATALOGUE[network])}.\n\n    Args:\n        {arguments}"
    return build


def describe(architecture: Architecture) -> str:
    """Say in one phrase what network an architecture is.

    Args:
        architecture: Architecture.

    Returns:
        str, as in "a residual network of 50 layers in bottleneck units, for ImageNet".
    """
    kind = "plain" if architecture.shortcut == "none" else "residual"
    order = "" if architecture.placement == "original" else f" ({architecture.placement.replace('_', ' ')})"
    family = {"imagenet": "ImageNet", "cifar": "CIFAR"}[architecture.stem]
    return f"a {kind} network of {architecture.depth} layers in {architecture.unit} units{order}, for {family}"


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
