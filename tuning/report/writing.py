"""What a study leaves for people: a page in Markdown and HTML, which templates write, its pictures, the leaderboard."""

from __future__ import annotations

import base64
import functools
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import jinja2
import yaml
from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from keras_resnet.files import write_atomically
from tuning.report import sentences, tables
from tuning.report.findings import Findings
from tuning.report.parallel_coordinates import draw_parallel
from tuning.report.pictures import draw_cost, draw_curves, draw_effects, draw_pair, to_png
from tuning.report.training_curves import draw_training
from tuning.report.wording import count_text, listing
from tuning.results import read_results, write_text

FEW_CELLS = 8  # of two choices, which a table tells as well as a picture
# What stands in a column of numbers.
NUMBER = re.compile(r"[-+−≤≥<\d.,e± %–()]+|unknown|diverged \(.+\)")  # noqa: RUF001


def write_report(folder: Path) -> None:
    """Write `report.md`, `report.html`, `leaderboard.csv` and the pictures of a study, ended or not.

    Args:
        folder: Path of the study.

    Raises:
        ValueError: the folder does not hold a study.
        OSError: there is no space, or no permission.
    """
    findings = Findings(read_results(folder))
    template, figures = ("report", search_figures) if findings.study.validation else ("study", study_figures)
    pictures = {name: to_png(figure) for name, figure in figures(findings).items() if figure}
    (folder / "pictures").mkdir(exist_ok=True)
    for name, data in pictures.items():
        write_atomically(folder / "pictures" / f"{name}.png", lambda part, data=data: part.write_bytes(data))
    page = tidy(templates().get_template(f"{template}.md.j2").render(findings=findings, pictures=pictures))
    write_text(folder / "report.md", page)
    write_text(folder / "report.html", to_html(page, pictures))
    write_text(folder / "leaderboard.csv", tables.leaderboard_csv(findings))


def search_figures(findings: Findings) -> dict[str, Figure | None]:
    """Draw what a search for the best has found."""
    results = findings.results
    return {
        "curves": draw_curves(results, findings.ranked),
        "heat_map": draw_pair(findings.pair, findings.measure) if findings.pair else None,
        "main_effects": draw_effects(findings.effects, findings.measure) if findings.effects else None,
        "parallel_coordinates": draw_parallel(results, findings.comparable) if len(findings.comparable) > 1 else None,
        "cost": draw_cost(results, findings.comparable) if findings.comparable else None,
    }


def study_figures(findings: Findings) -> dict[str, Figure | None]:
    """Draw what the runs of a study show that chooses nothing."""
    pair = findings.pair if len(findings.space.searched) == 2 else None  # a cell is one point
    return {
        "training": draw_training(findings.results),
        "heat_map": draw_pair(pair, findings.measure) if pair and len(pair.cells) > FEW_CELLS else None,
    }


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
    return templates().get_template("report.html.j2").render(title=escape(title), body=Markup(body))


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
    write_yaml = functools.partial(yaml.safe_dump, sort_keys=False, default_flow_style=None)
    made.globals |= {"count": count_text, "listing": listing, "quote": shlex.quote, "yaml": write_yaml}
    made.globals |= {"sentences": sentences, "tables": tables}
    made.filters["numeric"] = are_numbers
    return made


def are_numbers(rows: list[list[str]]) -> list[bool]:
    """Tell of each column of a table whether all that stands below its name is a number."""
    return [all(map(NUMBER.fullmatch, column)) for column in zip(*rows[1:])]


def escape_markdown(text: str) -> str:
    """Keep text from being read as Markdown, in one line; an underscore within a word means nothing there."""
    text = re.sub(r"([\\`*\[\]<&|~])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
