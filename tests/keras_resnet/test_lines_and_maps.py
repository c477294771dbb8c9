"""The loss along a line, exclusive or, and pictures of kernels, maps and everything that is measured."""

import math

import keras
import numpy as np
import pytest
from PIL import Image

from keras_resnet.analysis import (
    curves,
    draw_kernels,
    draw_maps,
    draw_xor,
    execution,
    feature_maps,
    first_kernels,
    fit_xor,
    loss_along_line,
)
from keras_resnet.analysis.factors import Factor
from keras_resnet.analysis.identity import IdentityDistance
from keras_resnet.analysis.lines import PlaceOnLine
from keras_resnet.analysis.paths import Lesion, PathLength
from keras_resnet.analysis.signs import NegativeShare
from tests.keras_resnet.helpers import build, images, outputs, randomise, tiny

LABELS = np.array([0, 1, 2, 3, 4, 0])


def test_line_leads_from_one_network_through_their_mean_to_the_other():
    first, second = (randomise(build(tiny(dropout=0.1), (8, 8, 3)), seed) for seed in (0, 1))
    x, loss = images(6, 8, 8, 3), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rows = loss_along_line(first, second, x, LABELS, places=(0, 0.5, 1), training=False)
    mean = build(tiny(dropout=0.1), (8, 8, 3))
    for weight, a, b in zip(mean.weights, first.weights, second.weights):
        if weight.name != "seed_generator_state":
            weight.assign((np.array(a) + np.array(b)) / 2)
    for row, model in zip(rows, (first, mean, second)):
        assert row.loss == pytest.approx(float(loss(LABELS, outputs(model, x))), rel=1e-4)
        assert row.accuracy == np.mean(outputs(model, x).argmax(axis=1) == LABELS)
    with pytest.raises(ValueError, match="have other weights, and so no line leads between them"):
        loss_along_line(first, build(tiny(widths=(4, 8)), (8, 8, 3)), x, LABELS)


def test_line_takes_the_statistics_of_batches_unless_told_otherwise():
    model, x = build(tiny(), (8, 8, 3)), images(6, 8, 8, 3)
    (row,) = loss_along_line(model, model, x, LABELS, places=(0.3,))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert row.loss == pytest.approx(float(loss(LABELS, execution.run(model, x, training=True))), rel=1e-4)


@pytest.mark.parametrize("activation", ["relu", pytest.param("trainable_swish", marks=pytest.mark.slow)])
def test_a_non_linearity_computes_exclusive_or(activation):
    fit = fit_xor(activation)
    assert (fit.accuracy, fit.activation) == (1, activation)
    assert fit.loss < 0.05
    middle = [20, 60]  # of the surface, at 0 and 1
    np.testing.assert_allclose(fit.surface[np.ix_(middle, middle)].ravel()[[0, 2, 1, 3]], fit.probabilities, atol=1e-5)


@pytest.mark.slow
def test_without_a_non_linearity_the_best_answer_is_one_half(tmp_path):
    fit = fit_xor("linear")
    assert fit.loss == pytest.approx(math.log(2), abs=1e-3)  # Goodfellow et al., section 6.1
    assert fit.accuracy < 1
    draw_xor([fit, fit], tmp_path / "xor.png")
    assert Image.open(tmp_path / "xor.png").format == "PNG"


@pytest.mark.parametrize("channels", [3, 1])
def test_kernels_fill_the_range_and_keep_their_order(channels, tmp_path):
    model = build(tiny(), (8, 8, channels))
    kernels, weights = first_kernels(model), np.array(model.get_layer("conv1_conv").kernel)
    assert kernels.shape == (4, 3, 3, channels)
    np.testing.assert_allclose(kernels.min(axis=(1, 2, 3)), 0)
    np.testing.assert_allclose(kernels.max(axis=(1, 2, 3)), 1)
    assert np.corrcoef(kernels[2].ravel(), weights[..., 2].ravel())[0, 1] == pytest.approx(1)
    draw_kernels(model, tmp_path / "kernels.png")
    assert Image.open(tmp_path / "kernels.png").size[0] > 200


