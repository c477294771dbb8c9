"""Training on images of another size than the network's, for some epochs of a run."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import keras

import keras_resnet
from keras_resnet.choices.registry import parse_choice
from training.config import RunConfig
from training.data.augmentation import streams
from training.data.sizes import SIZES
from training.plan import Phase

MULTIPLE = 4  # pixels of which a smaller side is made up

Size = tuple[int, int]


def size_in(choice: Mapping[str, Any], size: Size, epoch: int, epochs: int) -> Size:
    """Give the size of the training images in an epoch, counted from 0, of a network for images of a size."""
    name, parameters = parse_choice("sizes", choice, SIZES)
    share = SIZES[name](epoch / epochs, **parameters)
    sides = (max(round(share * side / MULTIPLE), 1) * MULTIPLE for side in size)
    return size if share == 1 else tuple(min(own, side) for own, side in zip(sides, size))


def spans(choice: Mapping[str, Any], size: Size, phase: Phase, epochs: int) -> list[tuple[Phase, Size]]:
    """Part a phase of a run of so many epochs where the size of its training images changes."""
    own = range(phase.first, phase.last)
    groups = [
        (next(group), now) for now, group in itertools.groupby(own, lambda epoch: size_in(choice, size, epoch, epochs))
    ]
    ends = [*(first for first, _ in groups[1:]), phase.last]
    return [(phase._replace(first=first, last=last), now) for (first, now), last in zip(groups, ends)]


def check_sizes(model: keras.Model, config: RunConfig) -> None:
    """Raise an error where a network, or an augmentation, cannot take the smallest training images of a run."""
    full, channels = model.preprocessing.size, model.preprocessing.channels
    smallest = size_in(config.data.sizes, full, 0, 1)
    if smallest == full:
        return
    streams.check_images(config.augmentation, smallest, channels)
    try:
        keras_resnet.transfer(model, input_shape=(*smallest, channels))
    except ValueError as error:
        raise ValueError(
            f"data.sizes begins with images of {smallest[0]}x{smallest[1]}, which the network cannot take. {error} "
            "Begin with larger ones, or train on images of full size."
        ) from error


@contextlib.contextmanager
def taking(model: keras.Model, size: Size) -> Iterator[None]:
    """Let a model that was made for images of one size be trained on those of another, and be saved as it was made."""
    if size == model.preprocessing.size:
        yield
        return
    before = model.input_spec
    model.input_spec = keras.layers.InputSpec(shape=(None, None, None, model.preprocessing.channels))
    try:
        yield
    finally:
        model.input_spec = before
