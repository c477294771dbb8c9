"""Parameters and multiply-adds of every network against the counts that follow from the papers' tables."""

import csv
import functools
import gc

import pytest

import keras_resnet
from keras_resnet.analysis import count_multiply_adds, count_parameters
from keras_resnet.architecture.figures import FIGURES
from tests.keras_resnet.helpers import tiny
from tests.shared import shared_file

# Trainable parameters, exactly; multiply-adds of one 224 x 224 image in units of 10^9, as many digits as are known.
IMAGENET = {
    "ResNet18": (11_689_512, "1.814"),
    "ResNet34": (21_797_672, "3.664"),
    "ResNet50": (25_557_032, "3.858"),
    "ResNet101": (44_549_160, "7.570"),
    "ResNet152": (60_192_808, "11.282"),
    "ResNet200": (64_673_832, "14.776"),
    "ResNet18V2": (11_687_720, "1.814"),
    "ResNet34V2": (21_795_880, "3.664"),
    "ResNet50V2": (25_549_352, "3.858"),
    "ResNet101V2": (44_541_480, "7.570"),
    "ResNet152V2": (60_185_128, "11.282"),
    "ResNet200V2": (64_666_152, "14.776"),
    "Plain18": (11_515_688, "1.795"),
    "Plain34": (21_623_848, "3.645"),
}

# The same of one 32 x 32 image, in units of 10^6.
CIFAR_BASIC = {
    "ResNet20": (269_722, "40.55"),
    "ResNet32": (464_154, "68.86"),
    "ResNet44": (658_586, "97.17"),
    "ResNet56": (853_018, "125.49"),
    "ResNet110": (1_727_962, "252.89"),
    "ResNet1202": (19_421_274, "2829.24"),
}
CIFAR_BOTTLENECK = {
    "ResNet164": (1_704_154, "244.5"),
    "ResNet1001": (10_328_602, "1487.9"),
    "ResNet164V2": (1_703_258, "244.5"),
    "ResNet1001V2": (10_327_706, "1487.9"),
}

# Networks of other papers, from their layers' shapes: in all digits that they print the counts of torchvision's models
# (ResNeXt, Wide ResNet, VGG), of timm's (D, SE), of arXiv 1605.07146, Table 4 (11.0, 36.5 and 8.9 million) and of
# arXiv 1611.05431, Table 7 (34.4 million). Multiply-adds in units of 10^9.
OTHERS = {
    "ResNet18D": (11_708_744, "2.054"),
    "ResNet34D": (21_816_904, "3.903"),
    "ResNet50D": (25_576_264, "4.329"),
    "ResNet101D": (44_568_392, "8.041"),
    "ResNet152D": (60_212_040, "11.753"),
    "ResNet200D": (64_693_064, "15.247"),
    "SEResNet50": (28_088_024, "3.860"),
    "SEResNet101": (49_326_872, "7.575"),
    "SEResNet152": (66_821_848, "11.289"),
    "ResNeXt50_32x4d": (25_028_904, "4.23"),
    "ResNeXt101_32x8d": (88_791_336, "16.41"),
    "ResNeXt101_64x4d": (83_455_272, "15.46"),
    "WideResNet50_2": (68_883_240, "11.40"),
    "WideResNet101_2": (126_886_696, "22.75"),
    "VGG16": (138_357_544, "15.47"),
    "VGG19": (143_667_240, "19.63"),
    "VGG16BN": (138_365_992, "15.47"),
    "VGG19BN": (143_678_248, "19.63"),
    "ResNeXt29_8x64d": (34_426_698, "5.387"),
    "WideResNet16_8": (10_961_370, "1.548"),
    "WideResNet28_10": (36_479_194, "5.243"),
    "WideResNet40_4": (8_949_210, "1.299"),
    "Highway20": (300_090, "0.045"),
    "Highway32": (516_474, "0.0765"),
}
TABLE = {**IMAGENET, **CIFAR_BASIC, **CIFAR_BOTTLENECK, **OTHERS}

# Option A has no parameters, so that a plain network costs the same; its pre-activation form has the same layers.
SAME_COST = {
    **{f"ResNet{depth}V2": f"ResNet{depth}" for depth in (20, 32, 44, 56, 110, 1202)},
    **{f"Plain{depth}": f"ResNet{depth}" for depth in (20, 32, 44, 56, 110)},
}

VARIANTS = [
    ("ResNet18", {"shortcut": "A"}, 11_515_688, "1.795"),
    ("ResNet18", {"shortcut": "C"}, 12_043_816, "1.878"),
    ("ResNet34", {"shortcut": "A"}, 21_623_848, "3.645"),
    ("ResNet34", {"shortcut": "C"}, 22_716_840, "3.831"),
    ("ResNet50", {"stride_on": "3x3"}, 25_557_032, "4.089"),
    ("ResNet101", {"stride_on": "3x3"}, 44_549_160, "7.801"),
]

