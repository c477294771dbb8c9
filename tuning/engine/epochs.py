"""How many epochs the runs of a study make, where its points decide that."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from training.config import Data, RunConfig
from training.config.fields import SHORT, flatten
from training.plan import Plan
from tuning.space.reading import searched_paths
from tuning.study import Study

if TYPE_CHECKING:
    from training.data.datasets import Source


def deciding_lengths(study: Study) -> list[str]:
    """Name the fields of the space by which runs make more epochs or fewer; none where all make as many."""
    searched = {SHORT.get(one.name, one.name) for one in study.parsed_space.dimensions if one.is_open}
    in_steps = "iterations" in searched_paths(study.space) or flatten(study.fields).get("iterations")
    return sorted(searched & {"epochs", "iterations", *(["batch_size"] if in_steps else [])})


def epochs_of_point(study: Study, config: RunConfig, planned: int) -> int:
    """Count the epochs of a run of a point; `planned` are those of all points where none decides them."""
    return epochs_of_run(config, planned) if deciding_lengths(study) else config.epochs or planned


def epochs_of_run(config: RunConfig, planned: int) -> int:
    """Count the epochs of a run; `planned` stand for those of one that cannot be, as with too large a batch."""
    if config.epochs:
        return config.epochs
    with contextlib.suppress(ValueError):
        return Plan.of(_source(config.data.model_dump_json()), config).epochs
    return planned


@functools.lru_cache(maxsize=8)
def _source(data: str) -> Source:
    """Open a data set, whose images are looked at once."""
    from training.data.datasets import open_source  # imports TensorFlow Datasets

    return open_source(Data.model_validate_json(data))
