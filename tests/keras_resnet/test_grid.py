"""The papers' whole grid: every shortcut, placement, unit and family against formulas of its own in NumPy."""

import itertools
import math
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import pytest

from keras_resnet.choices.activations import LAYERS
from keras_resnet.choices.placements import PLACEMENTS
from keras_resnet.choices.shortcuts import SHORTCUTS
from tests.keras_resnet.helpers import build, images, outputs, relative_error, tiny
from tests.keras_resnet.orders import Order, order_of
from tests.keras_resnet.reference import Reference, average_pool, max_pool, relu, units
from tests.pairs import pairwise, parted

CONVOLUTIONS = {"basic": 2, "bottleneck": 3, "single": 1}
CHOICES = {
    **{name: name for name in SHORTCUTS},
    "A, zeros on both sides": {"name": "A", "zeros": "both"},
    "convolution, not normalised": {"name": "convolution", "norm": False},
    "constant_scaling, changing by B": {"name": "constant_scaling", "scale": 0.3, "residual_scale": 2.0, "change": "B"},
    "exclusive_gating, open": {"name": "exclusive_gating", "bias": 0.5, "change": "B"},
    "shortcut_only_gating, open": {"name": "shortcut_only_gating", "bias": 0.0},
}


def sigma(x):
    return 1 / (1 + np.exp(-x))


def follow(net, name, x, letters):
    """Normalise and activate in the order of the letters B and R."""
    for letter in letters:
        x = {"B": net.norm, "R": net.act}[letter](name, x)
    return x


def residual_branch(net, unit, x, count, stride, order):
    """Follow arXiv 1603.05027, Figure 4, from the first convolution to the addition."""
    for index in range(1, count + 1):
        x = net.conv(f"{unit}_{index}", x, stride if index == 1 else 1)
        x = follow(net, f"{unit}_{index}", x, order.between if index < count else order.behind)
    return squeeze_and_excite(net, unit, x) if f"{unit}_se_reduce" in net.weights else x


def squeeze_and_excite(net, unit, x):
    """Follow arXiv 1709.01507, equations 2 to 4."""
    reduce, excite = (net.weights[f"{unit}_se_{name}"] for name in ("reduce", "excite"))
    hidden = relu(x.mean((1, 2)) @ reduce[0][0, 0] + reduce[1])
    return x * sigma(hidden @ excite[0][0, 0] + excite[1])[:, None, None]


def after_addition(net, unit, x, order):
    for letter in order.after:
        x = net.norm(f"{unit}_add", x) if letter == "B" else net.act(f"{unit}_out", x)
    return x


class Site(NamedTuple):
    """A unit as its shortcut sees it."""

    name: str
    stride: int
    order: Order


def shortcut_a(x, shape, stride, sides=1):
    x = x[:, ::stride, ::stride]
    missing = shape[-1] - x.shape[-1]
    front = missing // 2 if sides == 2 else 0
    return np.pad(x, ((0, 0), (0, 0), (0, 0), (front, missing - front)))


def projection(net, site, x, norm=True):
    stride = site.stride
    if net.projection == "average_pool" and stride > 1:
        x, stride = average_pool(x), 1
    x = net.conv(f"{site.name}_0", x, stride)
    return net.norm(f"{site.name}_0", x) if norm and "B" in site.order.behind else x


def changed(net, site, x, shape, change="A"):
    """Bring x to the shape of the residual branch as option A or B does."""
    if change == "B" and shape[-1] != x.shape[-1]:
        return projection(net, site, x)
    return shortcut_a(x, shape, site.stride)


def projected(net, site, x, residual, norm=True):
    return projection(net, site, x, norm) + residual


def scaled(net, site, x, residual, *, scale=0.5, residual_scale=0.5, change="A"):
    return scale * changed(net, site, x, residual.shape, change) + residual_scale * residual


def gate(net, site, x):
    kernel, bias = net.weights[f"{site.name}_0_gate"]
    return sigma(x[:, :: site.stride, :: site.stride] @ kernel[0, 0] + bias)


