"""What a network costs, what its units look like, and what it sees."""

from keras_resnet.analysis.complexity import count_multiply_adds, count_parameters
from keras_resnet.analysis.curves import (
    draw_gradients,
    draw_identity_distances,
    draw_lesions,
    draw_line,
    draw_negative_shares,
    draw_paths,
    draw_propagation,
    draw_responses,
)
from keras_resnet.analysis.drawing import draw_units
from keras_resnet.analysis.factors import Factor, propagation
from keras_resnet.analysis.gradients import GradientRecorder, gradient_norms
from keras_resnet.analysis.graph import UnitGraph, graph_between, unit_graph
from keras_resnet.analysis.identity import IdentityDistance, identity_distances
from keras_resnet.analysis.lines import PlaceOnLine, loss_along_line
from keras_resnet.analysis.maps import draw_kernels, draw_maps, feature_maps, first_kernels
from keras_resnet.analysis.paths import Lesion, PathLength, lesions, path_gradients, path_lengths
from keras_resnet.analysis.receptive import ReceptiveField, receptive_fields
from keras_resnet.analysis.responses import layer_responses
from keras_resnet.analysis.side_by_side import draw_comparison
from keras_resnet.analysis.signs import NegativeShare, negative_shares
from keras_resnet.analysis.summary import Stage, Summary, summarize
from keras_resnet.analysis.tables import comparison_table, stage_table
from keras_resnet.analysis.xor import XorFit, draw_xor, fit_xor

__all__ = [
    "Factor",
    "GradientRecorder",
    "IdentityDistance",
    "Lesion",
    "NegativeShare",
    "PathLength",
    "PlaceOnLine",
    "ReceptiveField",
    "Stage",
    "Summary",
    "UnitGraph",
    "XorFit",
    "comparison_table",
    "count_multiply_adds",
    "count_parameters",
    "draw_comparison",
    "draw_gradients",
    "draw_identity_distances",
    "draw_kernels",
    "draw_lesions",
    "draw_line",
    "draw_maps",
    "draw_negative_shares",
    "draw_paths",
    "draw_propagation",
    "draw_responses",
    "draw_units",
    "draw_xor",
    "feature_maps",
    "first_kernels",
    "fit_xor",
    "gradient_norms",
    "graph_between",
    "identity_distances",
    "layer_responses",
    "lesions",
    "loss_along_line",
    "negative_shares",
    "path_gradients",
    "path_lengths",
    "propagation",
    "receptive_fields",
    "stage_table",
    "summarize",
    "unit_graph",
]
