"""What stem, units and head are made of: convolutions, normalizations, activations."""

from __future__ import annotations

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.choices.activations import activation_factory
from keras_resnet.layers.conventions import channel_axis, he_initializer
from keras_resnet.layers.normalization import BatchNormalization


def penalty(architecture: Architecture) -> keras.regularizers.Regularizer | None:
    """Make the penalty on a kernel, or None."""
    l1, l2 = architecture.l1, architecture.l2
    return keras.regularizers.L1L2(l1, l2) if l1 or l2 else None


def normalize_and_activate(architecture: Architecture, x, words: tuple[str, ...], name: str, gamma: str = "ones"):
    """Apply normalizations and activations in the order of the words "norm" and "act".

    An activation's name ends in `_relu` whatever the function, so that names stay those of keras.applications; `gamma`
    is Keras's name of the initializer of the normalizations' scale.
    """
    for word in words:
        if word == "norm" and architecture.normalization == "none":
            continue
        if word == "norm":
            x = BatchNormalization(
                axis=channel_axis(),
                momentum=architecture.norm_momentum,
                epsilon=architecture.norm_epsilon,
                gamma_initializer=gamma,
                synchronized=architecture.synchronized,
                name=f"{name}_bn",
            )(x)
        else:
            x = activation_factory(architecture.activation)(name=f"{name}_relu")(x)
    return x


def convolution(
    architecture: Architecture,
    x,
    filters: int,
    kernel: int,
    name: str,
    *,
    site: str,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
):
    """Convolve, with the padding of the architecture and He's initialization; `site` is one of its `biased`.

    TensorFlow's "same" equals symmetric padding at stride 1; at stride 2 it shifts even sizes by a pixel, so a
    strided convolution is padded by a layer of its own.

    Source: arXiv 1502.01852, equation 10 in its fan-out form, as the authors' Torch code has it.
    """
    padding = "same"
    if stride > 1 and kernel > 1 and architecture.padding == "symmetric":
        x = keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
        padding = "valid"
    return keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding=padding,
        groups=groups,
        dilation_rate=dilation,
        use_bias=site in architecture.biased,
        kernel_initializer=he_initializer(architecture.init_gain),
        kernel_regularizer=penalty(architecture),
        name=f"{name}_conv",
    )(x)
