"""How Sphinx makes the site: `make docs`."""

from __future__ import annotations

import re

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


def adapt_docstring(app, what, name, obj, options, lines: list[str]) -> None:
    """Write a docstring as reStructuredText: `Source: ...` as a section; asterisks and bars outside code as text."""
    adapted = []
    for line in lines:
        source = re.match(r"Source: (.*)", line)
        for part in ("Source:", f"    {source[1]}") if source else (line,):
            code_ended = re.sub(r"(`[^`]+`)(?=\w)", r"\1\\ ", part)  # as in `Level`s
            adapted.append(re.sub(r"(`[^`]*`)|([*|])", lambda found: found[1] or "\\" + found[2], code_ended))
    lines[:] = adapted


def shorten_signature(app, what, name, obj, options, signature: str | None, returns: str | None):
    """Show a default that depends on other arguments as it is written."""
    return (signature or "").replace("Ellipsis", "...") or signature, returns


def setup(app) -> None:
    """Adapt signatures, and docstrings before napoleon reads them."""
    app.connect("autodoc-process-signature", shorten_signature)
    app.connect("autodoc-process-docstring", adapt_docstring, priority=400)
