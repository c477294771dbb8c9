"""Losses by name: one function each, whose keyword-only arguments are what users may set.

A loss is a function `(from_logits, **parameters) -> keras.losses.Loss` between labels, integers (batch,) or soft labels
(batch, classes), and probabilities, or logits. Keras is imported inside the functions, so that `--help` can list them
at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from keras_resnet.choices.registry import Range, parse_choice, registering

if TYPE_CHECKING:
    import keras

LOSSES: dict[str, Callable] = {}
loss = registering(LOSSES)

Smoothing = Annotated[float, Range(0, 1), "probability spread evenly over all classes"]


def make_loss(choice: str | Mapping[str, Any], from_logits: bool = False) -> keras.losses.Loss:
    """Make the loss of a run.

    On the TensorFlow backend it is computed from the logits behind the probabilities. On the others it would clip the
    probabilities, and what is learned would stop there; give the logits themselves.
    """
    name, parameters = parse_choice("loss", choice, LOSSES)
    return LOSSES[name](from_logits, **parameters)


@loss("cross_entropy")
def cross_entropy(from_logits: bool = False, *, label_smoothing: Smoothing = 0.0) -> keras.losses.Loss:
    """Cross-entropy, with smoothed labels where that is asked for.

    Source: arXiv 1512.00567, section 7.
    """
    from training.optimization.crossentropy import CrossEntropy

    return CrossEntropy(label_smoothing, from_logits)


@loss("binary_cross_entropy")
def binary_cross_entropy(
    from_logits: bool = False,
    *,
    label_smoothing: Smoothing = 0.0,
    threshold: Annotated[float, Range(0, 1), "targets above it count as 1, all others as 0; 0 keeps them"] = 0.0,
) -> keras.losses.Loss:
    """Each class against all others, by sigmoids of the logits; the mean over classes.

    The network still ends in softmax: its most probable class is that of the highest sigmoid, but its probabilities are
    not those that were trained. Evaluations report the cross-entropy of its softmax.

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
    return BinaryCrossEntropy(label_smoothing, threshold, from_logits)


@loss("focal")
def focal(
    from_logits: bool = False,
    *,
    gamma: Annotated[float, Range(0, math.inf), "power of 1 - p that weights a class of probability p"] = 2.0,
    label_smoothing: Smoothing = 0.0,
) -> keras.losses.Loss:
    """Cross-entropy in which a class counts the less the surer the network is of it: -(1 - p) ** gamma log p.

    Probabilities are of softmax over all classes, where the paper has a sigmoid for each.

    Source: arXiv 1708.02002, equation 4.
    """
    from training.optimization.crossentropy import FocalLoss

    return FocalLoss(gamma, label_smoothing, from_logits)
