"""The search: which activation, which shortcut, which of any other choice learns best."""

try:
    import keras_tuner  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"tuning needs more than training does ({error}). "
        "Install it with: pip install 'keras-resnet-suite[cpu,train,tune]' (or '[gpu,train,tune]')."
    ) from error
