"""Weights by the names of repositories of the hub, from a cache that lies on this machine; nothing is fetched here."""

import json
import sys

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.__main__ import main
from keras_resnet.weights import hub
from tests.keras_resnet import hub_networks, safetensors_writer, torch_networks, torch_writer
from tests.keras_resnet.helpers import images, outputs, randomise, relative_error, run_python

NAME = "hf://someone/resnet10.tiny"
SHAPE = {"input_shape": (32, 32, 3), "classifier_activation": None}
# A configuration as timm writes it, with values that no contract here has by default.
CONFIG = {
    "architecture": "resnet10",
    "num_classes": 10,
    "pretrained_cfg": {
        "input_size": [3, 48, 40],
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "crop_mode": "center",
        "mean": [0.5, 0.4, 0.3],
        "std": [0.2, 0.25, 0.5],
        "num_classes": 10,
    },
}


def state(expansion=1):
    """Draw a network of two stages, in timm's names."""
    return torch_networks.resnet((1, 1), expansion, stem=(8,), planes=(8, 16))


def changed(**changes):
    """Give a configuration with other values, those of images by their own names."""
    images = {key: value for key, value in changes.items() if key in CONFIG["pretrained_cfg"]}
    others = {key: value for key, value in changes.items() if key not in images}
    return {**CONFIG, **others, "pretrained_cfg": {**CONFIG["pretrained_cfg"], **images}}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub, offline."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs the extra `hub`")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def repository(cache, name=NAME, commit="a" * 40, revision="main"):
    """Make the folder of a commit of a repository in a cache, as the hub's client lays it out."""
    root = cache / f"models--{name.removeprefix(hub.SCHEME).replace('/', '--')}"
    (root / "refs").mkdir(parents=True, exist_ok=True)
    (root / "refs" / revision).write_text(commit)
    (root / "snapshots" / commit).mkdir(parents=True)
    (root / ".no_exist" / commit).mkdir(parents=True)
    return root / "snapshots" / commit


def lacks(snapshot, *files):
    """Note, as the hub's client does, that a commit has no such files."""
    for file in files:
        (snapshot.parents[1] / ".no_exist" / snapshot.name / file).touch()


def filled(snapshot, config=CONFIG, tensors=None):
    """Write weights and their configuration into the folder of a commit."""
    safetensors_writer.write(snapshot / "model.safetensors", tensors or state())
    if config is not None:
        (snapshot / "config.json").write_text(json.dumps(config))
    return snapshot


def test_repository_gives_its_network_and_what_it_expects_of_images(cache):
    tensors = state()
    filled(repository(cache), tensors=tensors)
    model = keras_resnet.network_of(NAME, **SHAPE)
    x = images(2, 32, 32, 3)
    expected = torch_networks.run_resnet(tensors, x.transpose(0, 3, 1, 2).astype("float64"))
    assert relative_error(outputs(model, x), expected) < 1e-5
    contract = model.preprocessing
    assert (contract.size, contract.crop, contract.interpolation) == ((32, 32), 0.95, "bicubic")
    np.testing.assert_allclose(contract.mean, [127.5, 102, 76.5])
    np.testing.assert_allclose(contract.std, [51, 63.75, 127.5])
    without = keras_resnet.network_of(NAME, include_top=False)
    assert without.preprocessing.size == (48, 40) and without.input_shape == (None, None, None, 3)


def test_network_takes_images_of_the_size_that_the_configuration_says(cache):
    filled(repository(cache))
    model = keras_resnet.network_of(NAME)
    assert model.input_shape == (None, 48, 40, 3) and model.preprocessing.size == (48, 40)
    built = keras_resnet.ResNet(model.architecture, weights=NAME)
    assert built.input_shape == (None, 48, 40, 3)
    keras.config.set_image_data_format("channels_first")
    assert keras_resnet.network_of(NAME).input_shape == (None, 3, 48, 40)


def test_builders_and_loading_take_names(cache):
    tensors = state()
    filled(repository(cache), tensors=tensors)
    network = keras_resnet.network_of(NAME, **SHAPE)
    x = images(2, 32, 32, 3)
    built = keras_resnet.ResNet(network.architecture, weights=NAME, **SHAPE)
    loaded = keras_resnet.ResNet(network.architecture, classes=10, **SHAPE)
    keras_resnet.load_weights_from(loaded, NAME)
    for model in (built, loaded):
        np.testing.assert_array_equal(outputs(model, x), outputs(network, x))
        assert model.preprocessing.crop == 0.95
    with pytest.raises(ValueError, match=r"holds a network of 6 layers, not ResNet18: its blocks is \(1, 1\)"):
        keras_resnet.ResNet18(weights=NAME)
    with pytest.raises(ValueError, match=r"predictions/kernel is \(16, 10\) there and \(16, 7\) here.*transfer"):
        keras_resnet.ResNet(network.architecture, weights=NAME, classes=7)


