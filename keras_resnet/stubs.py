"""The stubs that type checkers and editors read, made of the face, the call of the builders and the table of fields.

`python -m keras_resnet.stubs` (`make stubs`) writes them anew; a test fails where they are not fresh.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from keras_resnet import builders, face
from keras_resnet.architecture.catalogue import CATALOGUE

NOTE = "# Written by `make stubs`; not to be edited.\n"


def written(kind: Any) -> str:
    """Write a type as source code."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is inspect.Parameter.empty:
        return "Any"
    if origin is Literal:
        return f"Literal[{', '.join(map(quoted, parts))}]"
    if origin is tuple:
        return f"tuple[{written(parts[0])}, ...]"
    if origin is Mapping or kind is Callable:
        return "Mapping[str, Any]" if origin is Mapping else "Callable[..., Any]"
    if parts:
        return " | ".join(map(written, parts))
    if kind is NoneType:
        return "None"
    return f"os.{kind.__name__}" if kind.__module__ == "os" else kind.__name__


def quoted(name: str) -> str:
    """Write a string in double quotes, as the formatter does."""
    return f'"{name}"'


def arguments(signature: inspect.Signature) -> str:
    """Write the arguments of a call, one a line; a default that no type checker needs is written `...`."""
    lines, before = [], None
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and before is not parameter.kind:
            lines.append("*")
        default = "" if parameter.default is parameter.empty else " = ..."
        lines.append(f"{parameter.name}: {written(parameter.annotation)}{default}")
        before = parameter.kind
    return "".join(f"    {line},\n" for line in lines)


def builders_stub() -> str:
    """Write the stub of the builders: one call for all named networks."""
    generic, named = builders.signature_of(None), builders.signature_of(next(iter(CATALOGUE.values())))
    method = "".join(f"    {line}\n" for line in ("    self,", *arguments(named).splitlines()))
    return (
        f"{NOTE}\nimport os\nfrom collections.abc import Callable, Mapping\n"
        "from typing import Any, Literal, Protocol\n\n"
        "from keras_resnet.architecture import Architecture\nfrom keras_resnet.model import ResidualNetwork\n\n"
        f"class Builder(Protocol):\n    def __call__(\n{method}    ) -> ResidualNetwork: ...\n\n"
        f"def ResNet(  # noqa: N802\n{arguments(generic)}) -> ResidualNetwork: ...\n\n"
        + "".join(f"{name}: Builder\n" for name in CATALOGUE)
    )


def face_stub() -> str:
    """Write the stub of the package itself: where each public name comes from."""
    lines = [
        f"from keras_resnet.{module} import {name} as {name}"
        for module, names in sorted(face.FACE.items())
        for name in sorted(names)
    ]
    return NOTE + "\n" + "\n".join(lines) + "\n\n__version__: str\n"


STUBS: dict[str, Callable[[], str]] = {"__init__.pyi": face_stub, "builders.pyi": builders_stub}


def write_stubs() -> None:
    """Write all stubs beside the modules that they are of."""
    for name, stub in STUBS.items():
        Path(__file__).with_name(name).write_text(stub(), encoding="utf-8")


if __name__ == "__main__":
    write_stubs()
