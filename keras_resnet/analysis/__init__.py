"""What a network costs, and what its units look like."""

from keras_resnet.analysis.complexity import count_multiply_adds, count_parameters
from keras_resnet.analysis.drawing import draw_units
from keras_resnet.analysis.graph import UnitGraph, graph_between, unit_graph

__all__ = ["UnitGraph", "count_multiply_adds", "count_parameters", "draw_units", "graph_between", "unit_graph"]
