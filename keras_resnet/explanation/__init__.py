"""Where in an image the answer of a network comes from: maps of class activation, gradients, occlusion."""

from keras_resnet.explanation.explaining import Explanation, explain
from keras_resnet.explanation.methods import METHODS

__all__ = ["METHODS", "Explanation", "explain"]
