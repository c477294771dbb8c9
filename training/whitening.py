"""The stem as a fixed whitening of image patches, set before the first step."""

from __future__ import annotations

from collections.abc import Iterable

import keras
import numpy as np

from keras_resnet.choices.stems import STEMS
from training.config import RunConfig, Start
from training.data.batches import sample_batches
from training.data.datasets import Source

IMAGES, BATCH = 5000, 250  # training images, drawn at random, whose patches are looked at
REGULARIZER = 1e-2  # added to the variances, so that directions in which patches hardly vary are not all noise


def whiten_stem(model: keras.Model, config: RunConfig, source: Source) -> None:
    """Let the stem of a new network whiten patches of training images, where the configuration asks for it.

    Args:
        model: keras.Model of this package, which carries its input contract.
        config: RunConfig.
        source: Source.

    Raises:
        ValueError: as of `check_whitening`.
    """
    if (side := config.start.whiten) is None:
        return
    check_whitening(model, config.start)
    batches = sample_batches(source, model.preprocessing, IMAGES, BATCH, config.seed)
    whiten(model, (images for images, _ in batches.as_numpy_iterator()), side)


def check_whitening(model: keras.Model, start: Start) -> None:
    """Refuse to whiten by a stem that cannot.

    Args:
        model: keras.Model of this package, as it was built.
        start: Start of the run's configuration.

    Raises:
        ValueError: weights set the stem already; the stem has not one convolution, or one of smaller kernels; or too
            many filters, or an odd number of them.
    """
    side, asked = start.whiten, f"start.whiten={start.whiten} sets the stem of a new network"
    if start.weights:
        raise ValueError(f"{asked}, and weights={start.weights!r} bring their own; leave one of them out.")
    stem = model.architecture.stem
    kernels = STEMS[stem].kernels
    if len(kernels) != 1 or kernels[0] < side:
        raise ValueError(
            f"{asked}, which must have one convolution, of at least {side}x{side}; the stem {stem!r} has "
            f"{' and '.join(f'{kernel}x{kernel}' for kernel in kernels) or 'none'}."
        )
    *_, channels, filters = kernel_of(model).shape
    most = 2 * side * side * channels
    if filters % 2 or filters > most:
        raise ValueError(
            f"{asked}, two filters for each direction in patches of {side}x{side}x{channels} values: an even number "
            f"up to {most}; it has {filters}. Set stem_width, by network.choices."
        )


def whiten(model: keras.Model, images: Iterable[np.ndarray], side: int) -> None:
    """Set the stem's convolution so that it whitens patches of images.

    Its filters are the directions in which patches vary most, each divided by its deviation and with both signs, since
    an activation follows that cuts one of them off. So all have the same variance from the first step on, and neighbors
    are told apart that natural images make nearly equal.

    Args:
        model: keras.Model of this package, with a stem as of `check_whitening`.
        images: iterable of float arrays (batch, height, width, channels), as the network takes them.
        side: int, of the patches in pixels.

    Source: arXiv 2404.00498, section 3.2.
    """
    kernel = kernel_of(model)
    whitening = whitening_filters(patch_covariance(images, side), kernel.shape[-1])
    values = np.zeros(kernel.shape, "float32")
    values[:side, :side] = whitening.reshape(side, side, *kernel.shape[2:])
    kernel.assign(values)


def patch_covariance(images: Iterable[np.ndarray], side: int) -> np.ndarray:
    """Average the products of any two values of a patch, over patches that touch: row, column and channel in turn."""
    total, count = 0.0, 0
    for batch in images:
        windows = np.lib.stride_tricks.sliding_window_view(batch, (side, side), axis=(1, 2))[:, ::side, ::side]
        patches = np.transpose(windows, (0, 1, 2, 4, 5, 3)).reshape(-1, side * side * batch.shape[-1]).astype("float64")
        total, count = total + patches.T @ patches, count + len(patches)
    return total / count


def whitening_filters(covariance: np.ndarray, count: int) -> np.ndarray:
    """Give so many filters as columns: the strongest directions over their deviations, then the same with minus."""
    variances, directions = np.linalg.eigh(covariance)  # from the weakest to the strongest
    strongest = (directions / np.sqrt(variances + REGULARIZER))[:, ::-1][:, : count // 2]
    return np.concatenate([strongest, -strongest], axis=1)


def kernel_of(model: keras.Model) -> keras.Variable:
    """Give the kernel of the stem's one convolution."""
    return model.get_layer("conv1_conv").kernel
