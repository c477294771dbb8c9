"""Figures of a test, from the classes of its images and the probabilities that a network gives them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from training.evaluation import several
from training.evaluation.scores import Scores
from training.tasks import ANY

LEAST = 1e-7  # of a probability in the cross-entropy, as Keras has it
BINS = 15  # of confidence, in the calibration error


class Calibration(NamedTuple):
    """How often a network is right, by how sure it is: bins of equal width of the probability of its answer.

    Where images may have any number of classes, of the probability of each class of each image.

    Args:
        counts: int array (bins,), images.
        confidences: float array (bins,), mean probability of the answers; NaN where there is none.
        accuracies: float array (bins,), share of right answers; NaN where there is none.
    """

    counts: np.ndarray
    confidences: np.ndarray
    accuracies: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of confidence and accuracy, weighted by images."""
        used = self.counts > 0
        distances = np.abs(self.accuracies - self.confidences)[used]
        return float(np.average(distances, weights=self.counts[used]))


def cross_entropy(scores: Scores) -> float:
    """Give the mean negative log-likelihood of the true classes, in nats."""
    likelihood = scores.probabilities[np.arange(len(scores.labels)), scores.labels].astype("float64")
    return float(-np.log(np.clip(likelihood, LEAST, 1 - LEAST)).mean())


def top_accuracy(scores: Scores, top: int) -> float:
    """Give the share of images whose true class is among the most probable ones; of equal ones the first count."""
    best = np.argsort(-scores.probabilities, axis=1, kind="stable")[:, :top]
    return float((best == scores.labels[:, None]).any(axis=1).mean())


def calibrate(scores: Scores, bins: int = BINS) -> Calibration:
    """Compare how sure a network is of its answers with how often they are right.

    Args:
        scores: Scores.
        bins: int, how many of equal width; a probability that lies between two belongs to the lower one.

    Returns:
        Calibration.

    Source: arXiv 1706.04599, section 2 and equation 3, and 15 bins in its experiments.
    """
    if scores.task is ANY:
        probabilities, right = scores.probabilities.ravel(), scores.labels.ravel() > 0
    else:
        probabilities, right = scores.probabilities.max(axis=1), scores.probabilities.argmax(axis=1) == scores.labels
    confidences = probabilities.astype("float64")
    places = np.clip(np.ceil(confidences * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    sums = (np.bincount(places, values, bins) for values in (confidences, right))
    return Calibration(counts, *(np.where(counts, total / np.maximum(counts, 1), np.nan) for total in sums))


def confusion(scores: Scores) -> np.ndarray:
    """Count the images of each true class, by row, that are taken for each class, by column."""
    classes = scores.probabilities.shape[1]
    pairs = scores.labels * classes + scores.probabilities.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def worst_mistakes(scores: Scores, most: int) -> np.ndarray:
    """Find the images with a wrong answer of which the network is surest, the surest first, by their places.

    Where images may have any number of classes, those with a wrong answer whose loss is highest.
    """
    if scores.task is ANY:
        return several.worst_mistakes(scores, most)
    answers, confidences = scores.probabilities.argmax(axis=1), scores.probabilities.max(axis=1)
    wrong = np.flatnonzero(answers != scores.labels)
    return wrong[np.argsort(-confidences[wrong], kind="stable")[:most]]


def summarize(scores: Scores, top_5_from: int) -> dict[str, float]:
    """Give loss and accuracy, and the top-5 accuracy where there are at least so many classes.

    Where images may have any number of classes, there are other figures: those of `several.summarize`.
    """
    if scores.task is ANY:
        return several.summarize(scores)
    figures = {"loss": cross_entropy(scores), "accuracy": top_accuracy(scores, 1)}
    if scores.probabilities.shape[1] >= top_5_from:
        figures["top_5_accuracy"] = top_accuracy(scores, 5)
    return figures


def summarize_all(scores: Scores) -> dict[str, float]:
    """Give all figures that are one number; the top-5 accuracy where there are classes to be wrong with."""
    return {**summarize(scores, top_5_from=6), "calibration_error": calibrate(scores).error}
