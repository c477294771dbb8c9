"""Files of KerasHub give the function of KerasHub: against its networks in Keras layers, and against the library."""

import functools
import itertools
import json
import shutil

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.__main__ import main
from keras_resnet.weights.checkpoint import read_checkpoint
from keras_resnet.weights.loading import load_weights_from, network_of
from tests.keras_resnet import hub_networks
from tests.keras_resnet.helpers import images, outputs, randomise, relative_error
from tests.keras_resnet.hub_networks import CONFIG, CONVERTER, DEEP, ResNetBackbone, ResNetImageClassifier, saved
from tests.pairs import pairwise

NETWORKS = {
    "basic": {},
    "basic, v2": {"use_pre_activation": True},
    "bottleneck": {"block_type": "bottleneck_block"},
    "bottleneck, v2": {"block_type": "bottleneck_block", "use_pre_activation": True},
    "bottleneck, vd": {"block_type": "bottleneck_block_vd", **DEEP},
    "bottleneck, vd, stem of its own": {"block_type": "bottleneck_block_vd"},
    "bottleneck, deep": {"block_type": "bottleneck_block", **DEEP},
    "bottleneck, v2, deep": {"block_type": "bottleneck_block", "use_pre_activation": True, **DEEP},
    "basic, vd, of single units": {"block_type": "basic_block_vd", "stackwise_num_blocks": [1, 1], **DEEP},
}
# Those that names and shapes alone would take for another: a stem of three goes with pools before projections.
DESCRIBED = ("bottleneck, vd, stem of its own", "bottleneck, deep")
FORMS = ["archive", "weights", "preset", "nameless archive", "nameless preset"]


def classifier(changes=None, **config):
    return randomise(ResNetImageClassifier(ResNetBackbone(**CONFIG | (changes or {})), 10, **config))


@functools.lru_cache(maxsize=1)
def classifier_of(name):
    """Draw a network's classifier once; its tests follow one another."""
    return classifier(NETWORKS[name])


def has_form(name, form, side):
    return form != "weights" or name not in DESCRIBED


POSSIBLE = [case for case in itertools.product(NETWORKS, FORMS, (64, 65)) if has_form(*case)]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("name", "form", "side"), sorted(pairwise(POSSIBLE), key=POSSIBLE.index))
def test_every_form_of_file_computes_the_same(name, form, side, tmp_path):
    theirs = classifier_of(name)
    x = images(2, side, side, 3)
    path = saved(theirs, form, tmp_path)
    model = network_of(path, input_shape=(side, side, 3), classifier_activation=None)
    assert relative_error(outputs(model, x), outputs(theirs, x)) < 1e-5


@pytest.mark.parametrize("name", ["basic", "bottleneck, vd"])
@pytest.mark.parametrize("names", [True, False])
@pytest.mark.slow
def test_files_of_a_preset_are_found_by_each_of_them(name, names, tmp_path):
    theirs = classifier(NETWORKS[name])
    hub_networks.save_preset(tmp_path / "preset", theirs, names=names)
    x = images(2, 64, 64, 3)
    whole = network_of(tmp_path / "preset" / "task.weights.h5", input_shape=(64, 64, 3), classifier_activation=None)
    assert relative_error(outputs(whole, x), outputs(theirs, x)) < 1e-5
    backbone = network_of(tmp_path / "preset" / "model.weights.h5", input_shape=(64, 64, 3))
    assert relative_error(outputs(backbone, x), outputs(theirs.parts, x)) < 1e-4
    theirs.parts.save(tmp_path / "backbone.keras")
    again = network_of(tmp_path / "backbone.keras", input_shape=(64, 64, 3))
    np.testing.assert_array_equal(outputs(again, x), outputs(backbone, x))


