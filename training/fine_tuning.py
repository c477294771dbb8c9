"""Fine-tuning: a trained network for another data set, as one call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from training.config import load_recipe, make_config

RECIPE = "fine-tune"


def fine_tune(
    weights: str | os.PathLike,
    run_dir: str | os.PathLike,
    recipe: str = RECIPE,
    overwrite: bool = False,
    export: bool = False,
    **fields: Any,
) -> dict[str, Any]:
    """Put a new classifier on a trained network and train both on another data set, the head first.

    The same as `python -m training --recipe fine-tune --weights WEIGHTS --run-dir RUN_DIR`, with fields as options.
    Seeds, dtype policy and determinism of the process are after it as they were before.

    Args:
        weights: run folder, file of this package, checkpoint of others, "hf://owner/name", or "imagenet" with
            `network`.
        run_dir: folder to make for the run.
        recipe: str, name of the recipe that gives all other fields.
        overwrite: bool, whether to replace a run in that folder.
        export: bool, whether to write a SavedModel too.
        **fields: fields of `RunConfig` to set otherwise, by short name or in groups, as in `data_dir="flowers"`,
            `freeze=("conv1", "conv2")`, `start={"head_epochs": 2}`, `optimizer={"name": "sgd", "learning_rate": 0.01}`.

    Returns:
        Dict of the test results: split, examples, loss and accuracy.

    Raises:
        ValueError: something in the fields, the data, the weights or the folder does not work.
        OSError: a file cannot be written.
    """
    from training.run import train  # imports TensorFlow
    from training.run_folder import RunFolder

    config = make_config({**fields, "weights": os.fspath(weights)}, "fine_tune", load_recipe(recipe))
    return train(config, RunFolder(Path(run_dir)), overwrite=overwrite, export=export)
