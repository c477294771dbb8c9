"""How the answer of a network is explained, by name.

A method is a function `(subject, **parameters) -> map` that gives an array (height, width), of a size of its own: how
much each place speaks for the class, below zero where it speaks against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np

from keras_resnet.analysis.execution import as_numpy
from keras_resnet.choices.registry import Range, registering
from keras_resnet.explanation.scoring import Subject, input_gradients, maps_and_gradients, scores

BATCH = 32  # images that the network is given together
METHODS: dict[str, Callable[..., np.ndarray]] = {}
method = registering(METHODS)


@method("grad_cam")
def grad_cam(subject: Subject) -> np.ndarray:
    """Weigh each map of the layer by the mean of its gradient, and keep what speaks for the class.

    Source: arXiv 1610.02391, equations 1 and 2.
    """
    maps, gradients = maps_and_gradients(subject)
    return np.maximum(maps @ gradients.mean(axis=(0, 1)), 0)


@method("hires_cam")
def hires_cam(subject: Subject) -> np.ndarray:
    """Multiply each map of the layer by its gradient, place by place, and add them up.

    Where nothing but global pooling and a linear classifier follows the layer, the sum of the map is the score of the
    class without its bias.

    Source: arXiv 2011.08891, equation 3.
    """
    maps, gradients = maps_and_gradients(subject)
    return (maps * gradients).sum(axis=-1)


@method("smooth_grad")
def smooth_grad(
    subject: Subject,
    *,
    draws: Annotated[int, Range(1, 4096, closed=True), "noisy copies of the image"] = 32,
    noise: Annotated[float, Range(0, 2), "deviation of the noise, as a share of the range of values"] = 0.15,
    seed: Annotated[int, Range(0, 2**31), "seed of the noise"] = 0,
) -> np.ndarray:
    """Average the gradient with respect to the pixels over noisy copies; of its channels take the largest magnitude.

    Source: arXiv 1706.03825, section 2, with its noise of 10 to 20 %; arXiv 1312.6034, section 3.1, for the channels.
    """
    generator, total = np.random.default_rng(seed), 0.0
    deviation = noise * np.ptp(subject.images)
    for first in range(0, draws, BATCH):
        shape = (min(BATCH, draws - first), *subject.images.shape[1:])
        noisy = subject.images + generator.normal(0, 1, shape).astype("float32") * deviation
        total = total + input_gradients(subject, noisy.astype("float32")).sum(axis=0)
    return np.abs(total / draws).max(axis=-1)


@method("occlusion")
def occlusion(
    subject: Subject,
    *,
    side: Annotated[float, Range(0, 1, above=True, closed=True), "side of the patch, as a share of the image's"] = 0.25,
    steps: Annotated[int, Range(2, 256, closed=True), "places of the patch along each side of the image"] = 16,
) -> np.ndarray:
    """Hide the image piece by piece under a patch of the mean color, and see how far the score falls.

    Source: arXiv 1311.2901, section 4.2.
    """
    windows = [*_windows(subject.images.shape[1:3], side, steps)]
    (before,) = as_numpy(scores(subject, subject.images))
    falls = []
    for first in range(0, len(windows), BATCH):
        covered = np.repeat(subject.images, len(windows[first : first + BATCH]), axis=0)
        for image, window in zip(covered, windows[first : first + BATCH]):
            image[window] = 0  # the mean, once it is subtracted
        falls += [*(before - as_numpy(scores(subject, covered)))]
    return _averaged(subject.images.shape[1:3], windows, falls)


def _windows(size: tuple[int, int], side: float, steps: int) -> Iterator[tuple[slice, slice]]:
    """Lay patches evenly from edge to edge."""
    lengths = [max(round(side * whole), 1) for whole in size]
    places = [np.unique(np.linspace(0, whole - own, steps).round().astype(int)) for whole, own in zip(size, lengths)]
    for top in places[0]:
        for left in places[1]:
            yield slice(top, top + lengths[0]), slice(left, left + lengths[1])


def _averaged(size: tuple[int, int], windows: list[tuple[slice, slice]], values: list[float]) -> np.ndarray:
    """Give every pixel the mean of the values of the patches that hide it."""
    total, counts = np.zeros(size, "float32"), np.zeros(size, "float32")
    for window, value in zip(windows, values, strict=True):
        total[window] += value
        counts[window] += 1
    return total / np.maximum(counts, 1)
