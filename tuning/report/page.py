"""The page of a report: a template gives it as Markdown, of which the HTML is made."""

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
from tuning.report.wording import count_text, listing

LEADERBOARD = 20  # rows on the page
NUMBER = re.compile(r"[-−≤≥<\d.,e± %–()]+|unknown")  # noqa: RUF001 - what stands in a column of numbers


def write_markdown(findings: Findings, pictures: Mapping[str, bytes]) -> str:
    """Write the page as Markdown, its pictures as files beside it."""
    return tidy(templates().get_template("report.md.j2").render(pictures=pictures, **_content(findings)))


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
    made.globals |= {"count": count_text, "quote": shlex.quote}
    made.filters["numeric"] = are_numbers
    return made


def _content(findings: Findings) -> dict[str, Any]:
    """Give what the page says, by the names that the template uses."""
    study = findings.results.study
    names = listing([dimension.name for dimension in study.parsed_space.searched]) or "one point"
    by_importance = sorted(
        findings.effects, key=lambda effect: (effect.p is None, effect.p or 0.0, -(effect.share or 0))
    )
    return {
        "findings": findings,
        "title": f"Study of {names} on {tables.common_field(findings, 'dataset')}",
        "folder": findings.results.folder.resolve().name,
        "space": yaml.safe_dump(study.space, sort_keys=False, default_flow_style=None).rstrip(),
        "unfinished": sentences.unfinished(findings),
        "headline": sentences.headline(findings) if findings.ranked else "",
        "why_none": sentences.why_none(findings),
        "basis": sentences.basis(findings),
        "what_matters": sentences.what_matters(by_importance),
        "untold": sentences.untold(findings),
        "leaderboard": leaderboard_rows(findings, LEADERBOARD),
        "finals": tables.finals_rows(findings),
        "cells": tables.pair_rows(findings) if findings.pair else [],
        "effects": tables.effect_rows(by_importance),
        "levels": tables.level_rows(findings),
        "lost": tables.lost_rows(findings),
        "method": tables.method_rows(findings),
    }


def are_numbers(rows: list[list[str]]) -> list[bool]:
    """Tell of each column of a table whether all that stands below its name is a number."""
    return [all(map(NUMBER.fullmatch, column)) for column in zip(*rows[1:])]


def escape_markdown(text: str) -> str:
    """Keep text from being read as Markdown, in one line; an underscore within a word means nothing there."""
    text = re.sub(r"([\\`*\[\]<&|~])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