def test_safetensors_come_before_pytorch_files(cache):
    snapshot = repository(cache)
    torch_writer.save(snapshot / "pytorch_model.bin", torch_writer.state_dict(state()))
    (snapshot / "config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(
        ValueError, match=r"not whole in the cache of this machine, where model\.safetensors is missing"
    ):
        keras_resnet.network_of(NAME)
    lacks(snapshot, "model.safetensors")
    assert keras_resnet.network_of(NAME, **SHAPE).output_shape == (None, 10)
    (snapshot / "pytorch_model.bin").write_bytes(b"nonsense")
    (snapshot.parents[1] / ".no_exist" / snapshot.name / "model.safetensors").unlink()
    filled(snapshot)
    assert keras_resnet.network_of(NAME, **SHAPE).output_shape == (None, 10)


def test_revision_is_that_of_the_name(cache):
    filled(repository(cache))
    filled(repository(cache, commit="b" * 40, revision="v2"), changed(crop_pct=0.5))
    crops = [keras_resnet.network_of(f"{NAME}{end}").preprocessing.crop for end in ("", "@v2", f"@{'a' * 40}")]
    assert crops == [0.95, 0.5, 0.95]


def test_repository_without_a_configuration_is_read_as_a_bare_file(cache):
    snapshot = filled(repository(cache), config=None)
    lacks(snapshot, "config.json")
    assert keras_resnet.network_of(NAME, **SHAPE).preprocessing.crop == 0.875  # as torchvision's


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            changed(architecture="resnetaa50d"),
            "is of timm's 'resnetaa50d', .* here: it is anti-aliased by average pools",
        ),
        (changed(architecture="seresnextaa101d_32x8d"), "cannot be built here: it is anti-aliased"),
        (changed(architecture="resnetblur50"), "cannot be built here: it is anti-aliased by blurs"),
        (changed(architecture="resnet50_gn"), "'resnet50_gn', which cannot be built here: those known are resnet, se"),
        (changed(model_args={"act_layer": "leaky_relu"}), "with act_layer='leaky_relu', which no network here has"),
        (changed(model_args={"output_stride": 8}), "with output_stride='8', which no network here has"),
        (changed(model_args={"aa_layer": "avg"}), "with aa_layer='avg', which no network here has"),
        (changed(model_args={"invented": 1}), "with invented='1', which no network here has"),
        (changed(model_args=[]), "a part of it is no mapping"),
        (changed(crop_mode="squash"), "whose crop is 'squash', not 'center'"),
        (changed(interpolation="lanczos"), "interpolation must be 'bilinear' or 'bicubic'; received 'lanczos'"),
        (changed(mean=[0.5, 0.5]), "a configuration of images that makes no sense"),
        (changed(std=["x"]), "a configuration of images that makes no sense"),
        (changed(input_size=[3, 10**9, 10**9]), "a configuration of images that makes no sense: size must be"),
        (changed(input_size=7), "a configuration of images that makes no sense"),
        (changed(crop_pct=9), "crop must be a share"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_configurations_of_networks_that_are_not_here_are_refused(tmp_path, config, sentence):
    filled(tmp_path, config)
    with pytest.raises(ValueError, match=sentence):
        keras_resnet.network_of(tmp_path)


def test_configuration_that_is_no_json_is_refused(tmp_path):
    filled(tmp_path, None)
    (tmp_path / "config.json").write_text("[" * 5000)
    with pytest.raises(ValueError, match=r"configuration that cannot be read: it .*nested too deeply"):
        keras_resnet.network_of(tmp_path)


def test_folder_of_a_clone_is_read_as_its_repository(tmp_path):
    filled(tmp_path, changed(model_args={"act_layer": "silu", "drop_rate": 0.1}))
    model = keras_resnet.network_of(tmp_path, **SHAPE)
    assert (model.architecture.activation, model.preprocessing.crop) == ("silu", 0.95)
    assert keras_resnet.network_of(tmp_path / "model.safetensors").architecture.activation == "silu"


@pytest.mark.parametrize("name", ["resnet18", "resnet50d", "seresnet152d", "wide_resnet101_2", "resnext101_64x4d"])
def test_networks_that_are_here_are_known_by_what_timm_calls_them(tmp_path, name):
    filled(tmp_path, changed(architecture=name))
    assert keras_resnet.network_of(tmp_path, include_top=False).preprocessing.crop == 0.95


@pytest.mark.parametrize("size", [{}, [], [3, 48], 3, None, "348", [3, {}, 40], ["x", 48, 40], [[3], 48, 40]], ids=str)
def test_sizes_of_images_that_are_none_are_refused(tmp_path, size):
    filled(tmp_path, changed(input_size=size))
    with pytest.raises(ValueError, match=r"model\.safetensors' .*a configuration of images that makes no sense"):
        keras_resnet.network_of(tmp_path)


NAMES = [f"n{number:02}" for number in range(10)]


@pytest.mark.parametrize(
    ("told", "first"),
    [
        ({"label_names": NAMES}, "n00"),
        ({"label_names": dict(enumerate(NAMES))}, "n00"),
        ({"label_names": NAMES, "label_descriptions": {"n00": "a cat"}}, "a cat"),
        ({"label_names": dict.fromkeys(range(1, 11), "x")}, None),
        ({"label_names": "cat"}, None),
        ({}, None),
    ],
)
def test_configuration_may_name_the_classes(tmp_path, told, first):
    filled(tmp_path, changed(**told))
    labels = keras_resnet.network_of(tmp_path).labels
    assert labels is None if first is None else (labels[0], labels[9], len(labels)) == (first, "n09", 10)


def test_names_of_too_few_classes_are_refused(tmp_path):
    filled(tmp_path, changed(label_names=NAMES[:3]))
    with pytest.raises(ValueError, match="it names 3 classes, and its classifier has 10"):
        keras_resnet.network_of(tmp_path)


def test_configuration_from_before_2023_has_all_at_the_top(tmp_path):
    filled(tmp_path, {"architecture": "tv_resnet34", **CONFIG["pretrained_cfg"]})
    assert keras_resnet.network_of(tmp_path).preprocessing.crop == 0.95


@pytest.mark.slow
def test_preset_of_kerashub_is_read_from_a_repository(cache):
    theirs = randomise(hub_networks.ResNetImageClassifier(hub_networks.ResNetBackbone(**hub_networks.CONFIG), 10))
    snapshot = repository(cache)
    hub_networks.save_preset(snapshot, theirs)
    known = {file.name for file in snapshot.iterdir()}
    wanted = {*hub.LAYOUTS, *(file for others in hub.LAYOUTS.values() for file in others)}
    lacks(snapshot, *(wanted - known))
    x = images(2, 64, 64, 3)
    model = keras_resnet.network_of(NAME, input_shape=(64, 64, 3), classifier_activation=None)
    assert relative_error(outputs(model, x), outputs(theirs, x)) < 1e-5


def test_convert_takes_a_name(cache, tmp_path, capsys):
    filled(repository(cache))
    assert main(["convert", NAME, "-o", str(tmp_path / "network.keras")]) == 0
    assert keras.saving.load_model(tmp_path / "network.keras").preprocessing.interpolation == "bicubic"
    assert "10 classes" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["hf://", "hf://resnet", "hf://a/b/c", "hf://a/b@", "hf://../../etc", "hf://a b/c"])
