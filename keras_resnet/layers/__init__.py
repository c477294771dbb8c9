"""The serializable layers that Keras lacks, one file a kind. Importing them registers them with Keras."""

from keras_resnet.layers.activations import Maxout, PiecewiseLinear, Rational, TrainableSwish
from keras_resnet.layers.normalization import BatchNormalization
from keras_resnet.layers.padding import MaxPoolPadding2D, ZeroPadChannels

__all__ = [
    "BatchNormalization",
    "MaxPoolPadding2D",
    "Maxout",
    "PiecewiseLinear",
    "Rational",
    "TrainableSwish",
    "ZeroPadChannels",
]
