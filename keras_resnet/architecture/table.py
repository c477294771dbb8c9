"""The table of the fields of an Architecture, read off their annotations."""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from keras_resnet.architecture.fields import Fields
from keras_resnet.architecture.marks import HARMLESS, Counts, Names, OneOf, Registered
from keras_resnet.choices.registry import Range, check_flag, check_number
from keras_resnet.messages import unknown


class Field(NamedTuple):
    """A row of the table: all that is known of one field.

    Args:
        name: str.
        kind: its type; that of a field whose values are names is a `Literal`.
        default: its default, or `dataclasses.MISSING`.
        doc: str, what it means.
        marks: tuple of what else its annotation says, as in `Range` and `HARMLESS`.
    """

    name: str
    kind: Any
    default: Any
    doc: str
    marks: tuple[Any, ...]

    @property
    def is_harmless(self) -> bool:
        """Whether the field leaves the function of trained weights as it is."""
        return HARMLESS in self.marks

    @property
    def is_required(self) -> bool:
        """Whether the field has no default."""
        return self.default is dataclasses.MISSING

    @property
    def is_tuple(self) -> bool:
        """Whether the value is a tuple."""
        return get_origin(self.kind) is tuple

    @property
    def written_kind(self) -> str:
        """The type as users read it, as in "int or None"."""
        return _written(self.kind)

    def parameter(self, default: Any) -> inspect.Parameter:
        """The field as a keyword-only argument."""
        return inspect.Parameter(self.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=self.kind)

    def check(self, value: Any) -> None:
        """Refuse a value that is not allowed."""
        kinds = get_args(self.kind) or (self.kind,)
        if value is None and NoneType in kinds:
            return
        if get_origin(self.kind) is Literal and value not in kinds:
            raise ValueError(unknown(self.name, value, kinds))
        if self.kind is bool:
            check_flag(self.name, value)
        for mark in self.marks:
            if isinstance(mark, Range):
                check_number(self.name, value, kinds[0], mark)
            elif isinstance(mark, (Counts, Names)):
                mark.check(self.name, value)
            elif callable(mark):
                mark(value)


def _row(name: str, annotation: Any, default: Any) -> Field:
    kind, *marks = get_args(annotation)
    table = next((mark.table for mark in marks if isinstance(mark, OneOf)), None)
    (doc,) = (mark for mark in marks if isinstance(mark, str))
    others = tuple(mark for mark in marks if mark is not doc)
    for mark in others:
        if isinstance(mark, Registered):
            doc += f"; names are {', '.join(mark.registry)}"
    return Field(name, kind if table is None else Literal[tuple(table)], default, doc, others)


def _rows() -> dict[str, Field]:
    annotations = get_type_hints(Fields, include_extras=True)
    return {
        field.name: _row(field.name, annotations[field.name], field.default) for field in dataclasses.fields(Fields)
    }


def _written(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return _joined(f'"{name}"' for name in parts)
    if origin is tuple:
        return f"tuple of {parts[0].__name__}s"
    if kind is Callable:
        return "callable"
    if origin is Mapping:
        return "mapping"
    return _joined(map(_written, parts)) if parts else {NoneType: "None"}.get(kind, kind.__name__)


def _joined(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


TABLE: dict[str, Field] = _rows()
FIELDS: tuple[str, ...] = tuple(TABLE)


def argument_list(indent: str) -> str:
    """Write the fields as the list of arguments in a docstring."""
    wrapper = textwrap.TextWrapper(120, indent, f"{indent}    ", break_long_words=False)
    return "\n".join(wrapper.fill(f"{name}: {_argument(field)}.") for name, field in TABLE.items())


def _argument(field: Field) -> str:
    default = "" if field.is_required else f" (default {field.default!r})"
    return f"{field.written_kind}{default}, {field.doc}"
