"""The page of a report: a template writes it in Markdown, which is converted to HTML."""

from __future__ import annotations

import base64
import functools
import re
import shlex
from collections.abc import Mapping
from typing import Any

import jinja2
import yaml
from markdown_it import MarkdownIt
from markupsafe import Markup

from tuning.report import sentences, tables
from tuning.report.findings import Findings
from tuning.report.leaderboard import leaderboard_rows
from tuning.report.wording import count_text

NUMBER = re.compile(r"[-−≤≥<\d.,e± %–()]+|unknown")  # noqa: RUF001 - what stands in a column of numbers


def write_markdown(findings: Findings, pictures: Mapping[str, bytes]) -> str:
    """Write the page as Markdown, its pictures as files beside it."""
    return tidy(templates().get_template("report.md.j2").render(findings=findings, pictures=pictures))


def tidy(page: str) -> str:
    """Leave one blank line where a template leaves several."""
    return re.sub(r"\n{3,}", "\n\n", page).strip() + "\n"


def to_html(page: str, pictures: Mapping[str, bytes]) -> str:
    """Turn a page in Markdown, whose first line is its title, into HTML that needs no other file."""
    reader = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).enable("table")
    title = "".join(part.content for part in reader.parseInline(page.splitlines()[0].lstrip("# "))[0].children)
    body = reader.render(page)
    for name, data in pictures.items():
        source = f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
        body = body.replace(f'src="pictures/{name}.png"', f'src="{source}"')
    return (
        jinja2.Environment(loader=templates().loader, autoescape=True)
        .get_template("report.html.j2")
        .render(title=title, body=body)
    )


@functools.cache
def templates() -> jinja2.Environment:
    """Make what fills templates in Markdown; whatever it is given is escaped."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("tuning.report"),
        autoescape=True,  # tells what macros return from text
        finalize=lambda value: value if isinstance(value, Markup) else Markup(escape_markdown(str(value))),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"count": count_text, "quote": shlex.quote, "yaml": to_yaml, "leaderboard_rows": leaderboard_rows}
    made.globals |= {"sentences": sentences, "tables": tables}
    made.filters["numeric"] = are_numbers
    return made


def are_numbers(rows: list[list[str]]) -> list[bool]:
    """Tell of each column of a table whether all that stands below its name is a number."""
    return [all(map(NUMBER.fullmatch, column)) for column in zip(*rows[1:])]


def to_yaml(space: Mapping[str, Any]) -> str:
    """Write a search space as it stands in a study's file."""
    return yaml.safe_dump(dict(space), sort_keys=False, default_flow_style=None).rstrip()


def escape_markdown(text: str) -> str:
    """Keep text from being read as Markdown, in one line; an underscore within a word means nothing there."""
    text = re.sub(r"([\\`*\[\]<&|~])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
