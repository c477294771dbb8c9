"""Residual networks for Keras: every network and variant of arXiv 1512.03385 and 1603.05027."""

try:
    import keras  # noqa: F401 - fails where no backend is installed
except ImportError as error:
    raise ImportError(
        "keras_resnet needs Keras and a backend, and Keras could not be imported "
        f"({error}). Install TensorFlow with: pip install 'keras-resnet-suite[cpu]' (or '[gpu]'); "
        "or set KERAS_BACKEND to a backend that is installed."
    ) from error

from keras_resnet.activations import activation_factory
from keras_resnet.architecture import Architecture
from keras_resnet.builders import (
    Plain18,
    Plain20,
    Plain32,
    Plain34,
    Plain44,
    Plain56,
    Plain110,
    ResNet18,
    ResNet18V2,
    ResNet20,
    ResNet20V2,
    ResNet32,
    ResNet32V2,
    ResNet34,
    ResNet34V2,
    ResNet44,
    ResNet44V2,
    ResNet50,
    ResNet50V2,
    ResNet56,
    ResNet56V2,
    ResNet101,
    ResNet101V2,
    ResNet110,
    ResNet110V2,
    ResNet152,
    ResNet152V2,
    ResNet164,
    ResNet164V2,
    ResNet200,
    ResNet200V2,
    ResNet1001,
    ResNet1001V2,
    ResNet1202,
    ResNet1202V2,
)
from keras_resnet.catalogue import CATALOGUE, cifar, get_architecture, imagenet
from keras_resnet.layers import BatchNormalization, MaxPoolPadding2D, ResidualNetwork, ZeroPadChannels
from keras_resnet.network import ResNet

__version__ = "0.1.0"

__all__ = [
    "CATALOGUE",
    "Architecture",
    "BatchNormalization",
    "MaxPoolPadding2D",
    "Plain18",
    "Plain20",
    "Plain32",
    "Plain34",
    "Plain44",
    "Plain56",
    "Plain110",
    "ResNet",
    "ResNet18",
    "ResNet18V2",
    "ResNet20",
    "ResNet20V2",
    "ResNet32",
    "ResNet32V2",
    "ResNet34",
    "ResNet34V2",
    "ResNet44",
    "ResNet44V2",
    "ResNet50",
    "ResNet50V2",
    "ResNet56",
    "ResNet56V2",
    "ResNet101",
    "ResNet101V2",
    "ResNet110",
    "ResNet110V2",
    "ResNet152",
    "ResNet152V2",
    "ResNet164",
    "ResNet164V2",
    "ResNet200",
    "ResNet200V2",
    "ResNet1001",
    "ResNet1001V2",
    "ResNet1202",
    "ResNet1202V2",
    "ResidualNetwork",
    "ZeroPadChannels",
    "activation_factory",
    "cifar",
    "get_architecture",
    "imagenet",
]
