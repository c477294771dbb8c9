"""Residual networks for Keras: every network and variant of arXiv 1512.03385 and 1603.05027."""

import importlib

from keras_resnet import face, startup

__version__ = "0.2.0"
__all__ = sorted(face.MODULES)


def __getattr__(name: str) -> object:
    """Import the module of a public name when the name is first asked for."""
    if name not in face.MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(importlib.import_module(f"{__name__}.{face.MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if startup.is_command():
    startup.begin_command()  # a command imports Keras when it needs it, which --help does not
else:
    startup.import_keras()
    # Importing the package registers the layers and the model, so that its `.keras` files can be loaded.
    importlib.import_module(f"{__name__}.layers")
    importlib.import_module(f"{__name__}.model")
