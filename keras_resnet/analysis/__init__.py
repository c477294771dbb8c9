"""What a network costs."""

from keras_resnet.analysis.complexity import count_multiply_adds, count_parameters

__all__ = ["count_multiply_adds", "count_parameters"]
