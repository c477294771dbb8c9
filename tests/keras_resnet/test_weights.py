"""Weights in the naming of others give the function of others: against their networks in NumPy, and real files."""

from functools import partial

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.__main__ import main
from keras_resnet.weights.checkpoint import read_checkpoint
from keras_resnet.weights.loading import load_weights_from, network_of
from tests.keras_resnet import torch_networks, torch_writer
from tests.keras_resnet.helpers import copy_weights, images, outputs, relative_error
from tests.shared import shared_file

BASIC, BOTTLENECK = ((2, 2, 2, 2), 1), ((1, 2, 1, 2), 4)
NETWORKS = {
    "resnet18": (torch_networks.run_resnet, partial(torch_networks.resnet, *BASIC)),
    "resnet18c": (torch_networks.run_resnet, partial(torch_networks.resnet, *BASIC, stem=(32, 32, 64))),
    "resnet18d": (torch_networks.run_resnet, partial(torch_networks.resnet, *BASIC, stem=(32, 32, 64), pooled=True)),
    "resnet18s": (torch_networks.run_resnet, partial(torch_networks.resnet, *BASIC, stem=(64, 64, 128))),
    "resnet18, pooled": (torch_networks.run_resnet, partial(torch_networks.resnet, *BASIC, pooled=True)),
    "bottlenecks": (torch_networks.run_resnet, partial(torch_networks.resnet, *BOTTLENECK)),
    "bottlenecks, c": (torch_networks.run_resnet, partial(torch_networks.resnet, *BOTTLENECK, stem=(32, 32, 64))),
    "bottlenecks, d": (
        torch_networks.run_resnet,
        partial(torch_networks.resnet, *BOTTLENECK, stem=(32, 32, 64), pooled=True),
    ),
    "bottlenecks, s": (torch_networks.run_resnet, partial(torch_networks.resnet, *BOTTLENECK, stem=(64, 64, 128))),
    "bottlenecks, e": (
        torch_networks.run_resnet,
        partial(torch_networks.resnet, *BOTTLENECK, stem=(64, 64, 128), pooled=True),
    ),
    "bottlenecks, pooled": (torch_networks.run_resnet, partial(torch_networks.resnet, *BOTTLENECK, pooled=True)),
    "resnext": (torch_networks.run_resnet, partial(torch_networks.resnet, *BOTTLENECK, groups=32, base=4)),
    "wide": (torch_networks.run_resnet, partial(torch_networks.resnet, *BOTTLENECK, base=128)),
    "seresnet": (torch_networks.run_resnet, partial(torch_networks.resnet, *BOTTLENECK, squeeze=16)),
    "resnetv2_18": (torch_networks.run_resnetv2, partial(torch_networks.resnetv2, *BASIC)),
    "resnetv2, bottlenecks": (torch_networks.run_resnetv2, partial(torch_networks.resnetv2, *BOTTLENECK)),
    "resnetv2, bottlenecks, d": (torch_networks.run_resnetv2, partial(torch_networks.resnetv2, *BOTTLENECK, deep=True)),
}


def drawn(name, **choices):
    """Return the function of a network, and a state dict for it, which may take hundreds of megabytes."""
    run, draw = NETWORKS[name]
    return run, draw(**choices)


def saved(state, tmp_path):
    np.savez(tmp_path / "weights.npz", **state)
    return tmp_path / "weights.npz"


def sides():
    """List all networks with even and odd sides; odd ones are slow but where projections average pixels."""
    for name in NETWORKS:
        yield name, 64
        yield pytest.param(name, 65, marks=() if name.endswith(("d", "e", "pooled")) else pytest.mark.slow)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("name", "side"), sides())
def test_network_of_a_state_dict_computes_the_same(name, side, tmp_path):
    run, state = drawn(name, planes=(16, 32, 64, 128))
    model = network_of(saved(state, tmp_path), input_shape=(side, side, 3), classifier_activation=None)
    x = images(2, side, side, 3)
    assert relative_error(outputs(model, x), run(state, x.transpose(0, 3, 1, 2).astype("float64"))) < 1e-5


@pytest.mark.parametrize("blocks", [1, 3])
def test_cifar_network_of_a_state_dict_computes_the_same(blocks, tmp_path):
    state = torch_networks.cifar(blocks)
    model = network_of(saved(state, tmp_path), classifier_activation=None)
    x = images(2, 32, 32, 3)
    expected = torch_networks.run_cifar(state, x.transpose(0, 3, 1, 2).astype("float64"))
    assert relative_error(outputs(model, x), expected) < 1e-5


