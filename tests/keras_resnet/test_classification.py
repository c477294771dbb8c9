"""Classes of images by the network that carries what it expects of them, and their names."""

import os

import numpy as np
import pytest

import keras_resnet
from keras_resnet.classification import BATCH, UnreadableImageError
from keras_resnet.images import MOST_BYTES
from tests.keras_resnet.helpers import build, outputs, tiny
from tests.training.helpers import write_image

LABELS = ("ant", "bee", "cow", "doe", "elk")


@pytest.fixture(scope="module")
def model():
    network = build(tiny(), (8, 8, 3), classifier_activation="softmax")
    network.preprocessing = keras_resnet.Preprocessing((8, 8), 3, (100.0, 110.0, 120.0), (50.0, 60.0, 70.0))
    network.labels = LABELS
    return network


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, "uint8")


def test_classes_are_those_of_the_largest_outputs(model):
    images = [pixels(8, 8, 3, seed=seed) for seed in range(3)]
    probabilities = outputs(model, keras_resnet.preprocess(np.stack(images), model))
    for row, classes in zip(probabilities, keras_resnet.classify(model, images, top=2), strict=True):
        first, second, *_ = np.argsort(-row)
        assert [name for name, _ in classes] == [LABELS[first], LABELS[second]]
        np.testing.assert_allclose([p for _, p in classes], row[[first, second]], rtol=1e-5)


def test_images_may_have_any_sizes_and_number(model):
    images = [pixels(8 + number % 3, 9, 3, seed=number) for number in range(BATCH + 2)]
    found = keras_resnet.classify(model, images, top=5)
    assert len(found) == BATCH + 2
    alone = keras_resnet.classify(model, images[-1:], top=5)
    np.testing.assert_allclose([p for _, p in found[-1]], [p for _, p in alone[0]], rtol=1e-4)


def test_files_are_decoded_as_their_pixels(model, tmp_path):
    write_image(tmp_path / "a.png", (12, 10))
    one = keras_resnet.classify(model, tmp_path / "a.png")
    assert one == keras_resnet.classify(model, [str(tmp_path / "a.png")]) and len(one[0]) == 3
    pillow = pytest.importorskip("PIL.Image", reason="needs Pillow")
    assert one == keras_resnet.classify(model, [np.asarray(pillow.open(tmp_path / "a.png").convert("RGB"))])


def test_one_array_is_one_image(model):
    assert keras_resnet.classify(model, pixels(9, 8, 3)) == keras_resnet.classify(model, [pixels(9, 8, 3)])


def test_logits_become_probabilities(model):
    logits = build(tiny(), (8, 8, 3))
    logits.preprocessing = model.preprocessing
    found = keras_resnet.classify(logits, [pixels(8, 8, 3)], top=5, labels=LABELS)
    assert found[0][0] == (pytest.approx(keras_resnet.classify(model, [pixels(8, 8, 3)])[0][0]))


def test_threshold_decides_how_many_classes_are_named_and_one_half_where_there_may_be_any_number(model):
    image, probabilities = [pixels(8, 8, 3)], keras_resnet.classify(model, [pixels(8, 8, 3)], top=5)[0]
    over = probabilities[2][1]
    assert keras_resnet.classify(model, image, threshold=over) == [probabilities[:2]]
    assert keras_resnet.classify(model, image, top=1, threshold=over) == [probabilities[:1]]
    assert keras_resnet.classify(model, image, threshold=0.999) == [[]]
    sigmoids = build(tiny(), (8, 8, 3), classifier_activation="sigmoid")
    sigmoids.preprocessing, sigmoids.labels = model.preprocessing, LABELS
    every = keras_resnet.classify(sigmoids, image, top=5)[0]
    row = outputs(sigmoids, keras_resnet.preprocess(np.stack(image), sigmoids))[0]
    np.testing.assert_allclose([p for _, p in every], np.sort(row)[::-1], rtol=1e-5)
    assert keras_resnet.classify(sigmoids, image) == [[guess for guess in every if guess[1] > 0.5]]
    assert 0 < len(keras_resnet.classify(sigmoids, image)[0]) < 5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"top": 0}, "top must be at least 1; received 0"),
        ({"threshold": 1.0}, r"threshold must be at least 0 and below 1, as probabilities are; received 1\.0"),
        ({"labels": ["a"]}, "1 labels cannot name the 5 outputs of"),
        ({"labels": "abcde"}, "labels must be a sequence of names, one a class; received the text 'abcde'"),
        ({"images": ["nowhere.png"]}, "'nowhere.png' cannot be read: No such file"),
        ({"images": [__file__]}, "is not an image, or damaged; JPEG, PNG"),
        ({"images": [np.zeros((8, 8))]}, r"an image must be of shape \(height, width, 3\); received \(8, 8\)"),
        ({"images": [np.zeros((8, 8, 1))]}, r"received \(8, 8, 1\)"),
        ({"images": [np.full((8, 8, 3), np.nan)]}, "gives probabilities that are not finite"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_classified_is_named(model, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        keras_resnet.classify(model, **{"images": [pixels(8, 8, 3)], **arguments})


def test_network_without_names_or_contract_says_so(model):
    bare = build(tiny(), (8, 8, 3))
    with pytest.raises(ValueError, match="does not carry what its weights expect"):
        keras_resnet.classify(bare, [pixels(8, 8, 3)], labels=LABELS)
    bare.preprocessing = model.preprocessing
    with pytest.raises(ValueError, match="does not carry the names of its classes; pass labels"):
        keras_resnet.classify(bare, [pixels(8, 8, 3)])


def test_damaged_weights_give_no_class(model):
    damaged = build(tiny(), (8, 8, 3), classifier_activation="softmax")
    damaged.preprocessing, damaged.labels = model.preprocessing, LABELS
    damaged.layers[-1].kernel.assign(np.full(damaged.layers[-1].kernel.shape, np.nan))
    for use in (keras_resnet.classify, keras_resnet.explain):
        with pytest.raises(ValueError, match=r"gives probabilities that are not finite, as damaged weights do"):
            use(damaged, pixels(8, 8, 3))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_pipes_and_files_without_end_are_never_read(model, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UnreadableImageError, match=r"pipe\.png' cannot be read: it is not a file\."):
        keras_resnet.classify(model, tmp_path / "pipe.png")
    with open(tmp_path / "giant.png", "wb") as file:
        file.truncate(MOST_BYTES + 1)  # takes no room on the disk
    sentence = (
        r"giant\.png' cannot be read: it has 1,073,741,825 bytes, and files of more than 1,073,741,824 are not read\."
    )
    with pytest.raises(UnreadableImageError, match=sentence):
        keras_resnet.classify(model, tmp_path / "giant.png")