def test_weights_load_into_a_network_that_is_there(tmp_path):
    theirs = classifier()
    path = saved(theirs, "nameless preset", tmp_path)
    network = read_checkpoint(path).architecture()
    model = keras_resnet.ResNet(network, input_shape=(64, 64, 3), classes=10, classifier_activation=None)
    load_weights_from(model, path)
    x = images(2, 64, 64, 3)
    assert relative_error(outputs(model, x), outputs(theirs, x)) < 1e-5
    wrong = keras_resnet.ResNet(network, stride_on="first", padding="same", input_shape=(64, 64, 3), classes=10)
    with pytest.raises(ValueError, match="would compute something else"):
        load_weights_from(wrong, path)


@pytest.mark.slow
def test_grey_images_and_a_network_by_name(tmp_path):
    four = {"stackwise_num_filters": [64, 128, 256, 512], "stackwise_num_strides": [1, 2, 2, 2]}
    theirs = classifier({**four, "stackwise_num_blocks": [2] * 4, "image_shape": [None, None, 1]})
    path = saved(theirs, "nameless archive", tmp_path)
    model = network_of(path, "ResNet18", input_shape=(64, 64, 1), classifier_activation=None)
    x = images(2, 64, 64, 1)
    assert relative_error(outputs(model, x), outputs(theirs, x)) < 1e-5


def described(changes, form, folder):
    """Write a preset whose configuration is not that of its network."""
    path = saved(classifier(), form, folder)
    task = json.loads((path / "task.json").read_text())
    task["config"]["backbone"]["config"].update(changes)
    hub_networks.write(path / "task.json", task)
    return path


# What is said beside the weights.


@pytest.mark.slow
def test_head_is_as_the_configuration_says(tmp_path):
    for activation, expected in [
        (None, "softmax"),
        ("softmax", "softmax"),
        ("sigmoid", "sigmoid"),
        ({"class_name": "function", "config": "sigmoid"}, "sigmoid"),
    ]:
        path = saved(classifier(activation=activation, dropout=0.25), "archive", tmp_path)
        model = network_of(path)
        assert model.get_layer("predictions").activation.__name__ == expected
        assert model.get_layer("dropout").rate == 0.25
        linear = network_of(path, classifier_activation=None)
        assert linear.get_layer("predictions").activation.__name__ == "linear"