# Biases and constants of keras.applications, whose published counts include the moving statistics.
KERAS_V1 = {"biased": ("stem", "1", "2", "3", "shortcut")}
KERAS_V2 = {"biased": ("stem", "3", "shortcut"), "stem_activation": False, "stride_unit": "last", "stride_on": "3x3"}
KERAS_TOTALS = [
    ("ResNet50", KERAS_V1, 25_636_712),
    ("ResNet101", KERAS_V1, 44_707_176),
    ("ResNet152", KERAS_V1, 60_419_944),
    ("ResNet50V2", KERAS_V2, 25_613_800),
    ("ResNet101V2", KERAS_V2, 44_675_560),
    ("ResNet152V2", KERAS_V2, 60_380_648),
]


@functools.cache
def cost(name: str | keras_resnet.Architecture, **arguments) -> tuple[int, int, int]:
    """Build a network once; return its trainable parameters, all its parameters and its multiply-adds.

    Those of a thousand layers, of which test_depth builds one, are counted by shorter ones.
    """
    if name in GROWN and not arguments:
        return grown(name)
    model = keras_resnet.ResNet(name, **arguments)
    counts = count_parameters(model), model.count_params(), count_multiply_adds(model)
    del model
    gc.collect()  # several of these networks at a time take gigabytes
    return counts


GROWN = {name for name, network in keras_resnet.CATALOGUE.items() if network.depth > 1000}


def grown(name: str) -> tuple[int, int, int]:
    """Count a deep CIFAR network by two short ones: each further unit of a stage costs the same."""
    network = keras_resnet.CATALOGUE[name]
    layers, choices = (network.depth - 2) // network.blocks[0], {"placement": network.placement}
    assert network == keras_resnet.cifar(network.depth, network.unit, **choices)
    few, more = (cost(keras_resnet.cifar(n * layers + 2, network.unit, **choices)) for n in (2, 3))
    return tuple(two + (network.blocks[0] - 2) * (three - two) for two, three in zip(few, more))


def agrees(count: int, figure: str, unit: float) -> bool:
    """Tell whether a count is a printed figure to less than one unit of the figure's last digit."""
    digits = len(figure.partition(".")[2])
    return abs(count / unit - float(figure)) < 10.0**-digits


def is_large(name: str) -> bool:
    """Tell whether a network takes seconds to build, or hundreds of megabytes."""
    return keras_resnet.get_architecture(name).depth > 60 or FIGURES[name].parameters > 26_000_000


def patiently(*rows: tuple) -> list:
    """Mark as slow the rows of a table that begin with the name of a large network."""
    return [pytest.param(*row, marks=pytest.mark.slow if is_large(row[0]) else ()) for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ResNet110", "ResNet164", "ResNet110V2", "ResNet164V2"])
def test_short_networks_tell_the_cost_of_deep_ones(name):
    assert grown(name) == cost(name)


def test_the_tables_cover_the_whole_catalogue():
    missing = keras_resnet.CATALOGUE.keys() - TABLE.keys() - SAME_COST.keys()
    assert not missing, f"give {missing} rows in OTHERS of {__file__}"


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("name",), patiently(*zip(TABLE)))
def test_network_has_the_known_cost(name):
    parameters, figure = TABLE[name]
    trainable, _, multiply_adds = cost(name)
    assert trainable == parameters
    assert agrees(multiply_adds, figure, 1e6 if name in {**CIFAR_BASIC, **CIFAR_BOTTLENECK} else 1e9)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("name", "peer"), patiently(*SAME_COST.items()))
def test_network_costs_as_much_as_its_peer(name, peer):
    assert cost(name) == cost(peer)


@pytest.mark.parametrize(("name",), patiently(*zip(CIFAR_BASIC)))
def test_basic_cifar_network_follows_the_formula_of_6n_plus_2_layers(name):
    n = (keras_resnet.CATALOGUE[name].depth - 2) // 6
    stages = [(16, 16, 32 * 32), (16, 32, 16 * 16), (32, 64, 8 * 8)]
    convolutions = sum((before + (2 * n - 1) * width) * width * 9 * pixels for before, width, pixels in stages)
    assert cost(name)[2] == 3 * 16 * 9 * 32 * 32 + convolutions + 64 * 10


@pytest.mark.parametrize(("name",), patiently(*zip(CIFAR_BOTTLENECK)))
def test_bottleneck_cifar_network_follows_the_formula_of_9n_plus_2_layers(name):
    n = (keras_resnet.CATALOGUE[name].depth - 2) // 9
    stages = [(16, 16, 32 * 32), (64, 32, 16 * 16), (128, 64, 8 * 8)]
    total = 3 * 16 * 9 * 32 * 32 + 256 * 10
    for before, width, pixels in stages:
        entries = (before + (n - 1) * 4 * width) * width + before * 4 * width
        total += (entries + n * 9 * width * width + n * 4 * width * width) * pixels
    assert cost(name)[2] == total


