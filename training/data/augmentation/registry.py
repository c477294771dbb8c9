"""The registry of augmentations: functions of images and drawn numbers, whose keyword-only arguments users may set.

An augmentation is a function `(images, drawn, **parameters) -> images` of a standardized batch. One that `resizes` is a
function `(image, drawn, size, **parameters) -> image` of a single decoded image instead, which it brings to the
network's size itself. Keras and TensorFlow are imported inside the functions, so that `--help` can list them at once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_resnet.choices.registry import parse_choice, registering

if TYPE_CHECKING:
    import tensorflow as tf

AUGMENTATIONS: dict[str, Callable] = {}
Choices = Sequence[str | Mapping[str, Any]]


class Drawn(NamedTuple):
    """What an augmentation decides by.

    Args:
        numbers: float32 tensor (batch, draws) in [0, 1), of each example in this epoch; (draws,) for a single image.
        first: the same, as in epoch 0.
        epoch: int64 scalar tensor.
    """

    numbers: tf.Tensor
    first: tf.Tensor
    epoch: tf.Tensor


def augmentation(name: str, draws: int, resizes: bool = False) -> Callable[[Callable], Callable]:
    """Make the decorator that puts an augmentation into the registry.

    Args:
        name: str, as users write it; it also decides the stream that the augmentation draws from.
        draws: int, uniform numbers that an example needs in an epoch.
        resizes: bool, whether it takes one decoded image and brings it to the network's size.

    Returns:
        Decorator, which returns the function unchanged but for two attributes.
    """

    def register(function: Callable) -> Callable:
        function.draws, function.resizes = draws, resizes
        return registering(AUGMENTATIONS)(name)(function)

    return register


def keyed(choices: Choices, seed: int) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Give name, parameters and key of a run's augmentations; the key tells the numbers of each from all others.

    One that is named twice draws twice.
    """
    seen: Counter[str] = Counter()
    for choice in choices:
        name, parameters = parse_choice("augmentation", choice, AUGMENTATIONS)
        digest = hashlib.blake2b(f"{seed} {name} {seen[name]}".encode(), digest_size=8).digest()
        seen[name] += 1
        yield name, parameters, int.from_bytes(digest, "little", signed=True)
