"""Several networks tested on the same images, each alone and together: the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_resnet.files import make_folder
from training.evaluation.candidates import Candidate, Protocol
from training.evaluation.figures import summarize_all
from training.evaluation.pages import write_evaluation
from training.evaluation.scores import Scores, score


def evaluate_together(
    candidates: Iterable[Candidate], to: Path | None = None, progress: bool = False
) -> dict[str, Any]:
    """Evaluate networks on the same images, each with its own input contract, and where there are several, their mean.

    Args:
        candidates: iterable of at least one Candidate; a generator may make them one after the other.
        to: Path of a folder for all figures, tables and pictures of the network, or of the ensemble; None for none.
        progress: bool, whether to show how far it is.

    Returns:
        Dict of split, examples, views, and of one network its figures: loss, accuracy, top_5_accuracy from six classes
        on, calibration_error. Of several, `runs` is a list of dicts of run and its figures, and `ensemble` their own.

    Raises:
        ValueError: they are not tested on the same images of the same classes, or as of `scores.score`.
        OSError: a file cannot be written.

    Source: arXiv 1512.03385, Table 5, an ensemble of six networks.
    """
    if to:
        make_folder(to)  # before an hour is lost
    runs, all_scores, first = [], [], None
    for candidate in candidates:
        first = first or candidate.protocol
        check_same_images(first, candidate.protocol)
        all_scores.append(score(candidate.model, candidate.source, candidate.preprocessing, candidate.config, progress))
        runs.append({"run": candidate.name, **summarize_all(all_scores[-1])})
    source, together = candidate.source, average(all_scores)
    about = {"split": source.test_split, "examples": len(together.labels), "views": first.views["name"]}
    figures = summarize_all(together)
    results = {**about, **figures} if len(runs) == 1 else {**about, "runs": runs, "ensemble": figures}
    if to:
        write_evaluation(to, results, together, source)
    return results


def average(scores: Sequence[Scores]) -> Scores:
    """Average the probabilities that several networks give the same images."""
    return Scores(scores[0].labels, np.mean([own.probabilities for own in scores], axis=0))


def check_same_images(first: Protocol, other: Protocol) -> None:
    """Refuse a network that is tested on other images than the first one, on other classes or in other views."""
    pairs = zip(Protocol._fields[1:], first[1:], other[1:])
    if differences := [f"{field} {now!r} instead of {before!r}" for field, before, now in pairs if before != now]:
        raise ValueError(
            f"{other.name} is tested otherwise than {first.name}: {', '.join(differences)}. An ensemble needs the same "
            "images, classes and views; set them for all by --dataset, --data-dir, --test-split or --views."
        )
