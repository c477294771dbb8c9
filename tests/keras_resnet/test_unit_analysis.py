"""What is measured of units: factors of shortcuts, negative shares, paths, lesions, distance from the identity."""

import functools
import math

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.analysis import (
    execution,
    gradient_norms,
    identity_distances,
    lesions,
    loss_along_line,
    negative_shares,
    path_gradients,
    path_lengths,
    propagation,
)
from keras_resnet.analysis.gradients import unit_gradients
from tests.keras_resnet.helpers import FULL_PREACTIVATION, build, images, outputs, tiny

LABELS = np.array([0, 1, 2, 3, 4, 0])
DEEP = {"blocks": (4, 3), "widths": (2, 3)}


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("scale", [0.5, 1.25])
def test_factors_of_constant_scaling_are_the_powers_of_the_formula(scale):
    shortcut = {"name": "constant_scaling", "scale": scale}
    model = build(tiny(**DEEP, placement=FULL_PREACTIVATION, shortcut=shortcut), (8, 8, 3))
    rows = propagation(model, images(6, 8, 8, 3), LABELS)
    assert [row.unit for row in rows] == [f"conv2_block{n}" for n in (1, 2, 3, 4)] + [
        f"conv3_block{n}" for n in (1, 2, 3)
    ]
    expected = [scale**n for n in (0, 1, 2, 3)] + [scale**n for n in (0, 1, 2)]
    backward = [scale**n for n in (3, 2, 1, 0)] + [scale**n for n in (2, 1, 0)]
    for row, forward, back in zip(rows, expected, backward):
        assert (row.formula_signal, row.formula_gradient) == (forward, back)
        assert (row.signal, row.gradient) == pytest.approx((forward, back), rel=1e-5)


@pytest.mark.slow
def test_factors_of_an_identity_shortcut_are_one_and_a_relu_behind_it_cuts_the_gradient():
    for placement, cuts in ((FULL_PREACTIVATION, False), ("original", True)):
        rows = propagation(build(tiny(**DEEP, placement=placement), (8, 8, 3)), images(6, 8, 8, 3), LABELS)
        assert [row.formula_gradient for row in rows] == [1.0] * 7
        assert [row.signal for row in rows] == pytest.approx([1.0] * 7)
        assert (rows[0].gradient < 0.98) == cuts and rows[3].gradient == 1
        assert cuts or [row.gradient for row in rows] == pytest.approx([1.0] * 7)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exclusive_gating", "shortcut_only_gating"])
def test_factors_of_gates_that_see_nothing_are_those_of_their_biases(name):
    model = build(tiny(**DEEP, placement=FULL_PREACTIVATION, shortcut=name), (8, 8, 3))
    for layer in model.layers:
        if layer.name.endswith("_0_gate"):
            kernel, bias = layer.weights
            kernel.assign(np.zeros(kernel.shape))
            bias.assign(np.full(bias.shape, -1.5))
    rows = propagation(model, images(6, 8, 8, 3), LABELS)
    factor = 1 - sigmoid(-1.5)
    for row, steps in zip(rows, (0, 1, 2, 3, 0, 1, 2)):
        assert row.formula_signal == pytest.approx(factor**steps)
        assert row.signal == pytest.approx(factor**steps, rel=1e-5)
    assert rows[0].gradient == pytest.approx(factor**3, rel=1e-5)


@pytest.mark.slow
def test_gradients_along_all_paths_are_those_of_the_loss():
    model, x = build(tiny(**DEEP), (8, 8, 3)), images(6, 8, 8, 3)
    rows = propagation(model, x, LABELS)
    names = ["conv2_block2_out", "conv2_block4_out"]
    found = unit_gradients(model, x, LABELS, names, training=False)
    ratio = np.linalg.norm(found[names[0]]) / np.linalg.norm(found[names[1]])
    assert rows[1].whole_gradient == pytest.approx(ratio, rel=1e-5)


