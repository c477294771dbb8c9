"""Resizing as two matrix products: what every format can hold, for images of any size.

`Preprocessing.resize` uses TensorFlow's antialiased resize, for which ONNX, OpenVINO and LiteRT have no operation, or
one that computes something else. The weights of a pixel on either side are a matrix, which the size of the images
decides, and so plain arithmetic; the result is the same.
"""

from __future__ import annotations

from collections.abc import Callable

from keras import ops

from keras_resnet.preprocessing import Preprocessing


def resized(images, contract: Preprocessing):
    """Cut the central crop of the network's aspect and resize it, as `Preprocessing.resize` does.

    Args:
        images: tensor (batch, height, width, channels), values 0 to 255.
        contract: Preprocessing.

    Returns:
        float32 tensor (batch, *size, channels).

    Source: `tf.image.resize` with antialias=True, which stretches the kernel by the factor of shrinking and normalizes
        what of it lies inside of the image.
    """
    images = ops.cast(images, "float32")
    if tuple(images.shape[1:3]) == contract.size and contract.crop == 1:
        return images
    count, height, width, channels = ops.shape(images)
    rows, columns = contract.window(images)
    down = _weights(contract.size[0], height, rows, KERNELS[contract.interpolation])
    across = _weights(contract.size[1], width, columns, KERNELS[contract.interpolation])
    lines = ops.matmul(down, ops.reshape(images, (count, height, width * channels)))
    fitted = ops.matmul(across, ops.reshape(lines, (count * contract.size[0], width, channels)))
    fitted = ops.reshape(fitted, (count, *contract.size, channels))
    # Bicubic weights may be below zero, and lead beyond black and white.
    return ops.clip(fitted, 0, 255) if contract.interpolation == "bicubic" else fitted


def _weights(size: int, side, window, kernel: Callable):
    """Weigh the pixels of a side, of which the central window is resized, for each of `size` pixels."""
    first, side, window = (ops.cast(value, "float32") for value in ((side - window) // 2, side, window))
    step = window / size
    pixels = ops.arange(0.0, side, dtype="float32") - first + 0.5
    centers = (ops.arange(size, dtype="float32") + 0.5) * step
    distances = ops.abs(centers[:, None] - pixels[None, :]) / ops.maximum(step, 1.0)
    is_inside = ops.cast(ops.logical_and(pixels > 0, pixels < window), "float32")
    weights = kernel(distances) * is_inside[None, :]
    return weights / ops.sum(weights, axis=1, keepdims=True)


def _triangle(distance):
    return ops.relu(1.0 - distance)


def _keys_cubic(distance):
    """Weigh by the cubic convolution of Keys with a = -1/2.

    Source: R. Keys, Cubic convolution interpolation for digital image processing, 1981, equation 15.
    """
    near = (1.5 * distance - 2.5) * distance * distance + 1.0
    far = ((2.5 - 0.5 * distance) * distance - 4.0) * distance + 2.0
    return ops.where(distance < 1.0, near, ops.where(distance < 2.0, far, 0.0))


KERNELS: dict[str, Callable] = {"bilinear": _triangle, "bicubic": _keys_cubic}
