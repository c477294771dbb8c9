"""The weights that come with the package: they compute what they did, and are as good as their cards say."""

import json

import numpy as np
import pytest

import keras_resnet
from keras_resnet.weights.collections import COLLECTIONS, collections_with
from keras_resnet.weights.trained import FOLDER, files
from tests.data import make_logits
from tests.shared import shared_file

FILES = [(dataset, network, path) for dataset, networks in files().items() for network, path in networks.items()]
NAMES = [path.stem for *_, path in FILES]
LARGEST = 2_000_000  # bytes


def card_of(path):
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def test_every_file_has_a_name_and_a_card_and_logits_are_kept_of_it():
    assert {path.stem for path in FOLDER.glob("*")} == set(NAMES)
    kept = json.loads(make_logits.LOGITS.read_text(encoding="utf-8")) if NAMES else {}
    assert kept.keys() == set(NAMES)


@pytest.mark.parametrize(("dataset", "network", "path"), FILES, ids=NAMES)
def test_card_says_what_the_file_is(dataset, network, path):
    card = card_of(path)
    assert path.stat().st_size < LARGEST
    assert (card["network"], card["dataset"], card["seed"], card["license"]) == (network, dataset, 0, "Apache-2.0")
    assert {"recipe", "changes", "accuracy", "protocol", "version"} <= card.keys()
    assert dataset in COLLECTIONS and dataset in collections_with(network)


@pytest.mark.parametrize(("dataset", "network", "path"), FILES, ids=NAMES)
def test_network_computes_what_it_did(dataset, network, path):
    model = keras_resnet.ResNet(network, weights=dataset, classifier_activation=None)
    prepared = keras_resnet.preprocess(make_logits.images(), model)
    kept = json.loads(make_logits.LOGITS.read_text(encoding="utf-8"))[path.stem]
    np.testing.assert_allclose(np.asarray(model(prepared, training=False)), kept, atol=1e-3)
    assert len(model.labels) == model.output_shape[-1]


CIFAR = [row for row in FILES if row[0] == "cifar10"]


@pytest.mark.parametrize(("dataset", "network", "path"), CIFAR, ids=[path.stem for *_, path in CIFAR])
def test_network_is_as_good_as_its_card_says(dataset, network, path):
    tfds = pytest.importorskip("tensorflow_datasets", reason="needs the extra `train`")
    read = {"split": "test[:1000]", "data_dir": shared_file("data/tfds"), "download": False, "batch_size": -1}
    examples = tfds.as_numpy(tfds.load("cifar10", **read))
    model = keras_resnet.ResNet(network, weights=dataset)
    classes = model.predict(keras_resnet.preprocess(examples["image"], model), verbose=0).argmax(axis=1)
    assert (classes == examples["label"]).mean() == pytest.approx(card_of(path)["accuracy"], abs=0.02)


def test_resnet20_is_better_than_the_papers():
    card = card_of(files()["cifar10"]["ResNet20"])
    assert card["accuracy"] >= 0.915 > 1 - 0.0875  # the error of arXiv 1512.03385, Table 6
    assert card["protocol"].startswith("test split, every image once in a single view, after the last of")


def test_names_of_the_classes_name_them():
    model = keras_resnet.ResNet20(weights="cifar10")
    assert model.labels[:3] == ("airplane", "automobile", "bird") and len(model.labels) == 10
