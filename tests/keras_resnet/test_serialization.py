"""Networks come back from files and configurations with the same outputs, also in a fresh process."""

import keras
import numpy as np
import pytest

import keras_resnet
from tests.keras_resnet.helpers import FULL_PREACTIVATION, build, compiled_outputs, images, outputs, run_python, tiny

NETWORKS = {
    "original": tiny(),
    "bn_after_addition": tiny(placement="bn_after_addition"),
    "relu_before_addition": tiny(placement="relu_before_addition", unit="bottleneck"),
    "relu_only_preactivation": tiny(placement="relu_only_preactivation"),
    "full_preactivation": tiny(placement=FULL_PREACTIVATION, unit="bottleneck"),
    "option_a": tiny(shortcut="A"),
    "option_a_both": tiny(shortcut={"name": "A", "zeros": "both"}),
    "option_c": tiny(shortcut="C", unit="bottleneck"),
    "plain": tiny(shortcut="none"),
    "imagenet": tiny(stem="imagenet", unit="bottleneck"),
    "imagenet_zeros": tiny(stem="imagenet", pool_padding="zeros"),
    "imagenet_same": tiny(stem="imagenet", padding="same"),
    "prelu": tiny(activation="prelu", unit="bottleneck"),
    "gelu": tiny(activation="gelu"),
    "prototype": tiny(activation=keras.layers.LeakyReLU(negative_slope=0.125)),
    "mixed": tiny(
        unit="bottleneck",
        stem="imagenet",
        placement=FULL_PREACTIVATION,
        activation="prelu",
        stride_on="3x3",
        stride_unit="last",
        projection="average_pool",
        biased=("stem", "2", "shortcut"),
        stem_activation=False,
        norm_momentum=0.8,
        norm_epsilon=1e-3,
        synchronized=True,
    ),
}
X = images(2, 16, 16, 3)

LOAD_AND_RUN = """
import pathlib, sys
import {}
import {}
import keras, numpy

folder = pathlib.Path(sys.argv[1])
x = numpy.load(folder / "x.npy")
for path in folder.glob("*.keras"):
    model = keras.saving.load_model(path, safe_mode=True)
    numpy.save(path.with_suffix(".npy"), keras.ops.convert_to_numpy(model(x, training=False)))
"""


@pytest.fixture(scope="module")
def models():
    """Every network, with random weights."""
    return {name: build(architecture, name=name) for name, architecture in NETWORKS.items()}


@pytest.fixture(scope="module")
def outputs_of_a_fresh_process(models, tmp_path_factory):
    """Save every network; load and run them all in a process that has only imported keras, then keras_resnet."""
    folder = tmp_path_factory.mktemp("networks")
    np.save(folder / "x.npy", X)
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
    run_python("-c", LOAD_AND_RUN.format("keras", "keras_resnet"), folder)
    return {name: np.load(folder / f"{name}.npy") for name in NETWORKS}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.slow
def test_fresh_process_computes_the_same(name, models, outputs_of_a_fresh_process):
    np.testing.assert_array_equal(outputs_of_a_fresh_process[name], outputs(models[name], X))


@pytest.mark.slow
def test_file_loads_where_keras_resnet_is_imported_before_keras(tmp_path):
    network = tiny(activation="maxout", shortcut="A", stem="imagenet")
    np.save(tmp_path / "x.npy", X)
    build(network).save(tmp_path / "network.keras")
    run_python("-c", LOAD_AND_RUN.format("keras_resnet", "keras"), tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "network.npy"), outputs(build(network), X))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", NETWORKS)
def test_model_file_keeps_the_network(name, models, tmp_path):
    model = models[name]
    model.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
    assert (type(loaded), loaded.name) == (keras_resnet.ResidualNetwork, name)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    np.testing.assert_array_equal(outputs(loaded, X), outputs(model, X))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", NETWORKS)
def test_weights_file_keeps_the_weights(name, models, tmp_path):
    model, other = models[name], keras_resnet.ResNet(NETWORKS[name], input_shape=(16, 16, 3), classes=5)
    model.save_weights(tmp_path / "network.weights.h5")
    other.load_weights(tmp_path / "network.weights.h5")
    for loaded, saved in zip(other.weights, model.weights, strict=True):
        np.testing.assert_array_equal(loaded, saved, err_msg=saved.path)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "copy",
    [keras.models.clone_model, lambda model: type(model).from_config(model.get_config())],
    ids=["clone_model", "from_config"],
)
def test_copy_of_the_graph_computes_the_same_on_the_same_weights(name, copy, models):
    model = models[name]
    copied = copy(model)
    assert type(copied) is keras_resnet.ResidualNetwork
    assert not {id(layer) for layer in copied.layers} & {id(layer) for layer in model.layers}
    copied.set_weights(model.get_weights())
    np.testing.assert_array_equal(outputs(copied, X), outputs(model, X))


@pytest.mark.slow
def test_training_goes_on_from_a_file_as_if_never_stopped(tmp_path):
    model = build(tiny(activation="prelu"))
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(True))
    labels = np.array([1, 3])
    model.train_on_batch(X, labels)
    model.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    model.reset_metrics()  # Keras 3.12 would give the mean loss of both steps
    assert loaded.train_on_batch(X, labels) == pytest.approx(model.train_on_batch(X, labels), rel=1e-5)
    np.testing.assert_allclose(outputs(loaded, X), outputs(model, X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_file_remembers_its_data_format(data_format, tmp_path):
    keras.config.set_image_data_format(data_format)
    x = np.moveaxis(X, 3, 1) if data_format == "channels_first" else X
    model = build(NETWORKS["option_a"].replace(stem="imagenet"), x.shape[1:])
    model.save(tmp_path / "network.keras")
    expected = compiled_outputs(model, x)
    keras.config.set_image_data_format("channels_first" if data_format == "channels_last" else "channels_last")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(compiled_outputs(loaded, x), expected)
