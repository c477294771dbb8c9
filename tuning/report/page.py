"""A page as a list of blocks, and what it is in Markdown and in HTML."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass

NUMBER = re.compile(r"[-−≤≥<\d.,e± %–()]+|unknown")  # noqa: RUF001 - what stands in a column of numbers
STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #ffffff; --line: #d5dae1; --soft: #f4f6f8; --mark: #0b62a4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e7ec; --paper: #14181d; --line: #363d47; --soft: #1e242b; --mark: #6db3ea; }
}
body { font: 15px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 80rem;
  margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 0.6rem; padding-bottom: 0.25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 0.4rem; }
p { max-width: 52rem; margin: 0.6rem 0; }
p.lead { font-size: 1.12rem; border-left: 4px solid var(--mark); padding: 0.2rem 0 0.2rem 0.9rem; }
p.warning { border-left: 4px solid #d08700; padding: 0.2rem 0 0.2rem 0.9rem; }
.wide { overflow-x: auto; margin: 0.8rem 0; }
table { border-collapse: collapse; font-size: 0.87rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.28rem 0.7rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
td { max-width: 36rem; }
th { background: var(--soft); vertical-align: bottom; }
th.number, td.number { text-align: right; }
td.number { white-space: nowrap; }
img { max-width: 100%; height: auto; background: #ffffff; border: 1px solid var(--line); border-radius: 6px;
  padding: 8px; box-sizing: border-box; }
pre { background: var(--soft); padding: 0.7rem 0.9rem; border-radius: 6px; overflow-x: auto; font-size: 0.85rem; }
""".strip()


@dataclass(frozen=True)
class Heading:
    """A heading of level 1 to 3."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text; its kind is "plain", "lead" for the answer, or "warning"."""

    text: str
    kind: str = "plain"


@dataclass(frozen=True)
class Table:
    """A table of plain text; columns of numbers are set to the right, columns without names have no head."""

    columns: list[str]
    rows: list[list[str]]

    @property
    def are_numbers(self) -> list[bool]:
        """Whether a column holds numbers, for each."""
        return [all(NUMBER.fullmatch(row[place]) for row in self.rows) for place in range(len(self.columns))]


@dataclass(frozen=True)
class Picture:
    """A picture by its file's name without ending, and what it shows."""

    name: str
    caption: str


@dataclass(frozen=True)
class Code:
    """Lines for a terminal or a file."""

    text: str


Block = Heading | Paragraph | Table | Picture | Code


def to_markdown(blocks: list[Block]) -> str:
    """Write a page as Markdown, its pictures as files beside it.

    Args:
        blocks: list of blocks.

    Returns:
        str.
    """
    return "\n\n".join(map(_markdown, blocks)) + "\n"


def to_html(blocks: list[Block], pictures: Mapping[str, bytes]) -> str:
    """Write a page as HTML that needs no other file.

    Args:
        blocks: list of blocks, the first of them the heading that names the page.
        pictures: mapping of names to PNG files.

    Returns:
        str.
    """
    body = "\n".join(_html(block, pictures) for block in blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(blocks[0].text)}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n{body}\n"
        "</body>\n</html>\n"
    )


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_escape(text)}"
        case Paragraph(text, kind):
            return _escape(text) if kind == "plain" else f"**{_escape(text)}**"
        case Picture(name, caption):
            return f"![{_escape(caption)}](pictures/{name}.png)"
        case Code(text):
            return f"```\n{text}\n```"
        case Table(columns, rows):
            marks = ["---:" if is_number else "---" for is_number in block.are_numbers]
            lines = [[_escape(cell) for cell in row] for row in (columns, *rows)]
            return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], marks, *lines[1:]))


def _escape(text: str) -> str:
    """Keep text from being read as Markdown; an underscore within a word means nothing there."""
    text = re.sub(r"([\\`*\[\]<&|~])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)


def _html(block: Block, pictures: Mapping[str, bytes]) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Paragraph(text, kind):
            return f'<p class="{kind}">{html.escape(text)}</p>'
        case Picture(name, caption):
            data = base64.b64encode(pictures[name]).decode("ascii")
            return f'<div class="wide"><img alt="{html.escape(caption)}" src="data:image/png;base64,{data}"></div>'
        case Code(text):
            return f"<pre>{html.escape(text)}</pre>"
        case Table(columns, rows):
            lines = [_html_row("td", row, block.are_numbers) for row in rows]
            head = [_html_row("th", columns, block.are_numbers)] if any(columns) else []
            return '<div class="wide"><table>\n' + "\n".join([*head, *lines]) + "\n</table></div>"


def _html_row(tag: str, cells: list[str], are_numbers: list[bool]) -> str:
    parts = [
        f'<{tag} class="number">{html.escape(cell)}</{tag}>' if is_number else f"<{tag}>{html.escape(cell)}</{tag}>"
        for cell, is_number in zip(cells, are_numbers)
    ]
    return f"<tr>{''.join(parts)}</tr>"
