"""Architecture: every choice that makes a residual network, in one frozen value that checks itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from keras_resnet.activations import Activation, activation_factory
from keras_resnet.messages import unknown
from keras_resnet.shortcuts import parse_shortcut
from keras_resnet.units import PLACEMENTS, UNITS, Placement

if TYPE_CHECKING:
    from typing_extensions import TypedDict

CONVOLUTIONS = ("stem", "1", "2", "3", "shortcut")

# What the fields of fixed choice may be. Placements and units are tables of their own.
ALLOWED: dict[str, tuple[str, ...]] = {
    "stem": ("imagenet", "cifar"),
    "unit": tuple(UNITS),
    "placement": tuple(PLACEMENTS),
    "stride_on": ("first", "3x3"),
    "stride_unit": ("first", "last"),
    "padding": ("symmetric", "same"),
    "pool_padding": ("lowest", "zeros"),
    "projection": ("convolution", "average_pool"),
}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A residual or plain network, from the stem to the last stage.

    Args:
        blocks: tuple of ints, residual units in each stage.
        widths: tuple of ints, filters of the 3x3 convolutions in each stage; a bottleneck unit gives out
            four times as many channels. The stem has as many filters as the first stage.
        unit: "basic" (two 3x3) or "bottleneck" (1x1, 3x3, 1x1).
        stem: "imagenet" (7x7 stride 2, then a 3x3 max pool of stride 2) or "cifar" (3x3, stride 1).
        placement: where normalisation and activation stand, a name in `units.PLACEMENTS`.
        shortcut: a name in `shortcuts.SHORTCUTS`, or a mapping of `name` and that variant's parameters.
        activation: whatever `activations.activation_factory` takes.
        stride_on: convolution of a unit that carries the stride: "first" (the papers) or "3x3" ("v1.5";
            only a bottleneck's differs).
        stride_unit: unit that carries the stride between two stages: "first" of the later stage (the
            papers), or "last" of the earlier one (keras.applications' V2 networks).
        padding: of strided convolutions and pools: "symmetric" (the papers, Caffe, Torch) or "same"
            (TensorFlow's, which pads even sizes on one side only and computes another function).
        pool_padding: what a symmetric max pool pads with: "lowest" (never picked) or "zeros"
            (keras.applications).
        projection: how a projection shortcut carries its stride: "convolution", or "average_pool"
            followed by a convolution of stride 1 ("ResNet-D").
        biased: convolutions that carry a bias, out of "stem", "1", "2", "3" (of a unit), "shortcut".
        stem_activation: whether normalisation and activation stand between stem and pool. Without them a
            pre-activation network starts with the first unit's own (keras.applications' V2, timm).
        norm_momentum: float, share that a moving average keeps at each step.
        norm_epsilon: float, added to the variance.
        synchronized: bool, whether normalisation takes its statistics over all replicas.

    Raises:
        ValueError: a value is not allowed, or two values contradict each other.

    Source: arXiv 1512.03385, Table 1 and section 4.2; arXiv 1603.05027, Figure 4 and appendix.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    unit: Literal["basic", "bottleneck"]
    stem: Literal["imagenet", "cifar"]
    placement: str = "original"
    shortcut: str | Mapping[str, Any] = "B"
    activation: Activation = "relu"
    stride_on: Literal["first", "3x3"] = "first"
    stride_unit: Literal["first", "last"] = "first"
    padding: Literal["symmetric", "same"] = "symmetric"
    pool_padding: Literal["lowest", "zeros"] = "lowest"
    projection: Literal["convolution", "average_pool"] = "convolution"
    biased: tuple[str, ...] = ()
    stem_activation: bool = True
    norm_momentum: float = 0.9
    norm_epsilon: float = 1e-5
    synchronized: bool = False

    def __post_init__(self) -> None:
        for field in ("blocks", "widths", "biased"):
            if isinstance(getattr(self, field), str):
                raise ValueError(f"{field} must be a tuple; received {getattr(self, field)!r}.")
            object.__setattr__(self, field, tuple(getattr(self, field)))
        for field, allowed in ALLOWED.items():
            if getattr(self, field) not in allowed:
                raise ValueError(unknown(field, getattr(self, field), allowed))
        for site in self.biased:
            if site not in CONVOLUTIONS:
                raise ValueError(unknown("convolution in biased:", site, CONVOLUTIONS))
        name, _ = parse_shortcut(self.shortcut)
        activation_factory(self.activation)
        self._check_sizes()
        if name == "A" and list(self.widths) != sorted(self.widths):
            raise ValueError(f"Shortcut 'A' pads with zeros and cannot shrink channels; received widths={self.widths}.")
        if not self.stem_activation and not self.entry.prefix:
            raise ValueError(
                f"stem_activation=False leaves no activation after the stem of placement {self.placement!r}; "
                "only a pre-activation placement has one in its first unit."
            )

    def _check_sizes(self) -> None:
        for field in ("blocks", "widths"):
            values = getattr(self, field)
            if not values or any(not isinstance(value, int) or value < 1 for value in values):
                raise ValueError(f"{field} must be positive integers, one for each stage; received {values!r}.")
        if len(self.blocks) != len(self.widths):
            raise ValueError(f"blocks={self.blocks} and widths={self.widths} must have one entry for each stage.")
        if not 0 <= self.norm_momentum < 1 or self.norm_epsilon <= 0:
            raise ValueError(
                f"norm_momentum must lie in [0, 1) and norm_epsilon above 0; received {self.norm_momentum} "
                f"and {self.norm_epsilon}."
            )

    @property
    def entry(self) -> Placement:
        """The order of operations in a unit, as parsed from the placement's name."""
        return PLACEMENTS[self.placement]

    @property
    def depth(self) -> int:
        """Weighted layers as the papers count them: stem, convolutions of the units, classifier."""
        return 2 + sum(self.blocks) * len(UNITS[self.unit].kernels)

    @property
    def stride(self) -> int:
        """Input pixels, along one side, behind one pixel of the last feature map."""
        return (4 if self.stem == "imagenet" else 1) * 2 ** (len(self.blocks) - 1)

    @property
    def image_size(self) -> int:
        """Side of the papers' input images, in pixels."""
        return 224 if self.stem == "imagenet" else 32

    @property
    def classes(self) -> int:
        """Classes of the data set that the papers train this family on."""
        return 1000 if self.stem == "imagenet" else 10

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

        placement: str
        shortcut: str | Mapping[str, Any]
        activation: Activation
        stride_on: Literal["first", "3x3"]
        stride_unit: Literal["first", "last"]
        padding: Literal["symmetric", "same"]
        pool_padding: Literal["lowest", "zeros"]
        projection: Literal["convolution", "average_pool"]
        biased: tuple[str, ...]
        stem_activation: bool
        norm_momentum: float
        norm_epsilon: float
        synchronized: bool
