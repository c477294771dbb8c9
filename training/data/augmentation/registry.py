"""The registry of augmentations: functions of drawn numbers, whose keyword-only arguments users may set.

What an augmentation works on is its kind, and the kind decides what its function takes and gives:

- `crop`: `(image, drawn, size) -> image`; a single decoded image is brought to the network's size.
- `geometry`: `(drawn, size) -> Motion`, from places of the new images to those of the old ones.
- `color`: `(drawn, means) -> matrices` (batch, channels + 1, channels + 1) from old colors to new ones.
- `pixels`: `(images, drawn) -> images` of whole levels, 0 to 255.
- `any`: `(images, drawn) -> images`, of pixels as well as of standardized images.
- `standardized`: `(images, drawn) -> images` of standardized images.
- `mix`: `(drawn, size) -> Mixture`, what every image of a batch keeps, and what it takes of another one.

Images are standardized after the last augmentation that works on levels of 0 to 255, `geometry`, `color` or `pixels`;
where there is none, before all others. Keras and TensorFlow are imported inside the functions, so that `--help` can
list them at once.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from keras_resnet.choices.registry import Range, complete, parse_choice, registering

if TYPE_CHECKING:
    import tensorflow as tf

AUGMENTATIONS: dict[str, Callable] = {}
OF_LEVELS = ("geometry", "color", "pixels")
Choices = Sequence[str | Mapping[str, Any]]
Pair = tuple[Annotated[float, Range(0, math.inf, above=True)], ...]
Kind = Literal["crop", "geometry", "color", "pixels", "any", "standardized", "mix"]


class Drawn(NamedTuple):
    """What an augmentation decides by.

    Args:
        numbers: float32 tensor (batch, draws) in [0, 1), of each example in this epoch; (draws,) for a single image.
        first: the same, as in epoch 0.
        epoch: int64 scalar tensor.
        leading: float32 tensor (1, draws), the numbers of the first example of the whole batch; None for the first of
            these.
    """

    numbers: tf.Tensor
    first: tf.Tensor
    epoch: tf.Tensor
    leading: tf.Tensor | None = None


class Motion(NamedTuple):
    """How images move.

    Args:
        matrices: float32 tensor (batch, 3, 3), from the place of a pixel in the new image to that in the old one; see
            `resampling.warp`.
        fill: float, level of what lies outside the old image.
    """

    matrices: tf.Tensor
    fill: float


class Mixture(NamedTuple):
    """How the images of a batch are mixed with others.

    Args:
        kept: float32 tensor, the share of itself that each pixel keeps, which broadcasts to (batch, height, width, 1).
        mixed: bool tensor, whether an image is mixed at all, which broadcasts to the same shape.
    """

    kept: tf.Tensor
    mixed: tf.Tensor


class Step(NamedTuple):
    """One augmentation of a batch.

    Args:
        name: str, in the registry.
        parameters: dict of what the user set.
        drawn: Drawn, by which it decides for this batch.
    """

    name: str
    parameters: Mapping[str, Any]
    drawn: Drawn

    @property
    def kind(self) -> Kind:
        """What it works on."""
        return AUGMENTATIONS[self.name].kind

    def __call__(self, *given):
        """Call its function with these tensors before its parameters."""
        return AUGMENTATIONS[self.name](*given, **self.parameters)


def augmentation(name: str, draws: int, kind: Kind) -> Callable[[Callable], Callable]:
    """Make the decorator that puts an augmentation into the registry.

    Args:
        name: str, as users write it; it also decides the stream that the augmentation draws from.
        draws: int, uniform numbers that an example needs in an epoch.
        kind: str, what it works on.

    Returns:
        Decorator, which returns the function unchanged but for two attributes.
    """

    def register(function: Callable) -> Callable:
        function.draws, function.kind = draws, kind
        return registering(AUGMENTATIONS)(name)(function)

    return register


def mixes(choices: Choices) -> bool:
    """Tell whether a list of augmentations mixes the images of a batch."""
    names = (choice if isinstance(choice, str) else choice["name"] for choice in choices)
    return any(AUGMENTATIONS[name].kind == "mix" for name in names)


def pair_of(parameter: str, most: float = math.inf) -> Callable[[Sequence[float]], None]:
    """Make the check of a parameter that is a smaller and a larger number."""

    def check(pair: Sequence[float]) -> None:
        if len(pair) != 2 or not pair[0] <= pair[1] <= most:
            limit = "" if most == math.inf else f", of at most {most:g}"
            raise ValueError(f"{parameter} must be two numbers{limit}, the smaller one first; received {list(pair)}.")

    return check


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


def complete_list(choices: Choices) -> tuple[dict[str, Any], ...]:
    """Check the list of a run's augmentations and their order, and give each with all of its parameters."""
    if isinstance(choices, (str, Mapping)) or not isinstance(choices, Sequence):
        raise ValueError(f"give a list, as in [{{name: pad_crop, pixels: 4}}, flip]; received {choices!r}.")
    completed = tuple(complete("augmentation", choice, AUGMENTATIONS) for choice in choices)
    check_order([choice["name"] for choice in completed])
    mixing = [choice for choice in completed if AUGMENTATIONS[choice["name"]].kind == "mix"]
    for earlier, later in itertools.pairwise(mixing):
        if earlier["share"] == 1:
            raise ValueError(
                f"{later['name']} mixes what is not mixed yet, and {earlier['name']} mixes all. Give "
                f"{earlier['name']} a share, as in [{{name: {earlier['name']}, share: 0.5}}, {later['name']}]."
            )
    return completed


def check_order(names: Sequence[str]) -> None:
    """Refuse a list of augmentations in an order that cannot work."""
    kinds = [AUGMENTATIONS[name].kind for name in names]
    for place, (name, kind) in enumerate(zip(names, kinds)):
        if kind == "crop" and place > 0:
            raise ValueError(f"{name} brings images to the network's size, so it must come first and once.")
        later = [other for other, its in zip(names[place + 1 :], kinds[place + 1 :]) if its in OF_LEVELS]
        if kind == "standardized" and later:
            raise ValueError(
                f"{name} works on standardized images, and {later[0]} on levels of 0 to 255, which come before: put "
                f"{later[0]} before {name}."
            )
        unmixed = [other for other, its in zip(names[place + 1 :], kinds[place + 1 :]) if its != "mix"]
        if kind == "mix" and unmixed:
            raise ValueError(
                f"{name} mixes images that are otherwise complete, so it must come last: put {unmixed[0]} before it."
            )