@pytest.mark.slow
def test_a_plain_network_has_no_factor_and_a_projection_no_formula():
    rows = propagation(build(tiny(blocks=(2,), widths=(4,), shortcut="none"), (8, 8, 3)), images(6, 8, 8, 3), LABELS)
    assert (rows[0].formula_gradient, rows[0].gradient, rows[1].signal) == (0, 0, 0)
    rows = propagation(build(tiny(blocks=(2,), widths=(4,), shortcut="C"), (8, 8, 3)), images(6, 8, 8, 3), LABELS)
    assert math.isnan(rows[0].formula_gradient) and rows[0].gradient > 0


def test_formula_needs_an_architecture():
    model = build(tiny(), (8, 8, 3))
    with pytest.raises(ValueError, match="does not know its architecture"):
        propagation(keras.Model(model.input, model.output), images(6, 8, 8, 3), LABELS)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "choices", [{}, {"placement": FULL_PREACTIVATION}, {"placement": "bn_after_addition"}, {"shortcut": "none"}]
)
def test_negative_shares_are_those_of_the_tensors(choices):
    model, x = build(tiny(**choices), (8, 8, 3)), images(40, 8, 8, 3)

    def share(layer):
        return np.mean(outputs(keras.Model(model.input, model.get_layer(layer).output), x) < 0)

    rows = {row.unit: row for row in negative_shares(model, x)}
    placement, plain = choices.get("placement", "original"), "shortcut" in choices
    last = "conv3_block2_2_bn" if placement == "original" else "conv3_block2_2_conv"
    assert rows["conv3_block2"].residual == pytest.approx(share(last))
    added = {"original": "conv3_block2_add", "bn_after_addition": "conv3_block2_add"}.get(placement, "conv3_block2_out")
    assert rows["conv3_block2"].sum == pytest.approx(share(last if plain else added))
    cut = {"original": last if plain else added, "bn_after_addition": "conv3_block2_add_bn"}.get(placement)
    assert rows["conv3_block2"].cut == (pytest.approx(share(cut)) if cut else 0)
    assert 0.1 < rows["conv3_block2"].residual < 0.9


def test_relu_before_the_addition_lets_nothing_negative_be_added():
    rows = negative_shares(build(tiny(placement="relu_before_addition"), (8, 8, 3)), images(6, 8, 8, 3))
    assert [(row.residual, row.cut) for row in rows] == [(0, 0)] * 3


def test_paths_are_counted_by_length():
    assert path_lengths(3) == [1, 3, 3, 1]
    assert sum(path_lengths(54)) == 2**54  # arXiv 1605.06431, section 3: 2^n paths


@pytest.mark.slow
def test_gradients_of_all_paths_sum_up_to_that_of_the_network():
    model, x = build(tiny(blocks=(1, 1), activation="linear"), (8, 8, 3)), images(6, 8, 8, 3)
    units = execution.parts_of_units(model)
    from keras_resnet.analysis.paths import _along

    start = units[0].entrance
    whole = unit_gradients(model, x, LABELS, [start], training=False)[start]
    joints = [unit.joint for unit in units]
    paths = [set(), {joints[0]}, {joints[1]}, set(joints)]
    parts = [unit_gradients(model, x, LABELS, [start], _along(path, units), training=False)[start] for path in paths]
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-3, atol=1e-6 + 1e-4 * np.abs(whole).max())
    rows = path_gradients(model, x, LABELS, samples=2)
    assert [(row.length, row.paths) for row in rows] == [(0, 1), (1, 2), (2, 1)]
    assert rows[0].gradient == pytest.approx(np.sqrt(np.mean(parts[0] ** 2)), rel=1e-5)
    assert rows[2].contribution == pytest.approx(np.sqrt(np.mean(parts[3] ** 2)), rel=1e-5)
    with pytest.raises(ValueError, match="and so a single path"):
        path_gradients(build(tiny(shortcut="none"), (8, 8, 3)), x, LABELS)


def test_lesion_costs_what_the_network_without_the_branch_loses():
    model, x = build(tiny(), (8, 8, 3)), images(6, 8, 8, 3)
    rows = {row.unit: row for row in lesions(model, x, LABELS)}
    assert list(rows) == ["", "conv2_block1", "conv3_block1", "conv3_block2"]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert rows[""].loss == pytest.approx(float(loss(LABELS, outputs(model, x))), rel=1e-5)
    assert rows[""].accuracy == np.mean(outputs(model, x).argmax(axis=1) == LABELS)
    gamma, beta, *_ = model.get_layer("conv3_block2_2_bn").weights
    gamma.assign(np.zeros(6))
    beta.assign(np.zeros(6))
    assert rows["conv3_block2"].loss == pytest.approx(float(loss(LABELS, outputs(model, x))), rel=1e-5)
    assert rows["conv3_block2"].loss != pytest.approx(rows[""].loss, rel=1e-3)


