"""What a network is: the value, its rules, the catalogue of named ones. Making a value makes no layer."""

from keras_resnet.architecture.table import FIELDS
from keras_resnet.architecture.value import Architecture

__all__ = ["FIELDS", "Architecture"]
