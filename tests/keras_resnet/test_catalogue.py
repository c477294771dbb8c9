"""The named networks against the papers' tables, and the names that are refused."""

import keras
import pytest

import keras_resnet
from keras_resnet import CATALOGUE, Architecture, cifar, get_architecture, highway, imagenet, vgg, wide
from tests.keras_resnet.helpers import FULL_PREACTIVATION

# arXiv 1512.03385, Table 1; 200 layers: arXiv 1603.05027, section 5.
TABLE_1 = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
    200: ("bottleneck", (3, 24, 36, 3)),
}

# n of 6n+2 layers, arXiv 1512.03385, section 4.2; of 9n+2 layers, arXiv 1603.05027, appendix.
CIFAR_N = {
    20: ("basic", 3),
    32: ("basic", 5),
    44: ("basic", 7),
    56: ("basic", 9),
    110: ("basic", 18),
    1202: ("basic", 200),
    164: ("bottleneck", 18),
    1001: ("bottleneck", 111),
}


def expected_imagenet(depth, **choices):
    unit, blocks = TABLE_1[depth]
    return Architecture(blocks=blocks, widths=(64, 128, 256, 512), unit=unit, stem="imagenet", **choices)


def expected_cifar(depth, **choices):
    unit, n = CIFAR_N[depth]
    choices = {"shortcut": "A" if unit == "basic" else "B", **choices}
    return Architecture(blocks=(n, n, n), widths=(16, 32, 64), unit=unit, stem="cifar", **choices)


def test_catalogue_is_the_papers_tables():
    expected = {}
    for depths, network, plain in (
        (TABLE_1, expected_imagenet, (18, 34)),
        (CIFAR_N, expected_cifar, (20, 32, 44, 56, 110)),
    ):
        for depth in depths:
            expected[f"ResNet{depth}"] = network(depth)
            expected[f"ResNet{depth}V2"] = network(depth, placement=FULL_PREACTIVATION)
        expected.update({f"Plain{depth}": network(depth, shortcut="none") for depth in plain})
    assert {name: CATALOGUE[name] for name in expected} == expected


# Others' tables: blocks, widths, stem, and what sets the network apart.
RESNEXT = {"stride_on": "3x3", "unit": "bottleneck"}
OTHERS = {
    "ResNet50D": ("ResNet50", {"stem": "deep", "stride_on": "3x3", "projection": "average_pool"}),
    "SEResNet101": ("ResNet101", {"squeeze_excitation": 16}),
    "ResNeXt50_32x4d": ("ResNet50", {**RESNEXT, "groups": 32, "width_per_group": 4}),
    "ResNeXt101_64x4d": ("ResNet101", {**RESNEXT, "groups": 64, "width_per_group": 4}),
    "WideResNet50_2": ("ResNet50", {"stride_on": "3x3", "width_per_group": 128}),
    "WideResNet28_10": (
        "ResNet26",
        {"widths": (160, 320, 640), "stem_width": 16, "shortcut": "B", "placement": FULL_PREACTIVATION},
    ),
    "ResNeXt29_8x64d": ("ResNet29B", {**RESNEXT, "widths": (64, 128, 256), "groups": 8}),
    "Highway32": ("ResNet32S", {"shortcut": "exclusive_gating", "placement": "relu_before_addition"}),
}
RELATIVES = {"ResNet29B": cifar(29, "bottleneck"), "ResNet32S": cifar(32, "single")}


@pytest.mark.parametrize("name", OTHERS)
def test_network_of_other_papers_is_a_relative_with_other_choices(name):
    relative, choices = OTHERS[name]
    relative = RELATIVES.get(relative) or get_architecture(relative)
    assert CATALOGUE[name] == relative.replace(**choices)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kernels"),
    # arXiv 1409.1556, Table 1, D and E: filters of the 3x3 convolutions, "M" being a max pool.
    [
        ("VGG16", "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M"),
        ("VGG19BN", "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M"),
    ],
)
def test_vgg_has_the_layers_of_its_table(name, kernels):
    model = keras_resnet.ResNet(get_architecture(name), input_shape=(64, 64, 3))
    words = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (3, 3):
            words.append(str(layer.filters))
        elif isinstance(layer, keras.layers.MaxPooling2D):
            words.append("M")
    assert " ".join(words) == kernels
    dense = [(name, model.get_layer(name).filters, model.get_layer(name).kernel_size) for name in ("fc1", "fc2")]
    assert dense == [("fc1", 4096, (2, 2)), ("fc2", 4096, (1, 1))]
    assert model.output_shape == (None, 1000)


