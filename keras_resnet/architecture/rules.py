"""Which values of an Architecture's fields contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from keras_resnet.architecture.fields import Fields
from keras_resnet.choices.placements import PLACEMENTS
from keras_resnet.choices.shortcuts import pads_with_zeros, parse_shortcut
from keras_resnet.choices.units import UNITS

Complaints = Iterator[str]  # a rule gives a sentence for each contradiction that it finds


def _lists_have_an_entry_for_each_stage(architecture: Fields) -> Complaints:
    if len(architecture.blocks) != len(architecture.widths):
        yield f"blocks={architecture.blocks} and widths={architecture.widths} must have one entry for each stage."


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
            "zero_init_residual=True needs residual branches that end in a normalization, or nothing behind the zeros "
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
    _lists_have_an_entry_for_each_stage,
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


def check_rules(architecture: Fields) -> None:
    """Refuse values that contradict each other; the message says why."""
    for rule in RULES:
        for complaint in rule(architecture):
            raise ValueError(complaint)
