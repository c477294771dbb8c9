"""Weights that other people trained: read, renamed, checked and loaded."""

from keras_resnet.weights.loading import load_weights_from, network_of

__all__ = ["load_weights_from", "network_of"]
