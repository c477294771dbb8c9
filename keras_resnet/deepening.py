"""More units for a trained network, each of which computes the identity: the first paper's solution by construction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_resnet.architecture import Architecture
from keras_resnet.build.head import TOP, has_top
from keras_resnet.build.stages import units_of
from keras_resnet.build.unit import Unit
from keras_resnet.choices.activations import activation_factory
from keras_resnet.choices.shortcuts import pads_with_zeros, parse_shortcut
from keras_resnet.choices.units import UNITS
from keras_resnet.layers import PiecewiseLinear
from keras_resnet.model import ResidualNetwork, build_network, carried

GRID = np.linspace(-4, 4, 161, dtype="float32")  # where activations are looked at
POOLS = {"avg_pool": "avg", "max_pool": "max"}


def deepen(model: keras.Model, blocks: Sequence[int]) -> ResidualNetwork:
    """Put units into a trained network that compute the identity, so that at inference its outputs stay as they are.

    A unit whose shortcut is the identity gets a residual branch that gives zero: its last scale, or its last kernel,
    is zero. Any other gets kernels of Dirac, scaled so that both branches sum up to what enters the unit. All weights
    learn on. Where the branch does not give zero, normalization by the statistics of a batch, as in training, changes
    what the unit gives.

    Args:
        model: keras.Model that this package built, or that was loaded from a file of such. It is left as it was.
        blocks: sequence of int, units in each stage, at least as many as there are. New ones stand at the end of a
            stage, before the one that carries its stride. Where its only unit carries the stride and changes the
            channels too, they stand behind it, and the last one takes over the stride, if outputs stay so.

    Returns:
        ResidualNetwork of the deeper architecture, under Keras's present dtype policy, with input contract and labels.

    Raises:
        ValueError: the network does not know its architecture, blocks do not fit, there is no place for a further unit,
            or no weights make it the identity, or only ones that could not learn; the message says why.

    Source: arXiv 1512.03385, section 1: the solution by construction.
    """
    architecture = _architecture_of(model)
    deeper = architecture.replace(blocks=_checked(blocks, architecture))
    share = branch_share(deeper) if deeper.blocks != architecture.blocks else 0.0
    stages = zip(units_of(architecture), units_of(deeper))
    pairs = [pair for old, new in stages for pair in _matched(model, old, new)]
    names = {new.name: old.name for old, new in pairs if old is not None}
    added = [new for old, new in pairs if old is None]
    network = _rebuilt(model, deeper)
    _copy(model, network, names)
    for unit in added:
        make_identity(network, unit, share)
    return network


def _architecture_of(model: keras.Model) -> Architecture:
    architecture = getattr(model, "architecture", None)
    if architecture is None:
        raise ValueError(
            f"{model.name!r} does not know its architecture; build it with keras_resnet and load its weights."
        )
    return architecture


def _checked(blocks: Sequence[int], architecture: Architecture) -> tuple[int, ...]:
    """Refuse numbers of units that are not at least those of the network."""
    before, wanted = architecture.blocks, tuple(blocks)
    if len(wanted) != len(before) or any(isinstance(n, bool) or not isinstance(n, int) for n in wanted):
        raise ValueError(f"blocks must be {len(before)} integers, one a stage, as in {before}; received {blocks!r}.")
    if any(new < old for new, old in zip(wanted, before)):
        raise ValueError(f"blocks={wanted} would take units away; the network has {before}.")
    return wanted


def _matched(model: keras.Model, old: list[Unit], new: list[Unit]) -> Iterator[tuple[Unit | None, Unit]]:
    """Pair the units of a stage with those of its deeper form: the unit that strides at its end stays the last one."""
    tail = int(len(new) > len(old) and (new[-1].stride > 1 or new[-1].dilates))
    if tail and len(old) == 1 and not _may_follow_others(model, old[0]):
        if not _subsamples(old[0]):
            raise ValueError(
                f"{old[0].name!r}, the only unit of its stage, strides. No other can stand before it, for it changes "
                "the channels or has no pre-activation of its own, nor behind it, where it would take over the stride "
                "and change outputs; leave this stage at one unit."
            )
        tail = 0
    head = len(old) - tail
    yield from zip(old[:head], new[:head])
    yield from ((None, unit) for unit in new[head : len(new) - tail])
    yield from zip(old[head:], new[len(new) - tail :])


def _may_follow_others(model: keras.Model, unit: Unit) -> bool:
    """Tell whether the first unit of a stage could stand behind others: it takes what all units of the stage give."""
    architecture = unit.architecture
    if unit.changes_channels_of(model.get_layer(f"{unit.name}_1_conv").input):
        return False
    activated = architecture.stem != "none" and architecture.stem_activation  # as what enters the first stage is
    is_first = unit.name == units_of(architecture)[0][0].name
    return not is_first or activated != architecture.is_preactivation


def _subsamples(unit: Unit) -> bool:
    """Tell whether a unit that strides gives every second pixel of what it would give without its stride.

    So it does where all that follows the convolution that strides looks at one pixel, and pools take none together.
    """
    architecture = unit.architecture
    kernels = UNITS[architecture.unit].kernels
    strided = kernels.index(3) if architecture.stride_on == "3x3" else 0
    return (
        3 not in kernels[strided + 1 :]
        and architecture.padding == "symmetric"
        and architecture.projection == "convolution"
        and not architecture.squeeze_excitation
    )


def _rebuilt(model: keras.Model, architecture: Architecture) -> ResidualNetwork:
    """Build a network of a deeper architecture with the input and the end of another."""
    names = [layer.name for layer in model.layers]
    ends: dict[str, Any] = {"include_top": has_top(model)}
    if has_top(model):
        top = model.get_layer(TOP)
        ends |= {"classes": top.units, "classifier_activation": top.activation}
    else:
        ends["pooling"] = next((kind for name, kind in POOLS.items() if name in names), None)
    network = build_network(architecture, name=model.name, input_shape=model.input_shape[1:], **ends)
    if network.output_shape != model.output_shape:
        raise ValueError(
            f"{model.name!r} ends in other layers than keras_resnet builds; deepen it before they are added."
        )
    known = carried(model)
    network.preprocessing, network.labels = known["preprocessing"], known["labels"]
    return network


def _copy(model: keras.Model, network: keras.Model, names: Mapping[str, str]) -> None:
    """Copy all weights; `names` gives the unit of the one network for each unit of the other that has one."""
    for layer in network.layers:
        unit = "_".join(layer.name.split("_")[:2])
        if layer.weights and (unit in names or "_block" not in layer.name):
            source = layer.name.replace(unit, names[unit], 1) if unit in names else layer.name
            layer.set_weights(model.get_layer(source).get_weights())


def branch_share(architecture: Architecture) -> float:
    """Give the multiple of its input that a unit's residual branch must be; 0 where the shortcut gives all of it.

    Raises:
        ValueError: no weights make a unit of this kind the identity, or only ones that could not learn.
    """
    name, parameters = parse_shortcut(architecture.shortcut)
    if name not in SHARES:
        raise ValueError(f"It is not known here how a unit with shortcut {name!r} becomes the identity.")
    share = SHARES[name](parameters)
    for reason in _obstacles(architecture, share):
        raise ValueError(f"No weights make another unit of this network the identity: {reason}.")
    return share


def _scaling(parameters: Mapping[str, Any]) -> float:
    scale, residual = parameters.get("scale", 0.5), parameters.get("residual_scale", 0.5)
    if scale != 1 and not residual:
        raise ValueError(
            f"No weights make another unit of this network the identity: the shortcut is scaled by {scale}, and the "
            "residual branch, which would have to give the rest, by 0."
        )
    return 0.0 if scale == 1 else (1 - scale) / residual


def _carried_share(parameters: Mapping[str, Any]) -> float:
    return float(1 / (1 + np.exp(-parameters.get("bias", -6.0))))  # what a gate of this bias takes from the shortcut


# What the residual branch must give, as a multiple of what enters the unit, so that both branches sum up to it.
SHARES: dict[str, Callable[[Mapping[str, Any]], float]] = {
    **dict.fromkeys(("A", "B", "C", "convolution", "dropout"), lambda _: 0.0),
    "none": lambda _: 1.0,
    "constant_scaling": _scaling,
    "exclusive_gating": lambda _: 1.0,  # (1 - g) x + g x = x, whatever the gate says
    "shortcut_only_gating": _carried_share,
}


def _obstacles(architecture: Architecture, share: float) -> Iterator[str]:
    """Say what keeps a unit from the identity."""
    if architecture.pieces > 1:
        yield "its activation takes several channels for one"
        return
    placement, activation = architecture.entry, Activation(architecture)
    if placement.after and not activation.repeats:
        yield "the activation behind the addition, applied once more, changes what it has given"
    if not share:
        if "act" in placement.suffix and not activation.rests:
            yield "the activation that ends the residual branch does not give 0 for 0"
        if "act" in placement.suffix and not activation.learns_at_rest:
            yield "the activation that ends the residual branch is flat where it gives 0, so that it could never learn"
        return
    channels = architecture.widths[0] * UNITS[architecture.unit].expansion
    inside = architecture.widths[0] * architecture.groups * architecture.width_per_group // 64
    if len(UNITS[architecture.unit].kernels) > 1 and inside < channels:
        yield f"the residual branch would have to carry {channels} channels through {inside}"
    if architecture.groups > 1:
        yield "the residual branch would have to carry channels through groups of convolutions"
    if not activation.is_identity and not (_is_activated(architecture) and activation.repeats and share > 0):
        yield "the residual branch would have to pass on negative values, which its activation does not"


def _is_activated(architecture: Architecture) -> bool:
    """Tell whether everything that enters a unit has come out of the activation, or is a sum of such with zeros."""
    if architecture.entry.after:
        return True
    return "act" in architecture.entry.suffix and (
        parse_shortcut(architecture.shortcut)[0] == "none" or pads_with_zeros(architecture.shortcut)
    )


class Activation:
    """What an activation does to numbers, looked at on a grid: of one that can be made the identity, as it then is.

    One that has weights, and cannot, `repeats` nothing: those of the units before have learned, and what they give is
    not what a new one would.

    Args:
        architecture: Architecture.
    """

    def __init__(self, architecture: Architecture):
        layer = activation_factory(architecture.activation)(name="probe")
        grid = GRID.reshape(-1, 1, 1, 1)
        layer.build(grid.shape)
        make_linear(layer)
        once, twice = (keras.ops.convert_to_numpy(values) for values in (layer(grid), layer(layer(grid))))
        middle = len(GRID) // 2
        self.is_identity = np.allclose(once, grid, atol=1e-7)
        self.repeats = self.is_identity or (not layer.weights and np.allclose(twice, once, atol=1e-7))
        self.rests = bool(abs(once[middle]).max() < 1e-7)
        self.learns_at_rest = bool(np.all(once[middle - 1] != once[middle]))


def make_linear(layer: keras.layers.Layer) -> None:
    """Make an activation that learns the identity, where its weights allow it; leave all other layers alone."""
    if isinstance(layer, keras.layers.PReLU):
        _set(layer, alpha=1.0)
    elif isinstance(layer, PiecewiseLinear):  # max(0, x) - max(0, 0 - x) = x
        for weight in (*layer.slopes, layer.places[0]):
            weight.assign(np.zeros(weight.shape))
        layer.slopes[0].assign(np.full(layer.slopes[0].shape, -1.0))


def make_identity(network: keras.Model, unit: Unit, share: float) -> None:
    """Set the weights of a unit so that it gives what it gets; `share` is what its residual branch gives of it."""
    prefix = f"{unit.name}_"  # with its end, or "conv2_block3" would take the layers of "conv2_block36" too
    layers = {layer.name.removeprefix(prefix): layer for layer in network.layers if layer.name.startswith(prefix)}
    for layer in layers.values():
        make_linear(layer)
    _open_shortcut(layers, unit)
    if "se_excite" in layers and share:
        _set(layers["se_excite"], kernel=0.0, bias=0.0)  # each channel times sigma(0)
        share *= 2
    if "add_bn" in layers:
        _normalize_nothing(layers["add_bn"])
    last = len(UNITS[unit.architecture.unit].kernels)
    if share:
        for place in range(1, last + 1):
            _set_dirac(layers[f"{place}_conv"])
        for name, layer in layers.items():
            if name == "preact_bn" or (name[0] in "123" and name.endswith("_bn")):
                _normalize_nothing(layer)
        _scale(layers[f"{last}_conv"], share)
    elif f"{last}_bn" in layers:
        _set(layers[f"{last}_bn"], gamma=0.0, beta=0.0)
    else:
        _set(layers[f"{last}_conv"], kernel=0.0, bias=0.0)


def _open_shortcut(layers: Mapping[str, keras.layers.Layer], unit: Unit) -> None:
    """Let the shortcut pass all that enters it: a projection by its kernel; a gate as far as its bias says."""
    if "0_conv" in layers:
        _set_dirac(layers["0_conv"])
    if "0_bn" in layers:
        _normalize_nothing(layers["0_bn"])
    if "0_gate" in layers:
        _set(layers["0_gate"], kernel=0.0)


def _set(layer: keras.layers.Layer, **values: float) -> None:
    """Set weights of a layer to one number each, those that it has."""
    for name, value in values.items():
        if (weight := getattr(layer, name, None)) is not None:
            weight.assign(np.full(weight.shape, value))


def _scale(layer: keras.layers.Conv2D, factor: float) -> None:
    layer.kernel.assign(factor * keras.ops.convert_to_numpy(layer.kernel))


def _set_dirac(layer: keras.layers.Conv2D) -> None:
    """Let a convolution give its input: 1 in the middle of the kernel from each channel to the same."""
    kernel = np.zeros(layer.kernel.shape, "float32")
    height, width, inputs, outputs = kernel.shape
    same = np.arange(min(inputs, outputs))
    kernel[height // 2, width // 2, same, same] = 1
    layer.kernel.assign(kernel)
    _set(layer, bias=0.0)


def _normalize_nothing(layer: keras.layers.BatchNormalization) -> None:
    """Let a normalization at inference give its input, in spite of how the backend rounds a root."""
    _set(layer, gamma=1.0, beta=0.0, moving_mean=0.0, moving_variance=1 - layer.epsilon)
    shape = [1, 1, 1, 1]
    shape[layer.axis] = layer.gamma.shape[0]
    rounded = keras.ops.convert_to_numpy(layer(np.ones(shape, "float32"), training=False))
    layer.gamma.assign(1 / rounded.ravel())
