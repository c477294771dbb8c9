"""Architectures that are said to compute the same do, on the same weights; and those that are not do not."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.weights.comparison import SILENT, differences
from keras_resnet.weights.legacy import choices_of_layers
from tests.keras_resnet.helpers import build, copy_weights, images, outputs, tiny

PREACTIVATED = {"placement": "full_preactivation"}
IMAGENET = {"stem": "imagenet"}
UNACTIVATED = {**IMAGENET, **PREACTIVATED, "stem_activation": False}
BOTTLENECK = {"unit": "bottleneck"}
# Two networks with the same weights: choices of both, those of the second alone, and the fields that differ.
PAIRS = [
    ({}, {"stem_width": 4}, []),
    ({}, {"stride_on": "3x3"}, []),
    (BOTTLENECK, {"stride_on": "3x3"}, ["stride_on"]),
    ({**BOTTLENECK, "widths": (4, 4), "blocks": (2, 2)}, {"stride_unit": "last"}, ["stride_unit"]),
    ({"blocks": (2,), "widths": (4,), **BOTTLENECK}, {"stride_unit": "last", "stride_on": "3x3"}, []),
    ({"blocks": (2,), "widths": (4,)}, {"stride_unit": "last", "padding": "same"}, []),
    ({}, {"padding": "same"}, ["padding"]),
    (BOTTLENECK, {"padding": "same"}, []),
    ({**BOTTLENECK, "stride_on": "3x3"}, {"padding": "same"}, ["padding"]),
    (IMAGENET, {"pool_padding": "zeros"}, []),
    ({**IMAGENET, "activation": "log_sigmoid"}, {"pool_padding": "zeros"}, ["pool_padding"]),
    (UNACTIVATED, {"pool_padding": "zeros"}, ["pool_padding"]),
    ({**UNACTIVATED, "padding": "same"}, {"pool_padding": "zeros"}, []),
    ({}, {"pool_padding": "zeros"}, []),
    ({}, {"projection": "average_pool"}, ["projection"]),
    ({"shortcut": "A"}, {"projection": "average_pool"}, []),
    ({"stride_unit": "last", "blocks": (2, 1)}, {"projection": "average_pool"}, []),
    ({"stride_unit": "last", "blocks": (1, 1), **BOTTLENECK}, {"projection": "average_pool"}, ["projection"]),
    ({"shortcut": "A"}, {"shortcut": {"name": "A", "zeros": "both"}}, ["shortcut"]),
    ({"shortcut": "A"}, {"shortcut": {"name": "dropout", "rate": 0.2}}, []),
    ({"shortcut": "A"}, {"shortcut": {"name": "dropout", "change": "B"}, "widths": (4, 4)}, []),
    ({"shortcut": "A"}, {"shortcut": "constant_scaling"}, ["shortcut"]),
    ({"shortcut": "A"}, {"shortcut": "none"}, ["shortcut"]),
    ({"shortcut": "C"}, {"shortcut": "convolution"}, []),
    ({"shortcut": "B", "blocks": (1, 1), **BOTTLENECK}, {"shortcut": "C"}, []),
    ({"shortcut": "exclusive_gating"}, {"shortcut": {"name": "exclusive_gating", "bias": -3}}, []),
    ({}, {"activation": "gelu"}, ["activation"]),
    ({}, {"activation": keras.layers.LeakyReLU(0.3)}, ["activation"]),
    ({"activation": keras.layers.LeakyReLU(0.3)}, {"activation": keras.layers.LeakyReLU(0.3)}, []),
    ({"activation": "prelu"}, {"activation": {"name": "prelu", "slope": 0.1}}, []),
    ({}, {"placement": "relu_before_addition"}, ["placement"]),
    ({"downsampling": "max_pool", "shortcut": "C"}, {"downsampling": "stride"}, ["downsampling"]),
    ({}, {"norm_epsilon": 0.1}, ["norm_epsilon"]),
    ({"shortcut": "C", **PREACTIVATED}, {"shortcut": {"name": "C", "norm": False}}, []),
    ({"shortcut": "C", "normalization": "none"}, {"shortcut": {"name": "convolution", "norm": False}}, []),
    ({"shortcut": "B", "blocks": (1, 1), **BOTTLENECK, **PREACTIVATED}, {"shortcut": "C"}, []),
    ({"squeeze_excitation": 2}, {"output_stride": 2}, []),
    ({}, {"norm_momentum": 0.5, "dropout": 0.1, "l2": 1e-4, "zero_init_residual": True, "init_gain": 2}, []),
    ({}, {"stochastic_depth": 0.5, "classifier_dropout": 0.5, "synchronized": True}, []),
]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("both", "second", "fields"), PAIRS, ids=str)
def test_networks_of_the_same_weights_differ_where_it_is_said(both, second, fields):
    both = {**both, **({"widths": second["widths"]} if "widths" in second else {})}
    here, there = tiny(**both), tiny(**{**both, **second})
    assert [phrase.split()[0] for phrase in differences(here, there)] == fields
    one, other = build(here), build(there)
    copy_weights(one, other)
    x = images(2, 16, 16, 3)
    assert np.allclose(outputs(one, x), outputs(other, x), atol=1e-5) == (not fields)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("both", "second", "fields"), PAIRS, ids=str)
def test_choices_of_a_network_that_does_not_carry_them_are_read_off_its_layers(both, second, fields):
    there = tiny(**{**both, **second})
    network = build(there)
    known = tiny(**{**both, "widths": there.widths})  # as names and shapes of the weights tell it
    read = known.replace(**choices_of_layers(keras.Model(network.input, network.output)))
    assert differences(read, there, SILENT) == []


def test_squeeze_and_excitation_of_a_dilated_network_takes_other_means(tmp_path):
    here = tiny(squeeze_excitation=2)
    there = here.replace(output_stride=1)
    one, other = (build(architecture, include_top=False) for architecture in (here, there))
    copy_weights(one, other)
    x = images(2, 16, 16, 3)
    assert not np.allclose(outputs(one, x), outputs(other, x)[:, ::2, ::2], atol=1e-2)
    assert differences(there, here) == ["output_stride is 1 here and None there"]
    one.save_weights(tmp_path / "x.weights.h5")
    with pytest.raises(ValueError, match="output_stride is 1 here and None there"):
        keras_resnet.ResNet(there, include_top=False, weights=tmp_path / "x.weights.h5")
