"""Networks stage by stage: Table 1, receptive fields by hand and by experiment, two networks side by side."""

import math

import keras
import numpy as np
import pytest
from PIL import Image

import keras_resnet
from keras_resnet.__main__ import main
from keras_resnet.analysis import (
    comparison_table,
    count_multiply_adds,
    count_parameters,
    draw_comparison,
    receptive_fields,
    stage_table,
    summarize,
)
from keras_resnet.architecture.figures import FIGURES
from tests.keras_resnet.helpers import outputs, tiny

# Output size and contents of each stage.
TABLE_1 = {  # arXiv 1512.03385, Table 1; the max pool stands in the row of conv2_x
    "ResNet34": [
        ("112×112", ["7×7, 64, stride 2"]),
        ("56×56", ["3×3 max pool, stride 2", "[3×3, 64; 3×3, 64] × 3"]),
        ("28×28", ["[3×3, 128; 3×3, 128] × 4"]),
        ("14×14", ["[3×3, 256; 3×3, 256] × 6"]),
        ("7×7", ["[3×3, 512; 3×3, 512] × 3"]),
        ("1×1", ["global average pool", "1000-way fully connected"]),
    ],
    "ResNet50": [
        ("112×112", ["7×7, 64, stride 2"]),
        ("56×56", ["3×3 max pool, stride 2", "[1×1, 64; 3×3, 64; 1×1, 256] × 3"]),
        ("28×28", ["[1×1, 128; 3×3, 128; 1×1, 512] × 4"]),
        ("14×14", ["[1×1, 256; 3×3, 256; 1×1, 1024] × 6"]),
        ("7×7", ["[1×1, 512; 3×3, 512; 1×1, 2048] × 3"]),
        ("1×1", ["global average pool", "1000-way fully connected"]),
    ],
}
RESNET20 = [  # arXiv 1512.03385, section 4.2, n = 3
    ("32×32", ["3×3, 16", "[3×3, 16; 3×3, 16] × 3"]),
    ("16×16", ["[3×3, 32; 3×3, 32] × 3"]),
    ("8×8", ["[3×3, 64; 3×3, 64] × 3"]),
    ("1×1", ["global average pool", "10-way fully connected"]),
]
# Stage by stage by r = r + (k - 1) s. Araujo et al., Distill 2019, print 483, 1027 and 1507 for ResNet-50, 101 and 152.
FIELDS = {
    "ResNet18": [7, 43, 99, 211, 435],
    "ResNet34": [7, 59, 179, 547, 899],
    "ResNet50": [7, 35, 99, 291, 483],
    "ResNet101": [7, 35, 99, 835, 1027],
    "ResNet152": [7, 35, 163, 1315, 1507],
}


def lines_of(summary):
    """The contents of a summary by output size."""
    sizes = {}
    for stage in summary.stages:
        size = "1×1" if stage.name == "head" else "×".join(map(str, stage.output))
        sizes.setdefault(size, []).extend(stage.contents)
    return list(sizes.items())