@pytest.mark.parametrize("choices", [{"padding": "same"}, {"padding": "same", "stride_on": "first"}], ids=str)
@pytest.mark.slow
def test_padding_as_tensorflow_has_it_is_another_function(choices, tmp_path):
    run, state = drawn("bottlenecks")
    path = saved(state, tmp_path)
    right = network_of(path, input_shape=(64, 64, 3), classifier_activation=None)
    wrong = keras_resnet.ResNet(
        read_checkpoint(path).architecture().replace(**choices),
        input_shape=(64, 64, 3),
        classes=10,
        classifier_activation=None,
    )
    copy_weights(right, wrong)
    x = images(2, 64, 64, 3)
    assert relative_error(outputs(wrong, x), run(state, x.transpose(0, 3, 1, 2).astype("float64"))) > 0.1
    with pytest.raises(
        ValueError, match=r"would compute something else: .* Build the network of the file with network"
    ):
        load_weights_from(wrong, path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnetv2_18", "resnetv2, bottlenecks, d"])
def test_zeros_around_the_signed_values_of_a_stem_are_another_function(name, tmp_path):
    run, state = drawn(name)
    path = saved(state, tmp_path)
    right = network_of(path, input_shape=(64, 64, 3), classifier_activation=None)
    network = read_checkpoint(path).architecture().replace(pool_padding="zeros")
    wrong = keras_resnet.ResNet(network, input_shape=(64, 64, 3), classes=10, classifier_activation=None)
    copy_weights(right, wrong)
    x = images(2, 64, 64, 3)
    assert relative_error(outputs(wrong, x), run(state, x.transpose(0, 3, 1, 2).astype("float64"))) > 1e-3
    with pytest.raises(ValueError, match=r"something else: pool_padding is 'zeros' here and 'lowest' there\. Build"):
        load_weights_from(wrong, path)


def test_zeros_behind_the_activation_of_a_stem_are_the_same_function(tmp_path):
    run, state = drawn("bottlenecks")
    path = saved(state, tmp_path)
    network = read_checkpoint(path).architecture().replace(pool_padding="zeros")
    model = keras_resnet.ResNet(network, input_shape=(64, 64, 3), classes=10, classifier_activation=None)
    load_weights_from(model, path)
    x = images(2, 64, 64, 3)
    assert relative_error(outputs(model, x), run(state, x.transpose(0, 3, 1, 2).astype("float64"))) < 1e-5


@pytest.mark.parametrize(
    ("choices", "differs"), [({}, False), ({"padding": "same"}, True), ({"activation": "gelu"}, True)]
)
def test_network_that_does_not_carry_its_architecture_is_compared_by_its_layers(choices, differs, tmp_path):
    path = saved(torch_networks.cifar(1), tmp_path)
    network = read_checkpoint(path).architecture().replace(**choices)
    built = keras_resnet.ResNet(network, classes=10)
    model = keras_resnet.ResidualNetwork(built.input, built.output)  # as a .keras file of version 0.1.0 holds it
    if differs:
        with pytest.raises(ValueError, match=f"would compute something else: {next(iter(choices))} is "):
            load_weights_from(model, path)
    else:
        load_weights_from(model, path)


@pytest.mark.parametrize("depth", [20, *(pytest.param(depth, marks=pytest.mark.slow) for depth in (32, 56))])
@pytest.mark.parametrize("suffix", ["npz", "th"])
def test_public_cifar_networks_give_their_reference_logits(depth, suffix):
    folder = shared_file("data/weights/cifar10_option_a")
    (path,) = folder.glob(f"resnet{depth}*.{suffix}")
    reference = np.load(folder / "reference_logits.npz")
    model = network_of(path, classifier_activation=None)
    logits = model.predict(keras_resnet.preprocess(reference["images"], model), batch_size=32, verbose=0)
    np.testing.assert_allclose(logits, reference[f"logits_resnet{depth}"], rtol=0, atol=1e-4)


def test_contracts_travel_with_the_weights(tmp_path):
    model = network_of(saved(torch_networks.cifar(1), tmp_path))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
    before = pixels.copy()
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for owner in (model, loaded):
        actual = keras.ops.convert_to_numpy(keras_resnet.preprocess(pixels, owner))
        np.testing.assert_allclose(actual, (pixels / 255 - mean) / std, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(pixels, before)


@pytest.fixture
def training(tmp_path):
    """A checkpoint as torchvision's training writes it, whose average has prefixes and a count of its own."""
    plain, average = torch_networks.cifar(1), torch_networks.cifar(1)
    average = {name: np.asarray(tensor * 1.1, tensor.dtype) for name, tensor in average.items()}
    prefixed = {"n_averaged": np.array(3), **{f"module.{name}": tensor for name, tensor in average.items()}}
    sets = {"model": plain, "model_ema": prefixed}
    saved = {"epoch": 1, **{key: torch_writer.state_dict(tensors) for key, tensors in sets.items()}}
    torch_writer.save(tmp_path / "checkpoint.pth", saved)
    return tmp_path / "checkpoint.pth", {None: plain, "model": plain, "model_ema": average}


@pytest.mark.parametrize("key", [None, "model", "model_ema"])
def test_key_chooses_the_set_of_weights(key, training):
    path, states = training
    x = images(2, 32, 32, 3)
    expected = torch_networks.run_cifar(states[key], x.transpose(0, 3, 1, 2).astype("float64"))
    model = network_of(path, key=key, classifier_activation=None)
    assert relative_error(outputs(model, x), expected) < 1e-5
    loaded = keras_resnet.ResNet(read_checkpoint(path).architecture(), classes=10, classifier_activation=None)
    load_weights_from(loaded, path, key=key)
    assert relative_error(outputs(loaded, x), expected) < 1e-5


def test_unknown_key_is_refused_and_the_model_left_alone(training):
    model = keras_resnet.ResNet("ResNet8", shortcut={"name": "A", "zeros": "both"})
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"no set of weights 'ema'; choose another key: 'model', 'model_ema'\."):
        load_weights_from(model, training[0], key="ema")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


# Refusals. The model is left as it was.


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s.pop("layer2.0.bn1.weight"), r"the file lacks conv3_block1_1_bn/gamma\."),
        (lambda s: s.update({"layer1.0.conv3.weight": s["conv1.weight"]}), r"no place for conv2_block1_3_conv/kernel"),
        (
            lambda s: s.update({"head.weight": s["conv1.weight"]}),
            r"has tensors for which a network of pytorch_resnet_cifar10 has no place here: head\.weight\.",
        ),
        (lambda s: s.update({"bn1.bias": np.zeros(3)}), r"conv1_bn/beta is \(3,\) there and \(16,\) here"),
        (lambda s: s.update({"conv1.weight": s["conv1.weight"][:, :1]}), r"conv1_conv/kernel is \(3, 3, 1, 16\) there"),
    ],
)
def test_state_dict_that_does_not_fit_is_refused_and_the_model_left_alone(change, sentence, tmp_path):
    state = torch_networks.cifar(1)
    change(state)
    model = keras_resnet.ResNet("ResNet8", shortcut={"name": "A", "zeros": "both"})
    before = model.get_weights()
    with pytest.raises(ValueError, match=sentence):
        load_weights_from(model, saved(state, tmp_path))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_another_network_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"does not fit 'resnet14': the file lacks conv2_block2_1_bn/beta"):
        load_weights_from(keras_resnet.ResNet("ResNet14"), saved(torch_networks.cifar(1), tmp_path))


