"""Losses by name: one function each, whose keyword-only arguments are what users may set.

A loss is a function `(**parameters) -> keras.losses.Loss` between integer labels and probabilities. Keras is imported
inside the functions, so that `--help` can list them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from keras_resnet.choices.registry import Range, parse_choice, registering

if TYPE_CHECKING:
    import keras

LOSSES: dict[str, Callable] = {}
loss = registering(LOSSES)


def make_loss(choice: str | Mapping[str, Any]) -> keras.losses.Loss:
    """Make the loss of a run."""
    name, parameters = parse_choice("loss", choice, LOSSES)
    return LOSSES[name](**parameters)


@loss("cross_entropy")
def cross_entropy(
    *, label_smoothing: Annotated[float, Range(0, 1), "probability spread evenly over all classes"] = 0.0
) -> keras.losses.Loss:
    """Cross-entropy, with smoothed labels where that is asked for.

    Args:
        label_smoothing: float, probability spread evenly over all classes.

    Returns:
        keras.losses.SparseCategoricalCrossentropy, or SmoothedCrossentropy.

    Source: arXiv 1512.00567, section 7.
    """
    import keras

    from training.optimization.crossentropy import SmoothedCrossentropy

    return SmoothedCrossentropy(label_smoothing) if label_smoothing else keras.losses.SparseCategoricalCrossentropy()