CONTRACTS = [
    (CONVERTER, [100, -100, -12.5], [50, 100, 25]),
    ({"image_size": None, "scale": 0.5, "offset": None}, [0, 0, 0], [2, 2, 2]),
    (
        {"height": 64, "width": 64, "scale": 0.01, "mean": [1, 2, 3], "variance": [4, 9, 1]},
        [100, 200, 300],
        [200, 300, 100],
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("converter", "mean", "std"), CONTRACTS)
def test_contract_is_that_of_the_converter(converter, mean, std, tmp_path):
    inside = classifier(preprocessor=hub_networks.preprocessor(converter))
    hub_networks.save_preset(tmp_path / "beside", classifier(), converter)
    for path in (saved(inside, "archive", tmp_path), tmp_path / "beside", tmp_path / "beside" / "model.weights.h5"):
        contract = network_of(path, input_shape=(64, 96, 3)).preprocessing
        np.testing.assert_allclose(contract.mean, mean)
        np.testing.assert_allclose(contract.std, std)
        assert (contract.size, contract.crop, contract.order) == ((64, 96), 1, "RGB")


@pytest.mark.parametrize(("early", "name"), [(False, "torch"), (True, "tf")])
def test_contract_without_a_converter_is_that_of_the_published_weights(early, name, tmp_path):
    path = saved(classifier({"use_pre_activation": early}), "archive", tmp_path)
    contract = network_of(path).preprocessing
    for field in ("mean", "std"):
        np.testing.assert_array_equal(getattr(contract, field), getattr(keras_resnet.CONTRACTS[name], field))


def test_size_of_the_converter_stays_where_that_of_the_network_is_open(tmp_path):
    path = saved(classifier(preprocessor=hub_networks.preprocessor(CONVERTER)), "archive", tmp_path)
    assert network_of(path, input_shape=(None, None, 3)).preprocessing.size == (64, 64)


# Refusals.


@pytest.mark.sampled(3)
@pytest.mark.parametrize("form", ["archive", "nameless preset"])
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"stackwise_num_strides": [2, 2]},
            r"has stages that stride by \[2, 2\], and those of a network here stride by 1",
        ),
        ({"input_conv_kernel_sizes": [3]}, r"has a stem with kernels of sides \[3\] and filters \[64\]; that of a"),
        ({"block_type": "bottleneck_block_vd", **DEEP, "input_conv_filters": [64, 64, 64]}, r"first two have half as"),
        (
            {"block_type": "basic_block_vd", **DEEP},
            r"has a projection in its first unit though the width stays, as every",
        ),
        ({"include_rescaling": True}, r"has a layer of its own that rescales images"),
    ],
    ids=str,
)
def test_networks_that_no_architecture_can_say_are_refused(changes, sentence, form, tmp_path):
    path = saved(classifier(changes), form, tmp_path)
    with pytest.raises(ValueError, match=sentence) as raised:
        network_of(path)
    assert str(raised.value).startswith(f"'{tmp_path}")


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            {"pooling": "max"},
            "has a head that pools by 'max', and that of a network here takes the mean; save its backb",
        ),
        ({"activation": "mine"}, "has a classifier with an activation that is not Keras's, 'mine'"),
        ({"activation": {"config": {"code": 1}}}, "has a classifier with an activation that is not Keras's"),
    ],
)
def test_heads_of_another_kind_are_refused(config, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        network_of(saved(classifier(**config), "archive", tmp_path))
    path = saved(classifier(**config), "preset", tmp_path)
    assert network_of(path / "model.weights.h5").output_shape[-1] == 128


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"input_conv_kernel_sizes": [3]},
            "its stem is a 3x3 convolution of stride 2, which no network here begins with",
        ),
        ({"block_type": "basic_block_vd", **DEEP}, "conv2_block1_0_conv/kernel, a projection where the width stays"),
    ],
)
def test_networks_that_names_and_shapes_give_away_are_refused(changes, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        network_of(saved(classifier(changes), "weights", tmp_path))


def test_files_without_names_need_their_configuration(tmp_path):
    path = saved(classifier(), "nameless preset", tmp_path)
    (path / "model.weights.h5").rename(tmp_path / "model.weights.h5")
    with pytest.raises(
        ValueError, match=r"has layers without names, such as batch_normalization, and no configuration"
    ):
        network_of(tmp_path / "model.weights.h5")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"stackwise_num_blocks": [2, 2]},
            r"has 8 layers 'conv2d' without names, and the network of its configuration has 10",
        ),
        (
            {"stackwise_num_filters": [64, 96]},
            r"a layer 'conv2d_3' without a name that is not conv3_block1_1_conv, which",
        ),
        ({"use_pre_activation": True}, r"has 8 layers 'batch_normalization' without names, and the network .* has 7"),
    ],
)
def test_files_without_names_of_another_network_are_refused(changes, sentence, tmp_path):
    path = described(changes, "nameless preset", tmp_path)
    with pytest.raises(ValueError, match=sentence):
        network_of(path)


def test_configuration_of_another_network_is_refused_with_names_too(tmp_path):
    path = described({"stackwise_num_blocks": [2, 2]}, "preset", tmp_path)
    with pytest.raises(ValueError, match=r"the file lacks conv2_block2_1_bn/beta"):
        network_of(path)


def test_configuration_that_is_damaged_is_refused(tmp_path):
    path = saved(classifier(), "preset", tmp_path)
    (path / "task.json").write_text('{"config": ')
    with pytest.raises(ValueError, match=r"task\.weights\.h5' has a configuration that cannot be read"):
        network_of(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"block_type": "bottleneck_block_se"}, "has units 'bottleneck_block_se', which are not known here"),
        ({"stackwise_num_blocks": 2}, "cannot be read: its stages and stem are not lists of numbers"),
        ({"stackwise_num_filters": ["64", "128"]}, "cannot be read: its stages and stem are not lists of numbers"),
        ({"stackwise_num_filters": [64]}, "cannot be read: its stages and stem are not lists of numbers"),
        ({"input_conv_filters": []}, "cannot be read: its stages and stem are not lists of numbers"),
    ],
)
def test_configuration_that_makes_no_sense_is_refused(changes, sentence, tmp_path):
    path = described(changes, "preset", tmp_path)
    with pytest.raises(ValueError, match=sentence):
        network_of(path)


