"""Pictures of units: what is drawn is the graph, nothing lies over anything else, and a file comes of it."""

import itertools
import re
import runpy
import sys

import keras
import numpy as np
import pytest
from PIL import Image

import keras_resnet
from keras_resnet.__main__ import main
from keras_resnet.analysis import draw_units, graph_between, unit_graph
from keras_resnet.analysis.graph import Cell, UnitGraph, cells
from keras_resnet.analysis.unit_layout import conflicts, layout, rows, sizes
from keras_resnet.choices.placements import PLACEMENTS
from keras_resnet.choices.shortcuts import SHORTCUTS
from tests.keras_resnet.helpers import FULL_PREACTIVATION, tiny
from tests.shared import ROOT

WIDTH = 1.0


def graph(name: str, **choices) -> UnitGraph:
    return unit_graph(keras_resnet.ResNet(tiny(**choices), input_shape=(16, 16, 3)), name)


def labels(drawn: UnitGraph) -> dict[str, list[str]]:
    return {node.name: [cell.text for cell in node.cells] for node in drawn.nodes}


def edges(*chains: str) -> set[tuple[str, str]]:
    """Read edges off chains of names, as in "a b c"."""
    return {pair for chain in chains for pair in itertools.pairwise(chain.split())}


def prefixed(drawn: UnitGraph, unit: str) -> set[tuple[str, str]]:
    return {tuple(name.removeprefix(f"{unit}_") for name in edge) for edge in drawn.edges}


def test_original_unit_with_option_a_where_the_size_changes():
    drawn = graph("conv3_block1", shortcut="A")
    assert labels(drawn) == {
        "conv2_block1_out": ["conv2_block1_out", "16×16×4"],
        "conv3_block1_0_pool": ["max pool 1×1, /2"],
        "conv3_block1_0_zeros": ["2 zero channels"],
        "conv3_block1_1_pad": ["zero pad 1"],
        "conv3_block1_1_conv": ["3×3 conv, 6, /2"],
        "conv3_block1_1_bn": ["batch norm"],
        "conv3_block1_1_relu": ["relu"],
        "conv3_block1_2_conv": ["3×3 conv, 6"],
        "conv3_block1_2_bn": ["batch norm"],
        "conv3_block1_add": ["+"],
        "conv3_block1_out": ["relu"],
    }
    assert prefixed(drawn, "conv3_block1") == edges(
        "conv2_block1_out 1_pad 1_conv 1_bn 1_relu 2_conv 2_bn add out", "conv2_block1_out 0_pool 0_zeros add"
    )
    assert len(drawn.edges) == 11
    assert [node.shape for node in (drawn.nodes[0], drawn.nodes[-1])] == ["16×16×4", "8×8×6"]


def test_full_preactivation_feeds_both_branches_only_where_the_width_grows():
    same = graph("conv3_block2", placement=FULL_PREACTIVATION)
    branch = "preact_bn preact_relu 1_conv 1_bn 1_relu 2_conv out"
    assert prefixed(same, "conv3_block2") == edges(f"conv3_block1_out {branch}", "conv3_block1_out out")
    assert labels(same)["conv3_block2_out"] == ["+"]
    changing = graph("conv3_block1", placement=FULL_PREACTIVATION)
    branch = "preact_bn preact_relu 1_pad 1_conv 1_bn 1_relu 2_conv out"
    assert prefixed(changing, "conv3_block1") == edges(f"conv2_block1_out {branch}", "preact_relu 0_conv out")


def test_first_unit_of_a_preactivation_network_takes_the_activated_stem():
    drawn = graph("conv2_block1", placement=FULL_PREACTIVATION)
    assert prefixed(drawn, "conv2_block1") == edges("conv1_relu 1_conv 1_bn 1_relu 2_conv out", "conv1_relu out")


