"""Naming schemes of other code, one module each. A module that has a `SOURCE` is found here by its presence.

Those that have `FILES`, the names under which their code writes weights into a folder, read with `describe` what it
writes beside them.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re

from keras_resnet.weights.description import Description
from keras_resnet.weights.naming import Arrays, Source

_NAMES = [module.name for module in pkgutil.iter_modules(__path__)]
_MODULES = {name: importlib.import_module(f"{__name__}.{name}") for name in _NAMES}
SOURCES: dict[str, Source] = {name: module.SOURCE for name, module in _MODULES.items() if hasattr(module, "SOURCE")}


def recognize(arrays: Arrays) -> Source:
    """Find the naming scheme of a file by the names of its layers, without common prefixes."""
    layers = {name.rpartition(".")[0] or name.rpartition("/")[0] for name in arrays}
    for source in SOURCES.values():
        if all(any(re.fullmatch(mark, layer) for layer in layers) for mark in source.marks):
            return source
    titles = ", ".join(source.title for source in SOURCES.values())
    some = ", ".join(list(arrays)[:3])
    raise ValueError(f"no known naming: the tensors begin with {some}. Known are those of {titles}.")


def describe(path: str) -> Description:
    """Find what stands inside or beside a file of weights about its network."""
    found = (module.describe(path) for module in _MODULES.values() if hasattr(module, "describe"))
    return next(filter(None, found), Description())


def weights_of_folder(path: str) -> str:
    """Find the weights in a folder as other code writes it: those of a whole task where there are such."""
    files = (file for module in _MODULES.values() for file in getattr(module, "FILES", ()))
    return next((found for file in files if os.path.isfile(found := os.path.join(path, file))), path)