@pytest.mark.parametrize("scale", [[1.0, 2.0], ["a"] * 3, {"a": 1}])
def test_converter_for_other_images_is_refused_and_the_model_left_alone(scale, tmp_path):
    hub_networks.save_preset(tmp_path / "preset", classifier(), {"scale": scale, "offset": [1.0, 2.0, 3.0]})
    network = read_checkpoint(tmp_path / "preset").architecture()
    model = keras_resnet.ResNet(network, input_shape=(64, 64, 3), classes=10)
    before = model.get_weights()
    with pytest.raises(ValueError, match="its converter of images does not fit 3 channels"):
        load_weights_from(model, tmp_path / "preset")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("text", ["[1]", '{"config": [1]}', '{"class_name": "BertBackbone", "config": {"layers": 2}}'])
def test_configurations_of_others_are_passed_over(text, tmp_path):
    path = saved(classifier(), "preset", tmp_path)
    for name in ("task.json", "config.json"):
        (path / name).write_text(text)
    assert network_of(path / "model.weights.h5").output_shape[-1] == 128


def test_preset_without_its_backbone_is_refused(tmp_path):
    path = saved(classifier(), "preset", tmp_path)
    (path / "model.weights.h5").unlink()
    with pytest.raises(ValueError, match=r"model\.weights\.h5' is not a file"):
        network_of(path)


def test_folder_that_is_no_preset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is not a file but a folder; give the path of a weights file"):
        network_of(tmp_path)


# The command line, and the library.


def test_convert_writes_what_a_preset_holds(tmp_path, capsys):
    theirs = classifier(preprocessor=hub_networks.preprocessor(CONVERTER))
    path = saved(theirs, "preset", tmp_path)
    for source, top in ((path, "10 classes"), (path / "model.weights.h5", "no classifier")):
        assert main(["convert", str(source), "-o", str(tmp_path / "network.keras")]) == 0
        assert capsys.readouterr().out.endswith(f" parameters, {top}\n")
        keras.models.load_model(tmp_path / "network.keras")


@pytest.mark.parametrize("name", ["basic", "bottleneck, v2", "bottleneck, vd"])
def test_files_of_the_library_itself_compute_the_same(name, tmp_path):
    hub = pytest.importorskip("keras_hub")
    converter = hub.layers.ResNetImageConverter(**CONVERTER)
    theirs = randomise(
        hub.models.ResNetImageClassifier(
            hub.models.ResNetBackbone(**CONFIG | NETWORKS[name]),
            num_classes=10,
            preprocessor=hub.models.ResNetImageClassifierPreprocessor(converter),
        )
    )
    theirs.save_to_preset(str(tmp_path / "preset"))
    shutil.copytree(tmp_path / "preset", tmp_path / "old")
    for file in ("task.weights.h5", "model.weights.h5"):
        hub_networks.nameless(tmp_path / "old" / file)
    theirs.save(tmp_path / "model.keras")
    for path in (tmp_path / "preset", tmp_path / "old", tmp_path / "model.keras"):
        for side in (64, 65):
            x = images(2, side, side, 3)
            model = network_of(path, input_shape=(side, side, 3), classifier_activation=None)
            assert relative_error(outputs(model, x), outputs(theirs, x)) < 1e-5
        pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), "uint8")
        model = network_of(path, input_shape=(64, 64, 3))
        expected = keras.ops.convert_to_numpy(theirs.preprocessor(pixels))
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(keras_resnet.preprocess(pixels, model)), expected, atol=1e-5
        )
