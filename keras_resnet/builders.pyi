# Written by `make stubs`; not to be edited.

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from keras_resnet.architecture import Architecture
from keras_resnet.model import ResidualNetwork

class Builder(Protocol):
    def __call__(
        self,
        include_top: bool = ...,
        weights: str | os.PathLike | None = ...,
        input_tensor: Any = ...,
        input_shape: tuple[int | None, ...] | None = ...,
        pooling: str | None = ...,
        classes: int | None = ...,
        classifier_activation: str | None = ...,
        name: str | None = ...,
        *,
        blocks: tuple[int, ...] = ...,
        widths: tuple[int, ...] = ...,
        unit: Literal["basic", "bottleneck", "single"] = ...,
        stem: Literal["imagenet", "deep", "cifar", "none"] = ...,
        stem_width: int | None = ...,
        placement: Literal["original", "bn_after_addition", "relu_before_addition", "relu_only_preactivation", "full_preactivation"] = ...,
        shortcut: str | Mapping[str, Any] = ...,
        activation: str | Callable[..., Any] | Mapping[str, Any] = ...,
        groups: int = ...,
        width_per_group: int = ...,
        squeeze_excitation: int | None = ...,
        stride_on: Literal["first", "3x3"] = ...,
        stride_unit: Literal["first", "last"] = ...,
        downsampling: Literal["stride", "max_pool"] = ...,
        output_stride: int | None = ...,
        padding: Literal["symmetric", "same"] = ...,
        pool_padding: Literal["lowest", "zeros"] = ...,
        projection: Literal["convolution", "average_pool"] = ...,
        biased: tuple[str, ...] = ...,
        stem_activation: bool = ...,
        hidden: tuple[int, ...] = ...,
        normalization: Literal["batch", "none"] = ...,
        norm_momentum: float = ...,
        norm_epsilon: float = ...,
        synchronized: bool = ...,
        zero_init_residual: bool = ...,
        init_gain: float = ...,
        dropout: float = ...,
        classifier_dropout: float = ...,
        stochastic_depth: float = ...,
        l1: float = ...,
        l2: float = ...,
    ) -> ResidualNetwork: ...

def ResNet(  # noqa: N802
    architecture: Architecture | str,
    include_top: bool = ...,
    weights: str | os.PathLike | None = ...,
    input_tensor: Any = ...,
    input_shape: tuple[int | None, ...] | None = ...,
    pooling: str | None = ...,
    classes: int | None = ...,
    classifier_activation: str | None = ...,
    name: str | None = ...,
    *,
    blocks: tuple[int, ...] = ...,
    widths: tuple[int, ...] = ...,
    unit: Literal["basic", "bottleneck", "single"] = ...,
    stem: Literal["imagenet", "deep", "cifar", "none"] = ...,
    stem_width: int | None = ...,
    placement: Literal["original", "bn_after_addition", "relu_before_addition", "relu_only_preactivation", "full_preactivation"] = ...,
    shortcut: str | Mapping[str, Any] = ...,
    activation: str | Callable[..., Any] | Mapping[str, Any] = ...,
    groups: int = ...,
    width_per_group: int = ...,
    squeeze_excitation: int | None = ...,
    stride_on: Literal["first", "3x3"] = ...,
    stride_unit: Literal["first", "last"] = ...,
    downsampling: Literal["stride", "max_pool"] = ...,
    output_stride: int | None = ...,
    padding: Literal["symmetric", "same"] = ...,
    pool_padding: Literal["lowest", "zeros"] = ...,
    projection: Literal["convolution", "average_pool"] = ...,
    biased: tuple[str, ...] = ...,
    stem_activation: bool = ...,
    hidden: tuple[int, ...] = ...,
    normalization: Literal["batch", "none"] = ...,
    norm_momentum: float = ...,
    norm_epsilon: float = ...,
    synchronized: bool = ...,
    zero_init_residual: bool = ...,
    init_gain: float = ...,
    dropout: float = ...,
    classifier_dropout: float = ...,
    stochastic_depth: float = ...,
    l1: float = ...,
    l2: float = ...,
) -> ResidualNetwork: ...

ResNet18: Builder
ResNet34: Builder
ResNet50: Builder
ResNet101: Builder
ResNet152: Builder
ResNet200: Builder
ResNet18V2: Builder
ResNet34V2: Builder
ResNet50V2: Builder
ResNet101V2: Builder
ResNet152V2: Builder
ResNet200V2: Builder
Plain18: Builder
Plain34: Builder
ResNet20: Builder
ResNet32: Builder
ResNet44: Builder
ResNet56: Builder
ResNet110: Builder
ResNet1202: Builder
ResNet164: Builder
ResNet1001: Builder
ResNet20V2: Builder
ResNet32V2: Builder
ResNet44V2: Builder
ResNet56V2: Builder
ResNet110V2: Builder
ResNet1202V2: Builder
ResNet164V2: Builder
ResNet1001V2: Builder
Plain20: Builder
Plain32: Builder
Plain44: Builder
Plain56: Builder
Plain110: Builder
ResNet18D: Builder
ResNet34D: Builder
ResNet50D: Builder
ResNet101D: Builder
ResNet152D: Builder
ResNet200D: Builder
SEResNet50: Builder
SEResNet101: Builder
SEResNet152: Builder
ResNeXt50_32x4d: Builder
ResNeXt101_32x8d: Builder
ResNeXt101_64x4d: Builder
WideResNet50_2: Builder
WideResNet101_2: Builder
VGG16: Builder
VGG19: Builder
VGG16BN: Builder
VGG19BN: Builder
ResNeXt29_8x64d: Builder
WideResNet16_8: Builder
WideResNet28_10: Builder
WideResNet40_4: Builder
Highway20: Builder
Highway32: Builder