@pytest.mark.parametrize("name", CATALOGUE)
def test_name_is_found_in_any_case(name):
    assert get_architecture(name) is get_architecture(name.lower()) is get_architecture(name.upper())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ResNet8", cifar(8)),
        ("resnet26", cifar(26)),
        ("ResNet38V2", cifar(38, placement=FULL_PREACTIVATION)),
        ("Plain14", cifar(14, shortcut="none")),
        ("Plain20V2", cifar(20, shortcut="none", placement=FULL_PREACTIVATION)),
        ("Plain164", cifar(164, shortcut="none")),
        ("Highway14", highway(14)),
        ("wideresnet22_3", wide(22, 3)),
    ],
)
def test_any_valid_cifar_depth_has_a_name(name, expected):
    assert get_architecture(name) == expected


@pytest.mark.parametrize(
    ("depth", "unit", "blocks", "shortcut"),
    [(8, None, 1, "A"), (20, "basic", 3, "A"), (20, "bottleneck", 2, "B"), (29, "bottleneck", 3, "B")],
)
def test_cifar_depth_gives_three_equal_stages(depth, unit, blocks, shortcut):
    network = cifar(depth, unit)
    assert (network.blocks, network.shortcut, network.depth) == ((blocks,) * 3, shortcut, depth)


def test_choices_override_the_familys_shortcut():
    assert cifar(20, shortcut="C").shortcut == "C"
    assert imagenet(18, shortcut="A", placement="original") == CATALOGUE["ResNet18"].replace(shortcut="A")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("RestNet50", r"Unknown network 'RestNet50'\. Did you mean 'ResNet50'\? Allowed: ResNet18, "),
        ("ResNet50V3", r"Unknown network 'ResNet50V3'\. Did you mean 'ResNet50V2'\?"),
        ("qqq", r"Unknown network 'qqq'\. Allowed: ResNet18, ResNet34"),
        ("ResNet21", r"Unknown network 'ResNet21'\. .* has 6n\+2 layers; received 21\. The nearest are 20 and 26"),
        ("ResNet2", r"Unknown network 'ResNet2'\. .* has 6n\+2 layers; received 2\. The nearest are 8 and 14"),
        ("Highway21", r"Unknown network 'Highway21'\. .* single units has 3n\+2 layers; received 21\. The nearest are"),
        ("WideResNet27_10", r"Unknown network 'WideResNet27_10'\. A Wide ResNet has 6n\+4 layers and a factor of at"),
        ("WideResNet28_1", r"a factor of at least 2; received 28 and 1\."),
        ("Plain51V2", r"Unknown network 'Plain51V2'\. .* received 51\. The nearest are 50 and 56"),
    ],
)
def test_unknown_name_is_refused_in_words(name, sentence):
    with pytest.raises(ValueError, match=sentence):
        keras_resnet.ResNet(name)


@pytest.mark.parametrize(
    ("depth", "unit", "sentence"),
    [
        (21, None, r"A CIFAR network of basic units has 6n\+2 layers; received 21\. The nearest are 20 and 26\."),
        (0, None, r"has 6n\+2 layers; received 0\. The nearest are 8 and 14\."),
        (21, "bottleneck", r"of bottleneck units has 9n\+2 layers; received 21\. The nearest are 20 and 29\."),
        (20, "bottle", r"Unknown unit 'bottle'.* Allowed: basic, bottleneck, single"),
    ],
)
def test_impossible_cifar_depth_is_refused_in_words(depth, unit, sentence):
    with pytest.raises(ValueError, match=sentence):
        cifar(depth, unit)


def test_unknown_vgg_depth_is_refused_in_words():
    with pytest.raises(ValueError, match=r"No VGG network has 11 layers; the depths are \[16, 19\]"):
        vgg(11)


def test_unknown_imagenet_depth_is_refused_in_words():
    with pytest.raises(ValueError, match=r"No ImageNet network has 51 layers; the depths are \[18, 34, 50, 101, 152"):
        imagenet(51)
