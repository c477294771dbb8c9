"""What a study leaves for people: a page in Markdown and HTML, its pictures, and the leaderboard."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from keras_resnet.files import write_atomically
from tuning.report import sections
from tuning.report.cost import draw_cost
from tuning.report.effects_section import effects_section
from tuning.report.findings import Findings, find, reason_of
from tuning.report.leaderboard import leaderboard_csv, leaderboard_text
from tuning.report.page import Block, Heading, Paragraph, to_html, to_markdown
from tuning.report.parallel_coordinates import draw_parallel
from tuning.report.pictures import draw_curves, draw_effects, draw_pair, to_png
from tuning.report.wording import count_text, listing, point_text, searched
from tuning.results import FAILED, KILLED, read_results

__all__ = ["leaderboard_text", "write_report"]


def write_report(folder: Path) -> None:
    """Write `report.md`, `report.html`, `leaderboard.csv` and the pictures of a study, ended or not.

    Args:
        folder: Path of the study.

    Raises:
        ValueError: the folder is not one of a study.
        OSError: there is no space, or no permission.
    """
    findings = find(read_results(folder))
    pictures = _draw(findings)
    blocks = _page(findings, pictures)
    texts = {
        "report.md": to_markdown(blocks),
        "report.html": to_html(blocks, pictures),
        "leaderboard.csv": leaderboard_csv(findings),
    }
    (folder / "pictures").mkdir(exist_ok=True)
    for name, data in pictures.items():
        write_atomically(folder / "pictures" / f"{name}.png", lambda part, data=data: part.write_bytes(data))
    for name, text in texts.items():
        write_atomically(folder / name, lambda part, text=text: part.write_text(text, encoding="utf-8", newline="\n"))


def _draw(findings: Findings) -> dict[str, bytes]:
    """Draw what there is to draw, by the names of the files."""
    results, measure = findings.results, findings.measure
    figures = {"curves": draw_curves(results, findings.ranked)}
    if findings.pair:
        figures["heat_map"] = draw_pair(findings.pair, measure)
    if findings.effects:
        figures["main_effects"] = draw_effects(findings.effects, measure)
    if len(findings.comparable) > 1:
        figures["parallel_coordinates"] = draw_parallel(results, findings.comparable)
    if findings.comparable:
        figures["cost"] = draw_cost(results, findings.comparable)
    return {name: to_png(figure) for name, figure in figures.items() if figure is not None}


def _page(findings: Findings, pictures: dict[str, bytes]) -> list[Block]:
    study = findings.results.study
    names = listing([dimension.name for dimension in searched(study.parsed_space)]) or "one point"
    head: list[Block] = [Heading(f"Study of {names} on {sections.common_field(findings, 'dataset')}", 1)]
    if findings.unfinished:
        head.append(Paragraph(f"This study is not finished: {findings.unfinished}.", "warning"))
    end = [*sections.losses_section(findings), *sections.method_section(findings)]
    if not findings.ranked:
        text = f"No trial has a score, so there is no answer: {_why_none(findings)}."
        return [*head, Paragraph(text, "lead"), *sections.curves_section(pictures), *end]
    return [
        *head,
        Paragraph(headline(findings), "lead"),
        Paragraph(_noise(findings)),
        *sections.finals_section(findings),
        *sections.leaderboard_section(findings),
        *sections.pair_section(findings),
        *effects_section(findings),
        *sections.curves_section(pictures),
        *sections.parallel_section(pictures),
        *sections.cost_section(pictures),
        *end,
    ]


def headline(findings: Findings) -> str:
    """Say what is best, by how much, and whether anything else is as good.

    Args:
        findings: Findings with a score.

    Returns:
        str.
    """
    best, measure, space = findings.best, findings.measure, findings.results.study.parsed_space
    score = f"{measure.with_spread(best.score, best.spread)}{measure.unit}"
    name = "" if measure.unit else "loss "
    text = f"Best: {point_text(space, best)}: {name}{score} on the validation split"
    text += f" ({count_text(len(best.scores), 'seed')})"
    final = findings.final_of(best)
    if final is not None and final.score is not None:
        text += f", {measure.with_spread(final.score, final.spread)}{measure.unit} on the test set"
    if findings.noise is None or best not in findings.compared.trials or len(findings.comparable) < 2:
        return f"{text}."
    rivals = findings.rivals
    if not rivals:
        return f"{text}. No other trial is within noise of it."
    named = "; ".join(point_text(space, trial) for trial in rivals[:3])
    more = ": among them " if len(rivals) > 3 else ": "
    return f"{text}. {count_text(len(rivals), 'other trial is', 'other trials are')} within noise of it{more}{named}."


def _noise(findings: Findings) -> str:
    measure, luck = findings.measure, "The best of many trials is lucky as a rule, which the test results are free of."
    if findings.noise is None:
        return (
            "How much seeds alone change a score is unknown, for no trial was repeated; so no difference on this page "
            f"can be told from noise. Set repeats to 3 to know. {luck}"
        )
    repeats = findings.results.study.repeats
    return (
        f"Noise: from seed to seed the score of one and the same trial has a standard deviation of "
        f"{measure.number(findings.noise.deviation)}{measure.unit} ({findings.noise.freedom} degrees of freedom, the "
        f"better half of the repeated trials together, for poor ones vary more). Two trials of "
        f"{count_text(repeats, 'run')} each that are equally good differ by more than "
        f"{measure.number(findings.least_difference)}{measure.unit} once in twenty times; what differs by less is "
        f"called within noise. {luck}"
    )


def _why_none(findings: Findings) -> str:
    trials = findings.results.trials
    if not trials:
        return "none has begun"
    counts = listing([f"{number} {status}" for status, number in sorted(Counter(t.status for t in trials).items())])
    reasons = [reason_of(trial) for trial in trials if trial.status in (FAILED, KILLED)]
    first = f", the first with: {reasons[0].rstrip('.')}" if reasons else ""
    return f"of {count_text(len(trials), 'trial')}, {counts}{first}"
