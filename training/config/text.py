"""Values of fields as YAML in one line."""

from __future__ import annotations

from typing import Any

import yaml

from keras_resnet.yaml_text import read_yaml


def read_inline(name: str, text: str) -> Any:
    """Read a mapping or a list that is written in one line, as the value of a field."""
    try:
        return read_yaml(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{name}={text!r} is not a mapping or a list, such as '{{name: A, zeros: both}}'.") from error


def read_choice(name: str, text: str) -> Any:
    """Read a choice as users write it: a name as it is, a mapping or a list as YAML."""
    return read_inline(name, text) if text.lstrip().startswith(("{", "[")) else text


def write_inline(value: Any) -> str:
    """Write a value as YAML in one line, as in `[{name: pad_crop, pixels: 2}, flip]`."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).removesuffix("...\n").strip()
