"""The fields of an Architecture, and what follows from them.

Type, allowed values, default and meaning of a field stand here once, in its annotation: checks, `--help`, signatures,
stubs and the docstring of `Architecture` are read off it; see `architecture.table`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from keras_resnet.architecture.marks import HARMLESS, Counts, Names, OneOf, Registered
from keras_resnet.choices.activations import LAYERS, Activation, channels_taken, check_activation
from keras_resnet.choices.placements import PLACEMENTS, Placement
from keras_resnet.choices.registry import Range
from keras_resnet.choices.shortcuts import SHORTCUTS, parse_shortcut
from keras_resnet.choices.stems import STEMS
from keras_resnet.choices.units import UNITS

CONVOLUTIONS = ("stem", "1", "2", "3", "shortcut")  # those that may carry a bias
COUNT = Range(1, 2**20)
SHARE = Range(0, 1)
COEFFICIENT = Range(0, 1e3)


@dataclass(frozen=True, kw_only=True)
class Fields:
    """Every choice that makes a residual network; see `Architecture`, which checks them."""

    blocks: Annotated[tuple[int, ...], Counts(one_for_each_stage=True), "residual units in each stage"]
    widths: Annotated[
        tuple[int, ...],
        Counts(one_for_each_stage=True),
        "filters of the 3x3 convolutions in each stage; a bottleneck unit gives out four times as many channels",
    ]
    unit: Annotated[
        str, OneOf(UNITS), 'its convolutions: two 3x3 ("basic"), 1x1, 3x3 and 1x1 ("bottleneck"), or one 3x3 ("single")'
    ]
    stem: Annotated[
        str,
        OneOf(STEMS),
        'what stands before the first stage: "imagenet" (7x7 of stride 2, then a 3x3 max pool of stride 2), "deep" '
        '(three 3x3 in place of the 7x7), "cifar" (3x3 of stride 1) or nothing',
    ]
    stem_width: Annotated[int | None, COUNT, "filters of the stem; None for as many as the first stage has"] = None
    placement: Annotated[str, OneOf(PLACEMENTS), "order of normalizations, activations and addition in a unit"] = (
        "original"
    )
    shortcut: Annotated[
        str | Mapping[str, Any],
        parse_shortcut,
        Registered(SHORTCUTS),
        "a name, or a mapping of `name` and that variant's parameters",
    ] = "B"
    activation: Annotated[
        Activation,
        check_activation,
        Registered(LAYERS),
        "a name, of a function of Keras too; a mapping of `name` and parameters; a function, a Layer class, a Layer as "
        "prototype, or a serialized Keras config",
    ] = "relu"
    groups: Annotated[
        int, COUNT, 'groups of channels that the 3x3 convolutions of bottlenecks treat apart ("cardinality")'
    ] = 1
    width_per_group: Annotated[
        int,
        COUNT,
        "channels of a group where the width is 64, in proportion elsewhere: ResNeXt 32x4d has 32 groups of 4, Wide "
        "ResNet-50-2 one of 128",
    ] = 64
    squeeze_excitation: Annotated[
        int | None,
        COUNT,
        "the factor by which squeeze-and-excitation reduces a residual branch's channels; None to do without",
    ] = None
    stride_on: Annotated[
        Literal["first", "3x3"],
        'convolution of a unit that carries the stride: the first (the papers) or the 3x3 ("v1.5"); only a '
        "bottleneck's differs",
    ] = "first"
    stride_unit: Annotated[
        Literal["first", "last"],
        "unit that carries the stride between two stages: the first of the later stage (the papers), or the last of "
        "the earlier one (keras.applications' V2 networks)",
    ] = "first"
    downsampling: Annotated[
        Literal["stride", "max_pool"], "a stride between the stages, or a 2x2 max pool behind every stage (VGG)"
    ] = "stride"
    output_stride: Annotated[
        int | None,
        COUNT,
        HARMLESS,
        "input pixels behind one pixel of the last map at most: where the network would stride further, its "
        "convolutions are dilated instead, on the same weights; None to stride throughout. What takes means over maps, "
        "squeeze-and-excitation and the classifier, takes them over more pixels then",
    ] = None
    padding: Annotated[
        Literal["symmetric", "same"],
        "of strided convolutions and pools: symmetric (the papers, Caffe, Torch), or TensorFlow's, which pads even "
        "sizes on one side only and computes another function",
    ] = "symmetric"
    pool_padding: Annotated[
        Literal["lowest", "zeros"],
        "what a symmetric max pool pads with: the lowest number, which is never picked, or zeros (keras.applications)",
    ] = "lowest"
    projection: Annotated[
        Literal["convolution", "average_pool"],
        "what carries the stride of a projection shortcut: its convolution, or an average pool before it (ResNet-D)",
    ] = "convolution"
    biased: Annotated[
        tuple[str, ...],
        Names("convolution", CONVOLUTIONS),
        "convolutions that carry a bias, those of units by their number",
    ] = ()
    stem_activation: Annotated[
        bool,
        "whether normalization and activation stand between stem and pool; without them a pre-activation network "
        "starts with the first unit's own (keras.applications' V2, timm)",
    ] = True
    hidden: Annotated[
        tuple[int, ...],
        Counts(one_for_each_stage=False),
        "fully connected layers between the last map and the classifier (VGG)",
    ] = ()
    normalization: Annotated[Literal["batch", "none"], "what follows the convolutions"] = "batch"
    norm_momentum: Annotated[float, SHARE, HARMLESS, "share that a moving average keeps at each step"] = 0.9
    norm_epsilon: Annotated[float, Range(1e-12, 1), "added to the variance"] = 1e-5
    synchronized: Annotated[bool, HARMLESS, "whether normalization takes its statistics over all replicas"] = False
    zero_init_residual: Annotated[
        bool,
        HARMLESS,
        "whether the normalization that ends a residual branch starts with a scale of zero, so that each unit starts "
        "as its shortcut",
    ] = False
    init_gain: Annotated[
        float,
        Range(0, 1e3, above=True),
        HARMLESS,
        "factor on the kernels that convolutions start with, beside He's initialization",
    ] = 1.0
    dropout: Annotated[
        float, SHARE, HARMLESS, "share of the values dropped before the last convolution of each unit"
    ] = 0.0
    classifier_dropout: Annotated[
        float, SHARE, HARMLESS, "share of the features dropped before the classifier, and behind each hidden layer"
    ] = 0.0
    stochastic_depth: Annotated[
        float,
        SHARE,
        HARMLESS,
        "share of the examples for which the last unit's residual branch is dropped; it rises from zero in proportion "
        "to the unit's place",
    ] = 0.0
    l1: Annotated[
        float, COEFFICIENT, HARMLESS, "coefficient of the sum of the absolute values of all kernels in the loss"
    ] = 0.0
    l2: Annotated[float, COEFFICIENT, HARMLESS, "coefficient of the sum of their squares"] = 0.0

    @property
    def entry(self) -> Placement:
        """The order of operations in a unit, as parsed from the placement's name."""
        return PLACEMENTS[self.placement]

    @property
    def depth(self) -> int:
        """Weighted layers as He et al. count them, which are the stem, the convolutions of units and dense layers."""
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
    def is_preactivation(self) -> bool:
        """Whether units begin with an activation rather than a convolution."""
        return bool(self.entry.prefix)
