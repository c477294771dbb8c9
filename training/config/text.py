"""YAML as configurations are written in."""

from __future__ import annotations

import re
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Reads 1e-4 as a number, as YAML 1.2 does, where YAML 1.1 wants 1.0e-4."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_yaml(text: str) -> Any:
    """Read YAML; raises yaml.YAMLError where the text is not valid."""
    return yaml.load(text, _Loader)


def read_inline(name: str, text: str) -> Any:
    """Read a mapping or a list that is written in one line, as the value of a field."""
    try:
        return read_yaml(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{name}={text!r} is not a mapping or a list, such as '{{name: A, zeros: both}}'.") from error


def write_inline(value: Any) -> str:
    """Write a value as YAML in one line, as in `[{name: pad_crop, pixels: 2}, flip]`."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).removesuffix("...\n").strip()