def test_exclusive_gate_feeds_both_products():
    drawn = graph("conv3_block2", shortcut="exclusive_gating")
    assert prefixed(drawn, "conv3_block2") == edges(
        "conv3_block1_out 1_conv 1_bn 1_relu 2_conv 2_bn gated add out",
        "conv3_block1_out 0_gate 0_carry 0_gated add",
        "conv3_block1_out 0_gated",
        "0_gate gated",
    )
    written = labels(drawn)
    assert written["conv3_block2_0_gate"] == ["1×1 conv, 6", "sigmoid"]
    assert written["conv3_block2_0_carry"] == ["1 − g"]
    assert written["conv3_block2_0_gated"] == written["conv3_block2_gated"] == ["×"]
    kinds = {node.name: [cell.kind for cell in node.cells] for node in drawn.nodes}
    assert kinds["conv3_block2_0_gate"] == ["convolution", "activation"]


@pytest.mark.parametrize(
    ("choices", "layer", "label"),
    [
        ({"activation": "gelu"}, "1_relu", "gelu"),
        ({"activation": "prelu"}, "1_relu", "PReLU"),
        ({"shortcut": {"name": "dropout", "rate": 0.25}}, "0_dropout", "dropout 0.25"),
        ({"shortcut": {"name": "constant_scaling", "scale": 0.3}}, "0_scale", "× 0.3"),
        ({"shortcut": "none", "placement": FULL_PREACTIVATION}, "out", "identity"),
    ],
)
def test_labels_come_from_the_layers_configuration(choices, layer, label):
    assert labels(graph("conv3_block2", **choices))[f"conv3_block2_{layer}"] == [label]


def branching_model() -> keras.Model:
    """A unit with grouped convolution, squeeze and excitation, three parallel branches, and an unknown layer."""
    layers = keras.layers
    x = inputs = keras.Input((8, 8, 4), name="image")
    x = layers.Conv2D(4, 3, padding="same", groups=2, name="u_1_conv")(x)
    g = layers.GlobalAveragePooling2D(keepdims=True, name="u_se_pool")(x)
    g = layers.Conv2D(2, 1, activation="relu", name="u_se_1")(g)
    g = layers.Conv2D(4, 1, activation="sigmoid", name="u_se_2")(g)
    x = layers.Multiply(name="u_se")([x, g])
    wide = layers.Conv2D(2, 5, padding="same", name="u_wide")(layers.LayerNormalization(name="u_norm")(x))
    narrow = layers.Conv2D(1, 1, name="u_narrow")(x)
    pool = layers.AveragePooling2D(3, 1, padding="same", name="u_pool")(x)
    x = layers.Concatenate(name="u_join")([wide, narrow, pool])
    x = layers.Dropout(0.2, noise_shape=(None, 1, 1, 1), name="u_drop")(layers.Conv2D(4, 1, name="u_2_conv")(x))
    return keras.Model(inputs, layers.Add(name="u_out")([inputs, x]))


def overlaps(drawn) -> list[tuple[str, str]]:
    return [
        (first, second)
        for (first, a), (second, b) in itertools.combinations(drawn.boxes.items(), 2)
        if a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom
    ]


def check_layout(drawn: UnitGraph) -> None:
    row, size = rows(drawn), sizes(drawn)
    assert all(row[source] + size[source] <= row[target] for source, target in drawn.edges)
    placed = layout(drawn, WIDTH)
    assert set(placed.boxes) == {node.name for node in drawn.nodes}
    assert set(placed.lines) == set(drawn.edges)
    assert overlaps(placed) == []
    assert conflicts(placed) == 0
    rightmost = max(box.right for box in placed.boxes.values())
    assert rightmost == placed.boxes[drawn.nodes[-1].name].x + WIDTH / 2  # the residual branch is on the right


