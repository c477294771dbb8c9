"""Recipes, and configurations in YAML files, those of version 0.1.0 among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from keras_resnet import __version__
from keras_resnet.messages import unknown
from keras_resnet.yaml_text import read_yaml
from training.config import former
from training.config.fields import FIELDS, GROUPS, SHORT, flatten, make_config
from training.config.groups import VERSION


def recipe_names() -> list[str]:
    """Name the recipes that come with the package.

    Returns:
        List of str.
    """
    files = resources.files("training").joinpath("recipes").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load_recipe(name: str) -> dict[str, Any]:
    """Read a recipe.

    Args:
        name: str, one of `recipe_names()`.

    Returns:
        Dict of groups and fields of `RunConfig`.

    Raises:
        ValueError: there is no such recipe.
    """
    if name not in recipe_names():
        raise ValueError(unknown("recipe", name, recipe_names()))
    return read_yaml(resources.files("training").joinpath("recipes", f"{name}.yaml").read_text(encoding="utf-8"))


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping."""
    try:
        fields = read_yaml(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"Cannot read the configuration {str(path)!r}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"The configuration {str(path)!r} is not text in UTF-8.") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{str(path)!r} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(fields, dict):
        raise ValueError(f"{str(path)!r} must hold a mapping of fields, one a line, as in 'epochs: 30'.")
    return fields


def read_fields(path: Path, base: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read fields of a configuration from a YAML file, written in groups or as version 0.1.0 did.

    Args:
        path: Path of the file.
        base: mapping as of `make_config`, such as a recipe, that the fields will be laid over; version 0.1.0 set
            parts of an optimizer, a schedule or an augmentation one by one.

    Returns:
        Dict as of `make_config`.

    Raises:
        ValueError: there is no such file, it is not a mapping of fields, or a newer version wrote it and fields of it
            mean nothing to this one.
    """
    fields = read_mapping(path)
    check_version(path, fields.pop(VERSION, __version__), fields, base)
    return former.translate(fields, flatten(base or {})) if is_former(fields) else fields


def check_version(path: Path, version: Any, fields: Mapping[str, Any], base: Mapping[str, Any] | None) -> None:
    """Refuse fields that a newer version wrote and this one does not understand."""
    if not re.fullmatch(r"\d+(\.\d+)+\S*", str(version)):
        raise ValueError(f"{str(path)!r}: version must be numbers, as in {__version__}; received {version!r}.")
    written, own = ([int(part) for part in re.findall(r"\d+", str(one))] for one in (version, __version__))
    if written <= own:
        return
    try:
        make_config(fields, base=base)
    except ValueError as error:
        raise ValueError(
            f"{str(path)!r} is of version {version}, which this version, {__version__}, does not understand: "
            f"{str(error).rstrip('.')}. Use version {version} or later."
        ) from error


def is_former(fields: Mapping[str, Any]) -> bool:
    """Tell whether fields are those of version 0.1.0: one of them is written otherwise today."""
    return any(name in former.PATHS and name not in SHORT and name not in FIELDS for name in fields)


def is_of_run(fields: Mapping[str, Any]) -> bool:
    """Tell whether a run wrote fields, of this version or another: it names its version and every group."""
    return former.is_complete(fields) or {VERSION, *GROUPS} <= set(fields)
