"""The named networks against the papers' tables, and the names that are refused."""

import pytest

import keras_resnet
from keras_resnet import CATALOGUE, Architecture, cifar, get_architecture, imagenet
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
    assert expected == CATALOGUE


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
        (20, "bottle", r"Unknown unit 'bottle'.* Allowed: basic, bottleneck"),
    ],
)
def test_impossible_cifar_depth_is_refused_in_words(depth, unit, sentence):
    with pytest.raises(ValueError, match=sentence):
        cifar(depth, unit)


def test_unknown_imagenet_depth_is_refused_in_words():
    with pytest.raises(ValueError, match=r"No ImageNet network has 51 layers; the depths are \[18, 34, 50, 101, 152"):
        imagenet(51)
