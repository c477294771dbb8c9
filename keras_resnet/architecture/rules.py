"""What an Architecture refuses: the values that each field may take, and the values that contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

from keras_resnet.architecture.fields import Fields
from keras_resnet.choices.activations import check_activation
from keras_resnet.choices.placements import PLACEMENTS
from keras_resnet.choices.registry import Range, check_value
from keras_resnet.choices.shortcuts import pads_with_zeros, parse_shortcut
from keras_resnet.choices.stems import STEMS
from keras_resnet.choices.units import UNITS
from keras_resnet.messages import unknown

CONVOLUTIONS = ("stem", "1", "2", "3", "shortcut")

# What the fields of fixed choice may be.
ALLOWED: dict[str, tuple[str, ...]] = {
    "stem": tuple(STEMS),
    "unit": tuple(UNITS),
    "placement": tuple(PLACEMENTS),
    "stride_on": ("first", "3x3"),
    "stride_unit": ("first", "last"),
    "downsampling": ("stride", "max_pool"),
    "padding": ("symmetric", "same"),
    "pool_padding": ("lowest", "zeros"),
    "projection": ("convolution", "average_pool"),
    "normalization": ("batch", "none"),
}

COUNT = Annotated[int, Range(1, 2**20)]
SHARE = Annotated[float, Range(0, 1)]
COEFFICIENT = Annotated[float, Range(0, 1e3)]

# What the fields that are numbers or flags may be.
KINDS: dict[str, object] = {
    "stem_width": COUNT,
    "groups": COUNT,
    "width_per_group": COUNT,
    "squeeze_excitation": COUNT,
    "output_stride": COUNT,
    "stem_activation": bool,
    "norm_momentum": SHARE,
    "norm_epsilon": Annotated[float, Range(1e-12, 1)],
    "synchronized": bool,
    "zero_init_residual": bool,
    "dropout": SHARE,
    "classifier_dropout": SHARE,
    "stochastic_depth": SHARE,
    "l1": COEFFICIENT,
    "l2": COEFFICIENT,
}
OPTIONAL = ("stem_width", "squeeze_excitation", "output_stride")


def check(architecture: Fields) -> None:
    """Refuse an architecture that no network can have.

    Args:
        architecture: Fields.

    Raises:
        ValueError: a value is not allowed, or two values contradict each other; the message says why.
    """
    for field, allowed in ALLOWED.items():
        if getattr(architecture, field) not in allowed:
            raise ValueError(unknown(field, getattr(architecture, field), allowed))
    for field, kind in KINDS.items():
        value = getattr(architecture, field)
        if not (value is None and field in OPTIONAL):
            check_value(field, value, kind)
    _check_lists(architecture)
    parse_shortcut(architecture.shortcut)
    check_activation(architecture.activation)
    for rule in RULES:
        for complaint in rule(architecture):
            raise ValueError(complaint)


def _check_lists(architecture: Fields) -> None:
    for field, what in (("blocks", "one for each stage"), ("widths", "one for each stage"), ("hidden", "or none")):
        values = getattr(architecture, field)
        counts = isinstance(values, tuple) and all(type(value) is int and value > 0 for value in values)
        if not counts or (not values and field != "hidden"):
            raise ValueError(f"{field} must be a tuple of positive integers, {what}; received {values!r}.")
    if len(architecture.blocks) != len(architecture.widths):
        raise ValueError(
            f"blocks={architecture.blocks} and widths={architecture.widths} must have one entry for each stage."
        )
    if not isinstance(architecture.biased, tuple):
        raise ValueError(f"biased must be a tuple; received {architecture.biased!r}.")
    for site in architecture.biased:
        if site not in CONVOLUTIONS:
            raise ValueError(unknown("convolution in biased:", site, CONVOLUTIONS))


# Contradictions. Each rule gives a sentence for each that it finds.
Complaints = Iterator[str]


def _zeros_cannot_shrink_channels(architecture: Fields) -> Complaints:
    outputs = (width * UNITS[architecture.unit].expansion for width in architecture.widths)
    channels = [architecture.stem_filters, *outputs]
    if pads_with_zeros(architecture.shortcut) and channels != sorted(channels):
        name, _ = parse_shortcut(architecture.shortcut)
        yield (
            f"Shortcut {name!r} pads with zeros and cannot shrink channels; received widths={architecture.widths} "
            f"after a stem of {architecture.stem_filters}. Take 'B', or the parameter change='B'."
        )


def _image_is_no_feature_map(architecture: Fields) -> Complaints:
    name, _ = parse_shortcut(architecture.shortcut)
    if architecture.stem == "none" and name not in ("none", "B", "C", "convolution"):
        yield f"stem='none' gives the image itself to the first unit, whose shortcut cannot be {name!r}; take 'B'."
    if architecture.stem == "none" and architecture.stem_width is not None:
        yield f"stem='none' has no width; received stem_width={architecture.stem_width}."


def _something_activates_the_stem(architecture: Fields) -> Complaints:
    if not architecture.stem_activation and not architecture.is_preactivation:
        yield (
            f"stem_activation=False leaves no activation after the stem of placement {architecture.placement!r}; only "
            "a pre-activation placement has one in its first unit."
        )


def _deep_stem_begins_with_half_the_width(architecture: Fields) -> Complaints:
    if architecture.stem == "deep" and architecture.stem_filters % 2:
        yield f"stem='deep' begins with half of its width, which cannot be {architecture.stem_filters}."


def _groups_divide_the_channels(architecture: Fields) -> Complaints:
    groups, each = architecture.groups, architecture.width_per_group
    if (groups, each) == (1, 64):
        return
    if architecture.unit != "bottleneck":
        yield (
            f"groups={groups} and width_per_group={each} shape the inside of bottleneck units; a {architecture.unit} "
            "unit has none. Set widths (and stem_width) to widen it."
        )
    for width in architecture.widths:
        if width * groups * each % (64 * groups) or width * each < 64:
            yield (
                f"width_per_group={each} is for a width of 64; a stage of width {width} would have groups of "
                f"{width * each / 64:g} channels."
            )


def _squeeze_leaves_channels(architecture: Fields) -> Complaints:
    reduction = architecture.squeeze_excitation
    for width in architecture.widths:
        channels = width * UNITS[architecture.unit].expansion
        if reduction is not None and channels % reduction:
            yield f"squeeze_excitation={reduction} must divide the {channels} channels of a stage of width {width}."


def _zero_scale_can_grow(architecture: Fields) -> Complaints:
    if not architecture.zero_init_residual:
        return
    if architecture.entry.suffix != ("norm",) or architecture.normalization == "none":
        fitting = ", ".join(repr(name) for name, row in PLACEMENTS.items() if row.suffix == ("norm",))
        yield (
            "zero_init_residual=True needs residual branches that end in a normalisation, or nothing behind the zeros "
            f"would ever learn: placement {fitting}; received {architecture.placement!r} with normalization="
            f"{architecture.normalization!r}."
        )
    if parse_shortcut(architecture.shortcut)[0] == "none":
        yield "zero_init_residual=True makes a network without shortcuts give zeros; received shortcut='none'."


def _dropped_branch_leaves_something(architecture: Fields) -> Complaints:
    if architecture.stochastic_depth and parse_shortcut(architecture.shortcut)[0] == "none":
        yield "stochastic_depth drops residual branches, and shortcut='none' leaves nothing in their place."


def _dilation_keeps_the_function(architecture: Fields) -> Complaints:
    stride = architecture.output_stride
    if stride is None:
        return
    fitting = [architecture.stem_stride * 2**stage for stage in range(len(architecture.blocks))]
    full = fitting[-1]
    if stride not in fitting:
        allowed = ", ".join(map(str, fitting))
        yield f"output_stride={stride} is none of the strides at which this network has stages: {allowed}."
    if architecture.padding == "same" and stride < full:
        yield "output_stride dilates convolutions, which would see other pixels than strided ones of padding='same'."
    if architecture.downsampling == "max_pool":
        yield "output_stride dilates convolutions in place of strides; downsampling='max_pool' has none."
    if architecture.projection == "average_pool" and stride * 2 < full:
        yield (
            f"output_stride={stride} would dilate the 2x2 pools of projection='average_pool', which Keras cannot; the "
            f"least is {full // 2}."
        )


RULES: tuple[Callable[[Fields], Complaints], ...] = (
    _zeros_cannot_shrink_channels,
    _image_is_no_feature_map,
    _something_activates_the_stem,
    _deep_stem_begins_with_half_the_width,
    _groups_divide_the_channels,
    _squeeze_leaves_channels,
    _zero_scale_can_grow,
    _dropped_branch_leaves_something,
    _dilation_keeps_the_function,
)