def gated(net, site, x, residual, *, change="A", bias=None, exclusive=False):
    g = gate(net, site, x)
    return (1 - g) * changed(net, site, x, residual.shape, change) + (g * residual if exclusive else residual)


# What each shortcut adds up: arXiv 1512.03385, section 3.3, and arXiv 1603.05027, Table 1, at inference.
SUMS = {
    "A": lambda net, site, x, residual, zeros="end": (
        shortcut_a(x, residual.shape, site.stride, 2 if zeros == "both" else 1) + residual
    ),
    "B": lambda net, site, x, residual: changed(net, site, x, residual.shape, "B") + residual,
    "C": projected,
    "convolution": projected,
    "none": lambda net, site, x, residual: residual,
    "dropout": lambda net, site, x, residual, change="A", **_: changed(net, site, x, residual.shape, change) + residual,
    "constant_scaling": scaled,
    "exclusive_gating": partial(gated, exclusive=True),
    "shortcut_only_gating": gated,
}


def joined(net, site, x, residual, choice):
    options = {"name": choice} if isinstance(choice, str) else dict(choice)
    name = options.pop("name")
    assert name in SUMS, f"give the shortcut {name!r} a row in SUMS of {__file__}"
    return SUMS[name](net, site, x, residual, **options)


def stem(net, x, kind):
    """Follow arXiv 1512.03385, Table 1 and section 4.2, and arXiv 1812.01187, section 4."""
    stride = 1 if kind == "cifar" else 2
    for name in ("conv1_1", "conv1_2", "conv1_3") if kind == "deep" else ("conv1",):
        x = net.act(name, net.conv_norm(name, x, stride))
        stride = 1
    return x if kind == "cifar" else max_pool(x)


def expected_logits(model, architecture, x, activation=None):
    net, order = Reference(model, activation), order_of(architecture.placement)
    net.projection = architecture.projection
    x = stem(net, x, architecture.stem)
    for index, (unit, stride) in enumerate(units(architecture)):
        entrance = follow(net, f"{unit}_preact", x, order.before) if index else x  # the stem has activated the first
        residual = residual_branch(net, unit, entrance, CONVOLUTIONS[architecture.unit], stride, order)
        carried = entrance if residual.shape[-1] != x.shape[-1] else x
        x = joined(net, Site(unit, stride, order), carried, residual, architecture.shortcut)
        x = after_addition(net, unit, x, order)
    return net.logits(follow(net, "post", x, order.before))


def assert_formula(architecture, x, activation=None):
    """Compare a network with its formula; return the network and what it computes."""
    model = build(architecture, shape=x.shape[1:])
    actual = outputs(model, x)
    assert relative_error(actual, expected_logits(model, architecture, x.astype("float64"), activation)) < 1e-5
    return model, actual


def assert_formula_and_file(architecture, x, folder, activation=None):
    """Compare a network with its formula, and with itself as its file gives it back."""
    model, actual = assert_formula(architecture, x, activation)
    model.save(folder / "model.keras")
    np.testing.assert_array_equal(outputs(keras.models.load_model(folder / "model.keras"), x), actual)


# What holds every three choices of the grid. Files are written of every two: the layers that they hold are of no more.
PAIRS, OTHERS = parted(pairwise([*itertools.product(CHOICES, PLACEMENTS, CONVOLUTIONS, ("cifar", "imagenet"))], 3))


def grid_network(choice, placement, unit, stem):
    return tiny(shortcut=CHOICES[choice], placement=placement, unit=unit, stem=stem, widths=(3, 4))


@pytest.mark.parametrize(("choice", "placement", "unit", "stem"), PAIRS)
def test_network_computes_its_formula_and_is_saved(choice, placement, unit, stem, tmp_path):
    assert_formula_and_file(grid_network(choice, placement, unit, stem), images(2, 21, 20, 3), tmp_path)


@pytest.mark.parametrize(("choice", "placement", "unit", "stem"), OTHERS)
def test_network_of_every_three_choices_computes_its_formula(choice, placement, unit, stem):
    assert_formula(grid_network(choice, placement, unit, stem), images(2, 21, 20, 3))


