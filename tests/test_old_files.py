"""Files that version 0.1.0 wrote: they load, and what is loaded computes what it computed then."""

import importlib.util
import shutil
import tarfile
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import keras_resnet
import training
from training import __main__ as training_main
from training.run_folder import RunFolder

DATA = Path(__file__).with_name("data")
NETWORKS = ("basic_a", "preact_gated_swish", "bottleneck_maxout", "deep_stem_projection", "plain")
COPIES = ("transferred", "features")


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("v0.1.0")
    with tarfile.open(DATA / "v0.1.0.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def outputs(old) -> dict[str, np.ndarray]:
    return dict(np.load(old / "outputs.npz"))


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_v0_1_0", DATA / "make_v0_1_0.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def images_for(model: keras.Model, maker) -> np.ndarray:
    _, side, _, channels = model.input_shape
    return maker.images(side)[..., :channels]


def test_the_archive_is_small():
    assert (DATA / "v0.1.0.tar.xz").stat().st_size < 300_000


@pytest.mark.sampled(3)
@pytest.mark.parametrize("load", [keras.saving.load_model, keras_resnet.network_of], ids=["keras", "network_of"])
@pytest.mark.parametrize("name", NETWORKS)
def test_keras_files_give_the_same_outputs(name, load, old, outputs, maker):
    model = load(old / f"{name}.keras")
    np.testing.assert_allclose(model(images_for(model, maker), training=False), outputs[name], rtol=2e-5, atol=2e-5)
    side = model.input_shape[1]
    assert model.preprocessing.size == (side, side)
    np.testing.assert_array_equal(model.preprocessing.mean, [1, 2, 3])


@pytest.mark.sampled(3)
@pytest.mark.parametrize("load", ["load_weights", "load_weights_from"])
@pytest.mark.parametrize("name", NETWORKS)
def test_weights_files_give_the_same_outputs(name, load, old, outputs, maker):
    model = maker.build(name)
    if load == "load_weights":
        model.load_weights(old / f"{name}.weights.h5")
    else:
        keras_resnet.load_weights_from(model, old / f"{name}.weights.h5")
    np.testing.assert_allclose(model(images_for(model, maker), training=False), outputs[name], rtol=2e-5, atol=2e-5)


def test_a_weights_file_of_another_network_is_refused(old, maker):
    choices = {**maker.SMALL, **maker.NETWORKS["basic_a"], "shortcut": "none"}  # the same shapes, another function
    plain = keras_resnet.ResNet(keras_resnet.Architecture(**choices), input_shape=(8, 8, 3), classes=maker.CLASSES)
    with pytest.raises(ValueError, match=r"basic_a\.weights\.h5.* does not hold the weights"):
        keras_resnet.load_weights_from(plain, old / "basic_a.weights.h5")


def test_a_transferred_and_compiled_network_loads(old, outputs, maker):
    model = keras.saving.load_model(old / "transferred.keras")
    np.testing.assert_allclose(model(images_for(model, maker)), outputs["transferred"], rtol=2e-5, atol=2e-5)
    assert not model.get_layer("conv1_conv").trainable and model.get_layer("conv2_block1_1_conv").trainable
    assert model.preprocessing.channels == 1


def test_features_load_with_their_levels(old, outputs, maker):
    model = keras.saving.load_model(old / "features.keras")
    for level, value in model(images_for(model, maker)).items():
        np.testing.assert_allclose(value, outputs[f"features_{level}"], rtol=2e-5, atol=2e-5)
    assert {name: level.stride for name, level in model.levels.items()} == {"C2": 1, "C3": 2}


def test_loaded_networks_can_be_cut_frozen_and_transferred(old):
    model = keras_resnet.network_of(old / "bottleneck_maxout.keras")
    assert set(keras_resnet.features(model, ("C2", "C3")).output) == {"C2", "C3"}
    keras_resnet.freeze(model, ("conv1", "conv2"))
    frozen = [layer.name for layer in model.layers if layer.weights and not layer.trainable]
    assert frozen and all(name.startswith(("conv1", "conv2")) for name in frozen)
    assert keras_resnet.transfer(model, classes=4).output_shape == (None, 4)


def test_a_run_evaluates_as_it_did(old, capsys):
    assert training_main.main(["evaluate", str(old / "run")]) == 0
    printed = capsys.readouterr().out
    assert "accuracy 0.1016" in printed and "loss 2.2749" in printed  # the last line of the run's metrics.csv


def test_a_run_is_compared(old, capsys):
    assert training_main.main(["compare", str(old / "run")]) == 0
    cells = capsys.readouterr().out.replace("|", " ").split()
    assert "89.84" in cells  # the same accuracy as an error in %


def test_a_run_is_exported(old, tmp_path):
    assert training_main.main(["export", str(old / "run"), "--to", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "saved_model.pb").is_file()


def test_a_run_predicts(old, tmp_path, capsys):
    Image.fromarray(np.zeros((8, 8), "uint8")).save(tmp_path / "digit.png")
    assert training_main.main(["predict", str(old / "run"), str(tmp_path / "digit.png"), "--top", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.slow
def test_a_run_is_fine_tuned(old, tmp_path):
    fields = {"dataset": "digits", "data.standardize": "channel", "augmentation": ["flip"], "iterations": 1}
    training.fine_tune(old / "run", tmp_path / "run", start={"head_epochs": 0}, **fields)
    assert RunFolder(tmp_path / "run").load_model().count_params() == RunFolder(old / "run").load_model().count_params()


def test_a_run_cannot_be_resumed_and_the_sentence_says_why(old, capsys):
    assert training_main.main(["--run-dir", str(old / "run"), "--resume"]) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "is a run of version 0.1.0 and cannot be resumed: augmentation draws other random numbers today." in sentence


@pytest.mark.slow
def test_a_run_can_be_made_anew_from_its_configuration_and_overwritten(old, tmp_path):
    folder = RunFolder(shutil.copytree(old / "run", tmp_path / "run"))
    arguments = ["--config", str(old / "run" / "config.yaml"), "--run-dir", str(folder.path)]
    assert training_main.main(arguments) == 1
    assert training_main.main([*arguments, "--overwrite"]) == 0
    assert folder.read_config() == RunFolder(old / "run").read_config()
    assert "augmentation:" in folder.config_file.read_text(encoding="utf-8")
