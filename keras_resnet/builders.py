"""The named builders: one function per network of the catalogue, called like those of keras.applications."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.catalogue import CATALOGUE
from keras_resnet.network import ResNet
from keras_resnet.shortcuts import parse_shortcut

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
    name, _ = parse_shortcut(architecture.shortcut)
    kind = "plain" if name == "none" else "residual"
    units = f"{architecture.unit} units" if architecture.unit != "single" else "single convolutions"
    traits = [
        (architecture.placement != "original", architecture.placement),
        (name not in ("A", "B", "none"), name),
        (architecture.stem == "deep", "deep stem"),
        (architecture.groups > 1, f"{architecture.groups} groups"),
        (
            architecture.stem_filters != architecture.widths[0] and architecture.stem != "none",
            "wide, its name counts projections",
        ),
        (architecture.groups == 1 and architecture.width_per_group != 64, "wide"),
        (architecture.squeeze_excitation, "squeeze-and-excitation"),
        (architecture.hidden and architecture.normalization != "none", "batch normalisation"),
    ]
    shown = ", ".join(trait.replace("_", " ") for holds, trait in traits if holds)
    suffix = f" ({shown})" if shown else ""
    return f"a {kind} network of {architecture.depth} layers in {units}{suffix}, for {architecture.family}"


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
