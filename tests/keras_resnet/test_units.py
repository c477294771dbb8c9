"""The residual unit: its order of operations against the papers' figures, its strides, and when it is the identity."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.build.unit import Unit, residual_unit
from keras_resnet.choices.placements import PLACEMENTS, Placement
from keras_resnet.choices.units import UNITS
from keras_resnet.layers.normalization import BatchNormalization
from tests.keras_resnet.helpers import FULL_PREACTIVATION, images, outputs, randomise, tiny
from tests.keras_resnet.orders import ORDERS, order_of

LETTERS = {
    keras.layers.Conv2D: "W",
    BatchNormalization: "B",
    keras.layers.Activation: "R",
    keras.layers.Add: "+",
}
NAMES = {"B": "bn", "R": "relu"}  # how the names of their layers end
CONVOLUTIONS = {"basic": 2, "bottleneck": 3, "single": 1}  # arXiv 1512.03385, Figure 5; arXiv 1603.05027, Table 3


def unit_model(architecture, filters_in=None, stride=1, activated=False):
    """Build one unit of width 4 as a model, with random weights."""
    unit = Unit(architecture, "unit", 4, stride)
    image = keras.Input((8, 8, filters_in or unit.filters_out))
    return randomise(keras.Model(image, residual_unit(unit, image, activated)))


def residual_path(model):
    """Walk from a unit's output back along its residual branch; return the layers in the order of computation."""
    makers = {id(layer.output): layer for layer in model.layers}
    layers, layer = [], makers[id(model.output)]
    while not isinstance(layer, keras.layers.InputLayer):
        layers.append(layer)
        source = layer.input[1] if isinstance(layer, keras.layers.Add) else layer.input
        layer = makers[id(source)]
    return layers[::-1]


def letters(model):
    """Write the operations of a unit's residual branch in the paper's letters."""
    return "".join(LETTERS[type(layer)] for layer in residual_path(model))


def convolutions(model):
    return [layer for layer in residual_path(model) if isinstance(layer, keras.layers.Conv2D)]


def silence(model):
    """Set to zero what the residual branch ends in: the last normalisation, or else the last convolution."""
    last = [layer for layer in residual_path(model) if layer.weights][-1]
    for weight in last.trainable_weights:
        weight.assign(np.zeros(weight.shape))


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("unit", UNITS)
def test_operations_stand_in_the_order_of_the_paper(placement, unit):
    expected = order_of(placement).of_unit(CONVOLUTIONS[unit])
    assert letters(unit_model(tiny(placement=placement, unit=unit))) == expected


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("unit", UNITS)
def test_activated_input_is_not_activated_again(placement, unit):
    expected = order_of(placement)._replace(before="").of_unit(CONVOLUTIONS[unit])
    assert letters(unit_model(tiny(placement=placement, unit=unit), activated=True)) == expected


@pytest.mark.sampled(3)
@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("unit", UNITS)
def test_output_of_a_unit_is_named_out(placement, unit):
    for shortcut in ("B", "none"):
        assert residual_path(unit_model(tiny(placement=placement, unit=unit), 3))[-1].name == "unit_out"
        model = keras_resnet.ResNet(tiny(placement=placement, unit=unit, shortcut=shortcut))
        assert model.get_layer("conv3_block2_out").output.shape[-1] == 6 * UNITS[unit].expansion


@pytest.mark.parametrize("placement", [name for name in ORDERS if "B" not in order_of(name).after])
@pytest.mark.parametrize("unit", UNITS)
def test_unit_whose_residual_is_zero_is_the_identity(placement, unit):
    model = unit_model(tiny(placement=placement, unit=unit))
    x = images(2, 8, 8, model.input_shape[-1])
    assert not np.allclose(outputs(model, x), x, atol=0.1)
    silence(model)
    np.testing.assert_array_equal(outputs(model, x), np.maximum(x, 0) if order_of(placement).after else x)


@pytest.mark.parametrize("unit", UNITS)
def test_original_unit_of_a_zero_residual_returns_what_a_relu_gave(unit):
    model = unit_model(tiny(unit=unit))
    silence(model)
    x = np.abs(images(2, 8, 8, model.input_shape[-1]))
    np.testing.assert_array_equal(outputs(model, x), x)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_projection_is_normalised_where_the_last_convolution_is_and_never_activated(placement):
    names = {layer.name for layer in unit_model(tiny(placement=placement), filters_in=3).layers}
    normalised = "B" in order_of(placement).behind
    assert {name for name in names if name.startswith("unit_0")} == {
        "unit_0_conv",
        *(["unit_0_bn"] if normalised else []),
    }


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_where_the_width_grows_both_branches_start_from_one_tensor(placement):
    model = unit_model(tiny(placement=placement), filters_in=3)
    before = order_of(placement).before
    expected = model.get_layer(f"unit_preact_{NAMES[before[-1]]}").output if before else model.input
    assert all(model.get_layer(f"unit_{site}_conv").input is expected for site in "01")


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_where_the_width_stays_the_shortcut_takes_the_raw_input(placement):
    model = unit_model(tiny(placement=placement))
    (add,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Add))
    assert add.input[0] is model.input


