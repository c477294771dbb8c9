"""Architecture: every choice that makes a residual network, in one frozen value that checks itself."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import keras

from keras_resnet.activations import Activation, channels_taken
from keras_resnet.constraints import check
from keras_resnet.messages import unknown
from keras_resnet.stems import STEMS
from keras_resnet.units import PLACEMENTS, UNITS, Placement

if TYPE_CHECKING:
    from typing_extensions import TypedDict


@dataclass(frozen=True, kw_only=True)
class Architecture:
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

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    unit: Literal["basic", "bottleneck", "single"]
    stem: Literal["imagenet", "deep", "cifar", "none"]
    stem_width: int | None = None
    placement: str = "original"
    shortcut: str | Mapping[str, Any] = "B"
    activation: Activation = "relu"
    groups: int = 1
    width_per_group: int = 64
    squeeze_excitation: int | None = None
    stride_on: Literal["first", "3x3"] = "first"
    stride_unit: Literal["first", "last"] = "first"
    downsampling: Literal["stride", "max_pool"] = "stride"
    output_stride: int | None = None
    padding: Literal["symmetric", "same"] = "symmetric"
    pool_padding: Literal["lowest", "zeros"] = "lowest"
    projection: Literal["convolution", "average_pool"] = "convolution"
    biased: tuple[str, ...] = ()
    stem_activation: bool = True
    hidden: tuple[int, ...] = ()
    normalization: Literal["batch", "none"] = "batch"
    norm_momentum: float = 0.9
    norm_epsilon: float = 1e-5
    synchronized: bool = False
    zero_init_residual: bool = False
    dropout: float = 0.0
    classifier_dropout: float = 0.0
    stochastic_depth: float = 0.0
    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        for field in ("blocks", "widths", "biased", "hidden"):
            value = getattr(self, field)
            if not isinstance(value, tuple):
                object.__setattr__(self, field, tuple(value) if isinstance(value, list) else value)
        check(self)

    @property
    def entry(self) -> Placement:
        """The order of operations in a unit, as parsed from the placement's name."""
        return PLACEMENTS[self.placement]

    @property
    def depth(self) -> int:
        """Weighted layers as He et al. count them: a stem, convolutions of the units, dense layers; no projections."""
        stem = int(self.stem != "none")
        return stem + sum(self.blocks) * len(UNITS[self.unit].kernels) + len(self.hidden) + 1

    @property
    def stride(self) -> int:
        """Input pixels, along one side, behind one pixel of the last feature map."""
        stages = len(self.blocks)
        stride = self.stem_stride * 2 ** (stages if self.downsampling == "max_pool" else stages - 1)
        return stride if self.output_stride is None else min(stride, self.output_stride)

    @property
    def stem_stride(self) -> int:
        """Input pixels, along one side, behind one pixel that enters the first stage."""
        stem = STEMS[self.stem]
        return stem.stride * (2 if stem.pool else 1)

    @property
    def image_size(self) -> int:
        """Side of the papers' input images, in pixels."""
        return STEMS[self.stem].image_size

    @property
    def classes(self) -> int:
        """Classes of the data set that the papers train this family on."""
        return STEMS[self.stem].classes

    @property
    def family(self) -> str:
        """Name of that data set."""
        return STEMS[self.stem].family

    @property
    def stem_filters(self) -> int:
        """Channels that leave the stem."""
        return self.widths[0] if self.stem_width is None else self.stem_width

    @functools.cached_property
    def pieces(self) -> int:
        """Channels that an activation takes for each that it gives; 1 but for maxout."""
        return channels_taken(self.activation)

    @property
    def penalty(self) -> keras.regularizers.Regularizer | None:
        """The penalty on every kernel, or None."""
        return keras.regularizers.L1L2(self.l1, self.l2) if self.l1 or self.l2 else None

    @property
    def is_preactivation(self) -> bool:
        """Whether units begin with an activation rather than a convolution."""
        return bool(self.entry.prefix)

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