def test_names_of_no_repository_are_refused(name, cache):
    with pytest.raises(ValueError, match="names no repository of the hub"):
        keras_resnet.network_of(name)


def test_what_is_not_in_the_cache_is_named_offline(cache):
    with pytest.raises(ValueError, match=r"'hf://someone/resnet10.tiny' is not whole in the cache .*HF_HUB_OFFLINE"):
        keras_resnet.network_of(NAME)


def test_missing_client_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"not installed; install it with: pip install 'keras-resnet-suite\[hub\]'"):
        keras_resnet.network_of(NAME)


@pytest.fixture
def online(cache, monkeypatch):
    """A hub that has files by commit and name, and counts what is fetched."""
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    class Online:
        commit, files, fetched = "a" * 40, {}, []

        def fetch(self, repository_name, file, revision=None):
            root = cache / f"models--{repository_name.replace('/', '--')}"
            if not (root / "snapshots" / self.commit).exists():
                repository(cache, repository_name, self.commit)
            (root / "refs" / "main").write_text(self.commit)
            if file not in self.files:
                (root / ".no_exist" / self.commit / file).touch()
                raise EntryNotFoundError(file)
            self.fetched.append((self.commit[0], file))
            path = root / "snapshots" / self.commit / file
            path.write_bytes(self.files[file])
            return str(path)

    there = Online()
    filled(cache.parent)
    there.files = {name: (cache.parent / name).read_bytes() for name in ("model.safetensors", "config.json")}
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", there.fetch)
    return there


def test_nothing_is_fetched_twice(online):
    for _ in range(2):
        keras_resnet.network_of(NAME, **SHAPE)
        assert online.fetched == [("a", "model.safetensors"), ("a", "config.json")]


def test_files_are_of_one_commit(online, cache):
    snapshot = repository(cache)
    (snapshot / "model.safetensors").write_bytes(online.files["model.safetensors"])
    online.commit = "b" * 40  # the repository has gone on before its configuration was fetched
    assert hub.fetch(NAME).endswith("b" * 40)
    assert online.fetched == [("b", "config.json"), ("b", "model.safetensors")]


@pytest.mark.slow
def test_cache_and_offline_mode_are_those_of_the_environment(tmp_path):
    pytest.importorskip("huggingface_hub", reason="needs the extra `hub`")
    filled(repository(tmp_path / "hub"))
    command = ["-m", "keras_resnet", "convert", NAME, "-o", tmp_path / "x.keras"]
    run_python(*command, HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1")
    assert (tmp_path / "x.keras").is_file()