@pytest.mark.parametrize(
    ("held", "named", "sentence"),
    [
        ("resnet18", "ResNet50", r"holds ResNet18, not ResNet50: its unit is 'basic', and that of ResNet50 'bottlen"),
        ("resnet18", "ResNet34", r"holds ResNet18, not ResNet34: its blocks is \(2, 2, 2, 2\), and that of ResNet34"),
        ("resnet18d", "ResNet18", r"holds ResNet18D, not ResNet18: its stem is 'deep', and that of ResNet18 'imagen"),
        ("resnet18c", "ResNet18D", r"holds a network of 18 layers, not ResNet18D: its projection is 'convolution', "),
        ("resnetv2_18", "ResNet18", r"holds ResNet18V2, not ResNet18: its placement is 'full_preactivation'"),
        ("resnet18", "Plain18", r"does not fit 'plain18': the network has no place for conv3_block1_0_bn"),
    ],
)
def test_file_of_another_network_than_the_named_one_is_refused(held, named, sentence, tmp_path):
    path = saved(drawn(held)[1], tmp_path)
    with pytest.raises(ValueError, match=sentence):
        network_of(path, named)


def test_network_that_is_named_has_its_name(tmp_path):
    run, state = drawn("resnet18d")
    model = network_of(saved(state, tmp_path), "ResNet18D", input_shape=(64, 64, 3), classifier_activation=None)
    assert model.name == "resnet18d"
    x = images(1, 64, 64, 3)
    assert relative_error(outputs(model, x), run(state, x.transpose(0, 3, 1, 2).astype("float64"))) < 1e-5


