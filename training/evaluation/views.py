"""The views in which a network is shown an image at the test, by name; what it says of all of them is averaged.

A choice of views is a function `(image, contract, **parameters) -> stacks` of a decoded image (height, width, channels)
and the network's input contract. It returns tensors (views, height, width, channels) of values 0 to 255: one for each
size. Probabilities are averaged, that is after the softmax, as the authors of arXiv 1512.03385 do. TensorFlow is
imported inside the functions, so that `--help` can list them at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

from keras_resnet.choices.registry import Range, registering
from training.limits import LARGEST_SIDE

if TYPE_CHECKING:
    import tensorflow as tf

    from keras_resnet.preprocessing import Preprocessing

VIEWS: dict[str, Callable] = {}


def view(name: str, any_size: bool = False) -> Callable[[Callable], Callable]:
    """Make the decorator that puts a choice of views into the registry.

    Args:
        name: str, as users write it.
        any_size: bool, whether the stacks have other sizes than the contract's.

    Returns:
        Decorator, which returns the function unchanged but for an attribute.
    """

    def register(function: Callable) -> Callable:
        function.any_size = any_size
        return registering(VIEWS)(name)(function)

    return register


def check_sides(sides: Sequence[int]) -> None:
    """Refuse no size at all."""
    if not sides:
        raise ValueError("sides must name at least one shorter side, as in [224, 256]; received none.")


@view("single")
def single(image: tf.Tensor, contract: Preprocessing) -> list[tf.Tensor]:
    """Show the central crop that the input contract asks for.

    Args:
        image: tensor (height, width, channels).
        contract: Preprocessing.

    Returns:
        List of a tensor (1, *size, channels).

    Source: arXiv 1512.03385, section 4.2, "we only evaluate the single view of the original 32x32 image".
    """
    return [contract.resize(image[None])]


@view("flip")
def flip(image: tf.Tensor, contract: Preprocessing) -> list[tf.Tensor]:
    """Show the central crop and its mirror image.

    Args:
        image: tensor (height, width, channels).
        contract: Preprocessing.

    Returns:
        List of a tensor (2, *size, channels).

    Source: arXiv 1409.1556, section 3.2, which averages over an image and its mirror image.
    """
    return [_with_mirrored(contract.resize(image[None]))]


@view("ten_crop")
def ten_crop(
    image: tf.Tensor,
    contract: Preprocessing,
    *,
    crop: Annotated[float, Range(0, 1, above=True), "share of the shorter side that each crop keeps"] = 0.875,
) -> list[tf.Tensor]:
    """Show crops of the four corners and the center, and their mirror images.

    Args:
        image: tensor (height, width, channels).
        contract: Preprocessing, whose own crop is left out of account.
        crop: float, share of the shorter side that a crop keeps: 224 of 256 pixels, as in the paper, unless given.

    Returns:
        List of a tensor (10, *size, channels).

    Source: arXiv 1512.03385, section 3.4, "the standard 10-crop testing" of Krizhevsky et al. 2012, section 4.1.
    """
    import tensorflow as tf

    rows, columns = dataclasses.replace(contract, crop=crop).window(image[None])
    bottom, right = tf.shape(image)[0] - rows, tf.shape(image)[1] - columns
    places = ((0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2))
    crops = [image[top : top + rows, left : left + columns] for top, left in places]
    return [_with_mirrored(contract.fit(tf.stack(crops)))]


@view("multi_scale", any_size=True)
def multi_scale(
    image: tf.Tensor,
    contract: Preprocessing,
    *,
    sides: Annotated[
        tuple[Annotated[int, Range(1, LARGEST_SIDE, closed=True)], ...],
        "shorter sides of the whole image, in pixels",
        check_sides,
    ] = (224, 256, 384, 480, 640),
    mirrored: Annotated[bool, "whether mirror images are shown too"] = False,
) -> list[tf.Tensor]:
    """Show the whole image at several sizes, which the network takes as its fully convolutional form.

    Args:
        image: tensor (height, width, channels).
        contract: Preprocessing, whose own size and crop are left out of account.
        sides: tuple of int, shorter sides of the image, in pixels; those of the paper unless given.
        mirrored: bool, whether mirror images are shown too.

    Returns:
        List of tensors (1 or 2, height, width, channels), one a side.

    Source: arXiv 1512.03385, section 3.4, "fully-convolutional form ... average the scores at multiple scales".
    """
    stacks = [_scaled(image, side, contract.interpolation) for side in sides]
    return [_with_mirrored(stack) for stack in stacks] if mirrored else stacks


def _with_mirrored(stack: tf.Tensor) -> tf.Tensor:
    """Put mirror images behind the images."""
    import tensorflow as tf

    return tf.concat([stack, stack[:, :, ::-1]], axis=0)


def _scaled(image: tf.Tensor, side: int, interpolation: str) -> tf.Tensor:
    """Resize an image, as a stack of one, so that its shorter side has so many pixels."""
    import tensorflow as tf

    before = image.shape[:2]
    if None in before:
        before = tf.cast(tf.shape(image)[:2], tf.float32)
        size = tf.cast(tf.round(side * before / tf.reduce_min(before)), tf.int32)
    else:
        size = [round(side * own / min(before)) for own in before]
    images = tf.image.resize(tf.cast(image[None], tf.float32), size, interpolation, antialias=True)
    return tf.clip_by_value(images, 0, 255)  # bicubic weights may lead beyond black and white
