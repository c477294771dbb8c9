"""Training of residual networks: configuration, data, strategies, runs."""

import keras_resnet  # noqa: F401 - says what is missing, and begins a command

try:
    import pydantic  # noqa: F401 - stands for all that the extra installs
    import tyro  # noqa: F401
    import yaml  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"training needs more than keras_resnet does ({error}). "
        "Install it with: pip install 'keras-resnet-suite[cpu,train]' (or '[gpu,train]')."
    ) from error

from training.calls import fine_tune, predict, train

__all__ = ["fine_tune", "predict", "train"]
