"""The weights that keras.applications publishes: they give its outputs, and what they are not of is refused."""

import gc

import h5py
import keras
import pytest
from keras.src.legacy.saving import legacy_h5_format

import keras_resnet
from keras_resnet.weights import published
from keras_resnet.weights.published import PUBLISHED
from tests.keras_resnet.helpers import images, outputs, randomise, relative_error, tiny

APPLICATIONS = {name: getattr(keras.applications, name) for name in PUBLISHED}


# The shallow networks with and without a top, and one of both for those that differ from them in their depth alone.
SHALLOW = ("ResNet50", "ResNet50V2")
CASES = [(name, top) for name in APPLICATIONS for top in (True, False) if name in SHALLOW or top == ("101" in name)]


def publish(name, include_top, path, batches):
    """Write a file of random weights as keras.applications does; give the outputs of its network for some batches."""
    build = APPLICATIONS[name]
    theirs = randomise(build(weights=None, include_top=include_top, pooling="avg", classifier_activation=None))
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, theirs)
    return [outputs(theirs, x) for x in batches]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "include_top"), CASES)
def test_published_file_gives_the_outputs_of_keras_applications(name, include_top, tmp_path, monkeypatch):
    path = tmp_path / "weights.h5"
    batches = [images(1, side, side, 3) for side in ((224,) if include_top else (64, 65))]
    expected = publish(name, include_top, path, batches)
    monkeypatch.setattr(published, "fetch", lambda *_: path)
    for x, theirs in zip(batches, expected):
        gc.collect()  # of the network before: several of them take a gigabyte
        arguments = {"include_top": include_top, "input_shape": x.shape[1:], "pooling": "avg"}
        ours = keras_resnet.ResNet(name, weights="imagenet", classifier_activation=None, **arguments)
        assert relative_error(outputs(ours, x), theirs) < 1e-5
        del ours


@pytest.mark.parametrize(
    ("name", "choices", "sentence"),
    [
        ("ResNet18", {}, r"Unknown network with weights='imagenet': 'ResNet18'\. Did you mean 'ResNet1"),
        (
            "ResNet50",
            {"stride_on": "3x3"},
            r"The weights 'imagenet' of ResNet50 are of stride_on='first', and would",
        ),
        ("ResNet50V2", {"stem_activation": True}, r"are of stem_activation=False"),
        (tiny(), {}, r"weights='imagenet' are of networks by name"),
    ],
    ids=str,
)
def test_published_weights_of_another_network_are_refused(name, choices, sentence):
    with pytest.raises(ValueError, match=sentence):
        keras_resnet.ResNet(name, weights="imagenet", **choices)


def test_file_that_can_not_be_fetched_is_named_with_its_address_and_place(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(keras.utils, "get_file", offline)
    name = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    with pytest.raises(
        ValueError, match=rf"{name} could not be fetched \(no network\)\. Download https.*{name} elsewh"
    ):
        keras_resnet.ResNet50(weights="imagenet", include_top=False)
