"""Figures of a test of images that may have any number of classes, from their labels and the probabilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from training.evaluation.scores import Scores

LEAST = 1e-7  # of a probability in the cross-entropy, as Keras has it
OVER = 0.5  # probability over which a class is taken for an answer


class Decisions(NamedTuple):
    """How the answers of a network, the classes of a probability over one half, agree with the labels.

    Args:
        right: int array, answers that are labels; one number a class, or one alone of all together.
        answers: int array, the same of all answers.
        labels: int array, the same of all labels.
    """

    right: np.ndarray
    answers: np.ndarray
    labels: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """Share of the answers that is right; 0 where there is none."""
        return self.right / np.maximum(self.answers, 1)

    @property
    def recall(self) -> np.ndarray:
        """Share of the labels that is answered; 0 where there is none."""
        return self.right / np.maximum(self.labels, 1)

    @property
    def f1(self) -> np.ndarray:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / np.maximum(self.answers + self.labels, 1)


def decide(scores: Scores) -> Decisions:
    """Count answers and labels of each class."""
    answers, labels = scores.probabilities > OVER, scores.labels > 0
    return Decisions(*(marks.sum(axis=0) for marks in (answers & labels, answers, labels)))


def average_precisions(scores: Scores) -> np.ndarray:
    """Give the average precision of each class, the sum over recalls of precision times gained recall.

    Args:
        scores: Scores whose labels are 0 and 1, (images, classes).

    Returns:
        Float64 array (classes,); NaN of a class without an image.

    Source: `sklearn.metrics.average_precision_score`, with which it agrees; equal scores are one step.
    """
    return np.array([_average_precision(own, marks > 0) for own, marks in zip(scores.probabilities.T, scores.labels.T)])


def precision_and_recall(scores: np.ndarray, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the precision and the recall of the answers over each of the different scores, the highest first."""
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(marks[order])
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    return found[ends] / (ends + 1), found[ends] / found[-1]


def _average_precision(scores: np.ndarray, marks: np.ndarray) -> float:
    if not marks.any():
        return np.nan
    precision, recall = precision_and_recall(scores, marks)
    return float(precision @ np.diff(recall, prepend=0))


def losses(scores: Scores) -> np.ndarray:
    """Give the binary cross-entropy of each image in nats, the mean over classes."""
    right = np.where(scores.labels > 0, scores.probabilities, 1 - scores.probabilities).astype("float64")
    return -np.log(np.clip(right, LEAST, 1 - LEAST)).mean(axis=1)


def worst_mistakes(scores: Scores, most: int) -> np.ndarray:
    """Find the images with a wrong answer whose loss is highest, the highest first, by their places."""
    wrong = np.flatnonzero(((scores.probabilities > OVER) != (scores.labels > 0)).any(axis=1))
    return wrong[np.argsort(-losses(scores)[wrong], kind="stable")[:most]]


def summarize(scores: Scores) -> dict[str, float]:
    """Give loss, mean average precision, and precision, recall and F1 of all classes together.

    Classes without an image are left out of the mean.
    """
    together = Decisions(*(counts.sum() for counts in decide(scores)))
    return {
        "loss": float(losses(scores).mean()),
        "mean_average_precision": float(np.nanmean(average_precisions(scores))),
        "precision": float(together.precision),
        "recall": float(together.recall),
        "f1": float(together.f1),
    }