@pytest.mark.slow
@pytest.mark.parametrize(("name", "choices", "parameters", "figure"), patiently(*VARIANTS))
def test_variant_has_the_known_cost(name, choices, parameters, figure):
    trainable, _, multiply_adds = cost(name, **choices)
    assert trainable == parameters
    assert agrees(multiply_adds, figure, 1e9)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("name",), patiently(*zip(FIGURES)))
def test_figures_are_those_of_the_network_built(name):
    trainable, _, multiply_adds = cost(name)
    assert FIGURES[name][:2] == (trainable, multiply_adds)


@pytest.mark.slow
def test_projections_everywhere_add_half_to_a_bottleneck_network():
    assert cost("ResNet50", shortcut="C")[0] == 40_128_552


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "added"),
    patiently(
        ("ResNet20", {"shortcut": "B"}, 2_752),
        ("ResNet56", {"shortcut": "B"}, 2_752),
        ("ResNet20", {"classes": 100}, 5_850),
        ("ResNet110", {"classes": 100}, 5_850),
        ("ResNet164", {"classes": 100}, 23_130),
        ("ResNet164V2", {"classes": 100}, 23_130),
    ),
)
def test_choice_adds_the_known_number_of_parameters(name, arguments, added):
    assert cost(name, **arguments)[0] - cost(name)[0] == added


@pytest.mark.parametrize(
    ("name", "total"),
    [("ResNet20", 271_098), ("ResNet32", 466_426), ("ResNet44", 661_754), ("ResNet56", 857_082)],
)
def test_moving_statistics_are_parameters_but_not_trainable_ones(name, total):
    trainable, everything, _ = cost(name)
    assert everything == total > trainable


@pytest.mark.slow
@pytest.mark.parametrize(("name", "choices", "total"), patiently(*KERAS_TOTALS))
def test_choices_of_keras_applications_give_its_counts(name, choices, total):
    assert cost(name, **choices)[1] == total


@pytest.mark.parametrize("shape", [(None, None, 3), (32, None, 3), (None, 32, 3)])
def test_multiply_adds_of_any_image_size_are_refused(shape):
    model = keras_resnet.ResNet(tiny(), input_shape=shape)
    with pytest.raises(ValueError, match=r"Multiply-adds depend on the image size.*Build it with a fixed input_shape"):
        count_multiply_adds(model)


def test_multiply_adds_grow_with_the_area_of_the_image():
    small, large = (keras_resnet.ResNet20(input_shape=(side, side, 3)) for side in (32, 64))
    assert count_multiply_adds(large) - 640 == 4 * (count_multiply_adds(small) - 640)


def published_networks() -> dict[str, tuple[str, dict, bool]]:
    """Map the published table's model names to a network of ours, its choices, and whether all parameters count."""
    rows = {}
    for depth in (18, 34):
        rows[f"plain-{depth}"] = (f"Plain{depth}", {}, False)
        for option in "ABC":
            rows[f"ResNet-{depth} option {option}"] = (f"ResNet{depth}", {"shortcut": option}, False)
    for depth in (50, 101, 152):
        rows[f"ResNet-{depth}"] = (f"ResNet{depth}", {}, False)
        rows[f"keras ResNet{depth}"] = (f"ResNet{depth}", KERAS_V1, True)
        rows[f"keras ResNet{depth}V2"] = (f"ResNet{depth}V2", KERAS_V2, True)
    for depth in (20, 32, 44, 56, 110, 1202):
        rows[f"ResNet-{depth} A"] = (f"ResNet{depth}", {}, False)
    for depth, original in ((200, "original unit"), (164, "original"), (1001, "original")):
        rows[f"ResNet-{depth} {original}"] = (f"ResNet{depth}", {}, False)
        rows[f"ResNet-{depth} pre-act"] = (f"ResNet{depth}V2", {}, False)
    for depth in (16, 19):
        rows[f"VGG-{depth}"] = (f"VGG{depth}", {}, False)
    return rows


@pytest.mark.parametrize("large", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_published_count_of_a_network_of_ours_is_equal(large):
    with shared_file("reference/published.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (row["paper"], row["table"]) == ("implementation", "counts")]
    networks = published_networks()
    assert {row["model"] for row in rows} == {*networks}
    for row in rows:
        name, choices, everything = networks[row["model"]]
        if is_large(name) == large:
            trainable, total, _ = cost(name, **choices)
            assert (total if everything else trainable) == int(row["value"]), row["model"]


def test_frozen_layers_count_and_state_does_not():
    model = keras_resnet.ResNet20(dropout=0.1)
    keras_resnet.freeze(model)
    assert count_parameters(model) == 269_722