def swish(weights, x):
    return x * sigma(weights[0] * x)


def piecewise_linear(weights, x):
    """Follow arXiv 1412.6830, equation 1: slopes first, then the places of the hinges."""
    slopes, places = np.split(np.array(weights), 2)
    return relu(x) + sum(a * np.maximum(0, b - x) for a, b in zip(slopes, places))


def rational(weights, x):
    """Follow arXiv 1907.06732, equation 2."""
    above, below = (np.polynomial.polynomial.polyval(x, [*w]) for w in (weights[0], [0, *weights[1]]))
    return above / (1 + np.abs(below))


def maxout(pieces):
    return lambda weights, x: np.max(np.split(x, pieces, axis=-1), axis=0)


# The activation as users write it, and as the papers do.
ACTIVATIONS = {
    "gelu": ("gelu", lambda weights, x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2),
    "prelu": ("prelu", lambda weights, x: np.where(x > 0, x, weights[0] * x)),
    "trainable_swish": ({"name": "trainable_swish", "beta": 0.5}, swish),
    "piecewise_linear": ({"name": "piecewise_linear", "hinges": 3}, piecewise_linear),
    "rational": ("rational", rational),
    "maxout": ("maxout", maxout(2)),
    "maxout, three pieces": ({"name": "maxout", "pieces": 3}, maxout(3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_activation_that_learns_has_a_formula(name):
    named = {choice["name"] if isinstance(choice, dict) else choice for choice, _ in ACTIVATIONS.values()}
    assert name in named, f"give the activation {name!r} a row in ACTIVATIONS of {__file__}"


OF_ACTIVATIONS = itertools.product(ACTIVATIONS, PLACEMENTS, ("A", "B", "C", "none", "exclusive_gating"))
ACTIVATION_PAIRS, OTHER_ACTIVATIONS = parted([*OF_ACTIVATIONS])


def activated(activation, placement, shortcut):
    return tiny(activation=ACTIVATIONS[activation][0], placement=placement, shortcut=shortcut, widths=(3, 4))


@pytest.mark.parametrize(("activation", "placement", "shortcut"), ACTIVATION_PAIRS)
def test_activation_computes_its_formula_and_is_saved(activation, placement, shortcut, tmp_path):
    network, formula = activated(activation, placement, shortcut), ACTIVATIONS[activation][1]
    assert_formula_and_file(network, images(2, 11, 10, 3), tmp_path, formula)


@pytest.mark.parametrize(("activation", "placement", "shortcut"), OTHER_ACTIVATIONS)
def test_activation_computes_its_formula_everywhere(activation, placement, shortcut):
    assert_formula(activated(activation, placement, shortcut), images(2, 11, 10, 3), ACTIVATIONS[activation][1])


RELATIVES = {
    "deep stem, pooled projections": {"stem": "deep", "projection": "average_pool", "widths": (4, 6)},
    "groups": {"groups": 2, "width_per_group": 64, "widths": (4, 6)},
    "groups narrower than the width": {"groups": 4, "width_per_group": 32, "widths": (4, 6)},
    "wide": {"width_per_group": 128, "stem_width": 3},
    "squeeze-and-excitation": {"squeeze_excitation": 4, "widths": (3, 4)},
    "all of them": {
        "stem": "deep",
        "projection": "average_pool",
        "groups": 2,
        "squeeze_excitation": 2,
        "stem_width": 6,
        "widths": (4, 6),
        "activation": "maxout",
    },
}


OF_RELATIVES = itertools.product(RELATIVES, PLACEMENTS, ("A", "B", "C", "shortcut_only_gating"))
RELATIVE_PAIRS, OTHER_RELATIVES = parted([*OF_RELATIVES])
FAST_RELATIVES, SLOW_RELATIVES = parted(RELATIVE_PAIRS, together=1)


def related(relative, placement, shortcut):
    """Describe a relative, and give the formula of its activation."""
    network = tiny(**{"unit": "bottleneck", "placement": placement, "shortcut": shortcut, **RELATIVES[relative]})
    return network, maxout(2) if network.activation == "maxout" else None


@pytest.mark.parametrize(("relative", "placement", "shortcut"), [*FAST_RELATIVES, *SLOW_RELATIVES])
def test_relatives_of_other_papers_compute_their_formula_and_are_saved(relative, placement, shortcut, tmp_path):
    network, formula = related(relative, placement, shortcut)
    assert_formula_and_file(network, images(2, 21, 20, 3), tmp_path, formula)


@pytest.mark.parametrize(("relative", "placement", "shortcut"), OTHER_RELATIVES)
def test_relatives_of_other_papers_compute_their_formula_everywhere(relative, placement, shortcut):
    network, formula = related(relative, placement, shortcut)
    assert_formula(network, images(2, 21, 20, 3), formula)


@pytest.mark.sampled(18)
@pytest.mark.parametrize(
    ("choice", "placement", "unit"), pairwise([*itertools.product(CHOICES, PLACEMENTS, CONVOLUTIONS)])
)
def test_every_weight_learns(choice, placement, unit):
    architecture = tiny(shortcut=CHOICES[choice], placement=placement, unit=unit, widths=(8, 12))
    model = build(architecture, shape=(8, 8, 3))
    before = [weight.numpy() for weight in model.trainable_weights]
    model.compile(keras.optimizers.SGD(0.1), keras.losses.MeanSquaredError(), run_eagerly=True)
    model.train_on_batch(images(8, 8, 8, 3), images(8, 5, seed=1))
    changes = [np.abs(weight.numpy() - old).max() for weight, old in zip(model.trainable_weights, before)]
    assert np.isfinite(changes).all()
    still = [weight.path for weight, change in zip(model.trainable_weights, changes) if change == 0]
    # A projection's shift may be taken out again by the normalisation of all that follows it.
    assert [path for path in still if not path.endswith("_0_bn/beta")] == []


# Invariants.


def same_weights(architecture, other):
    """Build two networks and give the second the weights that it shares with the first."""
    x = images(2, 12, 12, 3)
    first, second = build(architecture, shape=x.shape[1:]), build(other, shape=x.shape[1:])
    layers = {layer.name: layer for layer in first.layers if layer.weights}
    for layer in second.layers:
        if layer.weights and layer.name in layers:
            layer.set_weights(layers[layer.name].get_weights())
    return first, second, x


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_scaling_the_shortcut_to_nothing_leaves_the_plain_network(placement):
    scaled = tiny(placement=placement, shortcut={"name": "constant_scaling", "scale": 0.0, "residual_scale": 1.0})
    first, second, x = same_weights(scaled, tiny(placement=placement, shortcut="none"))
    np.testing.assert_array_equal(outputs(first, x), outputs(second, x))


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("shortcut", ["dropout", {"name": "shortcut_only_gating", "bias": -50.0}], ids=str)
def test_dropout_at_inference_and_a_closed_gate_leave_the_identity_shortcut(placement, shortcut):
    first, second, x = same_weights(
        tiny(placement=placement, shortcut=shortcut), tiny(placement=placement, shortcut="A")
    )
    close_gates(first)
    np.testing.assert_array_equal(outputs(first, x), outputs(second, x))


def test_a_closed_exclusive_gate_lets_x_through_and_the_residual_branch_not():
    model = build(tiny(shortcut="exclusive_gating", blocks=(1,), widths=(4,)), shape=(12, 12, 3))
    close_gates(model)
    x = images(2, 12, 12, 3)
    unit = keras.Model(model.input, [model.get_layer(name).output for name in ("conv1_relu", "conv2_block1_out")])
    entered, left = (keras.ops.convert_to_numpy(tensor) for tensor in unit(x, training=False))
    np.testing.assert_allclose(left, entered, rtol=0, atol=1e-18)


def close_gates(model):
    """Set the gates' biases to -50 again, which the random weights of the tests have replaced."""
    for layer in model.layers:
        if layer.name.endswith("_gate"):
            layer.set_weights([layer.get_weights()[0], np.full(layer.filters, -50.0)])