@pytest.mark.sampled(4)
@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_nothing_overlaps_or_crosses_in_any_unit(shortcut, placement):
    model = keras_resnet.ResNet(tiny(shortcut=shortcut, placement=placement), input_shape=(16, 16, 3))
    for name in ("conv2_block1", "conv3_block1", "conv3_block2"):
        check_layout(unit_graph(model, name))


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_nothing_overlaps_or_crosses_in_a_bottleneck_unit(shortcut):
    check_layout(graph("conv3_block1", shortcut=shortcut, unit="bottleneck"))


def test_branches_within_the_residual_branch_are_laid_out():
    drawn = unit_graph(branching_model(), "u")
    check_layout(drawn)
    written = labels(drawn)
    assert written["image"] == ["image", "8×8×4"]
    assert written["u_1_conv"] == ["3×3 conv, 4, 2 groups"]
    assert written["u_se_1"] == ["1×1 conv, 2", "relu"]
    assert written["u_norm"] == ["LayerNormalization"]
    assert written["u_drop"] == ["drop path 0.2"]


def test_lines_lead_from_layer_to_layer():
    placed = layout(graph("conv3_block1", shortcut="exclusive_gating"), WIDTH)
    for (source, target), line in placed.lines.items():
        start, end = placed.boxes[source], placed.boxes[target]
        assert line[0] == (start.x, start.bottom)
        assert line[-1] in {(end.x, end.top), (end.left, end.y), (end.right, end.y)}
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in itertools.pairwise(line))


@pytest.mark.parametrize(
    ("line", "count"),
    [
        (((9, 2), (9, 3)), 0),
        (((9, 1.335), (-1, 1.335)), 2),  # through a line of each branch
        (((9, 1.16), (-1, 1.16)), 2),  # through a box of each branch
        (((9, 0.8), (0, 0.8)), 2),  # through a box of the residual branch and the line of the shortcut
        (((9, 0.8), (1, 0.8)), 1),
        (((0.7, 0.375), (0.9, 0.375)), 1),  # along the line that turns to the shortcut
    ],
)
def test_conflicts_are_counted(line, count):
    placed = layout(graph("conv3_block2", shortcut="C"), WIDTH)
    strangers = {**placed.lines, ("one", "other"): line}
    assert conflicts(placed._replace(lines=strangers)) == count


def test_any_part_of_a_model_is_read():
    model = branching_model()
    drawn = graph_between(model, ["u_1_conv"], "u_se")
    assert set(drawn.edges) == edges("u_1_conv u_se_pool u_se_1 u_se_2 u_se", "u_1_conv u_se")
    assert drawn.nodes[0].cells == (Cell("u_1_conv", "tensor"), Cell("8×8×4", "tensor"))
    with pytest.raises(ValueError, match=r"Unknown layer of .* 'u_sea'\. Did you mean 'u_se'\?"):
        graph_between(model, ["u_1_conv"], "u_sea")


def test_unknown_unit_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match="Unknown unit of resnet: 'conv3_block3'") as caught:
        graph("conv3_block3")
    assert str(caught.value).endswith("Allowed: conv2_block1, conv3_block1, conv3_block2.")


def test_missing_matplotlib_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=re.escape("pip install 'keras-resnet-suite[draw]'")):
        draw_units([{"": graph("conv3_block1")}], tmp_path / "unit.png")


@pytest.mark.slow
def test_panels_are_spread_over_a_width_that_must_suffice(tmp_path):
    drawn = graph("conv3_block1")
    draw_units([{"one": drawn, "two": drawn}], tmp_path / "wide.png", width=7)
    picture = Image.open(tmp_path / "wide.png")
    pixels = np.asarray(picture.convert("L"))
    assert picture.width == 1400
    assert pixels[0, 0] == 255
    left, right = pixels[:, :700], pixels[:, 700:]
    assert abs(int((left < 250).sum()) - int((right < 250).sum())) < 0.05 * (left < 250).sum()


