"""YAML as users write it, on the command line and in files."""

from __future__ import annotations

import re
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Reads 1e-4 as a number, as YAML 1.2 does, where YAML 1.1 wants 1.0e-4."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read_yaml(text: str) -> Any:
    """Read YAML; raises yaml.YAMLError where the text is not valid."""
    return yaml.load(text, _Loader)
