"""The description of a run: its groups, the names of its fields, recipes and files that hold them."""

from training.config.fields import FIELDS, SHORT, explain, make_config
from training.config.files import load_recipe, read_fields, recipe_names
from training.config.groups import Data, Evaluation, Hardware, Network, RunConfig, Start

__all__ = [
    "FIELDS",
    "SHORT",
    "Data",
    "Evaluation",
    "Hardware",
    "Network",
    "RunConfig",
    "Start",
    "explain",
    "load_recipe",
    "make_config",
    "read_fields",
    "recipe_names",
]
