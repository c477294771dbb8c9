"""The fields of an Architecture, and what follows from them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from keras_resnet.choices.activations import Activation, channels_taken
from keras_resnet.choices.placements import PLACEMENTS, Placement
from keras_resnet.choices.stems import STEMS
from keras_resnet.choices.units import UNITS


@dataclass(frozen=True, kw_only=True)
class Fields:
    """Every choice that makes a residual network; see `Architecture`, which checks them."""

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
    def is_preactivation(self) -> bool:
        """Whether units begin with an activation rather than a convolution."""
        return bool(self.entry.prefix)