@pytest.mark.slow
def test_panel_that_finds_no_room_in_its_row_begins_another(tmp_path):
    drawn = graph("conv3_block1")
    for name, count, width in (("one", 1, 3), ("three", 3, 3), ("both", 2, 6)):
        draw_units([dict.fromkeys("abc"[:count], drawn)], tmp_path / f"{name}.png", width)
    one, three, both = (Image.open(tmp_path / f"{name}.png").size for name in ("one", "three", "both"))
    assert (one[0], three[0], both[0]) == (600, 600, 1200)
    assert (three[1], both[1]) == (pytest.approx(3 * one[1], abs=3), one[1])
    with pytest.raises(ValueError, match=r"These panels need a width of \d\.\d\d inches; received 1\."):
        draw_units([{"one": drawn, "two": drawn}], tmp_path / "narrow.png", width=1)


def test_command_writes_a_picture(tmp_path, capsys):
    path = tmp_path / "unit.png"
    command = ["draw", "ResNet8", "--unit", "conv2_block1", "conv3_block1", "--shortcut", "exclusive_gating"]
    assert main([*command, "--placement", FULL_PREACTIVATION, "--activation", "gelu", "-o", str(path)]) == 0
    picture = Image.open(path)
    assert picture.format == "PNG" and min(picture.size) > 400
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ResNet8", "--unit", "conv9_block1"], "error: Unknown unit of resnet8: 'conv9_block1'. "),
        (["ResNet8", "--shortcut", "D"], "error: Unknown shortcut 'D'. "),
        (["RestNet50"], "error: Unknown network 'RestNet50'. Did you mean 'ResNet50'? "),
    ],
)
def test_command_refuses_in_one_line(arguments, sentence, tmp_path, capsys):
    assert main(["draw", *arguments, "-o", str(tmp_path / "unit.png")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(sentence) and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_command_refuses_an_unknown_format(tmp_path, capsys):
    assert main(["draw", "ResNet8", "-o", str(tmp_path / "unit.docx")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "docx" in error and error.count("\n") == 1


def test_page_of_units_tells_the_truth(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "units.md").read_text(encoding="utf-8")
    assert all((ROOT / "docs" / name).exists() for name in re.findall(r"\]\((\w+\.png)\)", page))
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)), "units.md", "exec"), {})
    assert (tmp_path / "unit.png").exists()
    named = re.findall(r'^\| .*(?:placement=|shortcut=|"name": )"(\w+)"', page, re.MULTILINE)
    missing, gone = {*PLACEMENTS, *SHORTCUTS} - {*named}, {*named} - {*PLACEMENTS, *SHORTCUTS}
    assert not missing, f"give {missing} rows of their tables in docs/units.md, and run `make figures`"
    assert not gone, f"docs/units.md has rows for {gone}, which do not exist"


def test_titles_of_placements_have_the_letters_of_the_paper_and_short_lines():
    panel_title = runpy.run_path(str(ROOT / "docs" / "make_figures.py"))["panel_title"]
    titles = [panel_title(letter, placement) for letter, placement in zip("abcde", PLACEMENTS)]
    assert titles[:2] == ["(a) original", "(b) bn_after_\naddition"]
    assert titles[3:] == ["(d) relu_only_\npreactivation", "(e) full_\npreactivation"]


@pytest.mark.parametrize(
    ("activation", "text"),
    [
        ("maxout", "maxout of 2"),
        ("rational", "rational"),
        ("piecewise_linear", "piecewise linear"),
        ("trainable_swish", "trainable swish"),
        ("prelu", "PReLU"),
    ],
)
def test_learned_activations_are_drawn_as_activations_within_and_behind_a_unit(activation, text):
    model = keras_resnet.ResNet(tiny(activation=activation), input_shape=(8, 8, 3))
    drawn = [cells(model.get_layer(f"conv3_block2_{site}")) for site in ("1_relu", "out")]
    assert drawn == [(Cell(text, "activation"),)] * 2
