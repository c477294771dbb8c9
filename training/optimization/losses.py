"""Losses by name: one function each, whose keyword-only arguments are what users may set.

A loss is a function `(form, **parameters) -> keras.losses.Loss` between labels, integers (batch,) or soft labels
(batch, classes), and probabilities, or logits. Keras is imported inside the functions, so that `--help` can list them
at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from keras_resnet.choices.registry import Range, parse_choice, registering
from training.tasks import ANY, ONE, Task

if TYPE_CHECKING:
    import keras

LOSSES: dict[str, Callable] = {}
loss = registering(LOSSES)

Smoothing = Annotated[float, Range(0, 1), "probability spread evenly over all classes"]


class Form(NamedTuple):
    """What a loss is given."""

    from_logits: bool
    multi_label: bool  # whether an image may have any number of classes


def make_loss(choice: str | Mapping[str, Any], from_logits: bool = False, task: Task = ONE) -> keras.losses.Loss:
    """Make the loss of a run.

    On the TensorFlow backend it is computed from the logits behind the probabilities. On the others it would clip the
    probabilities, and what is learned would stop there; give the logits themselves.
    """
    name, parameters = parse_choice("loss", choice, LOSSES)
    return LOSSES[name](Form(from_logits, task is ANY), **parameters)


@loss("cross_entropy")
def cross_entropy(form: Form, *, label_smoothing: Smoothing = 0.0) -> keras.losses.Loss:
    """Cross-entropy, with smoothed labels where that is asked for; for one label an image.

    Raises:
        ValueError: images may have any number of labels.

    Source: arXiv 1512.00567, section 7.
    """
    from training.optimization.crossentropy import CrossEntropy

    if form.multi_label:
        raise ValueError(
            "The loss cross_entropy is for images of one class each, and these may have any number of labels. Choose "
            "--loss binary_cross_entropy or focal; or give one label an image."
        )
    return CrossEntropy(label_smoothing, form.from_logits)


@loss("binary_cross_entropy")
def binary_cross_entropy(
    form: Form,
    *,
    label_smoothing: Smoothing = 0.0,
    threshold: Annotated[float, Range(0, 1), "targets above it count as 1, all others as 0; 0 keeps them"] = 0.0,
) -> keras.losses.Loss:
    """Each class against all others, by sigmoids of the logits; the mean over classes.

    Where images have one label, the network still ends in softmax: its most probable class is that of the highest
    sigmoid, but its probabilities are not those that were trained. Evaluations report the cross-entropy of its softmax.
    Where they have any number, it ends in sigmoids, and smoothing draws every target towards 1/2.

    Raises:
        ValueError: a threshold, which leaves nothing of smoothed labels, stands beside label_smoothing.

    Source: arXiv 2110.00476; the threshold as in its code, timm.
    """
    from training.optimization.crossentropy import BinaryCrossEntropy

    if label_smoothing and threshold:
        raise ValueError(
            f"threshold={threshold} makes every target 0 or 1, which leaves nothing of label_smoothing="
            f"{label_smoothing}. Leave one of them out."
        )
    return BinaryCrossEntropy(label_smoothing, threshold, form.from_logits, multi_label=form.multi_label)


@loss("focal")
def focal(
    form: Form,
    *,
    gamma: Annotated[float, Range(0, math.inf), "power of 1 - p that weights a class of probability p"] = 2.0,
    label_smoothing: Smoothing = 0.0,
) -> keras.losses.Loss:
    """Cross-entropy in which a class counts the less the surer the network is of it: -(1 - p) ** gamma log p.

    Probabilities are of softmax over all classes; where images have any number of labels, of a sigmoid for each class,
    as in the paper, but without its weight of positives.

    Source: arXiv 1708.02002, equation 4.
    """
    from training.optimization.crossentropy import FocalLoss, SigmoidFocalLoss

    kind = SigmoidFocalLoss if form.multi_label else FocalLoss
    return kind(gamma, label_smoothing, form.from_logits, multi_label=form.multi_label)
