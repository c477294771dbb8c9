"""What learning networks have in common on every backend."""

from __future__ import annotations

from collections.abc import Callable

from keras_resnet.model import ResidualNetwork, carried
from training.recomputation import recomputing


class PartsLearner(ResidualNetwork):
    """A network that takes each batch in `parts` of equal size, one after another; example i is in part i modulo them.

    So the parts are the same ones, whether devices share the batch or not. `forward` gives the outputs of images in
    training; of None they are the network's own.
    """

    parts = 1
    forward: Callable | None = None

    @classmethod
    def of(cls, model: ResidualNetwork, parts: int, remat: bool) -> PartsLearner:
        """Make one over the layers of a network."""
        learner = cls(model.input, model.output, name=model.name, **carried(model))
        learner.parts, learner.forward = parts, recomputing(model) if remat else None
        return learner
