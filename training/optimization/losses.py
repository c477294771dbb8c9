"""Losses by name: one function each, whose keyword-only arguments are what users may set.

A loss is a function `(from_logits, **parameters) -> keras.losses.Loss` between integer labels and probabilities, or
logits. Keras is imported inside the functions, so that `--help` can list them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from keras_resnet.choices.registry import Range, parse_choice, registering

if TYPE_CHECKING:
    import keras

LOSSES: dict[str, Callable] = {}
loss = registering(LOSSES)


def make_loss(choice: str | Mapping[str, Any], from_logits: bool = False) -> keras.losses.Loss:
    """Make the loss of a run.

    On the TensorFlow backend Keras computes it from the logits behind the probabilities. On the others it would clip
    the probabilities, and what is learned would stop there; give the logits themselves.
    """
    name, parameters = parse_choice("loss", choice, LOSSES)
    return LOSSES[name](from_logits, **parameters)


@loss("cross_entropy")
def cross_entropy(
    from_logits: bool = False,
    *,
    label_smoothing: Annotated[float, Range(0, 1), "probability spread evenly over all classes"] = 0.0,
) -> keras.losses.Loss:
    """Cross-entropy, with smoothed labels where that is asked for.

    Source: arXiv 1512.00567, section 7.
    """
    import keras

    from training.optimization.crossentropy import SmoothedCrossentropy

    if label_smoothing:
        return SmoothedCrossentropy(label_smoothing, from_logits)
    return keras.losses.SparseCategoricalCrossentropy(from_logits)
