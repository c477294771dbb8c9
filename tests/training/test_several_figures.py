"""Losses, metrics and figures of any number of classes against formulas, scikit-learn and cases by hand."""

import csv

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from tests.training.helpers import source_of
from training.evaluation.ensembles import average
from training.evaluation.figures import calibrate, summarize, summarize_all
from training.evaluation.pages import read_mistakes, write_evaluation
from training.evaluation.scores import Scores
from training.evaluation.several import average_precisions, decide, losses
from training.metrics import MeanAveragePrecision, Precision, Recall
from training.optimization.losses import make_loss
from training.tasks import ANY

GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(size=(4, 3)) * 2
TARGETS = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 0.3, 1]])


def binary(targets, logits, gamma=0.0):
    """Compute the binary cross-entropy with the weights of the focal loss."""
    p = 1 / (1 + np.exp(-logits))
    return -(targets * (1 - p) ** gamma * np.log(p) + (1 - targets) * p**gamma * np.log(1 - p)).mean()


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("binary_cross_entropy", binary(TARGETS, LOGITS)),
        ({"name": "binary_cross_entropy", "label_smoothing": 0.2}, binary(0.8 * TARGETS + 0.1, LOGITS)),
        ({"name": "binary_cross_entropy", "threshold": 0.2}, binary(np.float64(TARGETS > 0.2), LOGITS)),
        ("focal", binary(TARGETS, LOGITS, 2.0)),
        ({"name": "focal", "gamma": 0.5, "label_smoothing": 0.2}, binary(0.8 * TARGETS + 0.1, LOGITS, 0.5)),
    ],
)
def test_losses_are_those_of_sigmoids(choice, expected):
    labels, logits = TARGETS.astype("float32"), tf.constant(LOGITS, "float32")
    loss = make_loss(choice, task=ANY)
    assert float(loss(labels, keras.activations.sigmoid(logits))) == pytest.approx(expected, rel=1e-5)
    assert float(make_loss(choice, True, ANY)(labels, logits)) == pytest.approx(expected, rel=1e-5)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert copy.get_config() == loss.get_config()
    with pytest.raises(ValueError, match="takes sigmoids of the logits, and these probabilities do not carry theirs"):
        loss(labels, tf.constant(labels))


