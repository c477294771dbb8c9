"""Architecture: every choice that makes a residual network, in one frozen value that checks itself."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from keras_resnet.architecture.fields import Fields
from keras_resnet.architecture.rules import check
from keras_resnet.messages import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import TypedDict

    from keras_resnet.choices.activations import Activation


@dataclass(frozen=True, kw_only=True)
class Architecture(Fields):
    """A residual or plain network, from the stem to the last stage.

    Args:
        blocks: tuple of ints, residual units in each stage.
        widths: tuple of ints, filters of the 3x3 convolutions in each stage; a bottleneck unit gives out
            four times as many channels.
        unit: "basic" (two 3x3), "bottleneck" (1x1, 3x3, 1x1) or "single" (one 3x3).
        stem: "imagenet" (7x7 stride 2, then a 3x3 max pool of stride 2), "deep" (three 3x3 in place of the 7x7),
            "cifar" (3x3, stride 1) or "none".
        stem_width: int, filters of the stem, or None for as many as the first stage has.
        placement: where normalisation and activation stand, a name in `units.PLACEMENTS`.
        shortcut: a name in `shortcuts.SHORTCUTS`, or a mapping of `name` and that variant's parameters.
        activation: whatever `activations.activation_factory` takes.
        groups: int, groups of channels that the 3x3 convolutions of bottlenecks treat apart ("cardinality").
        width_per_group: int, channels of a group where the width is 64, in proportion elsewhere. ResNeXt 32x4d has
            32 groups of 4; a Wide ResNet-50-2 has one of 128.
        squeeze_excitation: int, the factor by which squeeze-and-excitation reduces a residual branch's channels, or
            None to do without.
        stride_on: convolution of a unit that carries the stride: "first" (the papers) or "3x3" ("v1.5";
            only a bottleneck's differs).
        stride_unit: unit that carries the stride between two stages: "first" of the later stage (the
            papers), or "last" of the earlier one (keras.applications' V2 networks).
        downsampling: "stride" between the stages, or a 2x2 "max_pool" behind every stage (VGG).
        output_stride: int, input pixels behind one pixel of the last map at most: where the network would stride
            further, its convolutions are dilated instead, on the same weights. None to stride throughout.
        padding: of strided convolutions and pools: "symmetric" (the papers, Caffe, Torch) or "same"
            (TensorFlow's, which pads even sizes on one side only and computes another function).
        pool_padding: what a symmetric max pool pads with: "lowest" (never picked) or "zeros"
            (keras.applications).
        projection: how a projection shortcut carries its stride: "convolution", or "average_pool"
            followed by a convolution of stride 1 ("ResNet-D").
        biased: convolutions that carry a bias, out of "stem", "1", "2", "3" (of a unit), "shortcut".
        stem_activation: whether normalisation and activation stand between stem and pool. Without them a
            pre-activation network starts with the first unit's own (keras.applications' V2, timm).
        hidden: tuple of ints, fully connected layers between the last map and the classifier (VGG).
        normalization: "batch", or "none".
        norm_momentum: float, share that a moving average keeps at each step.
        norm_epsilon: float, added to the variance.
        synchronized: bool, whether normalisation takes its statistics over all replicas.
        zero_init_residual: bool, whether the normalisation that ends a residual branch starts with a scale of zero,
            so that each unit starts as its shortcut.
        dropout: float, share of the values dropped before the last convolution of each unit.
        classifier_dropout: float, share of the features dropped before the classifier, and behind each hidden layer.
        stochastic_depth: float, share of the examples for which the last unit's residual branch is dropped; it rises
            from zero in proportion to the unit's place.
        l1: float, coefficient of the sum of the absolute values of all kernels in the loss.
        l2: float, coefficient of the sum of their squares.

    Raises:
        ValueError: a value is not allowed, or two values contradict each other.

    Source: arXiv 1512.03385, Table 1 and section 4.2; arXiv 1603.05027, Figure 4 and appendix. Of others:
        1409.1556 (VGG), 1605.07146 (Wide ResNet), 1611.05431 (ResNeXt), 1709.01507 (squeeze-and-excitation),
        1812.01187 (deep stem, ResNet-D), 1603.09382 (stochastic depth), 1706.02677 (zero scale).
    """

    def __post_init__(self) -> None:
        for field in ("blocks", "widths", "biased", "hidden"):
            value = getattr(self, field)
            if not isinstance(value, tuple):
                object.__setattr__(self, field, tuple(value) if isinstance(value, list) else value)
        check(self)

    def replace(self, **choices: Any) -> Architecture:
        """Make a copy with other choices.

        Args:
            **choices: fields of `Architecture`.

        Returns:
            Architecture.

        Raises:
            TypeError: a field does not exist.
            ValueError: a value is not allowed.
        """
        for choice in choices:
            if choice not in FIELDS:
                raise TypeError(unknown("choice", choice, FIELDS))
        return dataclasses.replace(self, **choices)


FIELDS: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(Architecture))

if TYPE_CHECKING:

    class Choices(TypedDict, total=False):
        """The keyword-only choices that every builder takes; see `Architecture` for each."""

        stem: Literal["imagenet", "deep", "cifar", "none"]
        stem_width: int | None
        placement: str
        shortcut: str | Mapping[str, Any]
        activation: Activation
        groups: int
        width_per_group: int
        squeeze_excitation: int | None
        stride_on: Literal["first", "3x3"]
        stride_unit: Literal["first", "last"]
        downsampling: Literal["stride", "max_pool"]
        output_stride: int | None
        padding: Literal["symmetric", "same"]
        pool_padding: Literal["lowest", "zeros"]
        projection: Literal["convolution", "average_pool"]
        biased: tuple[str, ...]
        stem_activation: bool
        hidden: tuple[int, ...]
        normalization: Literal["batch", "none"]
        norm_momentum: float
        norm_epsilon: float
        synchronized: bool
        zero_init_residual: bool
        dropout: float
        classifier_dropout: float
        stochastic_depth: float
        l1: float
        l2: float
