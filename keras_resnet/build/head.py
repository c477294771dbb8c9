"""What ends a network: the pool over the last map, fully connected layers, the classifier."""

from __future__ import annotations

from numbers import Integral

import keras

from keras_resnet.architecture import Architecture
from keras_resnet.build.operations import normalize_and_activate, penalty
from keras_resnet.choices.activations import KERAS_FUNCTIONS, UNFIT
from keras_resnet.layers.conventions import he_initializer, spatial_axes
from keras_resnet.messages import unknown

TOP = "predictions"  # the layer of the classifier
FLOAT32_HEAD = ("avg_pool", "dropout", TOP)  # the layers that compute in float32 under any dtype policy
POOLING = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}


def build_head(architecture: Architecture, x, classes: int, activation: str | None):
    """Pool globally and classify, in float32 under any dtype policy; the activation None gives logits.

    Source: arXiv 1512.03385, Table 1; initialization as in the authors' Torch code.
    """
    x = global_pool(hidden_layers(architecture, x))
    if architecture.classifier_dropout and not architecture.hidden:
        x = keras.layers.Dropout(architecture.classifier_dropout, dtype="float32", name="dropout")(x)
    return classifier(x, classes, activation, penalty(architecture))


def global_pool(x):
    """Average the last feature map, in float32 under any dtype policy."""
    return keras.layers.GlobalAveragePooling2D(dtype="float32", name="avg_pool")(x)


def classifier(x, classes: int, activation: str | None, penalty: keras.regularizers.Regularizer | None = None):
    """Classify a vector, in float32 under any dtype policy; the activation None gives logits."""
    check_activation(activation)
    return keras.layers.Dense(
        classes,
        activation=activation,
        kernel_initializer=keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
        kernel_regularizer=penalty,
        dtype="float32",
        name=TOP,
    )(x)


def hidden_layers(architecture: Architecture, x):
    """Lay out the fully connected layers before the classifier, as convolutions; the first one spans the map.

    Source: arXiv 1409.1556, Table 1, "FC-4096", and section 3.2, which makes the same convolutions of them.
    """
    for index, width in enumerate(architecture.hidden, start=1):
        x = keras.layers.Conv2D(
            width * architecture.pieces,
            tuple(x.shape[axis] for axis in spatial_axes()),
            kernel_initializer=he_initializer(architecture.init_gain),
            kernel_regularizer=penalty(architecture),
            name=f"fc{index}",
        )(x)
        x = normalize_and_activate(architecture, x, ("act",), f"fc{index}")
        if architecture.classifier_dropout:
            x = keras.layers.Dropout(architecture.classifier_dropout, name=f"fc{index}_dropout")(x)
    return x


def pooled(x, pooling: str | None):
    """Pool the last feature map of a network without its top, where that is asked for."""
    return x if pooling is None else POOLING[pooling](name=f"{pooling}_pool")(x)


def pooling_of(model: keras.Model) -> str | None:
    """Tell how a network without its top pools the last map; None where it does not, or has its top."""
    return next((pooling for pooling in POOLING if model.layers[-1].name == f"{pooling}_pool"), None)


def has_top(model: keras.Model) -> bool:
    """Tell whether a network ends in its classifier."""
    return any(layer.name == TOP for layer in model.layers)


def has_sigmoids(model: keras.Model) -> bool:
    """Tell whether a network ends in a probability of each class by itself: an image may have any number of them."""
    return getattr(model.layers[-1], "activation", None) is keras.activations.sigmoid


def has_logits(model: keras.Model) -> bool:
    """Tell whether a network ends in logits, of which a softmax makes probabilities."""
    return getattr(model.layers[-1], "activation", None) is keras.activations.linear


def check_classes(classes: int) -> int:
    """Refuse a number of classes that is not a positive integer."""
    if isinstance(classes, bool) or not isinstance(classes, Integral) or classes < 1:
        raise ValueError(f"classes must be a positive integer; received {classes!r}.")
    return int(classes)


def check_activation(activation: object) -> None:
    """Refuse what is no activation, and one of Keras that does not give a number for each class."""
    if isinstance(activation, str) and activation in UNFIT:
        raise ValueError(
            f"classifier_activation={activation!r} cannot end a classifier, for it does not make one number of each; "
            "give 'softmax', 'sigmoid', or None for logits."
        )
    try:
        keras.activations.get(activation)
    except ValueError:
        raise ValueError(unknown("classifier_activation", activation, KERAS_FUNCTIONS)) from None
