"""What a study leaves for people: a page in Markdown and HTML, its pictures, and the leaderboard."""

from __future__ import annotations

from pathlib import Path

from keras_resnet.files import write_atomically
from tuning.report.cost import draw_cost
from tuning.report.findings import Findings, find
from tuning.report.leaderboard import leaderboard_csv
from tuning.report.page import to_html, write_markdown
from tuning.report.parallel_coordinates import draw_parallel
from tuning.report.pictures import draw_curves, draw_effects, draw_pair, to_png
from tuning.results import read_results, write_text


def write_report(folder: Path) -> None:
    """Write `report.md`, `report.html`, `leaderboard.csv` and the pictures of a study, ended or not.

    Args:
        folder: Path of the study.

    Raises:
        ValueError: the folder does not hold a study.
        OSError: there is no space, or no permission.
    """
    findings = find(read_results(folder))
    pictures = _draw(findings)
    (folder / "pictures").mkdir(exist_ok=True)
    for name, data in pictures.items():
        write_atomically(folder / "pictures" / f"{name}.png", lambda part, data=data: part.write_bytes(data))
    page = write_markdown(findings, pictures)
    write_text(folder / "report.md", page)
    write_text(folder / "report.html", to_html(page, pictures))
    write_text(folder / "leaderboard.csv", leaderboard_csv(findings))


def _draw(findings: Findings) -> dict[str, bytes]:
    """Draw what there is to draw, by the names of the files."""
    results = findings.results
    figures = {
        "curves": draw_curves(results, findings.ranked),
        "heat_map": findings.pair and draw_pair(findings.pair, findings.measure),
        "main_effects": findings.effects and draw_effects(findings.effects, findings.measure),
        "parallel_coordinates": len(findings.comparable) > 1 and draw_parallel(results, findings.comparable),
        "cost": findings.comparable and draw_cost(results, findings.comparable),
    }
    return {name: to_png(figure) for name, figure in figures.items() if figure}