def test_focal_loss_of_sigmoids_has_a_slope_also_where_the_network_is_sure():
    logits = tf.constant([[200.0, -200.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = make_loss({"name": "focal", "gamma": 0.5}, True, ANY)(np.float32([[1, 1]]), logits)
    assert float(value) == pytest.approx(100)
    assert tape.gradient(value, logits)[0].numpy() == pytest.approx([0, -0.5], abs=1e-3)


def test_cross_entropy_of_several_labels_is_refused():
    with pytest.raises(
        ValueError, match=r"cross_entropy is for images of one class each.* --loss binary_cross_entropy"
    ):
        make_loss("cross_entropy", task=ANY)


# By hand: right at ranks 1 and 3, (1 + 2/3) / 2; equal scores, which are one step, 1/2; a class without an image.
FEW = Scores(
    np.float32([[1, 1, 0], [0, 0, 0], [1, 1, 0], [0, 0, 0]]),
    np.float32([[0.9, 0.4, 0.1], [0.8, 0.4, 0.6], [0.7, 0.4, 0.2], [0.1, 0.4, 0.3]]),
)
MANY = Scores(
    np.float32(GENERATOR.random((500, 6)) < [0.5, 0.2, 0.1, 0.05, 0.02, 0.3]),
    GENERATOR.random((500, 6)).astype("float32").round(2),
)


def test_average_precision_is_that_of_the_hand_and_of_scikit_learn():
    np.testing.assert_allclose(average_precisions(FEW), [5 / 6, 1 / 2, np.nan])
    assert summarize(FEW, 100)["mean_average_precision"] == pytest.approx(2 / 3)
    expected = average_precision_score(MANY.labels, MANY.probabilities, average=None)
    np.testing.assert_allclose(average_precisions(MANY), expected, rtol=1e-12)


def test_figures_are_those_of_scikit_learn():
    answers = MANY.probabilities > 0.5
    for kind, found in ((None, decide(MANY)), ("micro", summarize(MANY, 100))):
        expected = precision_recall_fscore_support(MANY.labels, answers, average=kind, zero_division=0)
        for value, name in zip(expected, ("precision", "recall", "f1")):
            np.testing.assert_allclose(found[name] if kind else getattr(found, name), value)
    p = np.clip(MANY.probabilities.astype("float64"), 1e-7, 1 - 1e-7)
    entropy = -np.where(MANY.labels > 0, np.log(p), np.log(1 - p)).mean(axis=1)
    np.testing.assert_allclose(losses(MANY), entropy, rtol=1e-6)
    assert summarize(MANY, 100)["loss"] == pytest.approx(entropy.mean(), rel=1e-6)


def test_metric_of_an_epoch_is_near_the_figure_of_the_test():
    quality = GENERATOR.normal(size=MANY.labels.shape) + 1.5 * MANY.labels - 2
    scores = Scores(MANY.labels, (1 / (1 + np.exp(-quality))).astype("float32"))
    metrics = [MeanAveragePrecision(6), Precision(), Recall()]
    for part in np.array_split(np.arange(500), 7):
        for metric in metrics:
            metric.update_state(scores.labels[part], scores.probabilities[part])
    expected = summarize(scores, 100)
    for metric, name in zip(metrics, ("mean_average_precision", "precision", "recall")):
        assert float(metric.result()) == pytest.approx(expected[name], abs=5e-4)


def test_metric_takes_equal_scores_soft_labels_weights_and_what_is_no_number():
    metric = MeanAveragePrecision(3)
    metric.update_state(0.6 * FEW.labels, FEW.probabilities)
    blank = np.float32([[0, 0, 1], [1, 1, 1]]), np.float32([[1, 0, np.nan], [0, 1, 0.5]])
    metric.update_state(*blank, sample_weight=np.zeros(2, "float32"))
    assert float(metric.result()) == pytest.approx(2 / 3)
    copy = MeanAveragePrecision.from_config(metric.get_config())
    assert float(copy.result()) == 0 and copy.counts.shape == metric.counts.shape
    assert [MeanAveragePrecision(classes).levels for classes in (64, 1000, 10_000)] == [4096, 262, 256]


def test_calibration_is_of_all_decisions():
    scores = Scores(np.float32([[1, 0], [1, 1]]), np.float32([[0.9, 0.1], [0.9, 0.9]]))
    calibration = calibrate(scores, bins=2)
    np.testing.assert_array_equal(calibration.counts, [1, 3])
    np.testing.assert_allclose(calibration.accuracies, [0, 1])
    assert calibration.error == pytest.approx(0.1)


def test_pages_of_several_labels(tmp_path):
    classes, images = ("cat", "dog", "bird"), [np.full((4, 4, 1), 60 * place, "uint8") for place in range(4)]
    source = source_of(images, FEW.labels, classes)
    write_evaluation(tmp_path, {"loss": 0.5}, FEW, source)
    assert list(csv.reader((tmp_path / "classes.csv").read_text(encoding="utf-8").splitlines())) == [
        ["class", "images", "average precision", "precision", "recall", "F1 score"],
        ["cat", "2", "0.8333", "0.6667", "1.0000", "0.8000"],
        ["dog", "2", "0.5000", "0.0000", "0.0000", "0.0000"],
        ["bird", "0", "", "", "", ""],
    ]
    files = {"evaluation.json", "classes.csv", "reliability.png", "mistakes.png", "precision_recall.png"}
    assert {path.name for path in tmp_path.iterdir()} == files
    mistakes = read_mistakes(FEW, source)
    places = np.argsort(-losses(FEW))
    assert places[0] == 1 and set(places[:3]) == {0, 1, 2}  # the last image is right
    assert mistakes[0][1:] == ("none", "cat\nbird", f"loss {-np.log([0.2, 0.6, 0.4]).mean():.2f}")
    assert mistakes[-1].truth == "cat\ndog" and len(mistakes) == 3
    for mistake, place in zip(mistakes, places):
        np.testing.assert_array_equal(mistake.image, images[place])
    many = Scores(np.ones((1, 12), "float32"), np.zeros((1, 12), "float32"))
    names = tuple(f"class {number}" for number in range(12))
    (mistake,) = read_mistakes(many, source_of(images[:1], many.labels, names))
    assert mistake.truth == "class 0\nclass 1\nclass 2\nand 9 more" and mistake.answer == "none"
    write_evaluation(tmp_path, {}, many, source_of(images[:1], many.labels, names))
    single = Scores(np.array([0, 1, 2, 2]), np.eye(4, 3, dtype="float32") * 0.7 + 0.1)
    write_evaluation(tmp_path, {}, single, source_of(images, [0, 1, 2, 2], classes))
    of_one = files - {"precision_recall.png"} | {"confusion.csv", "confusion.png"}
    assert {path.name for path in tmp_path.iterdir()} == of_one  # each test replaces what the other task left
    write_evaluation(tmp_path, {"loss": 0.5}, FEW, source)
    assert {path.name for path in tmp_path.iterdir()} == files


def test_ensemble_of_several_labels_is_the_mean_of_probabilities():
    other = FEW._replace(probabilities=1 - FEW.probabilities)
    np.testing.assert_allclose(average([FEW, other]).probabilities, 0.5)
    assert set(summarize_all(FEW)) == {*summarize(FEW, 100), "calibration_error"}
