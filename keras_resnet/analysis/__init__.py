"""What a network costs, what its units look like, and what it sees."""

from keras_resnet.analysis.complexity import count_multiply_adds, count_parameters
from keras_resnet.analysis.drawing import draw_units
from keras_resnet.analysis.factors import Factor, propagation
from keras_resnet.analysis.gradients import gradient_norms
from keras_resnet.analysis.graph import UnitGraph, graph_between, unit_graph
from keras_resnet.analysis.identity import IdentityDistance, identity_distances
from keras_resnet.analysis.paths import Lesion, PathLength, lesions, path_gradients, path_lengths
from keras_resnet.analysis.receptive import ReceptiveField, receptive_fields
from keras_resnet.analysis.responses import layer_responses
from keras_resnet.analysis.side_by_side import draw_comparison
from keras_resnet.analysis.signs import NegativeShare, negative_shares
from keras_resnet.analysis.summary import Stage, Summary, summarize
from keras_resnet.analysis.tables import comparison_table, stage_table

__all__ = [
    "Factor",
    "IdentityDistance",
    "Lesion",
    "NegativeShare",
    "PathLength",
    "ReceptiveField",
    "Stage",
    "Summary",
    "UnitGraph",
    "comparison_table",
    "count_multiply_adds",
    "count_parameters",
    "draw_comparison",
    "draw_units",
    "gradient_norms",
    "graph_between",
    "identity_distances",
    "layer_responses",
    "lesions",
    "negative_shares",
    "path_gradients",
    "path_lengths",
    "propagation",
    "receptive_fields",
    "stage_table",
    "summarize",
    "unit_graph",
]
