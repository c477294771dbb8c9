"""Names by which classes are shown, instead of those of their folders or labels."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

AS_YAML = (".yaml", ".yml", ".json")
CONTENT = (
    "a CSV file with the columns 'class' and 'name', or a YAML file with a line 'class: name' for each; class is the "
    "folder or label"
)
SHOWN = 5  # classes that a message names


def read_names(given: Any) -> Any:
    """Read names of classes from the file that was given, so that a run holds them and not the file's place."""
    if isinstance(given, Mapping):
        return {str(name): shown for name, shown in given.items()}
    if not isinstance(given, (str, os.PathLike)):
        return given
    path = Path(given)
    read = _read_yaml if path.suffix.lower() in AS_YAML else _read_csv
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            pairs = list(read(file))
    except (OSError, UnicodeDecodeError, csv.Error, yaml.YAMLError, TypeError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ValueError(f"{path} cannot be read ({reason}); it must be {CONTENT}") from error
    if not pairs:
        raise ValueError(f"{path} names no class; it must be {CONTENT}")
    if twice := [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]:
        raise ValueError(f"{path} names the class {twice[0]!r} twice; remove one of the lines")
    if empty := [name or shown for name, shown in pairs if not (name and shown)]:
        raise ValueError(f"{path} holds a class or a name with nothing in it, beside {empty[0]!r}; fill or remove it")
    return dict(pairs)


def _read_csv(file: Iterable[str]) -> Iterable[tuple[str, str]]:
    reader = csv.DictReader(file, strict=True)
    if not {"class", "name"} <= set(reader.fieldnames or ()):
        raise TypeError(f"its first line is {','.join(reader.fieldnames or ())[:80]!r}")
    for row in reader:
        if None in (row["class"], row["name"]) or None in row:
            raise TypeError(f"line {reader.line_num} has another number of columns than the first")
        yield row["class"], row["name"]


def _read_yaml(file: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Read the pairs of a mapping as they are written: 010 is a class, not the number 8."""
    node = yaml.compose(file, yaml.BaseLoader)
    if not isinstance(node, yaml.MappingNode):
        raise TypeError("it holds no mapping")
    for pair in node.value:
        if not all(isinstance(part, yaml.ScalarNode) for part in pair):
            raise TypeError(f"line {pair[0].start_mark.line + 1} does not name one class")
        yield tuple(part.value for part in pair)


def named(classes: Sequence[str], names: Mapping[str, str]) -> tuple[str, ...]:
    """Give the names by which classes are shown; all of them must have one of their own, where any has.

    Classes of another data set, on which a network is tested, may have these names already.
    """
    if set(classes) <= {*names.values()} or not names:
        return tuple(classes)
    if missing := [name for name in classes if name not in names]:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise ValueError(
            f"display_names names {len(names)} classes, and of this data set not {', '.join(missing[:SHOWN])}{more}. "
            "Name all classes, or leave display_names out."
        )
    shown = tuple(names[name] for name in classes)
    if twice := [name for name, count in Counter(shown).items() if count > 1]:
        same = " and ".join(name for name in classes if names[name] == twice[0])
        raise ValueError(f"display_names calls {same} the same, {twice[0]!r}. Give each class a name of its own.")
    return shown