def test_maps_are_those_of_the_stages_the_liveliest_first(tmp_path):
    model, image = build(tiny(), (8, 8, 3)), images(8, 8, 3)
    maps = feature_maps(model, image, most=2)
    assert {name: own.shape for name, own in maps.items()} == {
        "conv2_block1_out": (2, 8, 8),
        "conv3_block2_out": (2, 4, 4),
    }
    whole = outputs(keras.Model(model.input, model.get_layer("conv3_block2_out").output), image[np.newaxis])[0]
    liveliest = np.argmax(whole.std(axis=(0, 1)))
    np.testing.assert_allclose(maps["conv3_block2_out"][0], whole[..., liveliest], rtol=1e-5, atol=1e-6)
    draw_maps(model, image, tmp_path / "maps.png")
    with pytest.raises(ValueError, match="images must be an array of the shape"):
        draw_maps(model, images(8, 8, 1), tmp_path / "maps.png")


UNITS = ("conv2_block1", "conv2_block2", "conv3_block1")
DRAWN = {
    "responses": lambda path: curves.draw_responses({"a": {"x": 1.0, "y": 2.0}, "b": {"x": 3.0}}, path),
    "gradients": lambda path: curves.draw_gradients({"a": {"x": 1.0, "y": 2.0}}, path),
    "propagation": lambda path: curves.draw_propagation([Factor(u, 1, 0.9, 0.5, 0.4, 0.6) for u in UNITS], path),
    "unknown": lambda path: curves.draw_propagation([Factor(u, math.nan, 1, math.nan, 0, 1) for u in UNITS], path),
    "negative": lambda path: curves.draw_negative_shares([NegativeShare(u, 0.5, 0.2, 0.2) for u in UNITS], path),
    "identity": lambda path: curves.draw_identity_distances(
        {"a": [IdentityDistance(u, 0.1, 0.9) for u in UNITS], "b": [IdentityDistance("c", math.nan, math.nan)]}, path
    ),
    "paths": lambda path: curves.draw_paths([PathLength(0, 1, 0.1), PathLength(1, 2, 0.2)], [1, 2, 1], path),
    "lesions": lambda path: curves.draw_lesions([Lesion("", 0.1, 0.9), Lesion("a", math.nan, math.nan)], path),
    "line": lambda path: curves.draw_line([PlaceOnLine(0, 1, 0.1), PlaceOnLine(1, 0.5, 0.9)], path, ("start", "end")),
}


NUMBERS = {"conv1_conv": 1.0, "conv2_conv": 2.0}
SEVERAL = {
    "responses": (curves.draw_responses, NUMBERS),
    "gradients": (curves.draw_gradients, NUMBERS),
    "identity": (curves.draw_identity_distances, [IdentityDistance(unit, 0.1, 0.9) for unit in UNITS]),
}


@pytest.mark.parametrize("count", [1, 6, 11, 30])
@pytest.mark.parametrize("name", SEVERAL)
def test_every_network_is_drawn_in_a_style_of_its_own(name, count, tmp_path, monkeypatch):
    figures, (draw, own) = [], SEVERAL[name]
    monkeypatch.setattr(curves, "save", lambda figure, path: figures.append(figure))
    draw({f"network {place}": own for place in range(count)}, tmp_path / "unused.png")
    (figure,) = figures
    lines = figure.axes[0].lines
    if count <= 24:  # in six colors and four strokes
        assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == count
    assert len(lines) == count
    legend = figure.legends[0] if figure.legends else figure.axes[0].get_legend()
    shown = [text.get_text() for text in legend.get_texts()]
    assert len(shown) == (12 if (name, count) == ("gradients", 30) else count)
    assert (shown[0], shown[-1]) == ("network 0", f"network {count - 1}")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", DRAWN)
def test_everything_that_is_measured_is_drawn_in_the_same_bytes(name, tmp_path):
    for file in ("one.png", "two.png"):
        DRAWN[name](tmp_path / file)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    pixels = np.asarray(Image.open(tmp_path / "one.png").convert("L"))
    assert pixels.std() > 5
