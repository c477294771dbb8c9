"""Naming schemes of other code, one module each. A module that has a `SOURCE` is found here by its presence."""

from __future__ import annotations

import importlib
import pkgutil
import re

from keras_resnet.weights.naming import Arrays, Source

_MODULES = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
SOURCES: dict[str, Source] = {module.__name__.rpartition(".")[2]: module.SOURCE for module in _MODULES}


def recognize(arrays: Arrays) -> Source:
    """Find the naming scheme of a file by the names of its layers, without common prefixes."""
    layers = {name.rpartition(".")[0] or name.rpartition("/")[0] for name in arrays}
    for source in SOURCES.values():
        if all(any(re.fullmatch(mark, layer) for layer in layers) for mark in source.marks):
            return source
    titles = ", ".join(source.title for source in SOURCES.values())
    some = ", ".join(list(arrays)[:3])
    raise ValueError(f"no known naming: the tensors begin with {some}. Known are those of {titles}.")
