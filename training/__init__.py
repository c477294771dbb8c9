"""Training of residual networks: configuration, data, strategies, runs."""

from training.interrupts import end_on_interrupt, is_command

if is_command("training", "tuning"):
    end_on_interrupt()

try:
    import pydantic  # noqa: F401 - stands for all that the extra installs
    import tyro  # noqa: F401
    import yaml  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"training needs more than keras_resnet does ({error}). "
        "Install it with: pip install 'keras-resnet-suite[cpu,train]' (or '[gpu,train]')."
    ) from error

from training.fine_tuning import fine_tune

__all__ = ["fine_tune"]