@pytest.mark.parametrize(
    ("unit", "stride_on", "strides"),
    [
        ("basic", "first", [2, 1]),
        ("basic", "3x3", [2, 1]),
        ("bottleneck", "first", [2, 1, 1]),
        ("bottleneck", "3x3", [1, 2, 1]),
        ("single", "3x3", [2]),
    ],
)
def test_stride_is_on_the_chosen_convolution_and_on_the_projection(unit, stride_on, strides):
    model = unit_model(tiny(unit=unit, stride_on=stride_on), filters_in=3, stride=2)
    layers = [*(model.get_layer(f"unit_{site + 1}_conv") for site in range(len(strides)))]
    assert [layer.strides for layer in layers] == [(stride, stride) for stride in strides]
    assert model.get_layer("unit_0_conv").strides == (2, 2)


@pytest.mark.parametrize(
    ("unit", "shapes"),
    [
        ("basic", [(3, 3, 3, 4), (3, 3, 4, 4)]),
        ("bottleneck", [(1, 1, 3, 4), (3, 3, 4, 4), (1, 1, 4, 16)]),
        ("single", [(3, 3, 3, 4)]),
    ],
)
def test_kernels_are_those_of_the_figure(unit, shapes):
    assert [layer.kernel.shape for layer in convolutions(unit_model(tiny(unit=unit), filters_in=3))] == shapes


@pytest.mark.parametrize("biased", [(), ("stem",), ("1", "3"), ("2", "shortcut"), ("stem", "1", "2", "3", "shortcut")])
def test_exactly_the_chosen_convolutions_carry_a_bias(biased):
    model = keras_resnet.ResNet(tiny(unit="bottleneck", biased=biased))
    sites = {"conv1": "stem", "1": "1", "2": "2", "3": "3", "0": "shortcut"}
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            assert layer.use_bias == (sites[layer.name.split("_")[-2]] in biased), layer.name


@pytest.mark.parametrize("side", [8, 7])
def test_average_pool_projection_averages_before_the_product(side):
    architecture = tiny(projection="average_pool", placement=FULL_PREACTIVATION)
    unit = Unit(architecture, "unit", 4, 2)
    image = keras.Input((side, side, 3))
    model = randomise(keras.Model(image, unit.project(image)))
    x = images(2, side, side, 3)
    # Odd sides: the last row and column are averaged over the pixels that exist.
    padded = np.pad(x, ((0, 0), (0, side % 2), (0, side % 2), (0, 0)), constant_values=np.nan)
    blocks = padded.reshape(2, (side + 1) // 2, 2, (side + 1) // 2, 2, 3)
    (kernel,) = model.get_weights()
    np.testing.assert_allclose(outputs(model, x), np.nanmean(blocks, (2, 4)) @ kernel[0, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_network_ends_in_the_pre_activation_that_no_unit_follows(placement):
    names = [layer.name for layer in keras_resnet.ResNet(tiny(placement=placement)).layers]
    ends = [f"post_{NAMES[letter]}" for letter in order_of(placement).before]
    assert names[names.index("conv3_block2_out") + 1 :] == [*ends, "avg_pool", "predictions"]


@pytest.mark.parametrize(("stem_activation", "first"), [(True, False), (False, True)])
def test_first_unit_is_activated_by_the_stem_or_by_itself(stem_activation, first):
    architecture = tiny(placement=FULL_PREACTIVATION, stem_activation=stem_activation)
    names = {layer.name for layer in keras_resnet.ResNet(architecture).layers}
    assert ("conv1_bn" in names, "conv1_relu" in names) == (stem_activation, stem_activation)
    assert ("conv2_block1_preact_bn" in names) == first
    assert "conv3_block1_preact_bn" in names


@pytest.mark.parametrize(
    ("stride_unit", "strided"),
    [("first", ["conv3_block1", "conv4_block1"]), ("last", ["conv2_block2", "conv3_block3"])],
)
def test_strides_stand_in_the_first_or_last_unit_of_a_stage(stride_unit, strided):
    architecture = tiny(blocks=(2, 3, 1), widths=(2, 2, 2), stride_unit=stride_unit)
    model = keras_resnet.ResNet(architecture)
    found = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D) and layer.strides == (2, 2)]
    assert found == [f"{unit}_1_conv" for unit in strided]


def test_order_is_read_from_words():
    expected = Placement(prefix=("norm",), between=("norm", "act"), suffix=(), after=("act",))
    assert Placement.parse("norm conv norm act conv + act") == expected


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_every_normalisation_has_the_chosen_constants(placement):
    model = keras_resnet.ResNet(tiny(placement=placement, norm_momentum=0.7, norm_epsilon=0.01, synchronized=True))
    layers = [layer for layer in model.layers if isinstance(layer, BatchNormalization)]
    assert {(layer.momentum, layer.epsilon, layer.synchronized) for layer in layers} == {(0.7, 0.01, True)}
    defaults = keras_resnet.ResNet(tiny(placement=placement)).get_layer("conv1_bn")
    assert (defaults.momentum, defaults.epsilon, defaults.synchronized) == (0.9, 1e-5, False)