def test_stages_of_a_cifar_network_are_those_of_the_paper():
    model = keras_resnet.ResNet20()
    summary = summarize(model)
    assert lines_of(summary) == RESNET20
    assert (summary.depth, summary.parameters, summary.multiply_adds) == (20, *FIGURES["ResNet20"][:2])
    # Kernels, scale and shift of normalizations; multiply-adds: arXiv 1512.03385, section 4.2.
    assert [stage.parameters for stage in summary.stages] == [464, 14_016, 51_072, 203_520, 650]
    widths = (16, 32, 64)
    units = [6 * 9 * w * w * (512 // w) ** 2 - 9 * w * w // 2 * (512 // w) ** 2 * (w > 16) for w in widths]
    assert [stage.multiply_adds for stage in summary.stages] == [3 * 16 * 9 * 32 * 32, *units, 640]
    assert [stage.field.size for stage in summary.stages] == [3, 15, 37, 81, math.inf]


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE_1)
def test_stages_of_an_imagenet_network_are_those_of_table_1(name):
    model = keras_resnet.ResNet(name)
    summary = summarize(model)
    assert lines_of(summary) == TABLE_1[name]
    assert (summary.parameters, summary.multiply_adds) == FIGURES[name][:2]


@pytest.mark.parametrize(
    "name", [*list(FIELDS)[:2], *(pytest.param(n, marks=pytest.mark.slow) for n in list(FIELDS)[2:])]
)
def test_receptive_fields_are_those_of_the_arithmetic(name):
    narrow = keras_resnet.get_architecture(name).replace(widths=(4, 4, 4, 4))
    summary = summarize(keras_resnet.ResNet(narrow))
    assert [stage.field.size for stage in summary.stages[:-1]] == FIELDS[name]
    assert [stage.field.stride for stage in summary.stages[:-1]] == [2, 4, 8, 16, 32]


def test_receptive_fields_of_vgg_are_the_published_ones():
    narrow = keras_resnet.vgg(16, widths=(2, 2, 2, 2, 2), hidden=())
    model = keras_resnet.ResNet(narrow, input_shape=(32, 32, 3))
    assert receptive_fields(model)["conv5_pool"] == (212, 32)  # Distill 2019
    assert summarize(model).field == (196, 16)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "choices", [{}, {"unit": "bottleneck"}, {"output_stride": 1, "shortcut": "B"}, {"placement": "full_preactivation"}]
)
def test_receptive_field_is_the_number_of_pixels_that_change_the_output(choices):
    side = 40
    model = keras_resnet.ResNet(tiny(**choices), input_shape=(side, side, 1), include_top=False)
    for weight in model.weights:
        if weight.path.endswith("kernel"):
            weight.assign(np.full(weight.shape, 0.1))  # nothing cancels
    lit = np.zeros((side, side, side, 1), "float32")
    lit[np.arange(side), side // 2, np.arange(side)] = 1  # in every image another pixel of one row
    maps = outputs(model, lit)
    middle = maps[:, maps.shape[1] // 2, maps.shape[2] // 2].max(axis=-1)
    field = receptive_fields(model)[model.layers[-1].name]
    assert np.count_nonzero(middle > middle.min()) == field.size < side
    assert side // maps.shape[1] == field.stride


def test_squeeze_and_excitation_sees_the_whole_image():
    model = keras_resnet.ResNet(tiny(squeeze_excitation=2), input_shape=(8, 8, 3))
    assert receptive_fields(model)["conv2_block1_2_bn"].size == 7
    assert receptive_fields(model)["conv2_block1_out"].size == math.inf


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "architecture",
    [
        tiny(stem="imagenet", placement="full_preactivation"),
        tiny(stem="deep", unit="bottleneck", widths=(64, 64), groups=2, width_per_group=32),
        keras_resnet.vgg(16, widths=(2, 2, 2, 2, 2), hidden=(3,)),
    ],
)
def test_parts_of_a_network_sum_up_to_the_whole(architecture):
    model = keras_resnet.ResNet(architecture, input_shape=(32, 32, 3))
    summary = summarize(model, "mine")
    assert summary.name == "mine"
    assert (summary.parameters, summary.multiply_adds) == (count_parameters(model), count_multiply_adds(model))


def test_contents_name_what_stands_outside_of_units_and_groups():
    deep = tiny(stem="deep", unit="bottleneck", widths=(64, 64), groups=2, width_per_group=32)
    first, second = summarize(keras_resnet.ResNet(deep, input_shape=(32, 32, 3))).stages[:2]
    assert first.contents == ("3×3, 32, stride 2", "3×3, 32", "3×3, 64")
    assert second.contents == ("3×3 max pool, stride 2", "[1×1, 64; 3×3, 64, 2 groups; 1×1, 256] × 1")
    vgg = keras_resnet.vgg(16, widths=(2, 2, 2, 2, 2), hidden=(3,))
    stages = summarize(keras_resnet.ResNet(vgg, input_shape=(32, 32, 3))).stages
    assert stages[0].contents == ("[3×3, 2] × 2", "2×2 max pool, stride 2") and stages[0].output == (32, 32)
    assert stages[-1].contents == ("1×1, 3", "global average pool", "1000-way fully connected")


def test_summary_of_any_image_size_is_refused():
    with pytest.raises(ValueError, match="Multiply-adds depend on the image size"):
        summarize(keras_resnet.ResNet(tiny(), input_shape=(None, None, 3)))


def test_network_without_an_architecture_is_summed_up_by_its_names():
    model = keras_resnet.ResNet(tiny(), input_shape=(8, 8, 3))
    plain = keras.Model(model.input, model.output)
    assert [stage.name for stage in summarize(plain).stages] == ["conv1", "conv2", "conv3", "head"]
    assert summarize(plain).depth is None


def test_describe_by_stage_prints_the_table(capsys):
    assert main(["describe", "ResNet8", "--by-stage"]) == 0
    table = capsys.readouterr().out.splitlines()[-9:]
    assert table == [
        "",
        "stage  output  layers                  parameters  multiply-adds  receptive field",
        "conv1  32×32   3×3, 16                        464        442.4 k                3",
        "conv2  32×32   [3×3, 16; 3×3, 16] × 1       4,672        4.719 M                7",
        "conv3  16×16   [3×3, 32; 3×3, 32] × 1      13,952        3.539 M               13",
        "conv4  8×8     [3×3, 64; 3×3, 64] × 1      55,552        3.539 M               25",
        "head   1×1     global average pool            650            640            image",
        "               10-way fully connected",
        "                                           75,290        12.24 M",
    ]


def test_compare_prints_and_draws_two_networks_side_by_side(capsys, tmp_path):
    picture = tmp_path / "networks.png"
    wide = "{name: ResNet8, widths: [32, 32, 64]}"
    assert main(["compare", "ResNet8", wide, "--image-size", "16", "--classes", "2", "-o", str(picture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[0] == "output" and "ResNet8 (widths [32, 32, 64])" in lines[0]
    assert [line.split()[0] for line in lines if line.startswith(("16×16", "8×8", "4×4", "1×1"))] == [
        "16×16",
        "8×8",
        "4×4",
        "1×1",
    ]
    assert lines[-1].startswith("ResNet8 takes ") and lines[-1].endswith("% of its parameters.")
    assert Image.open(picture).size[0] == 1320


def test_share_is_that_of_the_paper():
    table = comparison_table(*(summary_of(name) for name in ("VGG19", "ResNet34")))
    # arXiv 1512.03385, section 3.3: "only 18% of VGG-19"
    assert table[-1] == "ResNet34 takes 18.7 % of the multiply-adds of VGG19 and 15.2 % of its parameters."


def summary_of(name):
    """A summary that holds nothing but the figures of a network, which take long to build."""
    from keras_resnet.analysis import ReceptiveField, Stage, Summary

    stage = Stage("conv1", (224, 224), ("3×3, 64",), *FIGURES[name][:2], ReceptiveField(3, 1))
    return Summary(name, None, (stage,))


def test_networks_of_other_sizes_stand_in_rows_of_their_own(tmp_path):
    vgg = keras_resnet.vgg(16, widths=(2, 2, 2, 2, 2), hidden=())
    shape = (32, 32, 3)
    left, right = (summarize(keras_resnet.ResNet(one, input_shape=shape)) for one in (vgg, tiny()))
    sizes = [line.split()[0] for line in comparison_table(left, right)[1:] if line[0:1].isdigit()]
    assert sizes == ["32×32", "16×16", "8×8", "4×4", "2×2", "1×1"]
    draw_comparison(left, right, tmp_path / "a.svg")
    with pytest.raises(ValueError, match="The picture must be a file that ends in one of"):
        draw_comparison(left, right, tmp_path / "a.bmp2")
    assert len(stage_table(left)) == 1 + 5 * 2 + 2 + 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ResNet8", "{shortcut: C}"], "A network must be a name, or {name: ..., CHOICE: ...}; received {'shortcut'"),
        (["ResNet8", "{name: ResNet8, shortcuts: C}"], "Unknown choice 'shortcuts'."),
        (["ResNet9", "ResNet8"], "Unknown network 'ResNet9'."),
        (["20", "ResNet8"], "A network must be a name, or {name: ..., CHOICE: ...}; received 20."),
    ],
)
def test_network_that_cannot_be_compared_is_one_line(arguments, sentence, capsys):
    assert main(["compare", *arguments]) == 2
    output = capsys.readouterr()
    assert output.err.startswith(f"error: {sentence}") and output.err.count("\n") == 1
