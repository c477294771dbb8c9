"""How Sphinx makes the site: `make docs`."""

from __future__ import annotations

import inspect
import pydoc
import re
import typing
from importlib import resources

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.ext.napoleon import GoogleDocstring
from sphinx.util.docutils import SphinxDirective

from keras_resnet.choices.registry import Parameter, describe
from training.config import recipe_names
from training.config.fields import name_of

project = "keras-resnet-suite"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "myst_nb"]

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_copyright = False

default_role = "code"  # docstrings are Google's, with single backticks for code
napoleon_custom_sections = ["Source"]
napoleon_use_rtype = False
autodoc_member_order = "bysource"
maximum_signature_line_length = 100
python_use_unqualified_type_names = True

# A link to a name that the reference lacks fails the build; types in signatures may be of other packages.
nitpicky = True
nitpick_ignore_regex = [("py:class", ".*")]
myst_heading_anchors = 3

nb_execution_mode = "off"  # a test executes the notebook
nb_render_markdown_format = "myst"


class Choices(SphinxDirective):
    """`.. choices:: module.REGISTRY`: what may be chosen by name, with its parameters."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Describe each entry of the registry."""
        registry = pydoc.locate(self.arguments[0])
        entries = (self.entry(name, registry[name]) for name in registry)
        return self.parse_text_to_nodes("\n\n".join(entries))

    def entry(self, name: str, chosen: typing.Callable) -> str:
        """Describe one entry by its docstring and the annotations of its parameters."""
        docstring = inspect.getdoc(chosen) or ""
        said = re.split(r"^(?:Args|Returns|Raises|Source):", docstring, flags=re.MULTILINE)[0]
        parameters = [f"- `{key}`: {parameter_text(known)}" for key, known in describe(chosen).items()]
        source = re.search(r"^Source:.*", docstring, re.MULTILINE | re.DOTALL)
        lines = as_text([*said.splitlines(), "", *parameters, "", *(source[0].splitlines() if source else ())])
        text = str(GoogleDocstring("\n".join(lines), self.config))
        return f".. describe:: {name}\n\n" + "\n".join(f"   {line}" for line in text.splitlines())


class Options(SphinxDirective):
    """`.. options:: module.TABLE`: fields that are options, with their default and meaning."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Describe each field."""
        rows = [".. list-table::", "   :header-rows: 1", "", "   * - option", "     - default", "     - meaning"]
        for path, field in pydoc.locate(self.arguments[0]).items():
            option = "--" + name_of(path).replace("_", "-")
            default = "" if field.default in (None, (), {}) else f"`{field.default}`"
            rows += [f"   * - `{option}`", f"     - {default}", f"     - {as_text([field.description or ''])[0]}"]
        return self.parse_text_to_nodes("\n".join(rows))


class Recipes(SphinxDirective):
    """`.. recipes::`: the text of every recipe."""

    def run(self) -> list[nodes.Node]:
        """Show each recipe."""
        lines = []
        for name in recipe_names():
            text = resources.files("training").joinpath("recipes", f"{name}.yaml").read_text(encoding="utf-8")
            code = "\n".join(f"      {line}" for line in text.splitlines())
            lines.append(f".. describe:: {name}\n\n   .. code-block:: yaml\n\n{code}")
        return self.parse_text_to_nodes("\n\n".join(lines))


def parameter_text(known: Parameter) -> str:
    """Say what a parameter means, which values it takes, and its default."""
    names = typing.get_args(known.kind) if typing.get_origin(known.kind) is typing.Literal else ()
    kind = " or ".join(map(repr, names)) or (
        "numbers" if typing.get_origin(known.kind) is tuple else known.kind.__name__
    )
    values = f"{kind} {known.bounds}" if known.bounds else kind
    return f"{known.doc}{'; ' if known.doc else ''}{values}; default {known.default!r}"


def as_text(lines: list[str]) -> list[str]:
    """Write a docstring as reStructuredText: `Source: ...` as a section; asterisks and bars outside code as text."""
    adapted = []
    for line in lines:
        source = re.match(r"Source: (.*)", line)
        for part in ("Source:", f"    {source[1]}") if source else (line,):
            code_ended = re.sub(r"(`[^`]+`)(?=\w)", r"\1\\ ", part)  # as in `Level`s
            adapted.append(re.sub(r"(`[^`]*`)|([*|])", lambda found: found[1] or "\\" + found[2], code_ended))
    return adapted


def adapt_docstring(app, what, name, obj, options, lines: list[str]) -> None:
    """Write a docstring as reStructuredText, in place."""
    lines[:] = as_text(lines)


def shorten_signature(app, what, name, obj, options, signature: str | None, returns: str | None):
    """Show a default that depends on other arguments as it is written."""
    return (signature or "").replace("Ellipsis", "...") or signature, returns


def setup(app: Sphinx) -> None:
    """Adapt signatures, and docstrings before napoleon reads them."""
    app.add_directive("choices", Choices)
    app.add_directive("options", Options)
    app.add_directive("recipes", Recipes)
    app.connect("autodoc-process-signature", shorten_signature)
    app.connect("autodoc-process-docstring", adapt_docstring, priority=400)
