"""What is refused before a run begins, or goes on."""

from __future__ import annotations

import keras

from training.config import RunConfig
from training.config.fields import OF_THE_MACHINE, flat_config, name_of
from training.run_folder import RunFolder


def check_start(config: RunConfig) -> None:
    """Refuse fields that only mean something for weights to start from, where there are none."""
    asked = {"new_head": config.start.new_head or None, "standardize": config.data.standardize}
    for field, value in asked.items():
        if not config.start.weights and value in (True, "weights"):
            raise ValueError(f"{field}={value} needs weights, the network to start from.")


def check_export(export: bool) -> None:
    """Refuse to export at the end of a run that computes on another backend than TensorFlow."""
    if export and keras.backend.backend() != "tensorflow":
        raise ValueError(
            "--export writes a SavedModel, which needs the backend TensorFlow. Leave it out, and export the run by "
            "KERAS_BACKEND=tensorflow python -m training export RUN."
        )


def check_compiled(config: RunConfig) -> None:
    """Refuse XLA where runs repeat bit for bit: Keras on TensorFlow would do without it, and only warn."""
    if keras.backend.backend() == "tensorflow" and config.hardware.jit_compile and config.deterministic:
        raise ValueError(
            "jit_compile=True compiles nothing in a run that repeats bit for bit, for Keras leaves XLA out there. "
            "Leave it out, or pass --no-deterministic too."
        )


def check_scales(model: keras.Model, config: RunConfig) -> None:
    """Refuse to fix the scales of normalizations that begin at zero: nothing before them would ever learn."""
    if config.optimizer.get("scale_share") != 0:
        return
    shut = [v.path.split("/")[0] for v in model.trainable_variables if v.name == "gamma" and not v.numpy().any()]
    if shut:
        raise ValueError(
            f"optimizer.scale_share=0 fixes scales, and those of {shut[0]} are zeros: nothing before them would ever "
            "learn. Leave out zero_init_residual=True; weights to start from may hold such scales too."
        )


def check_resumable(folder: RunFolder, config: RunConfig) -> None:
    """Refuse to go on with a run under another configuration, or with one of version 0.1.0."""
    before = folder.read_config()
    if folder.is_former():
        raise ValueError(
            f"{folder.path} is a run of version 0.1.0 and cannot be resumed: augmentation draws other random numbers "
            "today. Evaluate, export or fine-tune it as it is, or start it anew with --overwrite."
        )
    old, new = flat_config(before), flat_config(config)
    changed = [
        name for name in (*old, *(new.keys() - old)) if name not in OF_THE_MACHINE and old.get(name) != new.get(name)
    ]
    if changed:
        differences = ", ".join(f"{name_of(name)} was {old.get(name)!r}" for name in changed)
        raise ValueError(f"{folder.path} cannot be resumed with other settings: {differences}.")
    if not folder.checkpoint_file.is_file():
        raise ValueError(f"{folder.path} holds no checkpoint to resume from; start it anew with --overwrite.")
