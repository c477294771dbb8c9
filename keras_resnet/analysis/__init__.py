"""What a network costs, what its units look like, and what it sees."""

from keras_resnet.analysis.complexity import count_multiply_adds, count_parameters
from keras_resnet.analysis.drawing import draw_units
from keras_resnet.analysis.graph import UnitGraph, graph_between, unit_graph
from keras_resnet.analysis.receptive import ReceptiveField, receptive_fields
from keras_resnet.analysis.side_by_side import draw_comparison
from keras_resnet.analysis.summary import Stage, Summary, summarize
from keras_resnet.analysis.tables import comparison_table, stage_table

__all__ = [
    "ReceptiveField",
    "Stage",
    "Summary",
    "UnitGraph",
    "comparison_table",
    "count_multiply_adds",
    "count_parameters",
    "draw_comparison",
    "draw_units",
    "graph_between",
    "receptive_fields",
    "stage_table",
    "summarize",
    "unit_graph",
]