def test_file_of_a_part_of_a_network_is_refused(tmp_path):
    state = {name: tensor for name, tensor in torch_networks.cifar(1).items() if not name.startswith("layer2.0.conv2")}
    with pytest.raises(ValueError, match=r"the file lacks conv3_block1_2_conv/kernel, which every such network has"):
        network_of(saved(state, tmp_path))


def test_stem_of_growing_width_is_refused(tmp_path):
    state = torch_networks.resnet(*BASIC, stem=(24, 32, 64), pooled=True)
    with pytest.raises(ValueError, match=r"its stem have 24, 32 and 64 filters; the first two must have half"):
        network_of(saved(state, tmp_path))


def test_projections_of_two_kinds_are_refused(tmp_path):
    state = torch_networks.resnet(*BASIC, stem=(32, 32, 64), pooled=True)
    for module in ("1.weight", "2.weight", "2.bias", "2.running_mean", "2.running_var", "2.num_batches_tracked"):
        number, part = module.split(".")
        state[f"layer2.0.downsample.{int(number) - 1}.{part}"] = state.pop(f"layer2.0.downsample.{module}")
    with pytest.raises(ValueError, match=r"has projections that pool and others that do not, and those of a network"):
        network_of(saved(state, tmp_path))


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no known naming: the tensors begin with features\.0\.weight\. Known are"):
        network_of(saved({"features.0.weight": np.zeros((3, 3, 3, 3))}, tmp_path))


@pytest.mark.parametrize("prefix", ["module.", "model.", "backbone."])
def test_prefixes_of_wrappers_are_taken_off(prefix, tmp_path):
    state = {f"{prefix}{name}": tensor for name, tensor in torch_networks.cifar(1).items()}
    assert network_of(saved(state, tmp_path)).output_shape == (None, 10)


def test_biases_are_folded_where_a_normalisation_follows(tmp_path):
    state = torch_networks.cifar(1)
    state["layer1.0.conv1.bias"] = images(16)
    model = network_of(saved(state, tmp_path), classifier_activation=None)
    x = images(2, 32, 32, 3)
    expected = torch_networks.run_cifar(state, x.transpose(0, 3, 1, 2).astype("float64"))
    assert relative_error(outputs(model, x), expected) < 1e-5
    assert not model.get_layer("conv2_block1_1_conv").use_bias


# The command line.


def test_convert_writes_a_network_that_carries_its_contract(tmp_path, capsys):
    state = torch_networks.cifar(1)
    assert main(["convert", str(saved(state, tmp_path)), "-o", str(tmp_path / "network.keras")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'network.keras'}: resnet, 75,290 parameters, 10 classes\n"
    loaded = keras.models.load_model(tmp_path / "network.keras")
    x = images(2, 32, 32, 3)
    logits = torch_networks.run_cifar(state, x.transpose(0, 3, 1, 2).astype("float64"))
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(outputs(loaded, x), expected, atol=1e-5)
    assert loaded.preprocessing.size == (32, 32)


def test_convert_takes_the_set_of_a_key(training, tmp_path):
    path, states = training
    assert main(["convert", str(path), "--key", "model_ema", "-o", str(tmp_path / "network.keras")]) == 0
    kernel = keras.models.load_model(tmp_path / "network.keras").get_layer("conv1_conv").kernel
    expected = states["model_ema"]["conv1.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(kernel), expected)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none.pth", "-o", "a.keras"], "none.pth"),
        (["none.pth", "-o", "a.h5"], "The output must be a .keras file; received 'a.h5'."),
    ],
)
def test_convert_says_what_is_wrong_in_a_line(arguments, sentence, capsys):
    assert main(["convert", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error
    assert error.count("\n") == 1
