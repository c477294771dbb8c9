"""Averages of weights by name: one function each, whose keyword-only arguments are what users may set.

An average is a function `(steps, **parameters) -> Average | None` of the number of steps of a run. Keras is imported
inside the functions, so that `--help` can list them at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

from keras_resnet.choices.registry import Range, parse_choice, registering

AVERAGES: dict[str, Callable] = {}
average = registering(AVERAGES)

Images = Annotated[int, Range(1, math.inf), "training images by which its batch statistics are estimated"]


class Average(NamedTuple):
    """How an average of weights follows them: after a step it moves by a share of the way to the new ones.

    Args:
        share: function of the number of steps before, a float32 tensor; gives a float32 tensor or a float.
        images: int, training images by which its statistics of batch normalization are estimated.
    """

    share: Callable[[Any], Any]
    images: int


def make_average(choice: str | Mapping[str, Any], steps: int) -> Average | None:
    """Make the average of a run of so many steps; None where the weights themselves are what counts."""
    name, parameters = parse_choice("averaging", choice, AVERAGES)
    return AVERAGES[name](steps, **parameters)


@average("none")
def no_average(steps: int) -> None:
    """The weights as the last step left them."""
    return


@average("ema")
def exponential(
    steps: int,
    *,
    decay: Annotated[float, Range(0, 1), "share of the average that a step leaves"] = 0.999,
    warmup: Annotated[bool, "let the decay rise, as (1 + step) / (10 + step)"] = True,
    images: Images = 2048,
) -> Average:
    """An exponential moving average, in which weights count the less the older they are.

    With `warmup` it spans a ninth of the steps so far, until that is as long as `decay` allows: what a short run began
    with is soon forgotten.

    Source: arXiv 1512.00567, section 8; the warm-up as in TensorFlow's `ExponentialMovingAverage`.
    """

    def share(step):
        from keras import ops

        return 1 - (ops.minimum(decay, (1 + step) / (10 + step)) if warmup else decay)

    return Average(share, images)


@average("swa")
def stochastic(
    steps: int,
    *,
    start: Annotated[float, Range(0, 1), "share of the run before the mean begins"] = 0.75,
    images: Images = 2048,
) -> Average:
    """The mean of the weights after every step since `start`; before it the weights themselves.

    The paper takes those of the end of every epoch, at a constant or cyclic rate.

    Source: arXiv 1803.05407, "stochastic weight averaging".
    """
    first = int(start * steps)

    def share(step):
        from keras import ops

        return 1 / (1 + ops.maximum(step - first, 0.0))

    return Average(share, images)
