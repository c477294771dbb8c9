"""Weights that others made: files of torch, safetensors, NumPy and Keras as named arrays."""

from keras_resnet.weights.files.readers import Tensors, read_tensors
from keras_resnet.weights.naming import strip_prefixes

__all__ = ["Tensors", "read_tensors", "strip_prefixes"]
