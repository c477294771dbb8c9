"""A network while it learns: batches in parts and activations computed again to save memory, logits for its loss."""

from __future__ import annotations

import keras

from keras_resnet.model import ResidualNetwork


def learning(model: ResidualNetwork, parts: int = 1, remat: bool = False) -> ResidualNetwork:
    """Give a network over the same layers that learns as is asked for; the network itself where Keras can do it.

    Args:
        model: ResidualNetwork that ends in softmax or sigmoids.
        parts: int, in how many parts of one size it takes a batch, one after another.
        remat: bool, whether the activations within a residual unit are computed again instead of kept.

    Returns:
        ResidualNetwork, to be compiled with a loss of what `takes_logits` says.

    Raises:
        ValueError: the units, whose activations are to be computed again, are not known.
    """
    if takes_logits():
        from training.learner.jax import Learner
    elif parts == 1 and not remat:
        return model
    else:
        from training.learner.mirrored import Learner
    return Learner.of(model, parts, remat)


def takes_logits() -> bool:
    """Tell whether the loss of a learning network is given logits; TensorFlow's probabilities carry theirs."""
    return keras.backend.backend() != "tensorflow"