def test_labels_in_a_column_are_those_in_a_row():
    model, x = build(tiny(), (8, 8, 3)), images(6, 8, 8, 3)
    column = LABELS[:, np.newaxis]  # as keras.datasets gives them
    assert lesions(model, x, column) == lesions(model, x, LABELS)
    line = functools.partial(loss_along_line, model, model, x, places=(0.0,), training=False)
    assert line(column) == line(LABELS)
    assert gradient_norms(model, x, column) == pytest.approx(gradient_norms(model, x, LABELS))


MEASURED = {
    "lesions": lesions,
    "line": lambda model, x, labels: loss_along_line(model, model, x, labels),
    "propagation": propagation,
    "paths": path_gradients,
    "norms": gradient_norms,
}


@pytest.mark.parametrize("measure", MEASURED.values(), ids=MEASURED)
def test_labels_that_name_no_class_for_each_image_are_refused(measure):
    model, x = build(tiny(), (8, 8, 3)), images(6, 8, 8, 3)
    for labels in (LABELS[:5], np.eye(6)[LABELS], 3):
        with pytest.raises(ValueError, match=r"labels must be an array of the shape \(6,\), the number of a class"):
            measure(model, x, labels)


def test_network_of_sigmoids_takes_labels_for_each_class_where_no_accuracy_is_measured():
    model, x = build(tiny(), (8, 8, 3), classifier_activation="sigmoid"), images(6, 8, 8, 3)
    several = np.eye(5)[LABELS]
    assert all(norm > 0 for norm in gradient_norms(model, x, several).values())
    with pytest.raises(
        ValueError, match=r"of the shape \(6, 5\), 0 or 1 for each class of each image; received the shape"
    ):
        gradient_norms(model, x, LABELS)
    with pytest.raises(ValueError, match="ends in sigmoids, for images of any number of classes"):
        lesions(model, x, several)


def test_lesion_of_a_plain_unit_takes_what_enters_it():
    model, x = build(tiny(shortcut="none"), (8, 8, 3)), images(6, 8, 8, 3)
    rows = {row.unit: row for row in lesions(model, x, LABELS)}
    assert math.isnan(rows["conv3_block1"].loss)  # it changes the shape
    shallow = keras_resnet.ResNet(tiny(shortcut="none", blocks=(1, 1)), input_shape=(8, 8, 3), classes=5)
    for layer in shallow.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    loss = keras.losses.SparseCategoricalCrossentropy()
    assert rows["conv3_block2"].loss == pytest.approx(float(loss(LABELS, outputs(shallow, x))), rel=1e-4)


def test_residual_units_start_nearer_to_the_identity_than_plain_ones():
    x = images(40, 8, 8, 3)
    zero = identity_distances(keras_resnet.ResNet(tiny(zero_init_residual=True), input_shape=(8, 8, 3)), x)
    assert zero[0].distance == 0 and zero[0].cosine == pytest.approx(1)
    assert math.isnan(zero[1].distance) and zero[2].distance == 0
    plain = keras_resnet.ResNet(tiny(shortcut="none"), input_shape=(8, 8, 3))
    residual = keras_resnet.ResNet(tiny(), input_shape=(8, 8, 3))
    for layer in plain.layers:
        residual.get_layer(layer.name).set_weights(layer.get_weights())
    far, near = (identity_distances(model, x)[0] for model in (plain, residual))
    before = keras.Model(plain.input, plain.get_layer("conv1_relu").output)
    assert near.cosine > far.cosine
    plain.get_layer("conv2_block1_2_bn").gamma.assign(np.zeros(4))
    nothing = identity_distances(plain, x)[0]
    assert nothing.distance == pytest.approx(1) and np.any(outputs(before, x))  # |0 - x| / |x|
